import { execFile, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const isBuilt = existsSync(join(root, 'dist/index.js'))

/** A user's project with the package installed as if from a registry. */
const project = mkdtempSync(join(tmpdir(), 'busbar-user-'))
const installed = join(project, 'node_modules/busbar')

const built = isBuilt ? test.serial : test.serial.skip

test.before(async () => {
  if (!isBuilt) return
  await run(npm, ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: root })
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true }')
  const [tarball] = readdirSync(project).filter((name) => name.endsWith('.tgz'))
  await run(npm, ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], { cwd: project })
})

test.after.always(() => rmSync(project, { recursive: true }))

async function node(file: string, source: string): Promise<string> {
  writeFileSync(join(project, file), source)
  const { stdout, stderr } = await run(process.execPath, [join(project, file)])
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
  for (const file of ['README.md', ...readdirSync(join(installed, 'docs')).map((name) => `docs/${name}`)]) {
    for (const [, snippet] of readFileSync(join(installed, file), 'utf8').matchAll(/```js\n([^]*?)```/g)) {
      // A part of a program, which docs.spec parses.
      if (!snippet!.startsWith('import ')) continue
      const told = await node('snippet.mjs', `${snippet!.replaceAll('8080', "'127.0.0.1:0'")}\nprocess.exit()`)
      t.regex(told, /^(http:\/\/127\.0\.0\.1:\d+\/\n)?$/, `${file}\n${snippet}`)
    }
  }
})

const USER = `import { Attribute, HttpServer, Response, serve } from 'busbar'
import type { Handler, Request } from 'busbar'
const User = new Attribute<{ name: string }>('user')
const handler: Handler = async (request: Request) => {
  request.setAttribute(User, { name: 'ada' })
  return Response.json({ name: request.getAttribute(User).name, length: (await request.buffer()).length })
}
export async function main(): Promise<HttpServer> {
  await using server = await serve([8080, 'unix:/run/app.sock'], handler, { http1Timeout: 30 })
  return server
}
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

/** Runs the build script of a package without a toolchain. */
function build(directory: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(directory, 'scripts/build.mjs')], { encoding: 'utf8', env: { PATH: '' } })
}

built('an installed package has nothing to build and needs no toolchain', (t) => {
  const { status, stdout, stderr } = build(installed)
  t.deepEqual([status, stdout, stderr], [0, '', ''])
})

test.serial('the build of a clone without Rust says in one line what to install', (t) => {
  const { status, stdout, stderr } = build(root)
  t.deepEqual([status, stdout], [1, ''])
  t.regex(stderr, /^busbar: building from source needs Rust 1\.\d+ or newer and a C compiler; install Rust from https:\S+\n$/)
})

/** The error message on a system without a binary. */
async function refusal(platform: string, arch: string): Promise<string> {
  const directory = mkdtempSync(join(project, 'no-binary-'))
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

built('forms are read by a library that the package carries, with its licence', async (t) => {
  const source = `import { Request } from 'busbar'
const body = '--b\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--b--\\r\\n'
const form = await Request.create('POST', '/', { 'content-type': 'multipart/form-data; boundary=b' }, body).formData()
console.log(form.get('a'))`
  t.is(await node('form.mjs', source), '1\n')
  t.regex(readFileSync(join(installed, 'NOTICE'), 'utf8'), /@fastify\/busboy[^]*Brian White/)
})

built('the package carries what it needs and no sources', async (t) => {
  const { files, napi } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    files: string[]
    napi: { binaryName: string; targets: string[] }
  }
  for (const file of ['LICENSE', 'NOTICE', 'README.md', 'index.d.ts']) t.true(existsSync(join(installed, file)), file)
  for (const directory of ['src', 'crates', '__test__', 'bench']) t.false(existsSync(join(installed, directory)), directory)
  t.true(files.includes('*.node'))
  const readme = readFileSync(join(installed, 'README.md'), 'utf8')
  for (const [, link] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) t.true(existsSync(join(installed, link!)), link)
  for (const target of napi.targets) {
    const [processor, , system, abi] = target.split('-')
    const arch = processor === 'x86_64' ? 'x64' : 'arm64'
    const platform = [system, arch, ...(abi === undefined ? [] : [abi])].join('-')
    t.true((await refusal(system!, arch)).includes(`/${napi.binaryName}.${platform}.node: `), target)
  }
})
