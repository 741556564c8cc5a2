// What must hold for packed packages before they are published.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { root } from '../targets.mjs'

/** The packed main package stays below this; it is JavaScript and declarations; documentation is in the repository. */
const MAIN_BYTES = 250_000
/** A binary stays below this. */
const BINARY_BYTES = 6_000_000
/** The newest symbols of glibc that a binary may need: those of 2.17 are in every Linux that Node 20 runs on. */
const GLIBC = [2, 17]

const TOOLS = { publint: '0.3.25', '@arethetypeswrong/cli': '0.18.5' }

/** The first bytes of a binary, by its system and processor. */
const MACHINES = {
  'linux-x64': (bytes) => isElf(bytes) && bytes.readUInt16LE(18) === 62,
  'linux-arm64': (bytes) => isElf(bytes) && bytes.readUInt16LE(18) === 183,
  'darwin-x64': (bytes) => bytes.readUInt32LE(0) === 0xfeedfacf && bytes.readUInt32LE(4) === 0x01000007,
  'darwin-arm64': (bytes) => bytes.readUInt32LE(0) === 0xfeedfacf && bytes.readUInt32LE(4) === 0x0100000c,
  'win32-x64': (bytes) => peMachine(bytes) === 0x8664,
  'win32-arm64': (bytes) => peMachine(bytes) === 0xaa64,
}

function isElf(bytes) {
  return bytes.readUInt32BE(0) === 0x7f454c46
}

function peMachine(bytes) {
  if (bytes.toString('latin1', 0, 2) !== 'MZ') return null
  return bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4)
}

/** The newest version of glibc whose symbols a binary names; null when it names none. */
export function glibcOf(bytes) {
  const versions = [...bytes.toString('latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)])
  return versions.sort((a, b) => b[0] - a[0] || b[1] - a[1])[0] ?? null
}

/** The faults of a binary, in words. */
export function* binaryFaults(target, path) {
  const bytes = readFileSync(path)
  if (bytes.length >= BINARY_BYTES) yield `${target.file} has ${bytes.length} bytes; at most ${BINARY_BYTES} are allowed`
  if (!MACHINES[`${target.os}-${target.cpu}`](bytes)) yield `${target.file} isn't a binary for ${target.os} ${target.cpu}`
  const glibc = glibcOf(bytes)
  if (target.libc === 'musl' && glibc !== null) yield `${target.file} needs glibc`
  if (target.libc === 'glibc') {
    if (glibc === null) yield `${target.file} isn't linked with glibc`
    else if (glibc[0] > GLIBC[0] || glibc[1] > GLIBC[1]) yield `${target.file} needs glibc ${glibc.join('.')}; it has to run with ${GLIBC.join('.')}`
  }
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
