/**
 * Responses of files: ranges, conditions, codings, indexes. RFC 9110 §12-§15.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpErrorException, InvalidHeaderException, Request, Response } from '../src/index.ts'
import type { FileSettings, Handler, HttpServer, ServerSettings } from '../src/index.ts'
import { CURL, SCHEME, keepErrors, open } from './support.ts'

const run = promisify(execFile)

/** A Sunday, which no file of a test was written on. */
const OLD = new Date(Date.UTC(1994, 10, 6, 8, 49, 37))
const OLD_TEXT = 'Sun, 06 Nov 1994 08:49:37 GMT'
const DIGITS = '0123456789'

/** A directory that goes with the test. */
function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'busbar-answer-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A file of ten digits. */
function digits(t: ExecutionContext): string {
  const path = join(directory(t), 'digits.txt')
  writeFileSync(path, DIGITS)
  utimesSync(path, OLD, OLD)
  return path
}

interface Answer {
  readonly status: number
  readonly fields: ReadonlyMap<string, string>
  readonly body: string
}

type Ask = (fields?: Readonly<Record<string, string>>, method?: string, target?: string) => Promise<Answer>

/** Asks a server for something, each time on a connection of its own. */
async function opened(t: ExecutionContext, handler: Handler, settings: ServerSettings = {}): Promise<{ ask: Ask; server: HttpServer; port: number }> {
  const { connect, server, port } = await open(t, handler, settings)
  const ask: Ask = async (fields = {}, method = 'GET', target = '/') => {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const received = await (await connect()).send(`${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`).end()
    const end = received.indexOf('\r\n\r\n')
    const [first = '', ...rest] = received.slice(0, end).split('\r\n')
    const all = new Map<string, string>()
    for (const line of rest) {
      const colon = line.indexOf(': ')
      const name = line.slice(0, colon).toLowerCase()
      t.false(all.has(name), `${name} comes once`)
      all.set(name, line.slice(colon + 2))
    }
    return { status: Number(first.slice(9, 12)), fields: all, body: received.slice(end + 4) }
  }
  return { ask, server, port }
}

const DRIVERS: readonly [string, ServerSettings][] = [
  ['', { ioThreads: 0 }],
  [' (threads)', { ioThreads: 1 }],
]

for (const [driver, settings] of DRIVERS) {
  for (const [range, contentRange, body] of [
    ['bytes=0-1', 'bytes 0-1/10', '01'],
    ['bytes=4-', 'bytes 4-9/10', '456789'],
    ['bytes=-3', 'bytes 7-9/10', '789'],
    ['bytes=9-100', 'bytes 9-9/10', '9'],
    ['bytes=0-2,3-4', 'bytes 0-4/10', '01234'],
    ['bytes=8-9,100-', 'bytes 8-9/10', '89'],
    ['bytes=0-', 'bytes 0-9/10', DIGITS],
  ] as const) {
    test(`${range} is one part${driver}`, async (t) => {
      const path = digits(t)
      const { ask } = await opened(t, () => Response.file(path), settings)
      const answer = await ask({ range })
      t.is(answer.status, 206)
      t.is(answer.fields.get('content-range'), contentRange)
      t.is(answer.fields.get('content-length'), String(body.length))
      t.is(answer.fields.get('content-type'), 'text/plain; charset=utf-8')
      t.is(answer.fields.get('last-modified'), OLD_TEXT)
      t.is(answer.body, body)
    })
  }

  test(`several ranges are parts of one body, in the order they were asked for${driver}`, async (t) => {
    const path = digits(t)
    const { ask } = await opened(t, () => Response.file(path), settings)
    const { status, fields, body } = await ask({ range: 'bytes=-2, 0-1, 4-4' })
    t.is(status, 206)
    t.false(fields.has('content-range'))
    const [, boundary] = /^multipart\/byteranges; boundary=([\w-]{20,})$/.exec(fields.get('content-type') ?? '') ?? []
    const part = (range: string, text: string): string =>
      `--${boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes ${range}/10\r\n\r\n${text}\r\n`
    t.is(body, `${part('8-9', '89')}${part('0-1', '01')}${part('4-4', '4')}--${boundary}--\r\n`)
    t.is(fields.get('content-length'), String(body.length))
  })

  test(`a range that begins behind the end is a 416 with the size, by the error handler${driver}`, async (t) => {
    const path = digits(t)
    const { logger, errors } = keepErrors()
    const errorHandler = { handleError: (status: number) => Response.json({ status }, status) }
    const { ask } = await opened(t, () => Response.file(path), { ...settings, errorHandler, logger })
    for (const range of ['bytes=10-', 'bytes=-0', 'bytes=10-11,20-']) {
      const { status, fields, body } = await ask({ range })
      t.is(status, 416, range)
      t.is(fields.get('content-range'), 'bytes */10')
      t.is(body, '{"status":416}')
    }
    t.deepEqual(errors, [])
  })

  test(`a range that can't be parsed or is too much gets the whole file${driver}`, async (t) => {
    const path = digits(t)
    const { ask } = await opened(t, () => Response.file(path), settings)
    for (const range of ['bytes=5-2', 'lines=0-1', 'bytes=0-,0-', 'bytes=x', `bytes=${'0-0,'.repeat(17)}`]) {
      const { status, fields, body } = await ask({ range })
      t.is(status, 200, range)
      t.is(fields.get('accept-ranges'), 'bytes')
      t.false(fields.has('content-range'))
      t.is(body, DIGITS)
    }
  })

  for (const revalidate of [0, 60]) {
    test(`a client that has the file is answered 304, revalidate ${revalidate}${driver}`, async (t) => {
      const path = digits(t)
      const { ask } = await opened(t, () => Response.file(path, { maxAge: 60, revalidate }), settings)
      const etag = (await ask()).fields.get('etag')!
      t.regex(etag, /^"[0-9a-f]+-[0-9a-f]+"$/)
      const having: Record<string, string>[] = [
        { 'if-none-match': etag },
        { 'if-none-match': `"other", W/${etag}` },
        { 'if-none-match': '*' },
        { 'if-modified-since': OLD_TEXT },
        { 'if-none-match': etag, 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT', range: 'bytes=0-1' },
      ]
      for (const fields of having) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await ask(fields, method)
          t.is(answer.status, 304, JSON.stringify(fields))
          t.is(answer.body, '')
          t.is(answer.fields.get('etag'), etag)
          t.is(answer.fields.get('cache-control'), 'max-age=60')
          for (const name of ['content-type', 'content-length', 'content-range', 'last-modified', 'transfer-encoding']) t.false(answer.fields.has(name), name)
        }
      }
      const other: Record<string, string>[] = [{ 'if-none-match': '"other"' }, { 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }]
      for (const fields of other) {
        t.is((await ask(fields)).body, DIGITS, JSON.stringify(fields))
      }
    })
  }

  test(`a condition on the version that isn't met is a 412${driver}`, async (t) => {
    const path = digits(t)
    const { ask } = await opened(t, () => Response.file(path), settings)
    const etag = (await ask()).fields.get('etag')!
    const failing: Record<string, string>[] = [{ 'if-match': '"other"' }, { 'if-match': `W/${etag}` }, { 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }]
    for (const fields of failing) {
      t.is((await ask(fields)).status, 412, JSON.stringify(fields))
    }
    const met: Record<string, string>[] = [{ 'if-match': etag }, { 'if-match': '*' }, { 'if-unmodified-since': OLD_TEXT }]
    for (const fields of met) {
      t.is((await ask(fields)).body, DIGITS, JSON.stringify(fields))
    }
  })
}

test('If-Range gives the range of the same version, and all of another', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, () => Response.file(path))
  const etag = (await ask()).fields.get('etag')!
  for (const [condition, status] of [[etag, 206], [OLD_TEXT, 206], ['"other"', 200], [`W/${etag}`, 200], ['Sun, 06 Nov 1994 08:49:38 GMT', 200]] as const) {
    t.is((await ask({ range: 'bytes=0-1', 'if-range': condition })).status, status, condition)
  }
})

test('HEAD tells the length of all, whatever range it asks for', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, () => Response.file(path))
  const { status, fields, body } = await ask({ range: 'bytes=0-1' }, 'HEAD')
  t.deepEqual([status, fields.get('content-length'), fields.get('accept-ranges'), body], [200, '10', 'bytes', ''])
})

test('other methods are given the whole file, or a 405 where only GET is wanted', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, (request) => Response.file(path, { getOnly: request.getPath() === '/only' }))
  const given = await ask({ range: 'bytes=0-1', 'if-none-match': '*', 'content-length': '0' }, 'POST')
  t.deepEqual([given.status, given.body], [200, DIGITS])
  const refused = await ask({ 'content-length': '0' }, 'POST', '/only')
  t.deepEqual([refused.status, refused.fields.get('allow')], [405, 'GET, HEAD'])
  t.is((await ask({}, 'GET', '/only')).status, 200)
})

test('fields that the application has set are kept', async (t) => {
  const path = digits(t)
  const headers = { etag: '"own"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT', 'cache-control': 'no-cache', 'x-own': '1' }
  const { ask } = await opened(t, () => Response.file(path, { headers, maxAge: 60 }))
  for (const round of ['looked at', 'known']) {
    const answer = await ask({ 'if-none-match': '"own"' })
    t.is(answer.status, 304, round)
    t.deepEqual([answer.fields.get('etag'), answer.fields.get('cache-control'), answer.fields.get('x-own')], ['"own"', 'no-cache', '1'])
  }
  t.is((await ask({ 'if-modified-since': OLD_TEXT })).status, 200)
  t.is((await ask({ 'if-modified-since': 'Mon, 07 Nov 1994 08:49:37 GMT' })).status, 304)
})

test('a response that was changed behind its making is a 304 with the change', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, () => {
    const response = Response.file(path)
    response.setHeader('x-late', '1')
    return response
  })
  for (const round of ['looked at', 'known']) {
    const answer = await ask({ 'if-none-match': '*' })
    t.deepEqual([answer.status, answer.fields.get('x-late'), answer.fields.has('content-type')], [304, '1', false], round)
  }
})

test('a file with another status is whole, and ranges that the application refuses are not given', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, (request) => {
    const response = Response.file(path)
    if (request.getPath() === '/missing') response.setStatus(404)
    else response.setHeader('accept-ranges', 'none')
    return response
  })
  const missing = await ask({ range: 'bytes=0-1', 'if-none-match': '*' }, 'GET', '/missing')
  t.deepEqual([missing.status, missing.body], [404, DIGITS])
  const whole = await ask({ range: 'bytes=0-1' })
  t.deepEqual([whole.status, whole.body, whole.fields.get('accept-ranges')], [200, DIGITS, 'none'])
})

test('an empty file is whole, whatever range is asked for', async (t) => {
  const path = join(directory(t), 'empty.txt')
  writeFileSync(path, '')
  const { ask } = await opened(t, () => Response.file(path))
  for (const range of ['bytes=0-', 'bytes=-5', 'bytes=0-1']) {
    const { status, fields } = await ask({ range })
    t.deepEqual([status, fields.get('content-length')], [200, '0'], range)
  }
})

test('a file from the future is as old as the answer', async (t) => {
  const path = digits(t)
  utimesSync(path, new Date('2100-01-01'), new Date('2100-01-01'))
  const { ask } = await opened(t, () => Response.file(path))
  const { fields } = await ask()
  t.true(Date.parse(fields.get('last-modified')!) <= Date.parse(fields.get('date')!))
})

test('size and time of a file are used for as long as revalidate says', async (t) => {
  const path = digits(t)
  const settings: FileSettings = { revalidate: 60 }
  const { ask } = await opened(t, (request) => Response.file(path, request.getPath() === '/look' ? { revalidate: 0 } : settings))
  const etag = (await ask()).fields.get('etag')!
  writeFileSync(path, 'changed')
  t.is((await ask({ 'if-none-match': etag })).status, 304)
  t.is((await ask({ 'if-none-match': etag }, 'GET', '/look')).body, 'changed')
  // That look has refreshed the cache.
  t.is((await ask({ 'if-none-match': etag })).body, 'changed')
})

test('a file that has gone is a 404 at the latest when it is sent', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, () => Response.file(path, { revalidate: 60 }))
  t.is((await ask()).status, 200)
  rmSync(path)
  t.is((await ask()).status, 404)
})

test('a directory has an index where one is named', async (t) => {
  const root = directory(t)
  mkdirSync(join(root, 'sub'))
  mkdirSync(join(root, 'none'))
  writeFileSync(join(root, 'index.html'), 'root')
  writeFileSync(join(root, 'sub/default.htm'), 'sub')
  writeFileSync(join(root, 'page.html'), 'page')
  const index = ['index.html', 'default.htm']
  const { ask } = await opened(t, (request) => Response.file(request.getPath(), { root, index }))
  for (const [target, body] of [['/', 'root'], ['/sub', 'sub'], ['/sub/', 'sub'], ['/page.html', 'page'], ['/sub/..', 'root']] as const) {
    const answer = await ask({}, 'GET', target)
    t.deepEqual([answer.status, answer.body, answer.fields.get('content-type')], [200, body, 'text/html; charset=utf-8'], target)
    t.is((await ask({ 'if-none-match': answer.fields.get('etag')! }, 'GET', target)).status, 304, target)
  }
  for (const target of ['/none', '/none/', '/page.html/', '/sub/default.htm/']) t.is((await ask({}, 'GET', target)).status, 404, target)
})

test('a path that ends with a slash names no file', async (t) => {
  const path = digits(t)
  const { ask } = await opened(t, () => Response.file(`${path}/`))
  t.is((await ask()).status, 404)
})

test('no index leads out of the root', async (t) => {
  const base = directory(t)
  const root = join(base, 'public')
  mkdirSync(join(root, 'out'), { recursive: true })
  writeFileSync(join(base, 'secret'), 'secret')
  symlinkSync(join(base, 'secret'), join(root, 'index.html'))
  symlinkSync(base, join(root, 'up'))
  writeFileSync(join(base, 'index.html'), 'outside')
  const { ask } = await opened(t, (request) => Response.file(request.getPath(), { root, index: 'index.html' }))
  for (const target of ['/', '/up', '/up/', '/up/index.html', '/../']) t.is((await ask({}, 'GET', target)).status, 404, target)
})

test('a file beside it in a coding stands for it, where a client takes that', async (t) => {
  const root = directory(t)
  const text = 'hello '.repeat(1000)
  writeFileSync(join(root, 'a.html'), text)
  writeFileSync(join(root, 'a.html.gz'), gzipSync(text))
  writeFileSync(join(root, 'a.html.br'), brotliCompressSync(text))
  writeFileSync(join(root, 'b.html'), text)
  const { ask } = await opened(t, (request) => Response.file(request.getPath(), { root, precompressed: true }))
  const tags = new Set<string | undefined>()
  for (const [accepted, coding, file] of [
    ['gzip, deflate, br, zstd', 'br', 'a.html.br'],
    ['gzip', 'gzip', 'a.html.gz'],
    ['br;q=0.1, gzip', 'gzip', 'a.html.gz'],
    ['br;q=0, gzip;q=0', undefined, 'a.html'],
    ['zstd', undefined, 'a.html'],
    ['identity', undefined, 'a.html'],
  ] as const) {
    const content = readFileSync(join(root, file)).toString('latin1')
    const { status, fields, body } = await ask({ 'accept-encoding': accepted }, 'GET', '/a.html')
    t.deepEqual([status, fields.get('content-encoding'), body], [200, coding, content], accepted)
    t.deepEqual([fields.get('content-type'), fields.get('vary')], ['text/html; charset=utf-8', 'accept-encoding'])
    const part = await ask({ 'accept-encoding': accepted, range: 'bytes=1-3' }, 'GET', '/a.html')
    t.deepEqual([part.status, part.fields.get('content-encoding'), part.body], [206, coding, content.slice(1, 4)])
    for (const round of ['looked at', 'known']) {
      const unmodified = await ask({ 'accept-encoding': accepted, 'if-none-match': fields.get('etag')! }, 'GET', '/a.html')
      t.deepEqual([unmodified.status, unmodified.fields.get('etag'), unmodified.fields.get('vary')], [304, fields.get('etag'), 'accept-encoding'], round)
    }
    tags.add(fields.get('etag'))
  }
  // Each coding is a representation of its own.
  t.is(tags.size, 3)
  const plain = await ask({ 'accept-encoding': 'gzip, br' }, 'GET', '/b.html')
  t.deepEqual([plain.body, plain.fields.get('vary'), plain.fields.has('content-encoding')], [text, 'accept-encoding', false])
})

test('a coding leads neither out of the root nor to a file that is not there as it is', async (t) => {
  const base = directory(t)
  const root = join(base, 'public')
  mkdirSync(root)
  writeFileSync(join(base, 'secret.gz'), 'secret')
  writeFileSync(join(root, 'a.txt'), 'plain')
  symlinkSync(join(base, 'secret.gz'), join(root, 'a.txt.gz'))
  writeFileSync(join(root, 'only.txt.gz'), 'only')
  mkdirSync(join(root, 'a.txt.br'))
  const { ask } = await opened(t, (request) => Response.file(request.getPath(), { root, precompressed: true }))
  t.is((await ask({ 'accept-encoding': 'gzip, br' }, 'GET', '/a.txt')).body, 'plain')
  t.is((await ask({ 'accept-encoding': 'gzip' }, 'GET', '/only.txt')).status, 404)
})

test('the application can add to vary, or set a coding of its own', async (t) => {
  const path = digits(t)
  writeFileSync(`${path}.gz`, 'gz')
  const { ask } = await opened(t, (request) => {
    const own: Record<string, string> = request.getPath() === '/vary' ? { vary: 'origin, Accept-Encoding' } : { 'content-encoding': 'x-own' }
    return Response.file(path, { headers: own, precompressed: true })
  })
  t.is((await ask({ 'accept-encoding': 'gzip' }, 'GET', '/vary')).fields.get('vary'), 'origin, Accept-Encoding')
  const coded = await ask({ 'accept-encoding': 'gzip' })
  t.deepEqual([coded.body, coded.fields.get('content-encoding')], [DIGITS, 'x-own'])
})

if (process.platform === 'linux') {
  for (const path of ['/proc/self/status', '/proc/cpuinfo', '/sys/kernel/mm/transparent_hugepage/enabled']) {
    let exists = true
    try {
      statSync(path)
    } catch {
      exists = false
    }
    const there = exists ? test : test.skip
    there(`a file without a size is whole: ${path}`, async (t) => {
      const { port } = await opened(t, () => Response.file(path))
      const answer = await fetch(`${SCHEME}://127.0.0.1:${port}/`, { headers: { range: 'bytes=0-1' } })
      t.is(answer.status, 200)
      for (const name of ['content-length', 'etag', 'last-modified', 'accept-ranges']) t.is(answer.headers.get(name), null, name)
      const lines = (text: string): number => text.split('\n').length
      t.is(lines(await answer.text()), lines(readFileSync(path, 'utf8')))
    })
  }

  test('a file with a hole has its size', async (t) => {
    const path = join(directory(t), 'hole.bin')
    writeFileSync(path, '')
    truncateSync(path, 200_000)
    const { ask } = await opened(t, () => Response.file(path))
    const { status, fields, body } = await ask({ range: 'bytes=100-' })
    t.deepEqual([status, fields.get('content-range'), body.length], [206, 'bytes 100-199999/200000', 199_900])
  })
}

test('curl continues a download, and takes a part', async (t) => {
  const root = directory(t)
  const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, at) => at % 251))
  writeFileSync(join(root, 'big.bin'), content)
  const { port } = await opened(t, () => Response.file('big.bin', { root }))
  const target = join(root, 'got.bin')
  const curl = async (...args: string[]): Promise<void> => {
    await run('curl', ['-sSf', '--max-time', '20', ...CURL, '-o', target, ...args, `${SCHEME}://127.0.0.1:${port}/`])
  }
  writeFileSync(target, content.subarray(0, 123_456))
  await curl('-C', '-')
  t.deepEqual(readFileSync(target), content)
  await curl('-r', '1000-1999')
  t.deepEqual(readFileSync(target), content.subarray(1000, 2000))
})

test('an injected request is given the same', async (t) => {
  const path = digits(t)
  const { server } = await opened(t, () => Response.file(path))
  const inject = (headers: Record<string, string>): Promise<Response> => server.inject(Request.create('GET', '/', headers))
  const part = await inject({ range: 'bytes=2-4' })
  t.deepEqual([part.getStatus(), part.getHeader('content-range'), await part.text()], [206, 'bytes 2-4/10', '234'])
  const several = await inject({ range: 'bytes=0-0,9-9' })
  t.is((await several.buffer()).length, Number(several.getHeader('content-length')))
  const known = await inject({ 'if-none-match': part.getHeader('etag')! })
  t.deepEqual([known.getStatus(), await known.text(), known.getHeader('content-length')], [304, '', null])
  const none = await inject({ range: 'bytes=10-' })
  t.deepEqual([none.getStatus(), none.getHeader('content-range')], [416, 'bytes */10'])
  t.is((await inject({ 'if-match': '"other"' })).getStatus(), 412)
})

test('dispose hooks run once, whatever becomes of the file', async (t) => {
  const path = digits(t)
  let disposed = 0
  const { ask } = await opened(t, () => {
    const response = Response.file(path)
    response.onDispose(() => disposed++)
    return response
  })
  const fields: Record<string, string>[] = [{}, { 'if-none-match': '*' }, { range: 'bytes=0-0' }, { range: 'bytes=10-' }, { 'if-match': '"other"' }]
  for (const [at, given] of fields.entries()) {
    await ask(given)
    t.is(disposed, at + 1, JSON.stringify(given))
  }
})

test('the fields of an HttpErrorException go with its page, and are checked where it is made', async (t) => {
  const cause = new Error('busy')
  const { ask } = await opened(t, () => {
    throw new HttpErrorException(503, { reason: 'Busy', headers: { 'retry-after': 5, 'x-own': ['1'] }, cause })
  })
  const { status, fields } = await ask()
  t.deepEqual([status, fields.get('retry-after'), fields.get('x-own')], [503, '5', '1'])
  t.is(new HttpErrorException(503, { cause }).cause, cause)
  t.throws(() => new HttpErrorException(503, { headers: { 'x-a': 'a\r\nb' } }), { instanceOf: InvalidHeaderException })
})
