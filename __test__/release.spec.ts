import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { machO, pe } from './binaries.ts'
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

/** The faults of a made library as a binary for a target. */
function faultsOf(name: string, bytes: Buffer): string[] {
  const path = join(folder, `${name}-made.node`)
  writeFileSync(path, bytes)
  return [...binaryFaults(targets().find((each) => each.name === name)!, path)]
}

const ENTRY = 'napi_register_module_v1'
const SYSTEM = '/usr/lib/libSystem.B.dylib'

test('a library of macOS is accepted with the entry, libraries of the system, and a macOS that Node runs on', (t) => {
  t.deepEqual(faultsOf('darwin-arm64', machO({ cpu: 'arm64', exports: ['other', ENTRY], libraries: [SYSTEM], macos: '11.0' })), [])
  t.deepEqual(faultsOf('darwin-x64', machO({ cpu: 'x64', exports: [ENTRY], libraries: [SYSTEM], macos: '10.12' })), [])
})

test('a library of macOS with any of these faults is refused', (t) => {
  const bytes = machO({ cpu: 'arm64', exports: ['other'], libraries: [SYSTEM, '/opt/lib/libssl.3.dylib'], macos: '13.3' })
  t.deepEqual(faultsOf('darwin-arm64', bytes), [
    `busbar.darwin-arm64.node doesn't export ${ENTRY}, so Node can't load it; it exports other`,
    'busbar.darwin-arm64.node needs /opt/lib/libssl.3.dylib, which not every system has',
    'busbar.darwin-arm64.node asks for macOS 13.3; it has to run with 11.0',
  ])
  t.deepEqual(faultsOf('darwin-x64', bytes), ["busbar.darwin-x64.node isn't a binary for darwin x64"])
})

test('a library of Windows is accepted with the entry and libraries of the system', (t) => {
  const libraries = ['KERNEL32.dll', 'bcryptprimitives.dll', 'api-ms-win-crt-heap-l1-1-0.dll']
  t.deepEqual(faultsOf('win32-x64-msvc', pe({ cpu: 'x64', exports: [ENTRY, 'other'], libraries })), [])
  t.deepEqual(faultsOf('win32-arm64-msvc', pe({ cpu: 'arm64', exports: [ENTRY], libraries })), [])
})

test("a library of Windows without the entry, or with Visual Studio's C library, is refused", (t) => {
  t.deepEqual(faultsOf('win32-x64-msvc', pe({ cpu: 'x64', exports: [], libraries: ['VCRUNTIME140.dll'] })), [
    `busbar.win32-x64-msvc.node doesn't export ${ENTRY}, so Node can't load it; it exports nothing`,
    'busbar.win32-x64-msvc.node needs VCRUNTIME140.dll, which not every system has',
  ])
  t.deepEqual(faultsOf('win32-x64-msvc', Buffer.from('MZ')), ["busbar.win32-x64-msvc.node isn't a binary for win32 x64"])
})
