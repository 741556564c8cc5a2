import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { OptionError, Request, Response, silentLogger } from '../src/index.ts'
import type { LogContext, AccessLogEntry, FinishedResponse, Handler, RequestTrace, ServerSettings } from '../src/index.ts'
import { begin, session } from './http2.ts'
import { GET, LAST_GET, open, postHead, temporaryDirectory, until } from './support.ts'

/** A server that keeps what `onResponse` is given. */
async function observe(t: ExecutionContext, handler: Handler, settings: ServerSettings = {}) {
  const seen: FinishedResponse[] = []
  const opened = await open(t, handler, { ...settings, onResponse: (response) => void seen.push(response) })
  const next = async (): Promise<FinishedResponse> => {
    await until(() => seen.length > 0)
    return seen.shift()!
  }
  return { ...opened, seen, next }
}

async function* pieces(...list: string[]): AsyncGenerator<string> {
  yield* list
}

async function* endless(): AsyncGenerator<string> {
  for (;;) {
    yield 'x'
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const HUGE = 'x'.repeat(20_000_000)

const SENT: Record<string, { handler: Handler; request?: string; status?: number; bytes: number }> = {
  'a text': { handler: () => Response.text('hellö'), bytes: 6 },
  bytes: { handler: () => new Response(200, {}, Buffer.alloc(1000)), bytes: 1000 },
  'an answer without a body': { handler: () => new Response(204), status: 204, bytes: 0 },
  'the answer to HEAD': { handler: () => Response.text('hello'), request: GET.replace('GET', 'HEAD'), bytes: 0 },
  'a streamed answer to HEAD': { handler: () => new Response(200, {}, pieces('a')), request: GET.replace('GET', 'HEAD'), bytes: 0 },
  'a stream': { handler: () => new Response(200, {}, pieces('hello', 'wörld')), bytes: 11 },
  'a long text': { handler: () => Response.text('x'.repeat(1_000_000)), bytes: 1_000_000 },
  'a promise': { handler: async () => Response.text('hello'), bytes: 5 },
  'an answer with a hook': {
    handler: () => {
      const response = Response.text('hello')
      response.onDispose(() => {})
      return response
    },
    bytes: 5,
  },
  'a method that is not allowed': {
    handler: () => Response.text('x'),
    request: GET.replace('GET', 'TRACE'),
    status: 405,
    bytes: 144,
  },
}

for (const [kind, { handler, request = GET, status = 200, bytes }] of Object.entries(SENT)) {
  test(`${kind} is observed when it is sent`, async (t) => {
    const { connect, next, seen } = await observe(t, handler)
    const wire = (await connect()).send(request)
    await wire.until((text) => text.includes('\r\n\r\n'))
    const response = await next()
    t.is(response.request?.getMethod(), request.split(' ')[0])
    t.is(response.request?.getHeader('host'), 'a')
    t.is(response.remoteAddress?.getHost(), '127.0.0.1')
    t.is(response.status, status)
    t.is(response.outcome, 'sent')
    if (status === 405) t.true(response.bytesSent > 0)
    else t.is(response.bytesSent, bytes)
    t.true(response.duration >= 0)
    t.is(seen.length, 0)
  })
}

test('a file is observed with its size', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'a.txt'), 'y'.repeat(200_000))
  const { connect, next } = await observe(t, () => Response.file('a.txt', { root: directory }))
  const wire = (await connect()).send(LAST_GET)
  await wire.end()
  const { status, bytesSent, outcome } = await next()
  t.deepEqual({ status, bytesSent, outcome }, { status: 200, bytesSent: 200_000, outcome: 'sent' })
})

test('each request of a pipeline is observed', async (t) => {
  const { connect, next } = await observe(t, (request) => Response.text(request.getPath()))
  const wire = (await connect()).send('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /bc HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.endsWith('/bc'))
  t.deepEqual([(await next()).bytesSent, (await next()).bytesSent], [2, 3])
})

test('a client that leaves before the answer is observed as aborted, without a status', async (t) => {
  let isAsked = false
  const { connect, next } = await observe(t, () => {
    isAsked = true
    return new Promise<Response>(() => {})
  })
  const wire = (await connect()).send(GET)
  await until(() => isAsked)
  wire.socket.resetAndDestroy()
  const { status, bytesSent, outcome } = await next()
  t.deepEqual({ status, bytesSent, outcome }, { status: null, bytesSent: 0, outcome: 'aborted' })
})

for (const [kind, body] of [['bytes', Buffer.from(HUGE)], ['a stream', null]] as const) {
  test(`of ${kind} that are cut off by the client, the bytes that were sent count`, async (t) => {
    const { connect, next } = await observe(t, () => new Response(200, {}, body ?? pieces(HUGE)))
    const wire = await connect()
    wire.socket.pause()
    wire.send(GET)
    wire.socket.once('readable', () => wire.socket.resetAndDestroy())
    const { status, bytesSent, outcome } = await next()
    t.is(status, 200)
    t.is(outcome, 'aborted')
    t.true(bytesSent > 0 && bytesSent < HUGE.length, `${bytesSent} bytes`)
  })
}

for (const code of [0, 2, 8, 408]) {
  test(`a stream that its client resets with code ${code} is observed as aborted`, async (t) => {
    let begun = 0
    const handler: Handler = (request) => {
      begun++
      return request.getPath() === '/begun' ? new Response(200, {}, endless()) : new Promise<Response>(() => {})
    }
    const { port, next } = await observe(t, handler, { http2Cleartext: true })
    const client = await session(t, port)
    for (const [path, expected] of [['/', null], ['/begun', 200]] as const) {
      const before = begun
      const stream = begin(client, { ':path': path })
      await (expected === null ? until(() => begun > before) : once(stream, 'response'))
      stream.close(code)
      const { status, outcome } = await next()
      t.deepEqual({ status, outcome }, { status: expected, outcome: 'aborted' })
    }
  })
}

for (const ioThreads of [0, 2]) {
  test(`over HTTP/2 an answer that its client doesn’t read is observed as late, with ${ioThreads} threads`, async (t) => {
    const { port, next } = await observe(t, () => new Response(200, {}, HUGE), { http2Cleartext: true, ioThreads, writeTimeout: 0.3 })
    const stream = begin(await session(t, port))
    await once(stream, 'response')
    const { status, outcome } = await next()
    t.deepEqual({ status, outcome }, { status: 200, outcome: 'timeout' })
  })
}

test('with I/O threads an answer to a body of many pieces is observed as sent', async (t) => {
  const { port, seen } = await observe(t, async (request) => new Response(200, {}, request.getBody()), { http2Cleartext: true, ioThreads: 2 })
  const client = await session(t, port)
  const post = async (): Promise<void> => {
    const stream = begin(client, { ':method': 'POST' }, false)
    for (let turn = 0; turn < 4; turn++) {
      stream.write('x'.repeat(1 + Math.random() * 30_000))
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
    }
    stream.end()
    for await (const _ of stream);
  }
  for (let turn = 0; turn < 20; turn++) await Promise.all(Array.from({ length: 10 }, post))
  await until(() => seen.length === 200)
  t.deepEqual(new Set(seen.map(({ outcome }) => outcome)), new Set(['sent']))
})

const FAILED: Record<string, Handler> = {
  'a source that fails': () =>
    new Response(200, {}, (async function* () {
      yield 'x'.repeat(100_000)
      throw new Error('no more')
    })()),
  'a stream that is shorter than its length': () => new Response(200, { 'content-length': '10' }, pieces('x')),
  'an aborted answer': () => {
    const response = new Response(200, {}, pieces('x'))
    response.abort()
    return response
  },
}

for (const [kind, handler] of Object.entries(FAILED)) {
  test(`${kind} is observed as failed`, async (t) => {
    const { connect, next, seen } = await observe(t, handler, { logger: silentLogger })
    await (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').end()
    t.is((await next()).outcome, 'failed')
    t.is(seen.length, 0)
  })
}

test('a handler that takes too long is observed as a timeout with the status that was sent', async (t) => {
  const { connect, next } = await observe(t, () => new Promise<Response>(() => {}), { handlerTimeout: 0.05 })
  await (await connect()).send(GET).until((text) => text.includes('</html>'))
  const { status, outcome } = await next()
  t.deepEqual({ status, outcome }, { status: 503, outcome: 'timeout' })
})

test('a client that does not read is observed as a timeout', async (t) => {
  const { connect, next } = await observe(t, () => {
    const response = Response.text(HUGE)
    response.setWriteTimeout(1)
    return response
  })
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET)
  const { status, bytesSent, outcome } = await next()
  t.deepEqual({ status, outcome }, { status: 200, outcome: 'timeout' })
  t.true(bytesSent < HUGE.length)
})

test('a body that comes too slowly is observed as a timeout', async (t) => {
  const { connect, next } = await observe(t, async (request) => Response.text(await request.text()), { bodyTimeout: 1 })
  const wire = (await connect()).send(`${postHead(10)}x`)
  await wire.until((text) => text.includes('408'))
  const { status, outcome, request } = await next()
  t.deepEqual({ status, outcome, path: request?.getPath() }, { status: 408, outcome: 'timeout', path: '/' })
})

test('an upgrade is observed when the connection is handed over', async (t) => {
  const { connect, next } = await observe(t, () => new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.end()))
  await (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n').end()
  const { status, bytesSent, outcome } = await next()
  t.deepEqual({ status, bytesSent, outcome }, { status: 101, bytesSent: 0, outcome: 'upgraded' })
})

test('bytes that are no request are observed with a request of null', async (t) => {
  const { connect, next, seen } = await observe(t, () => Response.text('x'))
  const wire = (await connect()).send('GET / HTTP/1.1\r\n\r\n')
  const text = await wire.end()
  const { request, status, bytesSent, outcome, remoteAddress } = await next()
  t.deepEqual({ request, status, outcome }, { request: null, status: 400, outcome: 'sent' })
  t.is(bytesSent, text.length - text.indexOf('\r\n\r\n') - 4)
  t.is(remoteAddress?.getHost(), '127.0.0.1')
  t.is(seen.length, 0)
})

test('a head that takes too long is observed as a timeout', async (t) => {
  const { connect, next } = await observe(t, () => Response.text('x'), { headerTimeout: 1 })
  await (await connect()).send('GET / HT').end()
  const { request, status, outcome } = await next()
  t.deepEqual({ request, status, outcome }, { request: null, status: 408, outcome: 'timeout' })
})

test('inject is not observed, and an observer that fails is logged', async (t) => {
  const errors: unknown[] = []
  const { server, connect } = await open(t, () => Response.text('x'), {
    logger: { ...silentLogger, error: (_message: string, context?: LogContext) => void errors.push(context?.['exception']) },
    onResponse: () => {
      throw new Error('mine')
    },
  })
  await server.inject(Request.create('GET', '/'))
  t.deepEqual(errors, [])
  const wire = (await connect()).send(GET)
  await until(() => errors.length > 0)
  t.like(errors[0], { message: 'mine' })
  wire.socket.destroy()
})

test('onResponse runs in the context of the server, not in that of a request', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const { connect } = await storage.run('the server', () =>
    open(
      t,
      (request) => {
        storage.enterWith(request.getPath())
        return Response.text('x')
      },
      { onResponse: () => seen.push(storage.getStore()) },
    ),
  )
  ;(await connect()).send(GET)
  await until(() => seen.length > 0)
  t.deepEqual(seen, ['the server'])
})

test.serial('the tracing channel tells of each request, to the end of its answer', async (t) => {
  const channel = tracingChannel<unknown, RequestTrace>('busbar.request')
  const storage = new AsyncLocalStorage<string>()
  const events: string[] = []
  const traces = new Set<RequestTrace>()
  const inHandler: unknown[] = []
  const note = (name: string) => (trace: unknown): void => {
    const { request, outcome, status } = trace as RequestTrace
    if (request.getHeader('x-traced') === null) return
    traces.add(trace as RequestTrace)
    events.push(`${name} ${request.getPath()} ${status} ${outcome}`)
  }
  const subscribers = Object.fromEntries(
    ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((name) => [name, note(name)]),
  ) as unknown as Parameters<typeof channel.subscribe>[0]
  channel.subscribe(subscribers)
  channel.start.bindStore(storage, (trace) => (trace as RequestTrace).request.getHeader('traceparent') ?? '')
  t.teardown(() => {
    channel.unsubscribe(subscribers)
    channel.start.unbindStore(storage)
  })
  const { connect } = await open(t, async (request) => {
    inHandler.push(storage.getStore())
    await Promise.resolve()
    inHandler.push(storage.getStore())
    if (request.getPath() === '/fails') throw new Error('mine')
    return new Response(200, {}, pieces('x'))
  })
  const get = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nx-traced: 1\r\ntraceparent: 00-${path}\r\nConnection: close\r\n\r\n`
  await (await connect()).send(get('/works')).end()
  await until(() => events.length === 4)
  await (await connect()).send(get('/fails')).end()
  await until(() => events.length === 9)
  t.deepEqual(events, [
    'start /works null null',
    'end /works null null',
    'asyncStart /works 200 sent',
    'asyncEnd /works 200 sent',
    'start /fails null null',
    'end /fails null null',
    'error /fails null null',
    'asyncStart /fails 500 sent',
    'asyncEnd /fails 500 sent',
  ])
  t.deepEqual(inHandler, ['00-/works', '00-/works', '00-/fails', '00-/fails'])
  t.is(traces.size, 2)
  t.like([...traces][1]?.error, { message: 'mine' })
})

test('a function as access log is given an entry for each answer', async (t) => {
  const entries: AccessLogEntry[] = []
  const { connect } = await open(t, () => Response.text('hello'), { accessLog: (entry) => entries.push(entry) })
  await (await connect()).send('GET /a?b HTTP/1.1\r\nHost: a\r\nReferer: /r\r\nUser-Agent: u\r\nConnection: close\r\n\r\n').end()
  await (await connect()).send('nonsense\r\n\r\n').end()
  await until(() => entries.length === 2)
  const { time, duration, ...rest } = entries[0]!
  t.true(time instanceof Date && duration >= 0)
  t.deepEqual(rest, {
    remoteAddress: '127.0.0.1',
    method: 'GET',
    target: '/a?b',
    protocolVersion: '1.1',
    referer: '/r',
    userAgent: 'u',
    status: 200,
    bytesSent: 5,
    outcome: 'sent',
  })
  t.is(entries[1]?.method, null)
})

for (const [setting, value] of [['onResponse', 1], ['accessLog', 'common']] as const) {
  test(`${setting} refuses other values`, async (t) => {
    await t.throwsAsync(open(t, () => Response.text('x'), { [setting]: value }), { instanceOf: OptionError })
  })
}
