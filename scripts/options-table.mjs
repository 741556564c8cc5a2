// Prints docs/options.md from the table of options in the sources.
// Usage: node --import=@oxc-node/core/register scripts/options-table.mjs > docs/options.md
import { readFileSync } from 'node:fs'
import { DEFAULTS, allowedValues, hasEffect } from '../src/options/option-table.ts'

const source = readFileSync(new URL('../src/options/option-table.ts', import.meta.url), 'utf8')
const declared = source.slice(source.indexOf('export interface OptionValues'))
const described = [...declared.matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+):/g)].map(([, text, name]) => [name, text]).filter(([name]) => hasEffect(name))

function shown(name) {
  const value = DEFAULTS[name]
  return Array.isArray(value) ? value.join(', ') || 'none' : String(value)
}

export const table = `# Options

\`new HttpServer(listen, handler, { http1Timeout: 30 })\`, or \`Options.from({ … })\`. Times are seconds, sizes bytes.
Each has a getter and a \`with…\` that gives a changed copy. An unknown name or a wrong value throws at once.
An option that has no effect in this release isn't in the table; a value that asks for its effect throws.
\`BUSBAR_KEEP_ALIVE_TIMEOUT\` in the environment overrides \`http1Timeout\` and \`localHttp1Timeout\`.

| option | default | allowed | meaning |
|---|---|---|---|
${described.map(([name, text]) => `| \`${name}\` | ${shown(name)} | ${allowedValues(name)} | ${text} |`).join('\n')}
`

if (process.argv[1] === new URL(import.meta.url).pathname) process.stdout.write(table)
