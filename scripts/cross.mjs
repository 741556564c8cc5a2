// Builds the binaries for all systems on one machine, with zig as compiler and linker of C.
//
// Usage: node scripts/cross.mjs [NAME…]       builds these, by default all of `napi.targets`, into target/cross
//        node scripts/cross.mjs --check …     type-checks them only
//        node scripts/cross.mjs --try …       runs what emulators and other C libraries here can run of target/cross
//        node scripts/cross.mjs --suite …     runs a part of the specs in an emulator
//
// It needs python3 with pip, from which it installs zig and cargo-zigbuild into target/tools/zig, and Rust's standard
// library for each target: by rustup, or built from the sources that Debian's rust-web-src has.
//
// Windows: the released binaries are built there, by the compiler of Visual Studio (.github/workflows/release.yml). Those
// of this script are linked by zig with Windows' own C library.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runSuite } from './cross/suite.mjs'
import { tryBinaries } from './cross/try.mjs'
import { releaseEnv } from './release-env.mjs'
import { ENTRY, MACOS, binaryFaults } from './release/checks.mjs'
import { root, targets } from './targets.mjs'

/** The oldest glibc that the binaries run with. */
const GLIBC = '2.17'
const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']
/** Minutes for one target. */
const LIMIT = 30

const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' }, try: { type: 'boolean' }, suite: { type: 'boolean' } } })
const path = (name) => fileURLToPath(new URL(name, root))
const tools = path('target/tools/zig')
const output = path('target/cross')

/** What zig's linker builds for, where that isn't the released target, and what else it needs. */
function settingsOf(target) {
  const env = {}
  let { triple } = target
  let zigTriple = triple
  if (target.libc === 'glibc') zigTriple = `${triple}.${GLIBC}`
  // A module that is loaded shares the C library of the program that loads it.
  if (target.libc === 'musl') env.RUSTFLAGS = '-C target-feature=-crt-static'
  if (target.os === 'darwin') {
    env.MACOSX_DEPLOYMENT_TARGET = MACOS[target.cpu].join('.')
    // Cargo would call Apple's `strip`.
    env.CARGO_PROFILE_RELEASE_STRIP = 'none'
    env.RUSTFLAGS = '-C link-arg=-Wl,-x,-S'
    // Zig's linker reads no list of exported symbols: it would export, and so keep, all functions of the C libraries.
    env.CFLAGS = `${releaseEnv().CFLAGS} -fvisibility=hidden`
  }
  if (target.os === 'win32') {
    triple = zigTriple = target.cpu === 'x64' ? 'x86_64-pc-windows-gnu' : 'aarch64-pc-windows-gnullvm'
    env.LIBNODE_PATH = importLibrary(target.cpu)
    // aws-lc marks its functions for export, and then zig's linker exports nothing that isn't marked.
    const exported = join(tools, 'exports.def')
    writeFileSync(exported, `EXPORTS\n${ENTRY}\n`)
    env.RUSTFLAGS = `-C link-arg=${exported}`
  }
  return { triple, zigTriple, env }
}

/** An import library for the build script of napi, which asks for one; the addon looks its functions up by itself. */
function importLibrary(cpu) {
  const directory = join(tools, `libnode-${cpu}`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'node.def'), 'LIBRARY node.exe\nEXPORTS\nnapi_module_register\n')
  writeFileSync(join(directory, 'libnode.dll'), '')
  const machine = cpu === 'x64' ? 'i386:x86-64' : 'arm64'
  mustRun(join(tools, 'bin/python-zig'), ['dlltool', '-d', join(directory, 'node.def'), '-l', join(directory, 'libnode.a'), '-m', machine])
  return directory
}

function run(command, args, env = {}, minutes = 5) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: path('.'), encoding: 'utf8', maxBuffer: 64 << 20, timeout: minutes * 60_000, env: { ...releaseEnv(), ...env },
  })
  return { isOk: status === 0, stdout: stdout ?? '', text: `${error?.message ?? ''}${stderr ?? ''}` }
}

function mustRun(command, args) {
  const { isOk, text } = run(command, args)
  if (isOk) return
  console.error(`cross: ${command} ${args.join(' ')} failed\n${text}`)
  process.exit(1)
}

function installZig() {
  if (existsSync(join(tools, 'bin/cargo-zigbuild'))) return
  mustRun('python3', ['-m', 'venv', tools])
  mustRun(join(tools, 'bin/pip'), ['install', '--quiet', ...ZIG])
}

/** How the standard library for a target is had: flags of cargo and the environment; null when it can't be had. */
function standardLibrary(triple) {
  const installed = run('rustup', ['target', 'list', '--installed']).stdout.split('\n')
  if (installed.includes(triple) || run('rustup', ['target', 'add', triple]).isOk) return { flags: [], env: {} }
  if (!existsSync('/usr/lib/rustlib/src/rust/library')) return null
  return { flags: ['-Zbuild-std=std,panic_unwind'], env: { RUSTC: '/usr/bin/rustc', RUSTC_BOOTSTRAP: '1' } }
}

/** The last lines that say why a build failed. */
function reasonOf(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const first = lines.findIndex((line) => line.startsWith('error'))
  return lines.slice(first === -1 ? -12 : first).slice(0, 12).map((line) => `     ${line}`).join('\n')
}

function build(target) {
  const { triple, zigTriple, env } = settingsOf(target)
  const library = standardLibrary(triple)
  if (library === null) return { isOk: false, text: `no standard library for ${triple}: neither rustup nor Debian's rust-web-src has it here` }
  const command = values.check === true ? 'check' : 'zigbuild'
  const built = run(join(tools, 'bin/cargo-zigbuild'), [command, '--release', '--locked', '-j1', '--package', 'binding', '--target', zigTriple, ...library.flags], {
    ...library.env, ...env,
    PATH: `${join(tools, 'bin')}:${process.env.PATH}`,
    CARGO_TARGET_DIR: path('target/cross-build'),
    CARGO_ZIGBUILD_ZIG_PATH: join(tools, 'bin/python-zig'),
  }, LIMIT)
  if (!built.isOk) return { isOk: false, text: reasonOf(built.text) }
  if (values.check === true) return { isOk: true, text: 'type-checked' }
  const file = { linux: 'libbinding.so', darwin: 'libbinding.dylib', win32: 'binding.dll' }[target.os]
  mkdirSync(output, { recursive: true })
  const place = join(output, target.file)
  // A process that reads it meanwhile has the old one or the new one.
  copyFileSync(path(`target/cross-build/${triple}/release/${file}`), `${place}.new`)
  renameSync(`${place}.new`, place)
  const faults = [...binaryFaults(target, place)]
  const size = `${(statSync(place).size / 1e6).toFixed(2)} MB`
  return { isOk: faults.length === 0, text: [size, ...faults].join('\n     ') }
}

const known = targets()
const wanted = positionals.length === 0 ? known : positionals.map((name) => known.find((target) => target.name === name) ?? name)
for (const target of wanted) {
  if (typeof target !== 'string') continue
  console.error(`cross: ${target} is none of ${known.map(({ name }) => name).join(', ')}`)
  process.exit(1)
}

let failures = 0
function tell(isOk, text) {
  if (!isOk) failures += 1
  console.log(`${isOk ? 'ok  ' : 'FAIL'} ${text}`)
}
if (values.try === true) {
  await tryBinaries(wanted, output, tell)
} else if (values.suite === true) {
  for (const target of wanted) runSuite(target, output, tell)
} else {
  installZig()
  for (const target of wanted) {
    const started = performance.now()
    const { isOk, text } = build(target)
    tell(isOk, `${target.name}, ${Math.round((performance.now() - started) / 1000)} s: ${text}`)
  }
}
rmSync(path('crates/llhttp/a.o'), { force: true })
process.exitCode = failures > 0 ? 1 : 0
