/**
 * Checks that crates/NOTICE has the licences of all crates that are linked into the addon; with --write it writes them.
 * The packages with binaries have it at the end of their NOTICE.
 *
 * Equal texts stand there once, with the copyright lines of all crates that have them.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { linkedCrates } from './crates.mjs'
import { root } from './targets.mjs'

const notice = new URL('crates/NOTICE', root)
const HEAD = "The crates below are linked into busbar's native addon. Each list is followed by the licence of its crates.\n"

/** Where several licences may be chosen it is MIT. */
function licenceFile({ manifest_path: manifest }) {
  const directory = dirname(manifest)
  const files = readdirSync(directory).filter((file) => /^(licen[cs]e|copying)/i.test(file))
  const chosen = ['LICENSE-MIT', 'LICENSE', 'LICENSE.md', 'LICENSE.txt'].find((file) => files.includes(file))
  return chosen === undefined ? null : readFileSync(join(directory, chosen), 'utf8')
}

/** The text without its copyright lines, and these. Crates whose text has several licences keep it as it is. */
function parts(crate) {
  const text = licenceFile(crate)?.replaceAll('\r', '') ?? null
  if (text === null) return { copyright: [`Copyright (c) the authors of ${crate.name}`], body: null }
  if (text.length > 5000) return { copyright: [], body: text.trim() }
  const lines = text.split('\n')
  const isCopyright = (line) => /^\s*(Portions )?(Copyright|\(c\)) .*\d|^\s*Copyright (\(c\)|©) /i.test(line) && !/notice/.test(line)
  const isTitle = (line) => /^\s*(The )?(MIT|ISC) License( \(MIT\))?:?\s*$|^=+$|^#/i.test(line)
  const copyright = lines.filter(isCopyright).map((line) => line.trim())
  return { copyright, body: lines.filter((line) => !isCopyright(line) && !isTitle(line)).join('\n').trim() }
}

function written() {
  const groups = new Map()
  const crates = linkedCrates().map((crate) => ({ crate, ...parts(crate) }))
  const sameAs = (body) => body.replace(/\W+/g, ' ').toLowerCase()
  // The text of a crate that has none is the usual one.
  const mit = crates.find(({ body }) => body?.startsWith('Permission is hereby granted'))?.body
  for (const { crate, copyright, body } of crates) {
    const text = body ?? mit
    const group = groups.get(sameAs(text)) ?? { text, names: [] }
    groups.set(sameAs(text), group)
    group.names.push([`  ${crate.name} ${crate.version}`, ...copyright.map((line) => `    ${line}`)].join('\n'))
  }
  const sections = [...groups.values()].map(({ text, names }) => `${'-'.repeat(80)}\n\n${names.join('\n')}\n\n${text}\n`)
  return `${HEAD}\n${sections.join('\n')}`
}

const present = existsSync(notice) ? readFileSync(notice, 'utf8') : ''
const wanted = written()
if (process.argv.includes('--write')) writeFileSync(notice, wanted)
else if (wanted !== present) {
  process.stderr.write('crates/NOTICE lacks licences of crates: node scripts/notice.mjs --write\n')
  process.exit(1)
}
