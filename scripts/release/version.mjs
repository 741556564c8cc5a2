// Gives the crates and the lock files the version of package.json, and what stood under "Unreleased" in CHANGELOG.md to the
// section of that version. Run by `npm run release:version`, after changesets has raised the version.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { manifest, root } from '../targets.mjs'

const { version } = manifest()

function rewrite(name, change) {
  const path = new URL(name, root)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

rewrite('Cargo.toml', (text) => text.replace(/(\[workspace\.package\]\s+version = ")[^"]+/, `$1${version}`))
rewrite('package-lock.json', (text) => {
  const lock = JSON.parse(text)
  lock.version = lock.packages[''].version = version
  return `${JSON.stringify(lock, null, 2)}\n`
})
rewrite('CHANGELOG.md', (text) => (text.includes(`\n## ${version}\n`) ? text.replace(/^## Unreleased\n+/m, '') : text.replace(/^## Unreleased$/m, `## ${version}`)))
// Cargo.lock has the versions of the workspace's own crates as well.
execFileSync('cargo', ['update', '--workspace', '--offline'], { cwd: fileURLToPath(root), stdio: 'inherit' })
