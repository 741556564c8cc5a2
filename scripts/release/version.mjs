// Gives the crates the version of package.json. Run by `npm run release:version`, after changesets has raised that one.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { manifest, root } from '../targets.mjs'

const path = new URL('Cargo.toml', root)
const text = readFileSync(path, 'utf8')
const raised = text.replace(/(\[workspace\.package\]\s+version = ")[^"]+/, `$1${manifest().version}`)
writeFileSync(path, raised)
// Cargo.lock has the versions of the workspace's own crates as well.
execFileSync('cargo', ['update', '--workspace', '--offline'], { cwd: fileURLToPath(root), stdio: 'inherit' })
