// Prints what CHANGELOG.md says of the version in package.json: the notes of its release.
import { readFileSync } from 'node:fs'
import { manifest, root } from '../targets.mjs'

const { version } = manifest()
const sections = readFileSync(new URL('CHANGELOG.md', root), 'utf8').split(/^## /m)
const found = sections.find((section) => section.split(/\s/, 1)[0] === version)
if (found === undefined) {
  console.error(`notes: CHANGELOG.md has no section ${version}`)
  process.exit(1)
}
process.stdout.write(found.slice(version.length).trimStart())
