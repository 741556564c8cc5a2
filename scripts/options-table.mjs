// Prints docs/options.md from the table of options in the sources.
// Usage: node --import=@oxc-node/core/register scripts/options-table.mjs > docs/options.md
import { readFileSync } from 'node:fs'
import { DEFAULTS, allowedValues } from '../src/options/option-table.ts'

const source = readFileSync(new URL('../src/options/option-table.ts', import.meta.url), 'utf8')
const declared = source.slice(source.indexOf('export interface OptionValues'))
const described = [...declared.matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+):/g)].map(([, text, name]) => [name, text])

function shown(name) {
  const value = DEFAULTS[name]
  if (name === 'memoryLimit') return 'a quarter of the memory that the process may use'
  return Array.isArray(value) ? value.join(', ') || 'none' : String(value)
}

export const table = `# Options

\`new HttpServer(listen, handler, { http1Timeout: 30 })\`, or \`Options.from({ … })\`. Times are seconds, sizes bytes.
Each has a getter and a \`with…\` that gives a changed copy. An unknown name or a wrong value throws at once.
\`BUSBAR_KEEP_ALIVE_TIMEOUT\` in the environment overrides \`http1Timeout\` and \`localHttp1Timeout\`.

| option | default | allowed | meaning |
|---|---|---|---|
${described.map(([name, text]) => `| \`${name}\` | ${shown(name)} | ${allowedValues(name)} | ${text} |`).join('\n')}
`

if (process.argv[1] === new URL(import.meta.url).pathname) process.stdout.write(table)
