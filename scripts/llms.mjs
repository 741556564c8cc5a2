// Writes the documentation for language models beside the site: llms.txt, what there is, and llms-full.txt, all of it.
//
// Usage: node scripts/llms.mjs    after typedoc; `npm run docs` does both
import { readFileSync, writeFileSync } from 'node:fs'

const root = new URL('..', import.meta.url)
const read = (path) => readFileSync(new URL(path, root), 'utf8')
const { description } = JSON.parse(read('package.json'))
const index = read('docs/index.md')
const pages = [...new Set([...index.matchAll(/\]\(([a-z0-9-]+)\.md\)/g)].map(([, name]) => name))]

const about = `# busbar\n\n> ${description}\n\nInstall it by \`npm install busbar\`. All of this page in one file: [llms-full.txt](llms-full.txt)\n`
const sections = index.slice(index.indexOf('**')).replaceAll(/^\*\*(.+)\*\*$/gm, '\n## $1\n').replaceAll(/\]\(([a-z0-9-]+)\.md\)/g, '](documents/$1.html)')
writeFileSync(new URL('target/site/llms.txt', root), `${about}${sections}`)

const whole = pages.map((name) => read(`docs/${name}.md`).trim())
writeFileSync(new URL('target/site/llms-full.txt', root), `${about}\n${[read('README.md').trim(), ...whole].join('\n\n---\n\n')}\n`)
