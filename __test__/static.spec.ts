import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { OptionError } from '../src/index.ts'
import type { HandlerFunction } from '../src/index.ts'
import { Router } from '../src/router/index.ts'
import { DocumentRoot } from '../src/static/index.ts'
import type { DocumentRootSettings } from '../src/static/index.ts'
import { open, temporaryDirectory } from './support.ts'

const LONG = 'l'.repeat(200_000)

/** A directory with files, beside a secret. */
async function files(t: ExecutionContext): Promise<string> {
  const parent = await temporaryDirectory(t)
  const root = join(parent, 'public')
  for (const directory of ['docs', 'empty', '.git', '.well-known', 'docs/.hidden', 'a b']) await mkdir(join(root, directory), { recursive: true })
  const contents: Record<string, string | Buffer> = {
    'index.html': '<p>home',
    'a.txt': 'text',
    'long.txt': LONG,
    'docs/index.htm': '<p>docs',
    'docs/page.html': '<p>page',
    '.env': 'SECRET',
    '.git/config': 'SECRET',
    '.well-known/security.txt': 'contact',
    '.well-known/.secret': 'SECRET',
    'docs/.hidden/x': 'SECRET',
    'a b/ü#?.txt': 'escaped',
    '%41.txt': 'literal',
    'z.js': 'plain',
    'z.js.br': brotliCompressSync('brotli'),
    'z.js.gz': gzipSync('gzip'),
  }
  for (const [name, content] of Object.entries(contents)) await writeFile(join(root, name), content)
  await writeFile(join(parent, 'secret.txt'), 'SECRET')
  await symlink(join(parent, 'secret.txt'), join(root, 'link.txt'))
  await symlink(parent, join(root, 'linked'))
  await symlink('a.txt', join(root, 'inside.txt'))
  return root
}

async function served(t: ExecutionContext, settings: DocumentRootSettings = {}, wrap = (root: DocumentRoot): DocumentRoot | Router | HandlerFunction => root) {
  const root = await files(t)
  const opened = await open(t, wrap(new DocumentRoot(root, settings)), {}, '127.0.0.1:0')
  const get = (path: string, init?: RequestInit) => fetch(opened.server.url + path, { redirect: 'manual', ...init })
  const text = async (path: string, init?: RequestInit) => {
    const response = await get(path, init)
    return [response.status, response.ok ? await response.text() : '']
  }
  return { ...opened, root, get, text }
}

test('files are served with type, length, validators and cache headers', async (t) => {
  const { get } = await served(t, { maxAge: 60, headers: { 'x-own': 'yes' } })
  for (const [path, type, length] of [['a.txt', 'text/plain; charset=utf-8', 4], ['long.txt', 'text/plain; charset=utf-8', LONG.length], ['', 'text/html; charset=utf-8', 7]] as const) {
    // Opened, then from memory.
    for (const round of ['first', 'second']) {
      const response = await get(path)
      t.is(response.status, 200, `${path} ${round}`)
      t.is((await response.text()).length, length)
      t.is(response.headers.get('content-type'), type)
      t.is(response.headers.get('content-length'), String(length))
      t.is(response.headers.get('cache-control'), 'max-age=60')
      t.is(response.headers.get('accept-ranges'), 'bytes')
      t.is(response.headers.get('x-own'), 'yes')
      t.regex(response.headers.get('etag')!, /^"[^"]+"$/)
      t.truthy(Date.parse(response.headers.get('last-modified')!))
      const head = await get(path, { method: 'HEAD' })
      t.deepEqual([head.status, head.headers.get('content-length'), head.headers.get('etag')], [200, String(length), response.headers.get('etag')])
    }
  }
})

test('conditions and ranges are evaluated, also for files in memory', async (t) => {
  const { get } = await served(t)
  const first = await get('a.txt')
  const etag = first.headers.get('etag')!
  await first.text()
  t.is((await get('a.txt', { headers: { 'if-none-match': etag } })).status, 304)
  t.is((await get('a.txt', { headers: { 'if-none-match': '"other"' } })).status, 200)
  t.is((await get('a.txt', { headers: { 'if-match': '"other"' } })).status, 412)
  const part = await get('a.txt', { headers: { range: 'bytes=1-2' } })
  t.deepEqual([part.status, await part.text(), part.headers.get('content-range')], [206, 'ex', 'bytes 1-2/4'])
  t.is((await get('', { headers: { 'if-none-match': (await get('')).headers.get('etag')! } })).status, 304)
})

test('a directory is its index, redirected to the form with a slash; there is no listing', async (t) => {
  const { get, text } = await served(t)
  t.deepEqual(await text('docs/'), [200, '<p>docs'])
  for (let round = 0; round < 2; round++) {
    const response = await get('docs?q=1')
    t.deepEqual([response.status, response.headers.get('location')], [308, './docs/?q=1'])
    t.is(new URL(response.headers.get('location')!, response.url).pathname, '/docs/')
  }
  t.deepEqual(await text('empty/'), [404, ''])
  t.deepEqual(await text('empty'), [404, ''])
  t.deepEqual(await text('docs/index.htm'), [200, '<p>docs'])
  t.deepEqual(await text('a.txt/'), [404, ''])
  const other = await served(t, { index: 'page.html' })
  t.deepEqual(await other.text('docs/'), [200, '<p>page'])
  t.deepEqual(await other.text(''), [404, ''])
})

test('the redirect of a directory never leads to another host', async (t) => {
  const { get, root } = await served(t)
  await mkdir(join(root, 'evil.example'))
  await writeFile(join(root, 'evil.example/index.html'), 'x')
  const response = await get('/evil.example')
  t.is(new URL(response.headers.get('location') ?? '', response.url).host, new URL(response.url).host)
})

test('paths are decoded once', async (t) => {
  const { text } = await served(t)
  t.deepEqual(await text('a%20b/%C3%BC%23%3F.txt'), [200, 'escaped'])
  t.deepEqual(await text('%2541.txt'), [200, 'literal'])
  t.deepEqual(await text('%41.txt'), [404, ''])
  t.deepEqual(await text('%zz'), [400, ''])
  t.deepEqual(await text('%C3'), [400, ''])
})

/** Targets that must not lead to the secret beside the root, as they are sent. */
const TRAVERSALS = [
  '/../secret.txt',
  '/docs/../../secret.txt',
  '/%2e%2e/secret.txt',
  '/%2E%2E%2Fsecret.txt',
  '/..%2fsecret.txt',
  '/docs/..%2f..%2fsecret.txt',
  '/%252e%252e/secret.txt',
  '/..%252fsecret.txt',
  '/..\\secret.txt',
  '/..%5csecret.txt',
  '/%2e%2e%5csecret.txt',
  '/....//secret.txt',
  '/a.txt%00.html',
  '/..%00/secret.txt',
  '/%c0%ae%c0%ae/secret.txt',
  '//secret.txt/../../secret.txt',
  '/link.txt',
  '/linked/secret.txt',
  '/linked/',
  'http://a/../secret.txt',
  '/.env',
  '/%2eenv',
  '/.git/config',
  '/.GIT/config',
  '/.git%2fconfig',
  '/docs/.hidden/x',
  '/.well-known/.secret',
  '/docs/.well-known/x',
  '/.well-known/../.env',
  '/.well-known/%2e%2e/.env',
  '/.well-known%2f..%2f.env',
]
for (const target of TRAVERSALS) {
  test(`${target} leads nowhere`, async (t) => {
    const { connect } = await served(t)
    const wire = (await connect()).send(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    const received = await wire.end()
    t.regex(received, /^HTTP\/1\.[01] 40[04] /)
    t.false(received.includes('SECRET'))
  })
}

test('links inside of the root, and /.well-known/, are served', async (t) => {
  const { text } = await served(t)
  t.deepEqual(await text('inside.txt'), [200, 'text'])
  t.deepEqual(await text('.well-known/security.txt'), [200, 'contact'])
})

test('dotfiles are served where that is wanted, dots alone never', async (t) => {
  const { text, connect } = await served(t, { dotfiles: true })
  t.deepEqual(await text('.env'), [200, 'SECRET'])
  const wire = (await connect()).send('GET /docs/%2e%2e%2f..%2fsecret.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.regex(await wire.end(), /^HTTP\/1\.1 404 /)
})

test('precompressed files are sent to clients that accept them, and kept apart', async (t) => {
  const { get } = await served(t, { precompressed: true })
  for (let round = 0; round < 2; round++) {
    for (const [accepted, coding, text] of [['br, gzip', 'br', 'brotli'], ['gzip', 'gzip', 'gzip'], ['identity', null, 'plain']] as const) {
      const response = await get('z.js', { headers: { 'accept-encoding': accepted } })
      t.deepEqual([response.headers.get('content-encoding'), await response.text(), response.headers.get('vary')], [coding, text, 'accept-encoding'])
      t.is(response.headers.get('content-type'), 'text/javascript; charset=utf-8')
    }
  }
})

test('the fallback answers GET and HEAD of clients that accept HTML, and isn\'t to be kept', async (t) => {
  const { get, text } = await served(t, { fallback: 'index.html', maxAge: 3600 })
  const page = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } }
  for (let round = 0; round < 2; round++) {
    const response = await get('users/5', page)
    t.deepEqual([response.status, await response.text()], [200, '<p>home'])
    t.is(response.headers.get('cache-control'), 'no-cache')
    t.is(response.headers.get('content-type'), 'text/html; charset=utf-8')
    t.is((await get('users/5', { ...page, method: 'HEAD' })).headers.get('content-length'), '7')
    t.is((await get('users/5', { headers: { ...page.headers, 'if-none-match': response.headers.get('etag')! } })).status, 304)
  }
  t.is((await get('a.txt', page)).headers.get('cache-control'), 'max-age=3600')
  t.is((await get('', page)).headers.get('cache-control'), 'max-age=3600')
  t.deepEqual(await text('users/5.js', { headers: { accept: '*/*' } }), [404, ''])
  t.deepEqual(await text('api', { headers: { accept: 'application/json, text/html;q=0.5' } }), [404, ''])
  t.deepEqual(await text('users/5', { ...page, method: 'POST' }), [405, ''])
  t.deepEqual(await text('.env', page), [404, ''])
  const none = await served(t, { fallback: 'none.html' })
  t.deepEqual(await none.text('users/5', page), [404, ''])
})

test('other methods are a 405, and OPTIONS tells the methods', async (t) => {
  const { get } = await served(t)
  const refused = await get('a.txt', { method: 'DELETE' })
  t.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD, OPTIONS'])
  const options = await get('a.txt', { method: 'OPTIONS' })
  t.deepEqual([options.status, options.headers.get('allow')], [204, 'GET, HEAD, OPTIONS'])
})

for (const memory of [0, 1024, 16 * 1024 * 1024]) {
  test(`changes are seen after revalidate, with ${memory} bytes of memory`, async (t) => {
    const { text, root } = await served(t, { memory, revalidate: 0.02 })
    const later = () => new Promise((resolve) => setTimeout(resolve, 40))
    t.deepEqual(await text('a.txt'), [200, 'text'])
    await writeFile(join(root, 'a.txt'), 'changed')
    await later()
    t.deepEqual(await text('a.txt'), [200, 'changed'])
    await rm(join(root, 'a.txt'))
    await later()
    t.deepEqual(await text('a.txt'), [404, ''])
  })
}

test('with revalidate 0 each request sees the file as it is', async (t) => {
  const { text, root } = await served(t, { revalidate: 0 })
  for (const content of ['one', 'two', 'three']) {
    await writeFile(join(root, 'a.txt'), content)
    t.deepEqual(await text('a.txt'), [200, content])
  }
})

test('many requests for many files are answered right while the memory overflows', async (t) => {
  const { text, root } = await served(t, { memory: 20_000 })
  const names = Array.from({ length: 40 }, (_, at) => `file-${at}.txt`)
  for (const name of names) await writeFile(join(root, name), name.repeat(100))
  const asked = Array.from({ length: 400 }, (_, at) => names[(at * 7) % names.length]!)
  const answers = await Promise.all(asked.map((name) => text(name)))
  t.deepEqual(answers, asked.map((name) => [200, name.repeat(100)]))
})

test('it can be mounted, and its responses are like any other', async (t) => {
  const { get, text } = await served(t, {}, (root) =>
    new Router().mount('/assets', root, async (request, next) => {
      const response = await next(request)
      response.setHeader('x-by', 'middleware')
      return response
    }),
  )
  t.deepEqual(await text('assets/a.txt'), [200, 'text'])
  t.is((await get('assets/a.txt')).headers.get('x-by'), 'middleware')
  const redirect = await get('assets/docs')
  t.is(new URL(redirect.headers.get('location')!, redirect.url).pathname, '/assets/docs/')
  t.deepEqual(await text('a.txt'), [404, ''])
})

test('wrong settings are reported where the root is made', (t) => {
  const wrong = (message: RegExp, root: unknown, settings?: unknown) => void t.throws(() => new DocumentRoot(root as string, settings as DocumentRootSettings), { instanceOf: OptionError, message })
  wrong(/root/, '')
  wrong(/root/, 5)
  wrong(/settings/, 'public', null)
  wrong(/maxage/, 'public', { maxage: 5 })
  wrong(/maxAge/, 'public', { maxAge: -1 })
  wrong(/root/, 'public', { root: '/' })
  wrong(/dotfiles/, 'public', { dotfiles: 'deny' })
  wrong(/memory/, 'public', { memory: -1 })
  wrong(/fallback/, 'public', { fallback: 5 })
  wrong(/index/, 'public', { index: '../x' })
  t.notThrows(() => new DocumentRoot(new URL('file:///srv/www/'), { memory: 0 }))
})
