import test from 'ava'
import { Agent, fetch } from 'undici'
import {
  DefaultErrorHandler,
  HttpErrorException,
  HttpServer,
  ListenError,
  OptionError,
  Options,
  Request,
  Response,
  StateError,
  serve,
  silentLogger,
  stderrLogger,
} from '../src/index.ts'
import type { LogLevel, Logger, ServerSettings } from '../src/index.ts'
import { GET, IS_TLS, LAST_GET, SCHEME, count, hold, open, until } from './support.ts'

test('a handler answers over a real socket', async (t) => {
  const { connect } = await open(t, () => Response.text('Hello'))
  const received = await (await connect()).send(LAST_GET).end()
  t.regex(
    received,
    /^HTTP\/1\.1 200 OK\r\ndate: .+ GMT\r\nconnection: close\r\ncontent-type: text\/plain; charset=utf-8\r\ncontent-length: 5\r\n\r\nHello$/,
  )
})

test('a connection is kept alive, and pipelined responses are sent in order', async (t) => {
  const delays: Record<string, number> = { '/1': 30, '/2': 0, '/3': 10 }
  const { connect } = await open(t, async (request) => {
    await new Promise((resolve) => setTimeout(resolve, delays[request.getPath()]))
    return Response.text(request.getPath())
  })
  const wire = await connect()
  wire.send([1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  const received = await wire.until((text) => count(text, 'HTTP/1.1 200') === 3 && text.endsWith('/3'))
  t.deepEqual(received.match(/\/[123]$|\/[123](?=HTTP)/g), ['/1', '/2', '/3'])
})

test('IPv4 and IPv6 of localhost share one port', async (t) => {
  const { server, port } = await open(t, () => Response.text('ok'))
  const ports = server.getServers().map((address) => address.getPort())
  t.true(ports.every((each) => each === port))
  t.is(await (await fetch(`${SCHEME}://127.0.0.1:${port}/`)).text(), 'ok')
  t.is(server.url, `${SCHEME}://localhost:${port}/`)
})

test('undici works with keep-alive, bodies and HEAD', async (t) => {
  const { port } = await open(t, async (request) => Response.text(await request.text()))
  const dispatcher = new Agent({ connections: 1 })
  t.teardown(() => dispatcher.close())
  const url = `${SCHEME}://127.0.0.1:${port}/`
  for (const body of ['', 'a', 'ü'.repeat(3000), 'x'.repeat(100_000)]) {
    const response = await fetch(url, { method: 'POST', body, dispatcher })
    t.is(await response.text(), body)
  }
  const head = await fetch(url, { method: 'HEAD', dispatcher })
  t.is(head.headers.get('content-length'), '0')
})

test('a port in use is a ListenError that names it', async (t) => {
  const { port } = await open(t, () => new Response(204))
  const error = await t.throwsAsync(serve(`127.0.0.1:${port}`, () => new Response(204)), { instanceOf: ListenError })
  t.is(error?.reason, 'EADDRINUSE')
  t.regex(error?.message ?? '', new RegExp(`127\\.0\\.0\\.1:${port} is in use`))
})

test('stop waits for a pending request and answers it with connection: close', async (t) => {
  let release = (): void => {}
  const called = new Promise<void>((resolve) => {
    release = resolve
  })
  let answer: (response: Response) => void = () => {}
  const { server, connect } = await open(t, () => {
    release()
    return new Promise<Response>((resolve) => {
      answer = resolve
    })
  })
  const idle = await connect()
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await called
  const stopped = server.stop()
  t.is(await idle.end(), '')
  answer(Response.text('late'))
  await stopped
  const received = await wire.end()
  t.true(received.includes('connection: close\r\n') && received.endsWith('late'))
  t.is(server.getState(), HttpServer.STOPPED)
})

test('stop closes the connection of a handler that never answers', async (t) => {
  const { server, connect } = await open(t, () => new Promise<Response>(() => {}))
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await server.stop(20)
  t.is(await wire.end(), '')
})

test('a stopped server can be started again', async (t) => {
  const { server } = await open(t, () => Response.text('again'))
  await server.stop()
  await server.start()
  t.is(await (await fetch(server.url)).text(), 'again')
})

test('starting twice is an error that names the state', async (t) => {
  const { server } = await open(t, () => new Response(204))
  await t.throwsAsync(server.start(), { instanceOf: StateError, message: /STARTED/ })
})

test('a failing observer stops the start, which rejects with an AggregateError', async (t) => {
  const stops: string[] = []
  const observers = [
    { onStart: () => Promise.reject(new Error('no')), onStop: () => void stops.push('one') },
    { onStop: () => void stops.push('two') },
  ]
  const server = new HttpServer('localhost:0', () => new Response(204), { observers })
  const error = await t.throwsAsync(server.start(), { instanceOf: AggregateError })
  t.is((error.errors[0] as Error).message, 'no')
  t.deepEqual(stops, ['one', 'two'])
  t.is(server.getState(), HttpServer.STOPPED)
})

/** A logger that keeps every line, and the lines. */
function keeping(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const levels = Object.keys(silentLogger) as LogLevel[]
  const logger = Object.fromEntries(levels.map((level) => [level, (line: string) => void lines.push(`${level} ${line}`)]))
  return { lines, logger: logger as unknown as Logger }
}

const nothing = (): Response => new Response(204)

test('settings are Options or an object with their fields, and an invalid one throws and is named', (t) => {
  const options = Options.from({ http1Timeout: 3 })
  t.is(new HttpServer(0, nothing, options).getOptions(), options)
  const server = new HttpServer(0, nothing, { options, bodySizeLimit: 5 })
  t.deepEqual([server.getOptions().getHttp1Timeout(), server.getOptions().getBodySizeLimit()], [3, 5])
  t.is(server.getLogger(), stderrLogger)
  t.true(server.getErrorHandler() instanceof DefaultErrorHandler)
  t.is(new HttpServer(0, nothing, { logger: null }).getLogger(), silentLogger)
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /^settings must be/],
    ['debug', /^settings must be/],
    [{ options: {} }, /^options must be made by Options\.from/],
    [{ logger: {} }, /^logger must be .*, console, or a pino logger; got an object/],
    [{ logger: 'stderr' }, /^logger must be /],
    [{ errorHandler: () => nothing() }, /^errorHandler must be an object with handleError/],
    [{ observers: [{ start() {} }] }, /^an observer must be an object with onStart or onStop/],
    [{ loger: silentLogger }, /^loger must be .*did you mean logger\?/],
    [{ errorhandler: {} }, /did you mean errorHandler\?/],
  ]
  for (const [settings, message] of wrong) {
    t.throws(() => new HttpServer(0, nothing, settings as ServerSettings), { instanceOf: OptionError, message })
  }
})

test('a handler is a function or an object with handleRequest', async (t) => {
  class Greeter {
    readonly #greeting = 'Hello'
    handleRequest(): Response {
      return Response.text(this.#greeting)
    }
  }
  const { connect } = await open(t, new Greeter())
  t.true((await (await connect()).send(LAST_GET).end()).endsWith('Hello'))
  for (const handler of [undefined, 'Hello', {}, new Response()]) {
    t.throws(() => new HttpServer(0, handler as never), { instanceOf: OptionError, message: /^handler must be a function/ })
  }
})

test('the state goes from stopped to stopped, and setters throw in every other state', async (t) => {
  const seen: string[] = []
  const look = (server: HttpServer): void => {
    seen.push(HttpServer.STATES[server.getState()])
    const misuses = [
      () => server.setErrorHandler(new DefaultErrorHandler()),
      () => server.attach({ onStop: () => {} }),
      () => server.expose(0),
      () => server.onStart(() => {}),
      () => server.onStop(() => {}),
    ]
    for (const misuse of misuses) t.throws(misuse, { instanceOf: StateError, message: /needs a stopped server; this one is ST/ })
  }
  const server = new HttpServer('127.0.0.1:0', nothing, { observers: [{ onStart: look, onStop: look }] })
  t.is(server.getState(), HttpServer.STOPPED)
  t.throws(() => server.getServers(), { instanceOf: StateError })
  t.throws(() => server.url, { instanceOf: StateError })
  const refusal = (promise: Promise<unknown>): Promise<string> => promise.then(() => '', (error: StateError) => error.message)
  const [, twice, early] = await Promise.all([server.start(), refusal(server.start()), refusal(server.stop())])
  t.deepEqual([twice, early], ["the server can't be started: it is STARTING", "the server can't be stopped: it is STARTING"])
  look(server)
  const [, again, late] = await Promise.all([server.stop(), refusal(server.stop()), refusal(server.start())])
  t.deepEqual([again, late], ["the server can't be stopped: it is STOPPING", "the server can't be started: it is STOPPING"])
  await server.stop()
  t.deepEqual(seen, ['STARTING', 'STARTED', 'STOPPING'])
})

test('stop takes a number of milliseconds; Infinity is without a limit', async (t) => {
  const { server, next, connect } = await hold(t)
  for (const time of [-1, Number.NaN, '5' as never, null as never]) {
    await t.throwsAsync(server.stop(time), { instanceOf: OptionError, message: /^timeoutMs must be/ })
  }
  t.is(server.getState(), HttpServer.STARTED)
  const wire = (await connect()).send(GET)
  const { answer } = await next()
  const stopped = server.stop(Infinity)
  answer(Response.text('late'))
  await stopped
  t.true((await wire.end()).endsWith('late'))
})

test('observers are called once each: attached ones, the handler and the error handler', async (t) => {
  const told: string[] = []
  const observer = (name: string) => ({
    onStart: (server: HttpServer) => void told.push(`${name} starts at ${server.getServers().length} address`),
    onStop: () => void told.push(`${name} stops`),
  })
  const one = observer('one')
  const handler = Object.assign(() => nothing(), observer('handler'))
  const server = new HttpServer('127.0.0.1:0', handler, { logger: silentLogger, observers: [one, one] })
  server.attach(one)
  server.setErrorHandler(Object.assign(new DefaultErrorHandler(), observer('error handler')))
  server.onStart(() => void told.push('callback starts'))
  server.onStop(() => void told.push('callback stops'))
  await server.start()
  const names = ['handler', 'one', 'callback', 'error handler']
  const starts = (name: string): string => (name === 'callback' ? 'callback starts' : `${name} starts at 1 address`)
  t.deepEqual(told.splice(0).sort(), names.map(starts).sort())
  await server.stop()
  t.deepEqual(told.sort(), names.map((name) => `${name} stops`).sort())
})

test('stop rejects with an AggregateError of failed observers after everything is closed', async (t) => {
  const fail = (): never => {
    throw new Error('no')
  }
  const { server, connect } = await open(t, nothing, { observers: [{ onStop: fail }, { onStop: fail }] })
  const idle = await connect()
  const error = await t.throwsAsync(server.stop(), { instanceOf: AggregateError })
  t.is(error.errors.length, 2)
  t.is(await idle.end(), '')
  t.is(server.getState(), HttpServer.STOPPED)
})

test('observers are called at the stop while clients are connected and no more are accepted', async (t) => {
  let refused: unknown = null
  const { server, port, next, connect } = await hold(t, {
    observers: [
      {
        async onStop() {
          refused = await fetch(`${SCHEME}://127.0.0.1:${port}/`).catch((error: unknown) => error)
          t.false(client.isClosed())
          answer(Response.text('goodbye'))
        },
      },
    ],
  })
  const wire = (await connect()).send(GET)
  const { client, answer } = await next()
  await server.stop()
  t.true(refused instanceof Error)
  t.true((await wire.end()).endsWith('goodbye'))
})

test('an address can be added while the server is stopped, once', async (t) => {
  const server = new HttpServer('127.0.0.1:0', nothing, { logger: silentLogger })
  server.expose({ host: '::1', port: 0 })
  t.throws(() => server.expose('127.0.0.1:0'), { instanceOf: OptionError, message: /does not listen on yet/ })
  t.throws(() => server.expose(-1), { instanceOf: OptionError })
  await server.start().catch((error: ListenError) => t.is(error.reason, 'EADDRNOTAVAIL'))
  if (server.getState() !== HttpServer.STARTED) return
  t.deepEqual(server.getServers().map((address) => address.getHost()), ['127.0.0.1', '::1'])
  await server.stop()
})

test('an error handler can be replaced while the server is stopped', async (t) => {
  const { server } = await open(t, () => {
    throw new HttpErrorException(404)
  })
  await server.stop()
  t.throws(() => server.setErrorHandler({} as never), { instanceOf: OptionError })
  server.setErrorHandler({ handleError: (status) => Response.text(`my ${status}`, status) })
  await server.start()
  t.is(await (await fetch(server.url)).text(), 'my 404')
})

test('await using stops the server at the end of its block, also during a start or stop', async (t) => {
  const servers: HttpServer[] = []
  for (const use of [
    (server: HttpServer) => server.start(),
    (server: HttpServer) => void server.start(),
    async (server: HttpServer) => {
      await server.start()
      void server.stop()
    },
    () => {},
  ]) {
    await using server = new HttpServer('127.0.0.1:0', nothing, { logger: null })
    servers.push(server)
    await use(server)
  }
  t.deepEqual(servers.map((server) => server.getState()), [0, 0, 0, 0])
})

test('each change of state is logged', async (t) => {
  const { lines, logger } = keeping()
  const { server, port, connect } = await open(t, nothing, { logger }, '127.0.0.1:0')
  const wire = await connect()
  const peer = `127.0.0.1:${(wire.socket.address() as { port: number }).port}`
  await wire.send(`OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n${LAST_GET.replace('/ ', '/"\\ ')}`).end()
  await until(() => lines.some((line) => line.endsWith('has closed')))
  await server.stop()
  const client = /client (\d+) at/.exec(lines[3]!)![1]
  // It has the words of TLS alone; they are looked at in tls.spec.ts.
  const negotiated = lines.findIndex((line) => line.includes(' has negotiated '))
  t.is(negotiated >= 0, IS_TLS)
  if (IS_TLS) lines.splice(negotiated, 1)
  t.deepEqual(lines, [
    'debug starting',
    'debug started',
    `info listening on ${SCHEME}://127.0.0.1:${port}/`,
    `debug client ${client} at ${peer} requests OPTIONS * HTTP/1.1`,
    `debug client ${client} at ${peer} requests TRACE / HTTP/1.1`,
    `debug client ${client} at ${peer} requests GET /\\"\\\\ HTTP/1.1`,
    `debug client ${client} has closed`,
    'debug stopping',
    'debug stopped',
  ])
})

test('debug mode warns where other machines can reach the server', async (t) => {
  const warnings = async (listen: string | number): Promise<number> => {
    const { lines, logger } = keeping()
    await using _ = await serve(listen, nothing, { logger, debug: true })
    return lines.filter((line) => line.startsWith('warning debug mode is on')).length
  }
  t.deepEqual([await warnings('127.0.0.1:0'), await warnings(0)], [0, 1])
})

test('a request can be answered without a socket, by the same rules', async (t) => {
  const { lines, logger } = keeping()
  const server = new HttpServer(0, async (request) => {
    if (request.getPath() === '/throws') throw new Error('broken')
    if (request.getPath() === '/gone') throw new HttpErrorException(410, 'Long gone')
    if (request.getPath() === '/never') return new Promise<Response>(() => {})
    return Response.json({ got: await request.json(), host: request.getHeader('host') })
  }, { logger, handlerTimeout: 0.01 })
  const answer = await server.inject(Request.create('POST', 'http://example.org/', { 'x-a': '1' }, '{"a":1}'))
  t.is(answer.getBody(), '{"got":{"a":1},"host":"example.org"}')
  const statusOf = async (request: Request): Promise<number> => (await server.inject(request)).getStatus()
  t.is(await statusOf(Request.create('GET', '/throws')), 500)
  t.is(await statusOf(Request.create('GET', '/gone')), 410)
  t.is(await statusOf(Request.create('LOCK', '/')), 501)
  const refused = await server.inject(Request.create('TRACE', '/'))
  t.deepEqual([refused.getStatus(), refused.getHeader('allow')], [405, 'GET, POST, PUT, PATCH, HEAD, OPTIONS, DELETE'])
  t.is(await statusOf(Request.create('OPTIONS', '*')), 204)
  const late = Request.create('GET', '/never')
  const signal = late.getSignal()
  t.is(await statusOf(late), 503)
  t.true(signal.aborted)
  t.deepEqual(lines, ['error a handler failed: GET /throws', 'warning a handler has not answered within 0.01 s (handlerTimeout): GET /never'])
  await t.throwsAsync(server.inject('GET /' as never), { instanceOf: StateError, message: /takes a Request/ })
})

test('the time of a stop is three seconds unless it is given', (t) => {
  t.is(HttpServer.DEFAULT_SHUTDOWN_TIMEOUT, 3000)
  t.is(Options.from().getStopTimeout() * 1000, HttpServer.DEFAULT_SHUTDOWN_TIMEOUT)
})
