import { execFile, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { libcOf } from '../src/core/addon-failure.ts'
import { Authority } from './authority.ts'
import { releasedTargets } from './released.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const isBuilt = existsSync(join(root, 'dist/index.js'))

/** A user's project with the published packages, installed from their tarballs with scripts off. */
const project = mkdtempSync(join(tmpdir(), 'busbar-user-'))
const installed = join(project, 'node_modules/busbar')
const packed = mkdtempSync(join(tmpdir(), 'busbar-packed-'))
/** The main package and the one with the binary for this system. */
let tarballs: readonly string[] = []

const built = isBuilt ? test.serial : test.serial.skip

test.before(async () => {
  if (!isBuilt) return
  const { stdout } = await run(process.execPath, [join(root, 'scripts/release.mjs'), '--pack', packed])
  tarballs = stdout.trim().split('\n')
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true }')
  const { NPM } = (await import(new URL('../scripts/targets.mjs', import.meta.url).href)) as { NPM: [string, ...string[]] }
  const [npm, ...before] = NPM
  await run(npm, [...before, 'install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs], { cwd: project })
  // What applications install themselves.
  for (const peer of ['express', 'fastify', 'hono', 'ws']) symlinkSync(join(root, 'node_modules', peer), join(project, 'node_modules', peer))
  // For the snippets about TLS.
  const { cert, key } = new Authority().issue({ names: ['example.org', '*.example.org'] })
  for (const name of ['cert.pem', 'fullchain.pem']) writeFileSync(join(project, name), cert)
  for (const name of ['key.pem', 'privkey.pem']) writeFileSync(join(project, name), key)
})

test.after.always(() => {
  for (const directory of [project, packed]) rmSync(directory, { recursive: true })
})

async function node(file: string, source: string): Promise<string> {
  writeFileSync(join(project, file), source)
  const { stdout, stderr } = await run(process.execPath, [join(project, file)], { cwd: project })
  return stdout + stderr
}

const SERVE = `serve('127.0.0.1:0', () => Response.text('served')).then(async (server) => {
  console.log(await (await fetch(server.url)).text())
  await server.stop()
})`

built('the package can be imported, without further output', async (t) => {
  t.is(await node('esm.mjs', `import { serve, Response } from 'busbar'\n${SERVE}`), 'served\n')
})

built('the package can be required, without further output', async (t) => {
  t.is(await node('cjs.cjs', `const { serve, Response } = require('busbar')\n${SERVE}`), 'served\n')
})

built('import and require give the same classes', async (t) => {
  const source = `import { createRequire } from 'node:module'
import { Response } from 'busbar'
console.log(createRequire(import.meta.url)('busbar').Response === Response)`
  t.is(await node('both.mjs', source), 'true\n')
})

built('the package has a command', async (t) => {
  const { stdout } = await run(join(project, 'node_modules/.bin/busbar'), ['--version'])
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.is(stdout, `${version}\n`)
})

built('the complete snippets of the documentation run unchanged', async (t) => {
  for (const file of ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]) {
    for (const [, snippet] of readFileSync(join(root, file), 'utf8').matchAll(/```js\n([^]*?)```/g)) {
      // A part of a program, which docs.spec parses.
      if (!snippet!.startsWith('import ')) continue
      const local = snippet!
        .replaceAll('port: 8080', 'port: 0')
        .replaceAll('8080', "'127.0.0.1:0'")
        .replaceAll('port: 8443', "host: '127.0.0.1', port: 0")
        .replaceAll('/etc/letsencrypt/live/example.org/', '')
      const told = await node('snippet.mjs', `${local}\nprocess.exit()`)
      t.regex(told, /^(https?:\/\/127\.0\.0\.1:\d+\/\n)?$/, `${file}\n${snippet}`)
    }
  }
})

const USER = `import { Attribute, HttpServer, Response, serve } from 'busbar'
import type { Handler, Request } from 'busbar'
import { serve as serveFetch } from 'busbar/fetch'
import { Router } from 'busbar/router'
const User = new Attribute<{ name: string }>('user')
const handler: Handler = async (request: Request) => {
  request.setAttribute(User, { name: 'ada' })
  return Response.json({ name: request.getAttribute(User).name, length: (await request.buffer()).length })
}
export async function main(): Promise<HttpServer> {
  await using server = await serve([8080, 'unix:/run/app.sock'], handler, { http1Timeout: 30 })
  return server
}
export const web = (): Promise<HttpServer> => serveFetch({ fetch: (request, { remoteAddress }) => new globalThis.Response(request.url + remoteAddress.port) })
export const routes = new Router().route('GET', '/notes/:id', (request, { id }) => Response.text(request.getPath() + id.length))
// @ts-expect-error the pattern has no such parameter
routes.route('GET', '/tags/:tag', (_request, { id }) => Response.text(id))
// @ts-expect-error a handler gives a Response
export const wrong = new HttpServer(8080, () => 'Hello')
`
for (const [module, resolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']] as const) {
  built(`the types resolve under moduleResolution ${resolution}, in .mts and .cts`, async (t) => {
    const directory = mkdtempSync(join(project, 'types-'))
    symlinkSync(join(root, 'node_modules/@types'), join(directory, 'types'))
    const files = ['user.mts', 'user.cts']
    for (const file of files) writeFileSync(join(directory, file), USER)
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      // The package's declarations are library files there, so they are checked once.
      skipLibCheck: resolution === 'bundler',
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module,
      moduleResolution: resolution,
      typeRoots: ['./types'],
      types: ['node'],
    }
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    const told = await run(process.execPath, [tsc, '-p', directory]).catch((error: unknown) => error as { stdout: string })
    t.is(told.stdout, '')
  })
}

/** pnpm, where it was installed beside the other runtimes. */
const pnpm = join(process.env['BUSBAR_RUNTIMES'] ?? '', 'node_modules/pnpm/bin/pnpm.cjs')
const byPnpm = isBuilt && existsSync(pnpm) ? test.serial : test.serial.skip

byPnpm('the package can be installed by pnpm, with scripts off, and be used', async (t) => {
  const directory = mkdtempSync(join(packed, 'pnpm-'))
  writeFileSync(join(directory, 'package.json'), '{ "name": "user", "private": true }')
  await run(process.execPath, [resolve(pnpm), 'add', '--offline', '--ignore-scripts', '--store-dir', join(directory, 'store'), ...tarballs], { cwd: directory })
  const apps = { 'esm.mjs': `import { serve, Response } from 'busbar'\n${SERVE}`, 'cjs.cjs': `const { serve, Response } = require('busbar')\n${SERVE}` }
  for (const [file, source] of Object.entries(apps)) {
    writeFileSync(join(directory, file), source)
    t.is((await run(process.execPath, [join(directory, file)])).stdout, 'served\n', file)
  }
})

/** Runs the build script without a toolchain. */
function build(directory: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(directory, 'scripts/build.mjs')], { encoding: 'utf8', env: { PATH: '' } })
}

test.serial('the build of a clone without Rust says in one line what to install', (t) => {
  const { status, stdout, stderr } = build(root)
  t.deepEqual([status, stdout], [1, ''])
  t.regex(stderr, /^busbar: building from source needs Rust 1\.\d+ or newer and a C compiler; install Rust from https:\S+\n$/)
})

/** The error message on a system without a binary. */
async function refusal(platform: string, arch: string): Promise<string> {
  // Outside of the project, where Node's own search would find the binary.
  const directory = mkdtempSync(join(packed, 'no-binary-'))
  cpSync(join(installed, 'dist'), join(directory, 'dist'), { recursive: true })
  cpSync(join(installed, 'package.json'), join(directory, 'package.json'))
  const pretend = `Object.defineProperties(process, { platform: { value: '${platform}' }, arch: { value: '${arch}' } })`
  writeFileSync(join(directory, 'main.mjs'), `${pretend}\nawait import('./dist/index.js').catch(({ message }) => console.log(message))`)
  return (await run(process.execPath, [join(directory, 'main.mjs')])).stdout
}

built('the files that are loaded at start are ASCII, which V8 stores in half the memory', (t) => {
  for (const file of ['index.js', 'busbar.js']) t.notRegex(readFileSync(join(installed, 'dist', file), 'utf8'), /[^\0-\x7f]/, file)
})

built('a system without a binary gets an error that names the missing file', async (t) => {
  t.regex(
    await refusal('freebsd', 'x64'),
    /^busbar has no binary for freebsd x64: there are binaries for .+\n  \S+\/busbar\.freebsd-x64\.node: .+\n/,
  )
})

for (const { name, os, cpu } of releasedTargets()) {
  built(`where the package for the system is missing, the error names it: ${name}`, async (t) => {
    const told = await refusal(os, cpu)
    t.regex(told, new RegExp(`^the binary of busbar for ${os} ${cpu}`))
    t.true(told.includes(`/busbar.${name}.node: `), told)
  })
}

built('forms are read by a library that the package carries, with its licence', async (t) => {
  const source = `import { Request } from 'busbar'
const body = '--b\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--b--\\r\\n'
const form = await Request.create('POST', '/', { 'content-type': 'multipart/form-data; boundary=b' }, body).formData()
console.log(form.get('a'))`
  t.is(await node('form.mjs', source), '1\n')
  t.regex(readFileSync(join(installed, 'NOTICE'), 'utf8'), /@fastify\/busboy[^]*Brian White[^]*find-my-way[^]*Tomas Della Vedova/)
})

built('the package with the binary has the licences of all crates in it', (t) => {
  const [folder] = readdirSync(join(project, 'node_modules/@busbar'))
  const notice = readFileSync(join(project, 'node_modules/@busbar', folder!, 'NOTICE'), 'utf8')
  for (const crate of ['aws-lc-sys', 'rustls', 'rustls-webpki', 'rcgen', 'x509-parser']) t.regex(notice, new RegExp(`^  ${crate} \\d`, 'm'))
})

built('the main package has JavaScript alone, and names the packages with binaries by their exact version', (t) => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.deepEqual(manifest['optionalDependencies'], Object.fromEntries(releasedTargets().map(({ name }) => [`@busbar/${name}`, version])))
  for (const field of ['scripts', 'dependencies', 'devDependencies', 'private', 'files']) t.false(field in manifest, field)
  for (const field of ['repository', 'homepage', 'bugs', 'keywords', 'engines', 'license']) t.true(field in manifest, field)
  t.deepEqual(readdirSync(installed, { recursive: true }).filter((path) => String(path).endsWith('.node')), [])
  t.true(statSync(tarballs.at(-1)!).size < 250_000, String(statSync(tarballs.at(-1)!).size))
})

built('the package with the binary says where it fits', (t) => {
  const { platform, arch } = process
  const released = releasedTargets().find(({ os, cpu, libc }) => os === platform && cpu === arch && libc === libcOf(platform))!
  const directory = join(project, 'node_modules/@busbar', released.name)
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Record<string, unknown>
  t.deepEqual([manifest['os'], manifest['cpu'], manifest['libc']], [[platform], [arch], released.libc === null ? undefined : [released.libc]])
  t.false('scripts' in manifest)
  t.true(statSync(join(directory, `busbar.${released.name}.node`)).size < 6_000_000)
})

built('the package carries what it needs, no sources, and only the declarations of its entry points', (t) => {
  for (const file of ['LICENSE', 'NOTICE', 'README.md', 'dist/index.d.ts']) t.true(existsSync(join(installed, file)), file)
  for (const directory of ['src', 'crates', 'scripts', '__test__', 'bench', 'docs', 'examples']) t.false(existsSync(join(installed, directory)), directory)
  const readme = readFileSync(join(installed, 'README.md'), 'utf8')
  // Registries show these links as ones into the repository.
  for (const [, link] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) t.true(existsSync(join(root, link!)), link)
  t.false(existsSync(join(installed, 'dist/server/dispatcher.d.ts')))
})
