import { spawn } from 'node:child_process'
import { AccessLoggerMiddleware, HttpErrorException, OptionError, Request, Response, silentLogger, stack } from '../src/index.ts'
import type { AccessLogEntry, AnyMiddleware, Handler, LogContext, Logger } from '../src/index.ts'
import { answer, get } from './middleware-support.ts'
import { GET, LAST_GET, open, plainTest as test, until } from './support.ts'

/** A logger that keeps lines with their level and context. */
function kept(): { logger: Logger; lines: { level: string; message: string; context: LogContext }[] } {
  const lines: { level: string; message: string; context: LogContext }[] = []
  const levels = Object.keys(silentLogger).map((level) => [
    level,
    (message: string, context: LogContext = {}) => void lines.push({ level, message, context }),
  ])
  return { logger: Object.fromEntries(levels) as Logger, lines }
}

const handler: Handler = async (request) => {
  switch (request.getPath()) {
    case '/missing':
      throw new HttpErrorException(404)
    case '/bug':
      throw new Error('bug')
    case '/stream':
      return new Response(200, {}, (async function* () {
        yield 'one'
        await new Promise((resolve) => setTimeout(resolve, 20))
        yield 'two'
      })())
    default:
      return Response.text('hello')
  }
}

test('a line at the end of each response, at a level by its status', async (t) => {
  const { logger, lines } = kept()
  const { port } = await open(t, stack(handler, new AccessLoggerMiddleware(logger)))
  for (const path of ['/a?b', '/missing', '/bug', '/stream']) await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  await until(() => lines.length === 4)
  t.deepEqual(lines.map(({ level }) => level), ['info', 'notice', 'notice', 'info'])
  const [first, , , last] = lines
  t.regex(first!.message, new RegExp(`^GET http://127\\.0\\.0\\.1:${port}/a\\?b 200 OK, HTTP/1\\.1 from 127\\.0\\.0\\.1:\\d+ to 127\\.0\\.0\\.1:${port}, 5 bytes in \\d+\\.\\d ms, sent$`))
  const { duration, remoteAddress, ...context } = first!.context
  t.deepEqual(context, {
    method: 'GET',
    uri: `http://127.0.0.1:${port}/a?b`,
    status: 200,
    reason: 'OK',
    protocolVersion: '1.1',
    localAddress: `127.0.0.1:${port}`,
    bytesSent: 5,
    outcome: 'sent',
  })
  t.true(typeof duration === 'number' && typeof remoteAddress === 'string')
  t.is(last!.context['bytesSent'], 6)
  t.true((last!.context['duration'] as number) >= 15)
})

test('a client that leaves gives a warning', async (t) => {
  const { logger, lines } = kept()
  let arrived = false
  const { connect } = await open(t, stack((request) => {
    arrived = true
    return new Promise<Response>((_, reject) => request.getSignal().addEventListener('abort', () => reject(request.getSignal().reason)))
  }, new AccessLoggerMiddleware(logger)))
  const wire = (await connect()).send(GET)
  await until(() => arrived)
  wire.socket.destroy()
  await until(() => lines.length === 1)
  t.is(lines[0]!.level, 'warning')
  t.regex(lines[0]!.message, /no answer.* 0 bytes .*, aborted$/)
  t.is(lines[0]!.context['status'], null)
})

test('a request whose client has left before it came here is logged as such', async (t) => {
  const { logger, lines } = kept()
  let arrived = false
  const late: AnyMiddleware = async (request, next) => {
    const left = new Promise((resolve) => request.getSignal().addEventListener('abort', resolve))
    arrived = true
    await left
    return next(request)
  }
  const { connect } = await open(t, stack(handler, late, new AccessLoggerMiddleware(logger)))
  const wire = (await connect()).send(GET)
  await until(() => arrived)
  // A reset: after a FIN the client might still read.
  wire.socket.resetAndDestroy()
  await until(() => lines.length === 1)
  t.is(lines[0]!.level, 'warning')
  t.is(lines[0]!.context['outcome'], 'aborted')
})

test('it logs beside onResponse, the access log of the server and another of its kind', async (t) => {
  const entries: AccessLogEntry[] = []
  const ends: string[] = []
  const { logger, lines } = kept()
  const middleware = [new AccessLoggerMiddleware(logger), new AccessLoggerMiddleware((entry: AccessLogEntry) => void entries.push(entry))]
  const { port } = await open(t, handler, {
    middleware,
    onResponse: () => void ends.push('onResponse'),
    accessLog: () => void ends.push('accessLog'),
  })
  await (await fetch(`http://127.0.0.1:${port}/a`, { headers: { 'user-agent': 'test' } })).text()
  await until(() => lines.length + entries.length + ends.length === 4)
  t.deepEqual(ends, ['onResponse', 'accessLog'])
  const [{ time, duration, ...entry }] = entries as [AccessLogEntry]
  t.deepEqual(entry, {
    remoteAddress: '127.0.0.1', method: 'GET', target: '/a', protocolVersion: '1.1', referer: null, userAgent: 'test', status: 200, bytesSent: 5, outcome: 'sent',
  })
  t.true(time instanceof Date && duration >= 0)
})

test('only what passes it is logged', async (t) => {
  const { logger, lines } = kept()
  const api = stack(handler, new AccessLoggerMiddleware(logger))
  const { port } = await open(t, (request) => (request.getPath().startsWith('/api') ? api(request) : new Response(204)))
  await fetch(`http://127.0.0.1:${port}/`)
  await (await fetch(`http://127.0.0.1:${port}/api`)).text()
  await until(() => lines.length === 1)
  t.regex(lines[0]!.message, /\/api 200/)
})

test('what a client sends can not forge a line', async (t) => {
  const { logger, lines } = kept()
  const { connect } = await open(t, stack(handler, new AccessLoggerMiddleware(logger)))
  await (await connect()).send(LAST_GET.replace('GET / ', 'GET /?b"c ')).end()
  await until(() => lines.length === 1)
  t.regex(lines[0]!.message, /^[ -~]+$/)
})

test('without a socket the response of the handler counts', async (t) => {
  const { logger, lines } = kept()
  const stacked = stack(handler, new AccessLoggerMiddleware(logger))
  for (const path of ['/a', '/missing', '/bug']) await answer(stacked, get(path))
  t.deepEqual(lines.map(({ context }) => [context['status'], context['bytesSent']]), [[200, 5], [404, 0], [500, 0]])
})

test('a log that fails harms no request', async (t) => {
  const failing = { ...silentLogger, info: () => { throw new Error('full') } }
  const { port } = await open(t, stack(handler, new AccessLoggerMiddleware(failing)))
  for (let round = 0; round < 2; round++) t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'hello')
})

test('combined and json write to stdout', async (t) => {
  const run = (format: string): Promise<string> => {
    const script = `import { AccessLoggerMiddleware, Response, serve, stack } from '${new URL('../src/index.ts', import.meta.url).href}'
const server = await serve('127.0.0.1:0', stack(() => Response.text('hello'), new AccessLoggerMiddleware('${format}')), { logger: null })
await (await fetch(server.url + 'a')).text()
await server.stop()
process.exit()`
    const child = spawn(process.execPath, ['--import=@oxc-node/core/register', '--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill())
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    return new Promise((resolve) => child.on('close', () => resolve(out)))
  }
  t.regex(await run('combined'), /^127\.0\.0\.1 - - \[.*\] "GET \/a HTTP\/1\.1" 200 5 "-" ".*"\n$/)
  t.like(JSON.parse(await run('json')), { target: '/a', status: 200, bytesSent: 5 })
})

test('what is no log is refused', (t) => {
  for (const wrong of [undefined, 'common', {}, 1]) t.throws(() => new AccessLoggerMiddleware(wrong as never), { instanceOf: OptionError })
  t.true(Request.create('GET', '/') instanceof Request)
})
