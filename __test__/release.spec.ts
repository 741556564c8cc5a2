import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { releasedTargets } from './released.ts'

interface Target {
  readonly name: string
  readonly file: string
}

const script = (name: string): string => new URL(`../scripts/${name}`, import.meta.url).href
const { binaryFaults } = (await import(script('release/checks.mjs'))) as { binaryFaults: (target: Target, path: string) => Iterable<string> }
const { targets } = (await import(script('targets.mjs'))) as { targets: () => Target[] }

const file = 'busbar.linux-x64-gnu.node'
const addon = fileURLToPath(new URL(`../${file}`, import.meta.url))
/** The addon that is changed here is that of Linux x64. */
const onLinux = existsSync(addon) ? test : test.skip
const folder = mkdtempSync(join(tmpdir(), 'busbar-release-'))
test.after.always(() => rmSync(folder, { recursive: true }))

/** The faults of the addon of this clone as a binary for a target, with some of its text replaced by text of the same length. */
function faultsFor(name: string, from = '', to = ''): string[] {
  const target = targets().find((each) => each.name === name)!
  const path = join(folder, `${name}-${to}.node`)
  const bytes = readFileSync(addon)
  for (let at = bytes.indexOf(from); from !== '' && at !== -1; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1')
  writeFileSync(path, bytes)
  // A clone is built for its own glibc.
  return [...binaryFaults(target, path)].filter((fault) => to.startsWith('GLIBC') || !fault.includes('needs glibc'))
}

test('each released target has its own file and package', (t) => {
  t.deepEqual(targets().map(({ name }) => name), releasedTargets().map(({ name }) => name))
  t.is(new Set(targets().map((target) => target.file)).size, targets().length)
})

onLinux('the addon of the clone is a binary for its system', (t) => {
  t.deepEqual(faultsFor('linux-x64-gnu'), [])
})

for (const name of ['linux-arm64-gnu', 'darwin-x64', 'win32-x64-msvc']) {
  onLinux(`a binary of another system or processor is refused as one for ${name}`, (t) => {
    const [fault, ...more] = faultsFor(name)
    t.regex(fault!, /^busbar\.\S+\.node isn't a binary for \w+ \w+$/)
    t.deepEqual(more, [])
  })
}

onLinux('a binary without the function that Node looks for is refused', (t) => {
  t.deepEqual(faultsFor('linux-x64-gnu', 'napi_register_module_v1', 'napi_register_module_v0'), [
    `${file} doesn't export napi_register_module_v1, so Node can't load it; it exports napi_register_module_v0`,
  ])
})

onLinux('a binary that needs a library of its own is refused', (t) => {
  t.deepEqual(faultsFor('linux-x64-gnu', 'libgcc_s.so.1', 'libown_s.so.1'), [`${file} needs libown_s.so.1, which not every system has`])
})

onLinux('a binary that is linked with glibc is refused as one for musl', (t) => {
  t.true(faultsFor('linux-x64-musl').includes('busbar.linux-x64-musl.node needs libc.so.6, which not every system has'))
})

onLinux('a binary that needs a newer glibc is refused', (t) => {
  t.deepEqual(faultsFor('linux-x64-gnu', 'GLIBC_2.14', 'GLIBC_2.99'), [`${file} needs glibc 2.99; it has to run with 2.17`])
})
