import { Readable } from 'node:stream'
import test from 'ava'
import { ClientException, Request, Response } from '../src/index.ts'
import type { Handler, ServerSettings } from '../src/index.ts'
import { GET, IS_HTTP2, LAST_GET, closed, count, hold, holdOne, http1Test, keepErrors, open, until } from './support.ts'

const read: Handler = async (request) => Response.text(String((await request.buffer()).length))
const post = (...lines: string[]): string => `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.join('\r\n')}`
const chunk = (bytes: number, extension = ''): string => `${bytes.toString(16)}${extension}\r\n${'x'.repeat(bytes)}\r\n`
const chunked = (...chunks: string[]): string => post('Transfer-Encoding: chunked', '', `${chunks.join('')}0\r\n\r\n`)
const sized = (bytes: number): string => post(`Content-Length: ${bytes}`, '', 'x'.repeat(bytes))
const get = (target: string, ...fields: string[]): string =>
  `GET ${target} HTTP/1.1\r\n${['Host: a', 'Connection: close', ...fields].join('\r\n')}\r\n\r\n`

/** A limit of header sections: HTTP/2 counts the pseudo-headers too, and 32 bytes more for each field. */
const ofHeads = (limit: number, more: number): number => (IS_HTTP2 ? limit + more : limit)

/** The largest accepted size, the first refused one, and the status of the refusal. */
const SIZES: readonly (readonly [string, ServerSettings, string, string, number])[] = [
  ['headerFieldLimit', { headerFieldLimit: ofHeads(3, 2) }, get('/', 'X-A: 1'), get('/', 'X-A: 1', 'X-B: 1', 'X-C: 1'), 431],
  ['headerSizeLimit', { headerSizeLimit: ofHeads(200, 150) }, get('/', `X-A: ${'a'.repeat(100)}`), get('/', `X-A: ${'a'.repeat(200)}`), 431],
  ['headerSizeLimit over several fields', { headerSizeLimit: ofHeads(200, 400) }, get('/', ...Array<string>(10).fill('A: 1')), get('/', ...Array<string>(40).fill('A: 1')), 431],
  ['requestLineLimit', { requestLineLimit: 100 }, get(`/${'a'.repeat(80)}`), get(`/${'a'.repeat(100)}`), 414],
  ['bodySizeLimit for a declared length', { bodySizeLimit: 10 }, sized(10), sized(11), 413],
  ['bodySizeLimit for chunks', { bodySizeLimit: 10 }, chunked(chunk(5), chunk(5)), chunked(chunk(5), chunk(6)), 413],
  ['bodySizeLimit of 0', { bodySizeLimit: 0 }, sized(0), sized(1), 413],
  ['chunkExtensionLimit over the whole body', { chunkExtensionLimit: 20 }, chunked(chunk(1, ';a=123'), chunk(1, ';b=123')), chunked(...Array<string>(10).fill(chunk(1, ';a=123'))), 413],
  ['headerSizeLimit for trailers', { headerSizeLimit: ofHeads(200, 50) }, post('Transfer-Encoding: chunked', '', '0', 'X-A: 1', '', ''), post('Transfer-Encoding: chunked', '', '0', `X-A: ${'a'.repeat(300)}`, '', ''), 431],
]
for (const [what, settings, fits, exceeds, status] of SIZES) {
  const sizeTest = what.startsWith('chunk') ? http1Test : test
  sizeTest(`${what}: at the limit a request is served, above it gets a ${status}, and the connection ends`, async (t) => {
    const { connect } = await open(t, read, settings)
    t.regex(await (await connect()).send(fits).end(), /^HTTP\/1\.1 200 /)
    const received = await (await connect()).send(exceeds.replace('Connection: close\r\n', '') + GET).end()
    t.regex(received, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nconnection: close\\r\\n`))
    t.is(count(received, 'HTTP/1.1 '), 1)
  })
}

test('Infinity as a limit accepts any size', async (t) => {
  const settings = {
    bodySizeLimit: Infinity,
    headerTimeout: Infinity,
    bodyTimeout: Infinity,
    writeTimeout: Infinity,
    requestTimeout: Infinity,
    handlerTimeout: Infinity,
    headerSizeLimit: Number.MAX_SAFE_INTEGER,
    headerFieldLimit: Number.MAX_SAFE_INTEGER,
    requestLineLimit: Number.MAX_SAFE_INTEGER,
    chunkExtensionLimit: Number.MAX_SAFE_INTEGER,
    pipelineLimit: Number.MAX_SAFE_INTEGER,
    http1Timeout: Number.MAX_SAFE_INTEGER,
    minimumBodyRate: 0,
  }
  const { connect } = await open(t, read, settings)
  const fields = Array<string>(1000).fill(`X-A: ${'a'.repeat(100)}`)
  const body = post(`Content-Length: ${1_000_000}`, ...fields, '', 'x'.repeat(1_000_000))
  t.regex(await (await connect()).send(body).end(), /^HTTP\/1\.1 200 [^]*1000000$/)
})

http1Test('pipelineLimit bounds the handlers that run for one connection at once', async (t) => {
  const { connect, next, arrived } = await hold(t, { pipelineLimit: 2 })
  const wire = (await connect()).send(GET.repeat(4) + LAST_GET)
  for (let at = 0; at < 5; at++) {
    const { answer, client } = await next()
    t.true(client.getPendingResponseCount() <= 2)
    t.true(arrived.length <= 1)
    answer(new Response(204))
  }
  t.is(count(await wire.end(), 'HTTP/1.1 204'), 5)
})

test('allowedMethods decides what reaches the handler, in the order that Allow shows', async (t) => {
  const { connect } = await open(t, () => new Response(204), { allowedMethods: ['HEAD', 'GET', 'PROPFIND'] })
  t.regex(await (await connect()).send(LAST_GET.replace('GET', 'PROPFIND')).end(), /^HTTP\/1\.1 204 /)
  t.regex(await (await connect()).send(LAST_GET.replace('GET', 'POST')).end(), /^HTTP\/1\.1 405 [^]*\r\nallow: HEAD, GET, PROPFIND\r\n/)
  t.regex(await (await connect()).send(LAST_GET.replace('GET / ', 'OPTIONS * ')).end(), /^HTTP\/1\.1 405 /)
})

/** An unfinished request, and the status of its time-out. */
const TIMES: readonly (readonly [string, ServerSettings, string, string])[] = [
  ['headerTimeout', { headerTimeout: 0.2 }, 'GET / HTTP/1.1\r\nHos', '408'],
  ['bodyTimeout', { bodyTimeout: 0.2 }, post('Content-Length: 5', '', 'hel'), '408'],
  ['requestTimeout in a head', { requestTimeout: 0.2 }, 'GET / HTTP/1.1\r\nHos', '408'],
  ['requestTimeout in a body', { requestTimeout: 0.2 }, post('Content-Length: 5', '', 'hel'), '408'],
]
for (const [what, settings, begun, status] of TIMES) {
  // Half a head can't be written here; the tests of `protocol` do that.
  const timeTest = begun.endsWith('Hos') ? http1Test : test
  timeTest(`${what}: a client that does not finish its request gets ${status}, and the connection ends`, async (t) => {
    const { connect } = await open(t, read, settings)
    const received = await (await connect()).send(begun).end()
    t.regex(received, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nconnection: close\\r\\n`))
  })
}

test('handlerTimeout: a handler that does not answer in time gets a 503, and its signal aborts', async (t) => {
  const { wire, request, answer } = await holdOne(t, LAST_GET, { handlerTimeout: 0.05 })
  const signal = request.getSignal()
  t.regex(await wire.end(), /^HTTP\/1\.1 503 /)
  t.true(signal.aborted)
  answer(Response.text('too late'))
  t.false(wire.received.includes('too late'))
})

test('handlerTimeout: a late response is dropped, also while the page is being made', async (t) => {
  let givePage = (): void => {}
  const errorHandler = {
    handleError: () => new Promise<Response>((resolve) => (givePage = () => resolve(Response.text('the page', 503)))),
  }
  const { wire, request, answer } = await holdOne(t, LAST_GET, { handlerTimeout: 0.05, errorHandler })
  const signal = request.getSignal()
  await until(() => signal.aborted)
  const body = new Readable({ read: () => {} })
  let disposals = 0
  const late = new Response(200, {}, body)
  late.onDispose(() => disposals++)
  answer(late)
  await until(() => body.destroyed)
  givePage()
  t.regex(await wire.end(), /^HTTP\/1\.1 503 [^]*the page$/)
  t.is(disposals, 1)
})

test('handlerTimeout: a handler that ends by its signal gets the page and keeps the connection', async (t) => {
  let isOver = false
  const errorHandler = {
    handleError: async () => {
      await until(() => isOver)
      return Response.text('the page', 503)
    },
  }
  const handler: Handler = async (request) => {
    const signal = request.getSignal()
    await until(() => signal.aborted)
    isOver = true
    throw signal.reason
  }
  const { connect } = await open(t, handler, { handlerTimeout: 0.05, errorHandler })
  const received = await (await connect()).send(GET).until((text) => text.endsWith('the page'))
  t.notRegex(received, /connection: close/)
})

const unreadable = new Proxy(new Error('mine'), {
  get: () => {
    throw new Error('no')
  },
})

for (const [what, error, count] of [
  ['an error', new Error('mine'), 1],
  ['an error that can not be looked at', unreadable, 1],
  ['an error that says the client has left', new Error('upstream', { cause: new ClientException(null, 'gone') }), 0],
] as const) {
  test(`handlerTimeout: a handler that fails late with ${what} is logged ${count} times, over a socket and by inject`, async (t) => {
    const { logger, errors } = keepErrors()
    const fail: (() => void)[] = []
    const handler: Handler = () => new Promise((_, reject) => fail.push(() => reject(error)))
    const { server, connect } = await open(t, handler, { handlerTimeout: 0.05, logger })
    t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 503 /)
    t.is((await server.inject(Request.create('GET', '/'))).getStatus(), 503)
    t.is(errors.length, 0)
    for (const failLate of fail) failLate()
    await new Promise((resolve) => setImmediate(resolve))
    t.is(errors.length, 2 * count)
    for (const { message } of errors) t.is(message, 'a handler failed after its time limit: GET /')
  })
}

http1Test('http1Timeout: an idle connection is closed, and Keep-Alive has the time', async (t) => {
  const { connect } = await open(t, () => new Response(204), { http1Timeout: 1 })
  t.regex(await (await connect()).send(GET).end(), /^HTTP\/1\.1 204 [^]*\r\nkeep-alive: timeout=1\r\n/)
})

http1Test('writeTimeout: the connection of a client that does not read is aborted, and the handler notified', async (t) => {
  const { connect, next } = await hold(t, { writeTimeout: 0.3 })
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET)
  const { client, answer } = await next()
  const isClosed = closed(client)
  answer(new Response(200, {}, Buffer.alloc(32 * 1024 * 1024)))
  await isClosed
  t.true(client.isClosed())
})

test('debug: a handler that throws shows its stack to this machine, escaped; without it a page says nothing', async (t) => {
  const handler = (): never => {
    throw new TypeError('<script>secret')
  }
  for (const debug of [true, false]) {
    const { connect } = await open(t, handler, { debug })
    const received = await (await connect()).send(LAST_GET).end()
    t.is(received.includes('TypeError: &#60;script&#62;secret'), debug)
    t.is(received.includes('limits.spec.ts'), debug)
    t.false(received.includes('<script>'))
  }
})

test('requestLogContext: the log line of an error carries the request if it is on', async (t) => {
  for (const requestLogContext of [true, false]) {
    const contexts: unknown[] = []
    const silent = (): void => {}
    const logger = {
      debug: silent,
      info: silent,
      notice: silent,
      warning: silent,
      error: (_: string, context?: object) => void contexts.push(Object.keys(context ?? {})),
      critical: silent,
      alert: silent,
      emergency: silent,
    }
    const { connect } = await open(t, () => Promise.reject(new Error('broken')), { logger, requestLogContext })
    await (await connect()).send(LAST_GET).end()
    t.deepEqual(contexts, [requestLogContext ? ['exception', 'request'] : ['exception']])
  }
})
