import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, Response, silentLogger, stderrLogger } from '../src/index.ts'
import type { Handler, Logger } from '../src/index.ts'
import { GET, LAST_GET, count, keepErrors, open } from './support.ts'

/** A process that runs a fixture. */
interface Running {
  readonly child: ChildProcess
  /** The next line of its standard output. */
  line(): Promise<string>
  /** Its exit code or signal. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>
}

function run(t: ExecutionContext, fixture: string, ...args: string[]): Running {
  const file = fileURLToPath(new URL(`fixtures/${fixture}.ts`, import.meta.url))
  // V8's young generation takes and keeps up to 64 MiB, as it likes; what is measured here is the rest.
  const flags = ['--expose-gc', '--max-semi-space-size=1', '--import=@oxc-node/core/register', file]
  const child = spawn(process.execPath, [...flags, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const stderr = text(child.stderr)
  const ended = once(child, 'close').then(async ([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stderr: await stderr,
  }))
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`${fixture} has ended: ${JSON.stringify(await ended)}`)
    return value
  }
  return { child, line, ended }
}

/** The body of a response, on a connection of its own. */
async function ask(url: string): Promise<string> {
  const [response] = await once(get(url, { agent: false }), 'response')
  return text(response)
}

const ENDED_WELL = { code: 0, signal: null, stderr: '' }

for (const place of ['handler', 'microtask', 'tick', 'timer', 'hook']) {
  test.serial(`process.exit under load ends the process with its code: from a ${place}`, async (t) => {
    for (const requests of [1, 77, 333, 1200]) {
      const { ended } = run(t, 'exit-under-load', place, String(requests))
      t.deepEqual(await ended, { code: 7, signal: null, stderr: '' }, `at request ${requests}`)
    }
  })
}

test.serial('the process ends by itself when its last server has stopped', async (t) => {
  const { line, ended } = run(t, 'serve-until-told', '3')
  const [first, second, third] = [await line(), await line(), await line()]
  t.is(await ask(`${first}stop`), 'server 0')
  t.is(await ask(`${second}stop`), 'server 1')
  t.is(await ask(third), 'server 2')
  t.is(await ask(`${third}stop`), 'server 2')
  t.deepEqual(await ended, ENDED_WELL)
})

for (const when of ['before', 'after']) {
  test.serial(`a server that was unref'd ${when} its start lets the process end`, async (t) => {
    const { ended } = run(t, 'unref', when)
    t.deepEqual(await ended, ENDED_WELL)
  })
}

test.serial("an unref'd server serves as long as something else keeps the process", async (t) => {
  const { child, line, ended } = run(t, 'unref', 'stdin')
  const url = await line()
  t.is(await ask(url), 'served')
  t.is(await ask(url), 'served')
  child.stdin!.end()
  t.deepEqual(await ended, ENDED_WELL)
})

test.serial("a server that was unref'd and ref'd again keeps the process", async (t) => {
  const { child, line, ended } = run(t, 'unref', 'again')
  const url = await line()
  t.is(await ask(url), 'served')
  t.is(await ask(url), 'served')
  child.kill('SIGTERM')
  t.deepEqual(await ended, ENDED_WELL)
})

for (const way of ['timer', 'tick', 'microtask', 'rejection']) {
  test.serial(`an uncaught exception in a ${way} of a handler ends the process, as in Node`, async (t) => {
    const { line, ended } = run(t, 'uncaught', way)
    get(`${await line()}throw`, { agent: false }).on('error', () => {})
    const { code, signal, stderr } = await ended
    t.deepEqual([code, signal], [1, null])
    t.regex(stderr, /Error: thrown behind the handler\n {4}at /)
  })

  test.serial(`such an exception in a ${way} does no harm when the process catches it`, async (t) => {
    const { child, line, ended } = run(t, 'uncaught', way, 'caught')
    const url = await line()
    const answers = [`${url}throw`, url, `${url}throw`, url].map((each) => ask(each))
    t.is(await line(), 'caught: thrown behind the handler')
    t.is(await line(), 'caught: thrown behind the handler')
    t.deepEqual(await Promise.all(answers), ['served', 'served', 'served', 'served'])
    child.kill('SIGTERM')
    t.deepEqual(await ended, ENDED_WELL)
  })
}

const isLinux = process.platform === 'linux'
const MEBIBYTE = 1024 * 1024

;(isLinux ? test.serial : test.serial.skip)('a thousand servers that were started, used and stopped leave no resources', async (t) => {
  const { line, ended } = run(t, 'many-servers', '1008')
  const left = JSON.parse(await line()) as Record<string, number>
  t.deepEqual(await ended, ENDED_WELL)
  t.is(left['descriptors'], 0)
  // The next turn of the event loop closes the descriptors of the servers that were just stopped.
  t.true(left['descriptorsMeanwhile']! <= 16, `${left['descriptorsMeanwhile']} descriptors`)
  t.true(left['heap']! < MEBIBYTE, `${left['heap']} bytes of JavaScript's`)
  t.true(left['rss']! < 12 * MEBIBYTE, `${left['rss']} bytes`)
  t.is(left['hooks'], 3024)
})

;(isLinux ? test.serial : test.serial.skip)('30 workers that are terminated under load leave no resources, and the main thread continues', async (t) => {
  const { line, ended } = run(t, 'workers', '30')
  const left = JSON.parse(await line()) as Record<string, unknown>
  t.deepEqual(await ended, ENDED_WELL)
  t.is(left['descriptors'], 0)
  t.true((left['memory'] as number) < 64 * MEBIBYTE, `${String(left['memory'])} bytes`)
  t.is(left['answer'], 'main')
})

const broken = (): never => {
  throw new Error('broken')
}

/** A thenable: `await` takes it for a promise. */
function thenable(then: PropertyDescriptor): unknown {
  return Object.defineProperties({}, Object.fromEntries(['then'].map((name) => [name, then])))
}

type Settle = (value: unknown) => void

/** Errors of handlers by description. */
const MISTAKES: Readonly<Record<string, () => unknown>> = {
  'throws an Error': broken,
  'throws undefined': () => {
    throw undefined
  },
  'throws an object without a prototype': () => {
    throw Object.create(null)
  },
  'overflows the stack': function recurse(): unknown {
    return [recurse()]
  },
  rejects: () => Promise.reject(new Error('broken')),
  'rejects with nothing': () => Promise.reject(),
  'returns undefined': () => undefined,
  'returns null': () => null,
  'returns a string': () => 'Hello',
  'returns a symbol': () => Symbol('Hello'),
  'returns an object without a prototype': () => Object.create(null) as unknown,
  'resolves with a number': () => Promise.resolve(200),
  'resolves with an object that hides its class': () => Promise.resolve(Object.defineProperty({}, 'constructor', { get: broken })),
  'returns a web Response': () => new globalThis.Response('Hello'),
  'returns a thenable whose then throws': () => thenable({ value: broken }),
  'returns something whose then can not be read': () => thenable({ get: broken }),
  'returns a thenable that rejects twice': () =>
    thenable({
      value: (_: Settle, reject: Settle) => {
        reject(new Error('once'))
        reject(new Error('twice'))
      },
    }),
}

for (const [mistake, make] of Object.entries(MISTAKES)) {
  test(`a handler that ${mistake} gets a 500, and the connection stays open`, async (t) => {
    const { logger, errors } = keepErrors()
    const handler = ((request) => (request.getPath() === '/' ? make() : Response.text('fine'))) as Handler
    const { connect } = await open(t, handler, { logger })
    const wire = await connect()
    wire.send(GET + LAST_GET.replace('/ ', '/fine '))
    const received = await wire.end()
    t.regex(received, /^HTTP\/1\.1 500 [^]*HTTP\/1\.1 200 OK\r\n[^]*fine$/)
    t.is(count(received, 'HTTP/1.1 '), 2)
    t.true(errors.length >= 1 && errors.every(({ message }) => message === 'a handler failed: GET /'))
  })
}

test('a thenable that resolves twice sends one response', async (t) => {
  const resolvesTwice = thenable({
    value: (resolve: Settle) => {
      resolve(Response.text('once'))
      resolve(Response.text('twice'))
    },
  })
  const { connect } = await open(t, (() => resolvesTwice) as Handler)
  const wire = await connect()
  const received = await wire.send(GET + LAST_GET).end()
  t.is(count(received, 'HTTP/1.1 200'), 2)
  t.is(count(received, 'once'), 2)
})

test('the default page replaces that of a failing error handler', async (t) => {
  for (const handleError of [broken, () => Promise.reject(new Error('broken')), () => 'a page']) {
    const { connect } = await open(t, broken, { errorHandler: { handleError: handleError as never } })
    const wire = await connect()
    t.regex(await wire.send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
  }
})

/** Collects what is written to standard error while `run` runs. */
async function stderrOf(run: () => Promise<void> | void): Promise<string> {
  const write = process.stderr.write
  let written = ''
  process.stderr.write = ((chunk: string) => (written += chunk) !== '') as typeof write
  try {
    await run()
  } finally {
    process.stderr.write = write
  }
  return written
}

test.serial('a logger that throws does no harm, and its line goes to stderr', async (t) => {
  const logger = Object.fromEntries(Object.keys(silentLogger).map((level) => [level, broken])) as unknown as Logger
  const handler: Handler = (request) => {
    request.getClient().onClose(broken)
    return request.getPath() === '/' ? broken() : Response.text('fine')
  }
  const written = await stderrOf(async () => {
    const { server, connect } = await open(t, handler, { logger })
    const wire = await connect()
    t.regex(await wire.send(GET + LAST_GET.replace('/ ', '/fine ')).end(), /^HTTP\/1\.1 500 [^]*fine$/)
    t.is(server.getLogger(), logger)
    await server.stop()
    t.is(server.getState(), HttpServer.STOPPED)
  })
  for (const line of ['info line: listening on', 'error line: a handler failed: GET /', 'error line: a close hook of client']) {
    t.true(written.includes(`busbar error: the logger failed to take the ${line}`), line)
  }
})

test.serial('the default logger can show any thrown value', async (t) => {
  const oddities = [Object.create(null), Symbol('strange'), Object.defineProperty(new Error(), 'stack', { get: broken })]
  const written = await stderrOf(() => {
    for (const exception of oddities) stderrLogger.error('a handler failed', { exception })
  })
  t.is(count(written, 'busbar error: a handler failed\n'), 3)
  t.true(written.includes('Symbol(strange)'))
})

test('a handler that never answers delays only its own connection', async (t) => {
  const { connect } = await open(t, (request) =>
    request.getPath() === '/' ? new Promise<Response>(() => {}) : Response.text('fine'),
  )
  const stuck = await Promise.all(Array.from({ length: 100 }, connect))
  for (const wire of stuck) wire.send(GET.repeat(100))
  const wire = await connect()
  t.regex(await wire.send(LAST_GET.replace('/ ', '/fine ')).end(), /fine$/)
  t.true(stuck.every((each) => each.received === ''))
})
