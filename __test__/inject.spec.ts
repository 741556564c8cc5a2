import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpErrorException, HttpServer, OptionError, Request, Response, SocketAddress, Trailers, silentLogger } from '../src/index.ts'
import type { Handler, LogContext, Logger, ServerSettings } from '../src/index.ts'
import { open, plainTest, temporaryDirectory } from './support.ts'

/** What a client sees. Fields of the connection itself are left out. */
interface Answer {
  readonly status: number
  readonly reason: string
  readonly fields: readonly string[]
  readonly body: string
  /** What was logged, by level and message. */
  readonly lines: readonly string[]
}

/** A logger that keeps what is logged from `warning` up. */
function keeper(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  const keep = (level: string) => (message: string, context?: LogContext) => {
    lines.push([level, message, ...Object.keys(context ?? {})].join(' '))
  }
  return { lines, logger: { ...silentLogger, warning: keep('warning'), error: keep('error'), critical: keep('critical') } }
}

const OF_THE_CONNECTION = ['date', 'connection', 'keep-alive', 'transfer-encoding']

interface Sent {
  readonly method?: string
  readonly target?: string
  readonly fields?: readonly (readonly [string, string])[]
  readonly body?: string
  readonly protocol?: '1.0' | '1.1'
}

async function overSocket(t: ExecutionContext, handler: Handler, settings: ServerSettings, sent: Sent): Promise<Answer> {
  const { method = 'GET', target = '/', fields = [['host', 'a']], body = '', protocol = '1.1' } = sent
  const { lines, logger } = keeper()
  const { connect } = await open(t, handler, { logger, ...settings })
  const length: [string, string][] = body === '' ? [] : [['content-length', String(Buffer.byteLength(body))]]
  const head = [...fields, ...length, ['connection', 'close']].map(([name, value]) => `${name}: ${value}\r\n`)
  const wire = await connect()
  wire.socket.write(`${method} ${target} HTTP/${protocol}\r\n${head.join('')}\r\n${body}`)
  const text = await wire.end()
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...rest] = text.slice(0, end).split('\r\n')
  const own = rest.filter((line) => !OF_THE_CONNECTION.includes(line.split(':')[0]!))
  const content = text.slice(end + 4)
  return {
    status: Number(first.split(' ')[1]),
    reason: first.split(' ').slice(2).join(' '),
    fields: own.sort(),
    body: rest.includes('transfer-encoding: chunked') ? unchunked(content) : content,
    lines,
  }
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (!(size > 0)) return body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}

async function byInject(handler: Handler, settings: ServerSettings, sent: Sent): Promise<Answer> {
  const { method = 'GET', target = '/', fields = [['host', 'a']], body, protocol = '1.1' } = sent
  const { lines, logger } = keeper()
  const server = new HttpServer(0, handler, { logger, ...settings })
  const request = Request.create(method, target, fields, body ?? null, protocol)
  if (!fields.some(([name]) => name === 'host')) request.removeHeader('host')
  const response = await server.inject(request)
  return {
    status: response.getStatus(),
    reason: response.getReason(),
    fields: response
      .getRawHeaders()
      .filter(([name]) => !OF_THE_CONNECTION.includes(name))
      .map(([name, value]) => `${name}: ${value}`)
      .sort(),
    body: Buffer.from(await response.buffer()).toString('latin1'),
    lines,
  }
}

async function* pieces(...list: string[]): AsyncGenerator<string> {
  yield* list
}

const text: Handler = () => Response.text('hellö')
const echo: Handler = async (request) => Response.text(await request.text())
const streamed: Handler = () => new Response(200, { 'x-a': '1' }, pieces('hello', 'world'))
const MINE = new Error('mine')
const LARGE = 'x'.repeat(200_000)

const CASES: Record<string, [handler: Handler, sent?: Sent, settings?: ServerSettings]> = {
  'a text': [text],
  'a text for HEAD': [text, { method: 'HEAD' }],
  'JSON': [() => Response.json({ a: 1 })],
  'bytes': [() => new Response(200, {}, Buffer.from('abc'))],
  'no body': [() => new Response(200)],
  'no body for HEAD': [() => new Response(200), { method: 'HEAD' }],
  'a redirect': [() => Response.redirect('/login')],
  'a 204': [() => new Response(204)],
  'a 204 with a body': [() => new Response(204, {}, 'x')],
  'a 304': [() => new Response(304, { etag: '"a"' })],
  'a 304 with a body': [() => new Response(304, { etag: '"a"' }, 'x')],
  'a 304 with a length': [() => new Response(304, { 'content-length': '10' })],
  'HEAD with a length': [() => new Response(200, { 'content-length': '10' }), { method: 'HEAD' }],
  'a 404': [() => new Response(404, {}, 'no')],
  'a reason': [
    () => {
      const response = Response.text('x')
      response.setStatus(201, 'Made')
      return response
    },
  ],
  'several fields of a name': [() => new Response(200, { 'set-cookie': ['a=1', 'b=2'] }, 'x')],
  'a stream': [streamed],
  'a stream for HEAD': [streamed, { method: 'HEAD' }],
  'a stream with a length': [() => new Response(200, { 'content-length': '10' }, pieces('hello', 'world'))],
  'a stream for HTTP/1.0': [streamed, { protocol: '1.0' }],
  'a stream with a 204': [() => new Response(204, {}, pieces('x'))],
  'a Blob': [() => new Response(200, {}, new Blob(['hello']))],
  'a long text': [() => Response.text(LARGE.repeat(3))],
  'trailers': [() => new Response(200, {}, pieces('x'), new Trailers(() => ({ 'x-a': '1' })))],
  'a body': [echo, { method: 'POST', body: 'hellö' }],
  'a body of the largest size': [echo, { method: 'POST', body: '0123456789' }, { bodySizeLimit: 10 }],
  'a body that is too large': [echo, { method: 'POST', body: LARGE }],
  'a body that is too large and unread': [text, { method: 'POST', body: LARGE }],
  'a body that is too large, for an answer that refuses': [() => new Response(401), { method: 'POST', body: LARGE }],
  'a body whose limit is raised': [
    async (request) => {
      request.getBody().increaseSizeLimit(300_000)
      return Response.text(String((await request.buffer()).length))
    },
    { method: 'POST', body: LARGE },
  ],
  'invalid JSON': [async (request) => Response.json(await request.json()), { method: 'POST', body: '{' }],
  'a handler that fails': [() => Promise.reject(new Error('mine'))],
  'a handler that throws': [
    () => {
      throw new Error('mine')
    },
  ],
  'an error of HTTP': [() => Promise.reject(new HttpErrorException(418, 'Short and stout'))],
  'a handler without a response': [(() => undefined) as never],
  'a status that a handler can not use': [() => new Response(103)],
  'a method that is not allowed': [text, { method: 'TRACE' }],
  'a method that is unknown here': [text, { method: 'LOCK' }],
  'OPTIONS of the server': [text, { method: 'OPTIONS', target: '*' }],
  'OPTIONS of a path': [text, { method: 'OPTIONS', target: '/a' }],
  'an expectation': [text, { fields: [['host', 'a'], ['expect', 'miracles']] }],
  'a handler that takes too long': [() => new Promise(() => {}), {}, { handlerTimeout: 0.05 }],
  'the URI of a request': [(request) => Response.text(String(request.getUri())), { target: '/a/b?c=d' }],
  'the client of a request': [(request) => Response.text(request.getClient().getRemoteAddress().getHost())],
  'the counters of a client': [
    (request) => {
      const client = request.getClient()
      return Response.json([client.getPendingRequestCount(), client.getStatus(), client.isEncrypted(), client.isUnix()])
    },
  ],
  'a handler that fails in debug mode': [() => Promise.reject(MINE), {}, { debug: true }],
  'a handler that fails in debug mode, for JSON': [
    () => Promise.reject(MINE),
    { fields: [['host', 'a'], ['accept', 'application/json']] },
    { debug: true },
  ],
  'a handler that fails with a value that can not be looked at': [
    () => Promise.reject(new Proxy(MINE, { get: () => { throw new Error('no') } })),
    {},
    { debug: true },
  ],
  'an error of HTTP in debug mode': [() => Promise.reject(new HttpErrorException(418)), {}, { debug: true }],
  'a body that is too large in debug mode': [echo, { method: 'POST', body: LARGE }, { debug: true }],
  'a handler that fails, with the request in the log': [() => Promise.reject(MINE), {}, { requestLogContext: true }],
  'an error handler that fails': [
    () => Promise.reject(MINE),
    {},
    { errorHandler: { handleError: () => Promise.reject(new Error('also mine')) } },
  ],
  'an upgrade that was not asked for': [() => new Response(101, { upgrade: 'echo' }).upgrade(() => {})],
  'a wrong length': [() => new Response(200, { 'content-length': '4' }, 'x')],
  'a page of the error handler': [
    () => Promise.reject(new Error('mine')),
    {},
    { errorHandler: { handleError: (status) => Response.json({ status }, status) } },
  ],
}

for (const [kind, [handler, sent = {}, settings = {}]] of Object.entries(CASES)) {
  // Injected requests are plaintext.
  const run = /^the (?:URI|counters) of/.test(kind) ? plainTest : test
  run(`${kind}: inject answers like a socket`, async (t) => {
    t.deepEqual(await byInject(handler, settings, sent), await overSocket(t, handler, settings, sent))
  })
}

/** The page that comes with these depends on where they are refused. */
const REFUSED: Record<string, Sent> = {
  'a target that is too long': { target: `/${'a'.repeat(70_000)}` },
  'fields that are too large': { fields: [['host', 'a'], ['x-a', 'a'.repeat(40_000)]] },
  'too many fields': { fields: [['host', 'a'], ...Array.from({ length: 300 }, (_, at) => [`x-${at}`, '1'] as const)] },
  'two hosts': { fields: [['host', 'a'], ['host', 'b']] },
  'no host': { fields: [['x-a', '1']] },
  'an invalid host': { fields: [['host', 'a b']] },
}

for (const [kind, sent] of Object.entries(REFUSED)) {
  test(`${kind}: inject refuses like a socket`, async (t) => {
    const { status } = await overSocket(t, text, {}, sent)
    t.true(status >= 400)
    t.is((await byInject(text, {}, sent)).status, status)
  })
}

test('an injected file has the fields and the content that a client gets', async (t) => {
  const root = await temporaryDirectory(t)
  await writeFile(join(root, 'a.txt'), 'hello')
  for (const method of ['GET', 'HEAD']) {
    const handler: Handler = () => Response.file('a.txt', { root })
    t.deepEqual(await byInject(handler, {}, { method }), await overSocket(t, handler, {}, { method }))
  }
  const missing: Handler = () => Response.file('b.txt', { root })
  t.deepEqual(await byInject(missing, {}, {}), await overSocket(t, missing, {}, {}))
})

test('Request.create takes an address and whether the connection is encrypted', async (t) => {
  const server = new HttpServer(0, (request) => {
    const client = request.getClient()
    return Response.json([String(client.getRemoteAddress()), client.isEncrypted(), String(request.getUri()), request.getHeader('x-a')])
  })
  const answer = async (request: Request): Promise<unknown> => (await server.inject(request)).json()
  t.deepEqual(await answer(Request.create('GET', '/a', { remoteAddress: '203.0.113.9', isEncrypted: true, headers: { 'x-a': '1' } })), [
    '203.0.113.9',
    true,
    'https://localhost/a',
    '1',
  ])
  const remoteAddress = new SocketAddress('2001:db8::1', 4711)
  t.deepEqual(await answer(Request.create('GET', '/', { remoteAddress })), ['[2001:db8::1]:4711', false, 'http://localhost/', null])
  t.throws(() => Request.create('GET', '/', { remoteAddress: 'example.org' }), { instanceOf: OptionError })
  t.is(await Request.create('POST', '/', { body: 'x' }).text(), 'x')
})

test('an injected request has a client of its own, which closes like others', async (t) => {
  const ids: number[] = []
  let hasClosed = false
  const server = new HttpServer(0, (request) => {
    ids.push(request.getClient().getId())
    request.getClient().onClose(() => void (hasClosed = true))
    return Response.text(String(request.getClient().close()))
  })
  t.is(await (await server.inject(Request.create('GET', '/'))).text(), 'true')
  t.true(hasClosed)
  await server.inject(Request.create('GET', '/'))
  t.not(ids[0], ids[1])
})

test('what proxies forward counts for inject, too', async (t) => {
  const server = new HttpServer(0, (request) => Response.text(`${request.getRemoteAddress().getHost()} ${request.getUri()}`), {
    proxies: ['10.0.0.0/8'],
  })
  const request = Request.create('GET', '/', {
    remoteAddress: '10.0.0.1',
    headers: { 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'example.org' },
  })
  t.is(await (await server.inject(request)).text(), '198.51.100.7 https://example.org/')
})

test('dispose hooks of an injected response run when its body is over', async (t) => {
  const events: string[] = []
  const server = new HttpServer(0, (request) => {
    const response = new Response(200, {}, request.getPath() === '/stream' ? pieces('a', 'b') : 'x')
    response.onDispose(() => events.push(request.getPath()))
    return response
  })
  await server.inject(Request.create('GET', '/whole'))
  t.deepEqual(events, ['/whole'])
  const response = await server.inject(Request.create('GET', '/stream'))
  t.is(events.length, 1)
  await response.buffer()
  t.deepEqual(events, ['/whole', '/stream'])
  await server.inject(Request.create('HEAD', '/stream'))
  t.is(events.length, 3)
})
