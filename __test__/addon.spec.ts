/**
 * Finding the addon: in bundles, in packages, by the environment; and the errors when it isn't found.
 */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { rolldown } from 'rolldown'
import { targetsFor } from '../src/addon.ts'
import { failure, libcOf } from '../src/core/addon-failure.ts'
import type { FailureFacts } from '../src/core/addon-failure.ts'
import { releasedTargets } from './released.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const isBuilt = existsSync(join(root, 'dist/index.js'))
const built = isBuilt ? test : test.skip
const binary = readdirSync(root).find((name) => /^busbar\..*\.node$/.test(name)) ?? ''
const target = binary.slice('busbar.'.length, -'.node'.length)

const APP = `import { Response, serve } from 'busbar'
const server = await serve('127.0.0.1:0', () => Response.text('served'))
console.log(await (await fetch(server.url)).text())
await server.stop()
`

/** A project with busbar in it, its binary in the package (`local`), in one of its own (`package`), or nowhere. */
function project(t: ExecutionContext, where: 'local' | 'package' | 'nowhere'): string {
  const path = mkdtempSync(join(tmpdir(), 'busbar-addon-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  const own = join(path, 'node_modules/busbar')
  cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(own, 'package.json'))
  if (where === 'local') cpSync(join(root, binary), join(own, binary))
  if (where === 'package') {
    const platform = join(path, 'node_modules/@busbar', target)
    mkdirSync(platform, { recursive: true })
    cpSync(join(root, binary), join(platform, binary))
    writeFileSync(join(platform, 'package.json'), JSON.stringify({ name: `@busbar/${target}`, version: '1.0.0', main: binary }))
  }
  writeFileSync(join(path, 'app.mjs'), APP)
  return path
}

/** What the application prints, or the message it fails with. */
async function output(app: string, flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<string> {
  try {
    const { stdout } = await run(process.execPath, [...flags, app], { env: { ...process.env, BUSBAR_NATIVE_PATH: '', ...env } })
    return stdout
  } catch (error) {
    return /^Error: ([^]*?)(?=\n {4}at )/m.exec((error as { stderr: string }).stderr)?.[1] ?? String(error)
  }
}

/** Bundles the application of a project to a directory elsewhere, as a deployment does; gives that directory. */
async function bundled(t: ExecutionContext, path: string, seesBinaries: boolean): Promise<string> {
  const bundle = await rolldown({
    cwd: path,
    input: 'app.mjs',
    platform: 'node',
    logLevel: 'silent',
    ...(seesBinaries ? { moduleTypes: { '.node': 'copy' } } : { external: [/\.node$/, /^@busbar\//] }),
  })
  const directory = mkdtempSync(join(tmpdir(), 'busbar-bundle-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  await bundle.write({ dir: directory, format: 'esm', entryFileNames: 'app.mjs', chunkFileNames: '[name].mjs' })
  await bundle.close()
  return directory
}

for (const where of ['local', 'package'] as const) {
  built(`the binary is found: ${where}`, async (t) => {
    t.is(await output(join(project(t, where), 'app.mjs')), 'served\n')
  })

  built(`a bundler takes the binary along: ${where}`, async (t) => {
    const directory = await bundled(t, project(t, where), true)
    t.is(await output(join(directory, 'app.mjs')), 'served\n')
  })
}

built('a package for the system is found in a directory above as well', async (t) => {
  const path = project(t, 'package')
  const inner = join(path, 'inner')
  mkdirSync(join(inner, 'node_modules'), { recursive: true })
  renameSync(join(path, 'node_modules/busbar'), join(inner, 'node_modules/busbar'))
  writeFileSync(join(inner, 'app.mjs'), APP)
  t.is(await output(join(inner, 'app.mjs')), 'served\n')
})

built('a bundle without the binary says so; it helps to put it beside the bundle, or to name it', async (t) => {
  const directory = await bundled(t, project(t, 'local'), false)
  const app = join(directory, 'app.mjs')
  const told = await output(app)
  t.regex(told, /^the binary of busbar is missing: busbar was bundled, or its files were moved\. /)
  for (const fix of ['--external:busbar', 'serverExternalPackages', `busbar.${target}.node beside the bundle`, 'BUSBAR_NATIVE_PATH']) {
    t.true(told.includes(fix), fix)
  }
  t.is(await output(app, [], { BUSBAR_NATIVE_PATH: join(root, binary) }), 'served\n')
  cpSync(join(root, binary), join(directory, binary))
  t.is(await output(app), 'served\n')
})

built('a bundle that stands in its project finds the binary there', async (t) => {
  const path = project(t, 'local')
  const directory = await bundled(t, path, false)
  cpSync(directory, join(path, 'build/output'), { recursive: true })
  t.is(await output(join(path, 'build/output/app.mjs')), 'served\n')
})

built('BUSBAR_NATIVE_PATH is the only place that is searched when it is set', async (t) => {
  const app = join(project(t, 'local'), 'app.mjs')
  const told = await output(app, [], { BUSBAR_NATIVE_PATH: '/nowhere/busbar.node' })
  t.regex(told, /^BUSBAR_NATIVE_PATH is "\/nowhere\/busbar\.node", which can't be loaded; .+\n {2}\/nowhere\/busbar\.node: [^\n]+$/)
})

built('without the permission for addons the error names the flag', async (t) => {
  const app = join(project(t, 'local'), 'app.mjs')
  const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  t.regex(await output(app, [permission, '--allow-fs-read=*']), /Node's permission model refuses: start node with --allow-addons\n/)
})

built('a binary that was not installed is named', async (t) => {
  const told = await output(join(project(t, 'nowhere'), 'app.mjs'))
  const { platform, arch } = process
  const libc = libcOf(platform)
  const system = `${platform} ${arch}${libc === null ? '' : ` with ${libc}`}`
  t.true(told.startsWith(`the binary of busbar for ${system} isn't installed: it is in the package @busbar/${target}, an optional dependency. `), told)
  t.regex(told, /Install busbar again on this system without --omit=optional or --no-optional/)
})

built('binaries of another system were copied along with node_modules', async (t) => {
  const path = project(t, 'nowhere')
  mkdirSync(join(path, 'node_modules/@busbar/win32-x64-msvc'), { recursive: true })
  writeFileSync(join(path, 'node_modules/busbar/busbar.freebsd-x64.node'), '')
  t.regex(
    await output(join(path, 'app.mjs')),
    /^the binary of busbar is for freebsd-x64, win32-x64-msvc and this is \w+ \w+(?: with \w+)?: node_modules was copied from another system; install again here\n/,
  )
})

built('a damaged binary has an error of its own', async (t) => {
  const path = project(t, 'nowhere')
  writeFileSync(join(path, 'node_modules/busbar', binary), 'no binary')
  t.regex(await output(join(path, 'app.mjs')), /^the binary of busbar is damaged, or isn't one for \w+ \w+(?: with \w+)?: install busbar again/)
})

const FACTS: FailureFacts = {
  platform: 'linux', arch: 'x64', libc: 'glibc', targets: targetsFor('linux', 'x64'), attempts: [], named: '', directory: root,
}

/** The error for a binary that is there and can't be loaded. */
function refused(text: string, facts: Partial<FailureFacts> = {}): Error {
  return failure({ ...FACTS, ...facts, attempts: [{ path: '/a/busbar.node', error: new Error(text), exists: true }] })
}

test('an error has a code, each attempt, and the first error as its cause', (t) => {
  const error = refused('it broke')
  t.is(error.message, 'the binary of busbar could not be loaded on linux x64 with glibc\n  /a/busbar.node: it broke')
  t.is((error.cause as Error).message, 'it broke')
  t.is((error as NodeJS.ErrnoException).code, 'BUSBAR_NATIVE')
})

test('a binary that needs a newer glibc', (t) => {
  const { message } = refused("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /a/busbar.node)")
  t.regex(message, /^the binary of busbar needs glibc 2\.38, and that of this linux x64 with glibc is older: use a newer Linux, or build it from source/)
})

for (const [libc, text] of [
  ['musl', 'Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /a/busbar.node)'],
  ['musl', 'Error relocating /a/busbar.node: __res_init: symbol not found'],
  ['musl', "version `GLIBC_2.17' not found (required by /a/busbar.node)"],
  ['glibc', 'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory'],
] as const) {
  test(`a binary for another libc than ${libc}: ${text}`, (t) => {
    const { message } = refused(text, { libc })
    t.true(message.startsWith(`the binary of busbar is for another C library than this linux x64 with ${libc} has: install busbar again on this system, `))
    t.true(message.includes(`which brings @busbar/linux-x64-${libc === 'musl' ? 'musl' : 'gnu'}; `), message)
  })
}

for (const released of releasedTargets()) {
  test(`the error for a missing binary names the system and the package: ${released.name}`, (t) => {
    const { os: platform, cpu: arch, libc } = released
    const directory = mkdtempSync(join(tmpdir(), 'busbar-addon-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    writeFileSync(join(directory, 'package.json'), '{ "name": "busbar" }')
    const { message } = failure({ ...FACTS, platform, arch, libc, targets: targetsFor(platform, arch), directory })
    const system = `${platform} ${arch}${libc === null ? '' : ` with ${libc}`}`
    t.true(message.startsWith(`the binary of busbar for ${system} isn't installed: it is in the package @busbar/${released.name}, `), message)
  })
}

for (const name of ['NotCapable', 'PermissionDenied']) {
  test(`Deno's ${name} is answered with its flag`, (t) => {
    const error = Object.assign(new Error('Requires ffi access to "/a/busbar.node", run again with the --allow-ffi flag'), { name })
    t.regex(failure({ ...FACTS, attempts: [{ path: '/a', error, exists: true }] }).message, /Deno refuses: start deno with --allow-ffi/)
  })
}

test('the error for a system without a binary lists the systems that have one', (t) => {
  const told = failure({ ...FACTS, platform: 'sunos', arch: 'x64', libc: null, targets: ['sunos-x64'] }).message
  t.regex(told, /^busbar has no binary for sunos x64: there are binaries for Linux, macOS and Windows, on x64 and arm64; elsewhere build it from source/)
})

built('the package can be loaded where modules know their URL alone, as in Jest', async (t) => {
  const path = project(t, 'local')
  // Jest makes modules as this does; `import.meta` has a URL and no directory there.
  writeFileSync(join(path, 'vm.mjs'), `import { readFileSync } from 'node:fs'
import { SourceTextModule, SyntheticModule, createContext } from 'node:vm'
const context = createContext({ process, URL, Buffer, console, setTimeout, clearTimeout, setImmediate, queueMicrotask, performance, AbortController, Uint8Array, ArrayBuffer, SharedArrayBuffer, Error, TextDecoder, URLSearchParams, Blob, ReadableStream })
const modules = new Map()
async function link(specifier, from) {
  if (specifier.startsWith('node:')) {
    const found = await import(specifier)
    return new SyntheticModule(Object.keys(found), function () { for (const name of Object.keys(found)) this.setExport(name, found[name]) }, { context })
  }
  const url = new URL(specifier, from.identifier).href
  if (!modules.has(url)) modules.set(url, make(url))
  return modules.get(url)
}
function make(url) {
  return new SourceTextModule(readFileSync(new URL(url), 'utf8'), { context, identifier: url, initializeImportMeta: (meta) => { meta.url = url } })
}
const entry = make(new URL('./node_modules/busbar/dist/index.js', import.meta.url).href)
await entry.link(link)
await entry.evaluate()
const { serve, Response } = entry.namespace
const server = await serve('127.0.0.1:0', () => Response.text('served'))
console.log(await (await fetch(server.url)).text())
await server.stop()
`)
  t.is(await output(join(path, 'vm.mjs'), ['--experimental-vm-modules', '--no-warnings']), 'served\n')
})

built('the forms by which bundlers and tracers see the binaries stay in what is published', (t) => {
  const source = readFileSync(join(root, 'dist/busbar.js'), 'utf8')
  // Local names are short in what is published.
  t.regex(source, /new URL\(`\.\.\/busbar\.\$\{\w+\}\.node`,import\.meta\.url\)/, 'webpack, tracers: the binary in the package')
  t.regex(source, /new URL\(`\.\.\/\.\.\/@busbar\/\$\{(\w+)\}\/busbar\.\$\{\1\}\.node`,import\.meta\.url\)/, 'webpack, tracers: a package beside')
  const required = /\b(\w+)=\w+\.createRequire\(import\.meta\.url\);\s*switch/.exec(source)?.[1]
  t.truthy(required, 'tracers: a binding of createRequire')
  for (const { name } of releasedTargets()) {
    for (const form of [`require("../busbar.${name}.node")`, `require("@busbar/${name}")`, `${required}(\`@busbar/${name}\`)`]) {
      t.true(source.includes(form), form)
    }
  }
})
