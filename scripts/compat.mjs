// Runs the test suites of packages that are used with node:http, on Node's own servers and on busbar's, and writes the
// table in docs/node-http.md.
//
// Usage: npm run compat -- --sources DIR [--node MAJOR]... [NAME...]
// DIR has the repository of each package, as OWNER+NAME/repo (bare) or as a checkout OWNER+NAME. Nothing of them is kept:
// they are copied to target/compat, where their dependencies are installed, once. Without names all suites that DIR has
// are run, on Node 20 and 24 unless --node says otherwise; a Node that isn't the running one is installed from npm.
// The output of each run is target/compat/NAME-node.log and NAME-busbar.log.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compare, nodeFolder, prepare } from './compat/measure.mjs'
import { SUITES } from './compat/suites.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const BEGIN = '<!-- compat: written by scripts/compat.mjs -->\n'
const END = '<!-- /compat -->'
const PAGE = join(root, 'docs/node-http.md')
const HEAD = `| package | Node | on node:http | on busbar | servers | what fails only on busbar |\n|---|---|---|---|---|---|`
const USAGE = 'usage: npm run compat -- --sources DIR [--node MAJOR]... [NAME...]'

function fail(message) {
  console.error(`compat: ${message}`)
  process.exit(1)
}

/** Why tests fail only on busbar, each reason with the number of its tests; a test without a reason by its name. */
function reasonsFor(only, { reasons = {} }) {
  const counted = new Map()
  for (const name of only) {
    const found = Object.entries(reasons).find(([words]) => name.includes(words))?.[1]
    if (found === undefined) process.exitCode = 1
    const reason = found ?? `**\`${name.replaceAll('|', '\\|')}\`**`
    counted.set(reason, (counted.get(reason) ?? 0) + 1)
  }
  return [...counted].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count})`)).join('; ')
}

function known() {
  const table = readFileSync(PAGE, 'utf8').split(BEGIN)[1].split(END)[0]
  return table.trim().split('\n').slice(2).filter((row) => row.split(' | ').length === 6)
}

/** Puts a row into the table, in place of the one of the same package, branch and Node. Other runs may have written since. */
function write(row) {
  const byKey = new Map([...known(), row].map((text) => [keyOf(text), text]))
  const rows = [...byKey].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text)
  const [before, rest] = readFileSync(PAGE, 'utf8').split(BEGIN)
  const [, after] = rest.split(END)
  writeFileSync(PAGE, `${before}${BEGIN}${[HEAD, ...rows].join('\n')}\n${END}${after}`)
}

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { sources: { type: 'string' }, node: { type: 'string', multiple: true, default: ['20', '24'] }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(`${USAGE}\nNAMEs: ${SUITES.map(({ name }) => name).join(' ')}`)
  process.exit(0)
}
if (values.sources === undefined) fail(USAGE)
if (!existsSync(join(root, 'dist/register.js'))) fail('run npm run build first')
const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name))
if (unknown.length > 0) fail(`there is no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`)

function keyOf(row) {
  const [, title, node] = /^\| (.*?) \| (\d+) \|/.exec(row)
  const [name, version] = title.split(' ')
  return `${name} ${version.split('.')[0].padStart(3)} ${node}`
}

for (const suite of SUITES.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const directory = prepare(resolve(values.sources), suite)
  if (directory === null) continue
  const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const title = suite.title?.(directory) ?? `${name} ${version}`
  for (const node of values.node) {
    const { all, onNode, onBusbar, servers, only } = await compare(directory, suite, nodeFolder(node))
    const row = `| ${title} | ${node} | ${onNode} of ${all} | ${onBusbar} of ${all} | ${servers} | ${reasonsFor(only, suite)} |`
    console.log(row)
    write(row)
  }
}
