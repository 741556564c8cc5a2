/**
 * `busbar init`: the project that it makes is checked, tested and served.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import type { Handler } from '../src/index.ts'
import { InitError, init } from '../src/cli/init.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** A directory for projects, deleted at the end of the process. */
const parent = mkdtempSync(join(tmpdir(), 'busbar-init-'))
test.after.always(() => rmSync(parent, { recursive: true }))

/** What `npm install` would bring. */
function install(project: string): void {
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  symlinkSync(root, join(project, 'node_modules/busbar'))
  symlinkSync(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
}

test('the project has what its README and package.json name', async (t) => {
  const project = join(parent, 'My Notes')
  const lines = await init(project, '1.2.3')
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  t.is(lines.some((line) => line.startsWith('it needs Node 22.18')), major < 22 || (major === 22 && minor < 18))
  t.regex(lines.join('\n'), /^made 8 files in .*My Notes\n[^]*npm install\n[^]*npm run dev[^]*npm test/)
  const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { name: string; dependencies: Record<string, string> }
  t.is(manifest.name, 'my-notes')
  t.is(manifest.dependencies['busbar'], '^1.2.3')
  for (const file of ['src/app.ts', 'src/app.test.ts', 'Dockerfile', 'tsconfig.json', '.gitignore']) t.true(existsSync(join(project, file)), file)
})

test('a directory with files is left as it is', async (t) => {
  const project = join(parent, 'used')
  mkdirSync(project)
  writeFileSync(join(project, 'precious.txt'), 'mine')
  await t.throwsAsync(init(project, '1.2.3'), { instanceOf: InitError, message: /used isn't empty \(precious\.txt\); name a new directory/ })
  t.deepEqual(readdirSync(project), ['precious.txt'])
  await t.throwsAsync(init(join(project, 'precious.txt'), '1.2.3'), { instanceOf: InitError, message: /is a file/ })
})

test('a repository that was just made counts as empty', async (t) => {
  mkdirSync(join(parent, 'cloned/.git'), { recursive: true })
  await t.notThrowsAsync(init(join(parent, 'cloned'), '1.2.3'))
})

const built = existsSync(join(root, 'dist/index.js')) ? test : test.skip

built('the types of the project are right', async (t) => {
  const project = join(parent, 'typed')
  await init(project, '0.1.0')
  install(project)
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { stdout } = await run(process.execPath, [tsc, '-p', project]).catch((error: unknown) => error as { stdout: string })
  t.is(stdout, '')
})

built('the application of the project answers', async (t) => {
  const project = join(parent, 'served')
  await init(project, '0.1.0')
  install(project)
  const { default: app } = (await import(join(project, 'src/app.ts'))) as { default: Handler }
  // The copy that the project has.
  const { HttpServer, Request } = (await import(join(project, 'node_modules/busbar/dist/index.js'))) as typeof import('../src/index.ts')
  const server = new HttpServer(0, app)
  const created = await server.inject(Request.create('POST', '/notes', { body: '{"text":"buy milk"}' }))
  t.deepEqual([created.getStatus(), created.getHeader('location')], [201, '/notes/1'])
  const found = await server.inject(Request.create('GET', '/notes/1'))
  t.deepEqual(await found.json(), { id: 1, text: 'buy milk' })
  t.is((await server.inject(Request.create('POST', '/notes', { body: '{}' }))).getStatus(), 422)
  t.is((await server.inject(Request.create('POST', '/notes', { body: '{' }))).getStatus(), 400)
  t.is((await server.inject(Request.create('GET', '/notes/2'))).getStatus(), 404)
})
