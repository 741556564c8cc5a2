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
import { failure } from '../src/core/addon-failure.ts'
import type { FailureFacts } from '../src/core/addon-failure.ts'

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
  t.true(told.startsWith(`the binary of busbar for ${process.platform} ${process.arch} isn't installed: install @busbar/${target}, `), told)
})

built('binaries of another system were copied along with node_modules', async (t) => {
  const path = project(t, 'nowhere')
  mkdirSync(join(path, 'node_modules/@busbar/win32-x64-msvc'), { recursive: true })
  writeFileSync(join(path, 'node_modules/busbar/busbar.freebsd-x64.node'), '')
  t.regex(
    await output(join(path, 'app.mjs')),
    /^the binary of busbar is for freebsd-x64, win32-x64-msvc and this is \w+ \w+: node_modules was copied from another system; install again here\n/,
  )
})

built('a damaged binary has an error of its own', async (t) => {
  const path = project(t, 'nowhere')
  writeFileSync(join(path, 'node_modules/busbar', binary), 'no binary')
  t.regex(await output(join(path, 'app.mjs')), /^the binary of busbar is damaged, or isn't one for \w+ \w+: install busbar again/)
})

const FACTS: FailureFacts = { platform: 'linux', arch: 'x64', targets: ['linux-x64-gnu'], attempts: [], named: '', directory: root }

for (const text of [
  "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /a/busbar.node)",
  'Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /a/busbar.node)',
  'Error relocating /a/busbar.node: __res_init: symbol not found',
  'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory',
]) {
  test(`a binary for another libc: ${text}`, (t) => {
    const error = failure({ ...FACTS, attempts: [{ path: '/a/busbar.node', error: new Error(text), exists: true }] })
    t.regex(error.message, /^busbar has no binary for the C library of this Linux x64: it needs glibc.* node:22-slim in place of node:22-alpine/)
    t.true(error.message.includes(text))
    t.is((error.cause as Error).message, text)
    t.is((error as NodeJS.ErrnoException).code, 'BUSBAR_NATIVE')
  })
}

for (const name of ['NotCapable', 'PermissionDenied']) {
  test(`Deno's ${name} is answered with its flag`, (t) => {
    const error = Object.assign(new Error('Requires ffi access to "/a/busbar.node", run again with the --allow-ffi flag'), { name })
    t.regex(failure({ ...FACTS, attempts: [{ path: '/a', error, exists: true }] }).message, /Deno refuses: start deno with --allow-ffi/)
  })
}

test('the error for a system without a binary lists the systems that have one', (t) => {
  const told = failure({ ...FACTS, platform: 'sunos', arch: 'x64', targets: ['sunos-x64'] }).message
  t.regex(told, /^busbar has no binary for sunos x64: there are binaries for Linux with glibc and for macOS/)
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
  t.true(source.includes('new URL(`../busbar.${target}.node`, import.meta.url)'), 'webpack, tracers: the binary in the package')
  t.true(source.includes('new URL(`../../@busbar/${target}/busbar.${target}.node`, import.meta.url)'), 'webpack, tracers: a package beside')
  t.true(source.includes('= module.createRequire(import.meta.url)'), 'tracers: a binding of createRequire')
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { napi: { targets: string[] } }
  for (const released of napi.targets) {
    const [processor, , system, abi] = released.split('-')
    const name = [system, processor === 'x86_64' ? 'x64' : 'arm64', ...(abi === undefined ? [] : [abi])].join('-')
    for (const form of [`require("../busbar.${name}.node")`, `require("@busbar/${name}")`, `required("@busbar/${name}")`]) {
      t.true(source.includes(form), form)
    }
  }
})
