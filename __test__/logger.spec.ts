import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import test from 'ava'
import { HttpServer, OptionError, Response, silentLogger, stderrLogger } from '../src/index.ts'
import type { AnyLogger, LogLevel, ServerSettings } from '../src/index.ts'
import { GET, LAST_GET, count, dialPlain, open, postHead, until } from './support.ts'

/** Collects what is written to standard error while `run` runs. */
async function stderrOf(run: () => Promise<unknown> | void, isTerminal = false): Promise<string> {
  const { write, hasColors } = process.stderr
  let written = ''
  process.stderr.write = ((chunk: string) => (written += chunk) !== '') as typeof write
  process.stderr.hasColors = () => isTerminal
  try {
    await run()
  } finally {
    process.stderr.write = write
    process.stderr.hasColors = hasColors
  }
  return written
}

const broken = (): never => {
  throw new Error('the answer failed', { cause: new AggregateError([new TypeError('first'), new RangeError('second')], 'all failed') })
}

test.serial('the default logger shows an error with its causes and the errors that it combines', async (t) => {
  const written = await stderrOf(async () => {
    const server = new HttpServer('127.0.0.1:0', broken)
    await server.start()
    t.teardown(() => server.stop(0))
    await (await dialPlain(t, { host: '127.0.0.1', port: server.getServers()[0]!.getPort()! })).send(LAST_GET).end()
  })
  t.regex(written, /^busbar error: a handler failed: GET \/\nError: the answer failed\n {4}at /)
  for (const part of ['[cause]: AggregateError: all failed', 'TypeError: first', 'RangeError: second']) t.true(written.includes(part), part)
})

test.serial('on a terminal errors have colours, and control characters of a client stay escaped', async (t) => {
  const ESCAPE = String.fromCharCode(27)
  const log = (message: string) => (): void => stderrLogger.error('failed', { exception: Object.assign(new Error(message), { code: 5 }) })
  const coloured = await stderrOf(log('plain'), true)
  t.true(coloured.includes(`${ESCAPE}[33m5${ESCAPE}[39m`))
  t.false((await stderrOf(log('plain'))).includes(ESCAPE))
  for (const isTerminal of [true, false]) {
    const written = await stderrOf(log(`${ESCAPE}]0;title\u0007${ESCAPE}[31m`), isTerminal)
    t.true(written.includes('\\x1B]0;title\\x07\\x1B[31m'))
    t.false(written.includes(ESCAPE))
  }
})

test.serial('of each kind of warning one is shown a second, and the others are counted', async (t) => {
  const { now } = performance
  t.teardown(() => (performance.now = now))
  let time = now.call(performance) + 1e6
  performance.now = () => time
  const written = await stderrOf(() => {
    for (let at = 0; at < 100; at++) stderrLogger.warning(`a handler has not answered within ${at} s: GET /${'a'.repeat(at)}`)
    for (let at = 0; at < 100; at++) stderrLogger.warning(`${at} connections were refused`, { code: 'ONE' })
    for (let at = 0; at < 100; at++) stderrLogger.warning(`${at} connections were refused`, { code: 'OTHER' })
    time += 1000
    stderrLogger.warning('a handler has not answered within 1 s: GET /z')
  })
  t.deepEqual(written.split('\n'), [
    'busbar warning: a handler has not answered within 0 s: GET /',
    'busbar warning: 0 connections were refused',
    'busbar warning: 0 connections were refused',
    'busbar warning: a handler has not answered within 1 s: GET /z (and 99 more of this kind)',
    '',
  ])
})

test.serial('the default logger shows the time limit that a handler has exceeded', async (t) => {
  const written = await stderrOf(async () => {
    const server = new HttpServer('127.0.0.1:0', () => new Promise(() => {}), { handlerTimeout: 0.02 })
    await server.start()
    t.teardown(() => server.stop(0))
    await (await dialPlain(t, { host: '127.0.0.1', port: server.getServers()[0]!.getPort()! })).send(LAST_GET).end()
    t.deepEqual(server.getRefusals(), { BUSBAR_HANDLER_TIMEOUT: 1 })
  })
  t.is(written, 'busbar warning: a handler has not answered within 0.02 s (handlerTimeout): GET /\n')
})

/** A line of each level, as a logger of another make takes it. */
function linesOf(make: (lines: [string, ...unknown[]][]) => AnyLogger): [string, ...unknown[]][] {
  const lines: [string, ...unknown[]][] = []
  const logger = new HttpServer(0, () => new Response(204), { logger: make(lines) }).getLogger()
  for (const level of Object.keys(silentLogger) as LogLevel[]) logger[level](level)
  logger.error('failed', { exception: 'why', request: 'which' })
  return lines
}
const methods = (names: readonly string[]) => (lines: [string, ...unknown[]][]) =>
  Object.fromEntries(names.map((name) => [name, (...values: unknown[]) => void lines.push([name, ...values])])) as AnyLogger

test('console is a logger: each level goes to its method', (t) => {
  t.deepEqual(linesOf(methods(['debug', 'info', 'warn', 'error', 'log', 'trace'])), [
    ['debug', 'debug'],
    ['info', 'info'],
    ['info', 'notice'],
    ['warn', 'warning'],
    ['error', 'error'],
    ['error', 'critical'],
    ['error', 'alert'],
    ['error', 'emergency'],
    ['error', 'failed', { exception: 'why', request: 'which' }],
  ])
  const settings: ServerSettings = { logger: console }
  t.notThrows(() => new HttpServer(0, () => new Response(204), settings))
})

test('a logger with some of the methods is a logger, and no error is lost', (t) => {
  const levelsOf = (...names: string[]): unknown[] => linesOf(methods(names)).map(([name, message]) => `${name} ${String(message)}`)
  t.deepEqual(levelsOf('error'), ['error error', 'error critical', 'error alert', 'error emergency', 'error failed'])
  t.deepEqual(levelsOf('log'), ['log warning', 'log error', 'log critical', 'log alert', 'log emergency', 'log failed'])
  for (const logger of [{}, { trace() {} }, null, 5, 'x'] as never[]) {
    if (logger !== null) t.throws(() => new HttpServer(0, () => new Response(204), { logger }), { instanceOf: OptionError, message: /^logger must be / })
  }
})

test('a pino logger is a logger: errors have the name that its serializers know', async (t) => {
  const require = createRequire(import.meta.url)
  const pino = createRequire(require.resolve('fastify'))('pino') as (options: object, to: Writable) => AnyLogger & { level: string }
  const lines: string[] = []
  const to = new Writable({ write: (chunk, _, done) => (lines.push(String(chunk)), done()) })
  const logger = pino({ level: 'info' }, to)
  const { connect } = await open(t, broken, { logger })
  t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
  await until(() => lines.length >= 2)
  const [first, last] = [JSON.parse(lines[0]!), JSON.parse(lines.at(-1)!)] as Record<string, unknown>[]
  t.regex(String(first!['msg']), /^listening on /)
  t.like(last, { level: 50, msg: 'a handler failed: GET /', err: { type: 'Error' } })
  t.regex((last!['err'] as { message: string }).message, /^the answer failed/)
  t.is(lines.filter((line) => line.includes('requests GET')).length, 0)
})

test('a pino logger at level debug gets the lines about requests', async (t) => {
  const require = createRequire(import.meta.url)
  const pino = createRequire(require.resolve('fastify'))('pino') as (options: object, to: Writable) => AnyLogger
  const lines: string[] = []
  const logger = pino({ level: 'debug' }, new Writable({ write: (chunk, _, done) => (lines.push(String(chunk)), done()) }))
  const { connect } = await open(t, () => new Response(204), { logger })
  await (await connect()).send(LAST_GET).end()
  await until(() => lines.some((line) => line.includes('requests GET /')))
  t.pass()
})

const read = async (request: { text(): Promise<string> }): Promise<Response> => Response.text(await request.text())
/** A refusal: the settings, what is sent, the code, and the option with its value. */
const REFUSALS: readonly (readonly [ServerSettings, string, string, string])[] = [
  [{ bodySizeLimit: 4 }, `${postHead(5)}hello`, 'BUSBAR_BODY_TOO_LARGE', 'bodySizeLimit is 4'],
  [{ bodySizeLimit: 4 }, `${postHead(5).replace('Content-Length: 5', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`, 'BUSBAR_BODY_TOO_LARGE', 'bodySizeLimit is 4'],
  [{ bodyTimeout: 0.1 }, `${postHead(5)}h`, 'BUSBAR_BODY_TIMEOUT', 'bodyTimeout is 0.1'],
  [{ headerTimeout: 0.1 }, 'GET /', 'BUSBAR_HEAD_TIMEOUT', 'headerTimeout is 0.1'],
  [{ requestTimeout: 0.1 }, 'GET /', 'BUSBAR_REQUEST_TIMEOUT', 'requestTimeout is 0.1'],
  [{ headerFieldLimit: 1 }, GET.replace('Host', 'A: b\r\nHost'), 'BUSBAR_TOO_MANY_FIELDS', 'headerFieldLimit is 1'],
  [{ headerSizeLimit: 9 }, GET.replace('Host', 'A: bcdefghijk\r\nHost'), 'BUSBAR_HEADERS_TOO_LARGE', 'headerSizeLimit is 9'],
  [{ requestLineLimit: 20 }, GET.replace('/ ', `/${'a'.repeat(40)} `), 'BUSBAR_REQUEST_LINE_TOO_LONG', 'requestLineLimit is 20'],
  [{ allowedMethods: ['GET', 'HEAD'] }, GET.replace('GET', 'PUT'), 'BUSBAR_METHOD_NOT_ALLOWED', 'allowedMethods is GET,HEAD'],
  [{}, GET.replace('Host', 'Expect: magic\r\nHost'), 'BUSBAR_EXPECTATION', ''],
  [{}, GET.replace('Host: a', 'Host: a b'), 'BUSBAR_HOST_INVALID', ''],
]
for (const [settings, sent, code, option] of REFUSALS) {
  test(`a refusal with ${code}${sent.includes('chunked') ? ' (chunked)' : ''} is counted, and in debug mode logged with its cause: ${option}`, async (t) => {
    const lines: string[] = []
    const logger = { ...silentLogger, debug: (message: string) => void lines.push(message) }
    const { connect, server } = await open(t, read, { ...settings, debug: true, logger })
    await (await connect()).send(sent).until((text) => text.includes('\r\n\r\n'))
    await until(() => lines.some((line) => line.includes(`(${code}`)))
    t.deepEqual(server.getRefusals(), { [code]: 1 })
    const line = lines.find((each) => each.includes(`(${code}`))!
    t.true(line.endsWith(option === '' ? `(${code})` : `(${code}; ${option})`), line)
    t.is(count(lines.join('\n'), code), 1)
  })
}

test('refusals of earlier starts are counted as well', async (t) => {
  const { connect, server } = await open(t, read, { bodySizeLimit: 1 })
  await (await connect()).send(`${postHead(5)}hello`).end()
  await server.stop(0)
  t.deepEqual(server.getRefusals(), { BUSBAR_BODY_TOO_LARGE: 1 })
})
