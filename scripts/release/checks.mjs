// What must hold for packed packages before they are published.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { root } from '../targets.mjs'
import { describeBinary } from './binary.mjs'

/** The packed main package stays below this; it is JavaScript and declarations; documentation is in the repository. */
const MAIN_BYTES = 250_000
/** A binary stays below this. */
const BINARY_BYTES = 6_000_000
/** The newest symbols of glibc that a binary may need: those of 2.17 are in every Linux that Node 20 runs on. */
const GLIBC = [2, 17]
/** The newest macOS that a binary may ask for: the oldest that Node 20 runs on. */
export const MACOS = { x64: [10, 15], arm64: [11, 0] }
/** What Node looks a function up by, to load an addon. */
export const ENTRY = 'napi_register_module_v1'

/** Libraries that every system of a kind has; a binary needs no others. */
const LIBRARIES = {
  glibc: /^(lib(c|m|dl|rt|pthread|gcc_s)\.so\.\d+|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-\w+\.so\.1|libgcc_s\.so\.1)$/,
  darwin: /^\/(usr\/lib\/lib(System\.B|iconv\.2|charset\.1|objc\.A)|System\/Library\/Frameworks\/\S+)(\.dylib)?$/,
  // The C library of Windows 10 is part of it (api-ms-win-crt); that of Visual Studio, vcruntime140.dll, isn't.
  win32: /^(kernel32|ntdll|ws2_32|advapi32|bcrypt|bcryptprimitives|userenv|user32|crypt32|api-ms-win-[\w-]+)\.dll$/i,
}

const TOOLS = { publint: '0.3.25', '@arethetypeswrong/cli': '0.18.5' }

function isNewer([major, minor], [maximum, minimum]) {
  return major > maximum || (major === maximum && minor > minimum)
}

/** The faults of a binary, in words. */
export function* binaryFaults(target, path) {
  const bytes = readFileSync(path)
  if (bytes.length >= BINARY_BYTES) yield `${target.file} has ${bytes.length} bytes; at most ${BINARY_BYTES} are allowed`
  const found = describeBinary(bytes)
  if (found === null || found.os !== target.os || found.cpu !== target.cpu) return yield `${target.file} isn't a binary for ${target.os} ${target.cpu}`
  const { exports, libraries, glibc, macos } = found
  if (!exports.includes(ENTRY)) yield `${target.file} doesn't export ${ENTRY}, so Node can't load it; it exports ${exports.slice(0, 3).join(', ') || 'nothing'}`
  for (const library of libraries) {
    if (!LIBRARIES[target.libc ?? target.os].test(library)) yield `${target.file} needs ${library}, which not every system has`
  }
  if (target.libc === 'glibc' && glibc === null) yield `${target.file} isn't linked with glibc`
  if (target.libc === 'glibc' && glibc !== null && isNewer(glibc, GLIBC)) yield `${target.file} needs glibc ${glibc.join('.')}; it has to run with ${GLIBC.join('.')}`
  if (target.os !== 'darwin') return undefined
  if (macos === null) yield `${target.file} doesn't say which macOS it is for`
  else if (isNewer(macos, MACOS[target.cpu])) yield `${target.file} asks for macOS ${macos.join('.')}; it has to run with ${MACOS[target.cpu].join('.')}`
  return undefined
}

/** The faults of versions that must agree: package.json, Cargo.toml. */
export function* versionFaults(version) {
  const cargo = /\[workspace\.package\]\s+version = "([^"]+)"/.exec(readFileSync(new URL('Cargo.toml', root), 'utf8'))?.[1]
  if (cargo !== version) yield `Cargo.toml has version ${cargo}, package.json ${version}`
}

/** The faults of the packed main package: its size, and what publint and attw find. */
export function* mainFaults({ tarball, manifest }) {
  const { size } = statSync(tarball)
  if (size >= MAIN_BYTES) yield `the packed main package has ${size} bytes; at most ${MAIN_BYTES} are allowed`
  for (const field of ['scripts', 'dependencies', 'devDependencies']) if (field in manifest) yield `the published manifest has ${field}`
  yield* toolFaults('publint', ['run', tarball, '--strict'], 'publint')
  // A package of ES modules is required from CommonJS by Node itself, from 20.19 on. Entry points other than "." need
  // `exports`, which TypeScript's old resolution, "node10", doesn't know.
  yield* toolFaults('@arethetypeswrong/cli', [tarball, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--no-emoji'], 'attw')
}

/** Runs a tool of npm's, which is installed at its first use. */
function* toolFaults(name, args, command) {
  const folder = fileURLToPath(new URL(`target/tools/${command}/`, root))
  const program = `${folder}node_modules/.bin/${command}`
  if (!existsSync(program)) {
    const { status, stderr } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, `${name}@${TOOLS[name]}`], { encoding: 'utf8' })
    if (status !== 0) {
      yield `${name} can't be installed: ${stderr}`
      return
    }
  }
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  if (status !== 0) yield `${command}: ${stdout}${stderr}`
}
