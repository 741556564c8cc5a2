import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { ExecutionContext } from 'ava'
import { request as ask } from 'undici'
import { CompressionMiddleware, ErrorPagesMiddleware, OptionError, Response, Trailers, stack } from '../src/index.ts'
import type { CompressionSettings, Handler, ServerSettings } from '../src/index.ts'
import { answer, get } from './middleware-support.ts'
import { keepErrors, open, plainTest as test, temporaryDirectory, until } from './support.ts'

const TEXT = 'The quick brown fox jumps over the lazy dog. '.repeat(100)
const HAS_ZSTD = 'zstdDecompressSync' in zlib
const ALL = 'gzip, deflate, br, zstd'
/** On a busy machine the usual 100 ms may be over before a stream has ended. */
const PATIENT = { bufferTimeout: 30_000 }

const decoders: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  ...(HAS_ZSTD ? { zstd: (zlib as unknown as { zstdDecompressSync(bytes: Uint8Array): Uint8Array }).zstdDecompressSync } : {}),
}
const CODINGS = Object.keys(decoders)

interface Received {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly bytes: Buffer
  readonly text: string
}

async function served(t: ExecutionContext, handler: Handler, settings: CompressionSettings = {}, server: ServerSettings = {}) {
  const opened = await open(t, stack(handler, new CompressionMiddleware(settings)), server)
  const receive = async (coding: string | null = 'gzip', headers: Record<string, string> = {}, method: 'GET' | 'HEAD' | 'POST' = 'GET', path = '/'): Promise<Received> => {
    const accept = coding === null ? {} : { 'accept-encoding': coding }
    const { statusCode, headers: received, body } = await ask(`http://127.0.0.1:${opened.port}${path}`, { method, headers: { ...accept, ...headers } })
    const bytes = Buffer.from(await body.arrayBuffer())
    const decode = decoders[String(received['content-encoding'])]
    const text = Buffer.from(bytes.length === 0 || decode === undefined ? bytes : decode(bytes)).toString()
    return { status: statusCode, headers: received, bytes, text }
  }
  return { ...opened, receive }
}

async function* pieces(...texts: string[]): AsyncGenerator<string, void, undefined> {
  for (const text of texts) {
    yield text
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A body that the test writes to. */
function written(): { body: Readable; write(text: string): void; end(): void } {
  const body = new Readable({ read() {} })
  return { body, write: (text) => void body.push(text), end: () => void body.push(null) }
}

for (const coding of CODINGS) {
  const bodies: Record<string, () => Response> = {
    'short text': () => Response.text(TEXT),
    'text that is compressed in another thread': () => Response.text(TEXT.repeat(10)),
    'text that is compressed while it is sent': () => Response.text(TEXT.repeat(100)),
    bytes: () => new Response(200, { 'content-type': 'application/json' }, Buffer.from(TEXT)),
    'a stream': () => new Response(200, { 'content-type': 'text/plain' }, pieces(TEXT, TEXT, TEXT)),
    'a stream with a length': () => new Response(200, { 'content-type': 'text/plain', 'content-length': TEXT.length }, pieces(TEXT)),
    'a web stream': () => new Response(200, { 'content-type': 'text/plain' }, Readable.toWeb(Readable.from([TEXT, TEXT])) as ReadableStream<string>),
    'a Blob': () => new Response(200, { 'content-type': 'text/plain' }, new Blob([TEXT])),
  }
  for (const [name, make] of Object.entries(bodies)) {
    test(`${coding}: ${name}`, async (t) => {
      const { receive } = await served(t, make)
      const plain = await receive(null)
      t.is(plain.headers['content-encoding'], undefined)
      const coded = await receive(coding)
      t.is(coded.headers['content-encoding'], coding)
      t.is(coded.text, plain.text)
      t.true(coded.bytes.length < plain.bytes.length / 5)
      for (const { headers } of [plain, coded]) t.is(headers['vary'], 'accept-encoding')
      if (coded.headers['content-length'] !== undefined) t.is(Number(coded.headers['content-length']), coded.bytes.length)
    })
  }

  test(`${coding}: events arrive one by one`, async (t) => {
    const { body, write, end } = written()
    const { port } = await served(t, () => new Response(200, { 'content-type': 'text/event-stream' }, body))
    const response = await ask(`http://127.0.0.1:${port}/`, { headers: { 'accept-encoding': coding } })
    t.is(response.headers['content-encoding'], coding)
    const decoder = { gzip: zlib.createGunzip, br: zlib.createBrotliDecompress, zstd: (zlib as unknown as { createZstdDecompress: typeof zlib.createGunzip }).createZstdDecompress }[coding]!()
    response.body.pipe(decoder)
    const events = decoder[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    for (const text of ['data: one\n\n', 'data: two\n\n', 'data: three\n\n']) {
      write(text)
      t.is((await events.next()).value.toString(), text)
    }
    end()
    t.true((await events.next()).done)
  })
}

test('what is not compressed', async (t) => {
  const type = { 'content-type': 'text/plain' }
  const responses: Record<string, () => Response> = {
    'a short body': () => Response.text('a'.repeat(859)),
    'a short body of known length': () => new Response(200, { ...type, 'content-length': 3 }, pieces('abc')),
    'no type': () => new Response(200, {}, TEXT),
    'a type that is compressed already': () => new Response(200, { 'content-type': 'image/png' }, TEXT),
    'a coding of its own': () => new Response(200, { ...type, 'content-encoding': 'gzip' }, zlib.gzipSync(TEXT)),
    'no-transform': () => Response.text(TEXT, 200, { 'cache-control': 'public, No-Transform' }),
    'a part': () => Response.text(TEXT, 206, { 'content-range': 'bytes 0-4499/9000' }),
    'a digest of the content': () => Response.text(TEXT, 200, { 'content-digest': 'sha-256=:abc=:' }),
    'switched off': () => {
      const response = Response.text(TEXT)
      response.setCompression(false)
      return response
    },
  }
  for (const [name, make] of Object.entries(responses)) {
    const { receive } = await served(t, make)
    const { headers, bytes } = await receive(ALL)
    t.is(headers['content-encoding'], name === 'a coding of its own' ? 'gzip' : undefined, name)
    t.is(headers['vary'], undefined, name)
    t.deepEqual(bytes, Buffer.from(await make().buffer()), name)
  }
})

test('responses without content stay as they are', async (t) => {
  for (const status of [204, 205, 304]) {
    const { receive } = await served(t, () => new Response(status, { 'content-type': 'text/plain', etag: '"a"' }))
    const { headers, status: received } = await receive(ALL)
    t.is(received, status)
    t.is(headers['content-encoding'], undefined)
    t.is(headers['etag'], '"a"')
  }
})

test('qualities of a client decide', async (t) => {
  const { receive } = await served(t, () => Response.text(TEXT))
  const best = HAS_ZSTD ? 'zstd' : 'br'
  const cases: [string, string | undefined][] = [
    [ALL, best],
    ['gzip, br', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=0', undefined],
    ['deflate', undefined],
    ['identity', undefined],
    ['', undefined],
    ['*', best],
    ['*;q=0', undefined],
    ['gzip;q=0, *', best],
    ['br;q=0, zstd;q=0, *', 'gzip'],
    ['gzip;q=0.5, identity', undefined],
    ['identity;q=0, gzip', 'gzip'],
    // Nothing that is acceptable: an uncoded response is better than an error.
    ['identity;q=0', undefined],
    ['nonsense;;q', undefined],
  ]
  for (const [accepted, expected] of cases) {
    const { headers, text } = await receive(accepted)
    t.is(headers['content-encoding'], expected, accepted)
    t.is(headers['vary'], 'accept-encoding')
    t.is(text, TEXT)
  }
})

test('fields say what was done: Vary is added once, ETags become weak, ranges are not offered', async (t) => {
  const fields = { vary: 'origin, Accept-Encoding', etag: '"a"', 'accept-ranges': 'bytes' }
  const { receive } = await served(t, () => Response.text(TEXT, 200, fields))
  const { headers } = await receive('gzip')
  t.is(headers['vary'], 'origin, Accept-Encoding')
  t.is(headers['etag'], 'W/"a"')
  t.is(headers['accept-ranges'], undefined)
  const plain = await receive('identity')
  t.is(plain.headers['etag'], '"a"')
  t.is(plain.headers['accept-ranges'], 'bytes')
  const weak = await served(t, () => Response.text(TEXT, 200, { etag: 'W/"a"', vary: '*' }))
  const coded = await weak.receive('gzip')
  t.is(coded.headers['etag'], 'W/"a"')
  t.is(coded.headers['vary'], '*')
})

test('HEAD has the fields of a GET, without content', async (t) => {
  const bodies = [() => Response.text(TEXT, 200, { etag: '"a"' }), () => new Response(200, { 'content-type': 'text/plain', etag: '"a"' }, pieces(TEXT)), () => new Response(200, { 'content-type': 'text/plain', 'content-length': 5000, etag: '"a"' })]
  for (const make of bodies) {
    const { receive } = await served(t, make)
    const { headers, bytes } = await receive('gzip', {}, 'HEAD')
    t.is(headers['content-encoding'], 'gzip')
    t.is(headers['content-length'], undefined)
    t.is(headers['etag'], 'W/"a"')
    t.is(headers['vary'], 'accept-encoding')
    t.is(bytes.length, 0)
    const plain = await receive('identity', {}, 'HEAD')
    t.is(plain.headers['content-encoding'], undefined)
  }
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain', 'content-length': 10 }))
  t.is((await receive('gzip', {}, 'HEAD')).headers['content-length'], '10')
})

test('a stream that ends before it is long enough is sent as it is, with its length', async (t) => {
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, pieces('short ', 'stream')), PATIENT)
  const { headers, text } = await receive('gzip')
  t.is(headers['content-encoding'], undefined)
  t.is(headers['content-length'], '12')
  t.is(text, 'short stream')
})

test('a stream that pauses before it is long enough is compressed, and what it gives arrives at once', async (t) => {
  const { body, write, end } = written()
  const { port } = await served(t, () => new Response(200, { 'content-type': 'application/x-ndjson' }, body))
  write('{"a":1}\n')
  const response = await ask(`http://127.0.0.1:${port}/`, { headers: { 'accept-encoding': 'gzip' } })
  t.is(response.headers['content-encoding'], 'gzip')
  const lines = response.body.pipe(zlib.createGunzip())[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  t.is((await lines.next()).value.toString(), '{"a":1}\n')
  write('{"b":2}\n')
  t.is((await lines.next()).value.toString(), '{"b":2}\n')
  end()
  t.true((await lines.next()).done)
})

test('content that does not become smaller is sent as it is', async (t) => {
  const noise = randomBytes(4000)
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, noise))
  const { headers, bytes } = await receive(ALL)
  t.is(headers['content-encoding'], undefined)
  t.is(headers['content-length'], '4000')
  t.deepEqual(bytes, noise)
})

test('a client that leaves ends the source and the compressor', async (t) => {
  const ends: string[] = []
  async function* endless(): AsyncGenerator<string, void, undefined> {
    try {
      for (let line = 0; ; line++) {
        yield `data: ${line}\n\n`
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    } finally {
      ends.push('ended')
    }
  }
  for (const type of ['text/event-stream', 'text/plain']) {
    const { port, server } = await served(t, () => new Response(200, { 'content-type': type }, endless()))
    const response = await ask(`http://127.0.0.1:${port}/`, { headers: { 'accept-encoding': 'gzip' } })
    await response.body[Symbol.asyncIterator]().next()
    response.body.on('error', () => {}).destroy()
    await until(() => server.getStatistics().connections === 0)
  }
  await until(() => ends.length === 2)
  t.pass()
})

test('a client that takes nothing stops the source', async (t) => {
  let given = 0
  async function* noise(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      given++
      yield randomBytes(64 * 1024)
    }
  }
  const { connect, server } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, noise()))
  const wire = await connect()
  wire.socket.pause()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
  let before = -1
  while (given === 0 || given !== before) {
    before = given
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  // The kernel's buffers on both sides take a few megabytes.
  t.true(given < 500, String(given))
  wire.socket.destroy()
  await until(() => server.getStatistics().connections === 0)
})

test('a source that fails before the head gives an error page, and one line in the log', async (t) => {
  const failing: (() => AsyncIterable<string> | ReadableStream<string>)[] = [
    async function* () {
      yield 'short'
      throw new Error('no more')
    },
    () => {
      let calls = 0
      return new ReadableStream<string>({
        pull(controller) {
          if (calls++ === 0) controller.enqueue('short')
          else controller.error(new Error('no more'))
        },
      })
    },
  ]
  for (const make of failing) {
    const { logger, errors } = keepErrors()
    const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, make()), PATIENT, { logger })
    const page = await receive('gzip')
    t.is(page.status, 500)
    t.is(page.headers['content-encoding'], undefined)
    t.deepEqual(errors.map(({ exception }) => (exception as Error).message), ['no more'])
  }
})

test('a source that fails later never gives a response that looks complete', async (t) => {
  const { logger, errors } = keepErrors()
  // Whatever the compressor is doing at that moment: reading, writing or flushing.
  for (let turns = 0; turns < 10; turns++) {
    const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, (async function* () {
      yield TEXT
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
      throw new Error('no more')
    })()), {}, { logger })
    // Before anything was sent it is an error page.
    const received = await receive('gzip').catch(() => null)
    t.true(received === null || received.status === 500, String(turns))
    await until(() => errors.length === turns + 1)
  }
})

test('a body that yields what is neither text nor bytes is an error', async (t) => {
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, (async function* () { yield 1 as never })()))
  t.is((await receive('gzip')).status, 500)
})

test('files are compressed, but not their parts and not what is compressed beside them', async (t) => {
  const root = await temporaryDirectory(t)
  writeFileSync(join(root, 'a.txt'), TEXT)
  writeFileSync(join(root, 'index.html'), TEXT)
  writeFileSync(join(root, 'b.txt'), TEXT)
  writeFileSync(join(root, 'b.txt.br'), zlib.brotliCompressSync(TEXT))
  writeFileSync(join(root, 'a.png'), TEXT)
  writeFileSync(join(root, 'short.txt'), 'short')
  const { receive } = await served(t, (request) => Response.file(request.getPath(), { root, index: ['index.html'], precompressed: true }))
  const at = (path: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET', coding: string | null = 'gzip') => receive(coding, headers, method, path)
  for (const path of ['/a.txt', '/']) {
    const coded = await at(path)
    t.is(coded.headers['content-encoding'], 'gzip', path)
    t.is(coded.text, TEXT)
    t.regex(String(coded.headers['etag']), /^W\//)
    t.is(coded.headers['accept-ranges'], undefined)
  }
  const plain = await at('/a.txt', {}, 'GET', null)
  t.is(plain.headers['content-length'], String(TEXT.length))
  t.is(plain.headers['vary'], 'accept-encoding')
  const part = await at('/a.txt', { range: 'bytes=4-8' })
  t.is(part.status, 206)
  t.is(part.text, 'quick')
  t.is(part.headers['content-encoding'], undefined)
  const beside = await at('/b.txt', {}, 'GET', 'br')
  t.is(beside.headers['content-encoding'], 'br')
  t.deepEqual(beside.bytes, zlib.brotliCompressSync(TEXT))
  t.is((await at('/a.png')).headers['content-encoding'], undefined)
  t.is((await at('/short.txt')).headers['content-length'], '5')
  t.is((await at('/missing.txt')).status, 404)
  const tag = String((await at('/a.txt')).headers['etag'])
  t.is((await at('/a.txt', { 'if-none-match': tag })).status, 304)
  const head = await at('/a.txt', {}, 'HEAD')
  t.is(head.headers['content-encoding'], 'gzip')
  t.is(head.headers['content-length'], undefined)
})

test('a file that another middleware has opened is compressed, too', async (t) => {
  const root = await temporaryDirectory(t)
  writeFileSync(join(root, 'a.txt'), TEXT)
  const { receive } = await served(t, stack(() => Response.file('a.txt', { root }), new ErrorPagesMiddleware()))
  for (let round = 0; round < 2; round++) {
    const coded = await receive('gzip')
    t.is(coded.headers['content-encoding'], 'gzip')
    t.is(coded.text, TEXT)
    t.is((await receive('gzip', { range: 'bytes=0-2' })).status, 206)
    t.is((await receive('gzip', { 'if-none-match': String(coded.headers['etag']) })).status, 304)
  }
})

test('trailers stay behind a compressed body', async (t) => {
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, pieces(TEXT), new Trailers({ 'x-rows': '1' })))
  t.is((await receive('gzip')).text, TEXT)
})

test('padding changes the length of the same page, and every decoder skips it', async (t) => {
  for (const coding of ['gzip', 'br']) {
    for (const padding of [1, 40, 1000]) {
      const { receive } = await served(t, () => Response.text(TEXT), { padding })
      const lengths = new Set<number>()
      for (let round = 0; round < 12; round++) {
        const { bytes, text, headers } = await receive(coding)
        t.is(headers['content-encoding'], coding)
        t.is(text, TEXT)
        lengths.add(bytes.length)
      }
      if (padding > 1) t.true(lengths.size > 1, `${coding} ${padding}`)
      t.true(Math.max(...lengths) - Math.min(...lengths) <= padding + 2)
    }
  }
  const { receive } = await served(t, () => Response.text(TEXT), { padding: 10 })
  t.is((await receive('zstd')).headers['content-encoding'], undefined)
})

test('curl reads each coding that it knows', async (t) => {
  const run = promisify(execFile)
  const version = await run('curl', ['--version']).catch(() => null)
  if (version === null) return t.pass('no curl')
  for (const padding of [0, 100]) {
    const { port } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, pieces(TEXT, TEXT)), { padding })
    for (const [coding, feature] of [['gzip', 'libz'], ['br', 'brotli'], ['zstd', 'zstd']] as const) {
      if (!version.stdout.includes(feature) || !CODINGS.includes(coding) || (coding === 'zstd' && padding > 0)) continue
      const { stdout } = await run('curl', ['-s', '--compressed', '-H', `Accept-Encoding: ${coding}`, '-D', '-', `http://127.0.0.1:${port}/`])
      const [head, body] = stdout.split('\r\n\r\n')
      t.regex(head!, new RegExp(`content-encoding: ${coding}`, 'i'))
      t.is(body, TEXT + TEXT)
    }
  }
})

test('a client like a browser: fetch reads what it asked for', async (t) => {
  const { port } = await served(t, () => Response.json({ text: TEXT }))
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'accept-encoding': 'gzip, deflate, br' } })
  t.is(response.headers.get('content-encoding'), 'br')
  t.deepEqual(await response.json(), { text: TEXT })
})

test('over HTTP/2 and HTTP/1.0 as well', async (t) => {
  const { connect, port } = await served(t, () => new Response(200, { 'content-type': 'text/plain' }, pieces(TEXT)), {}, { http2Cleartext: true })
  const wire = (await connect()).send('GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n')
  const received = Buffer.from(await wire.end(), 'latin1')
  t.is(zlib.gunzipSync(received.subarray(received.indexOf('\r\n\r\n') + 4)).toString(), TEXT)
  const { connect: dial } = await import('node:http2')
  const session = dial(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/', 'accept-encoding': 'br' })
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  t.is(zlib.brotliDecompressSync(Buffer.concat(chunks)).toString(), TEXT)
})

test('settings choose types, lengths, codings and levels', async (t) => {
  const { receive } = await served(t, () => new Response(200, { 'content-type': 'Image/PNG; a=b' }, TEXT), { types: /^image\/png$/gi, minimumLength: 1, codings: ['gzip'], levels: { gzip: 9 } })
  for (let round = 0; round < 2; round++) t.is((await receive(ALL)).headers['content-encoding'], 'gzip')
  const refused: unknown[] = [
    { minimumLength: 0 }, { minimumLength: 1.5 }, { bufferTimeout: 0 }, { padding: -1 }, { padding: 5000 }, { types: 'text' }, { codings: [] },
    { codings: ['deflate'] }, { levels: { gzip: 10 } }, { levels: { deflate: 1 } }, { level: 6 }, null,
  ]
  for (const settings of refused) t.throws(() => new CompressionMiddleware(settings as CompressionSettings), { instanceOf: OptionError }, JSON.stringify(settings))
})

test('inject gives the coded body', async (t) => {
  const response = await answer(stack(() => new Response(200, { 'content-type': 'text/plain' }, pieces(TEXT)), new CompressionMiddleware()), get('/', { 'accept-encoding': 'gzip' }))
  t.is(response.getHeader('content-encoding'), 'gzip')
  t.is(zlib.gunzipSync(await response.buffer()).toString(), TEXT)
})

test('text of two-byte characters counts by its bytes', async (t) => {
  const { receive } = await served(t, () => Response.text('é'.repeat(500)))
  t.is((await receive('gzip')).text, 'é'.repeat(500))
  t.is((await receive('gzip')).headers['content-encoding'], 'gzip')
})
