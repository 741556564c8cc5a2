// The crates of the registry that are linked into the addon, on any of the released systems.
import { spawnSync } from 'node:child_process'
import { root, targets } from './targets.mjs'

function cargo(...args) {
  const { status, stdout, stderr } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

/** Packages of `cargo metadata` by name: no macros, and nothing that only builds. */
export function linkedCrates() {
  const systems = targets().flatMap(({ triple }) => ['--target', triple])
  const tree = cargo('tree', '--package', 'binding', '--edges', 'normal,no-proc-macro', '--prefix', 'none', '--no-dedupe', '--locked', ...systems)
  const named = new Set(tree.split('\n').map((line) => line.split(' ').slice(0, 2).join(' ')))
  const { packages } = JSON.parse(cargo('metadata', '--format-version', '1', '--locked'))
  return packages
    .filter(({ name, version, source }) => source !== null && named.has(`${name} v${version}`))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
