// Builds the addon and the TypeScript. Run by `npm install` in a clone (prepare), and by `npm run build`.
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { releaseEnv } from './release-env.mjs'
import { LIBRARIES, root } from './targets.mjs'

const RUST = [1, 88]
/** Rooms that are entry points of the package, as in `exports` of package.json. */
const ENTRY_POINTS = ['fetch', 'hono', 'router', 'static', 'websocket']
/** Half the size to install and to read. Functions and classes keep their names, which stack traces and logs show. */
const MINIFY = { compress: false, mangle: { keepNames: { function: true, class: true } }, codegen: { removeWhitespace: true } }
/** Packages that applications install themselves. */
const PEERS = [/^ws$/, /^hono(\/|$)/]

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: releaseEnv() })
  if (status !== 0) fail(`${command} ${args[0]} failed${error === undefined ? '' : `: ${error.message}`}`)
}

function fail(message) {
  console.error(`busbar: ${message}`)
  process.exit(1)
}

function checkRust() {
  const { status, stdout } = spawnSync('cargo', ['--version'], { encoding: 'utf8' })
  const version = /(\d+)\.(\d+)/.exec(stdout ?? '')
  const isNew = version !== null && (Number(version[1]) - RUST[0] || Number(version[2]) - RUST[1]) >= 0
  if (status !== 0 || !isNew) {
    fail(`building from source needs Rust ${RUST.join('.')} or newer and a C compiler; install Rust from https://rustup.rs`)
  }
}

checkRust()
const { build } = await import('rolldown')
const header = readFileSync(new URL('crates/binding/header.d.ts', root), 'utf8')
const napi = fileURLToPath(new URL('node_modules/@napi-rs/cli/dist/cli.js', root))
const manifest = 'crates/binding/Cargo.toml'
run(process.execPath, [
  napi, 'build', '--platform', '--release', '--no-js', '--manifest-path', manifest, '--output-dir', '.',
  '--dts-header', header, '--', '--locked', '--quiet',
])
rmSync(new URL('dist', root), { recursive: true, force: true })
run(process.execPath, [fileURLToPath(new URL('node_modules/typescript/bin/tsc', root)), '-p', '.'])

/** What index.ts loads at start; known once it is parsed. */
let atStart = null
function isLoadedAtStart(id, bundle) {
  if (atStart === null) {
    atStart = new Set([fileURLToPath(new URL('src/index.ts', root))])
    for (const each of atStart) for (const imported of bundle.getModuleInfo(each)?.importedIds ?? []) atStart.add(imported)
  }
  return atStart.has(id)
}

await build({
  cwd: fileURLToPath(root),
  input: {
    index: 'src/index.ts',
    cli: 'src/cli.ts',
    ...Object.fromEntries(ENTRY_POINTS.map((name) => [name, `src/${name}/index.ts`])),
    http: 'src/node-http/index.ts',
    https: 'src/node-http/https.ts',
    register: 'src/node-http/register.ts',
  },
  // The literal requires of binaries in addon.ts are for the bundlers of applications.
  external: [/^node:/, ...PEERS, /\.node$/, /^@busbar\//, ...Object.keys(LIBRARIES)],
  platform: 'node',
  logLevel: 'warn',
  output: {
    dir: 'dist',
    format: 'esm',
    // Comments are in the .d.ts; here each start would read them.
    comments: false,
    minify: MINIFY,
    polyfillRequire: false,
    paths: Object.fromEntries(Object.entries(LIBRARIES).map(([name, file]) => [name, `./${file}`])),
    // One file loads several times faster than many. Modules that are loaded on demand are files of their own.
    codeSplitting: { groups: [{ name: (id, bundle) => (isLoadedAtStart(id, bundle) ? 'busbar' : null), debugName: 'busbar' }] },
    chunkFileNames: '[name].js',
  },
})
for (const [name, file] of Object.entries(LIBRARIES)) {
  await build({
    cwd: fileURLToPath(root),
    input: name,
    platform: 'node',
    logLevel: 'warn',
    output: { file: `dist/${file}`, format: 'esm', comments: false, minify: true },
  })
}
const { breakLines } = await import('./break-lines.mjs')
for (const name of readdirSync(new URL('dist', root)).filter((each) => each.endsWith('.js'))) {
  const file = new URL(`dist/${name}`, root)
  writeFileSync(file, breakLines(readFileSync(file, 'utf8')))
}
