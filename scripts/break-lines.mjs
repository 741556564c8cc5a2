// Begins a line for each statement and each member of a class in minified code. Node prints the line in which an error that
// nothing catches was thrown; without this that would be a whole file.
import { parseAst } from 'rolldown/parseAst'

/** The node types whose lists of statements or members are broken, and the name of that list. */
const LISTS = { Program: 'body', BlockStatement: 'body', StaticBlock: 'body', ClassBody: 'body', SwitchCase: 'consequent' }

/** Where the nodes of such lists begin, below a node. */
function* beginnings(node) {
  if (node === null || typeof node !== 'object') return
  const list = LISTS[node.type]
  if (list !== undefined) for (const { start } of node[list]) yield start
  for (const child of Array.isArray(node) ? node : Object.values(node)) yield* beginnings(child)
}

/** The same code on more lines. A list begins behind a brace, a colon or a semicolon, where a line may end. */
export function breakLines(code) {
  const places = [...new Set(beginnings(parseAst(code)))].toSorted((one, other) => one - other).filter((at) => at > 0 && code[at - 1] !== '\n')
  return [0, ...places].map((at, index) => code.slice(at, places[index])).join('\n')
}
