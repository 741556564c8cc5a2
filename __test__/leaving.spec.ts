import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import type { NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { Dispatcher } from '../src/server/dispatcher.ts'
import { DefaultErrorHandler } from '../src/handler/error-handler.ts'
import { Client, ClientException, Options, Response, silentLogger } from '../src/index.ts'
import type { HandlerFunction } from '../src/handler/handler.ts'
import { engineLimits } from '../src/options/engine-limits.ts'
import { ioThreads } from '../src/server/io-threads.ts'
import { Observer } from '../src/server/observer.ts'
import { GET, IS_HTTP2, WAYS_TO_LEAVE, closed, hold, holdOne, http1Test, openDescriptors, plainTest, temporaryDirectory, until } from './support.ts'
import type { Held, Wire } from './support.ts'

const UPLOAD = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nthe beginning'

/** Sends one request on a connection of its own: its response shows that everything sent earlier was read. */
async function catchUp(server: { connect: () => Promise<Wire>; next: () => Promise<Held> }): Promise<void> {
  const wire = await server.connect()
  wire.send(GET)
  ;(await server.next()).answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
}

test('a request behind an aborted response gets an error, since its own response can not be sent', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(GET)
  const end = new EventEmitter()
  async function* source(): AsyncGenerator<string> {
    yield 'one'
    await once(end, 'now')
  }
  // The body is shorter than its Content-Length.
  ;(await next()).answer(new Response(200, { 'content-length': 10 }, source()))
  await wire.until((text) => text.includes('one'))
  wire.send(UPLOAD)
  const { request, client } = await next()
  const aborted = once(request.getSignal(), 'abort')
  const read = t.throwsAsync(request.text(), { instanceOf: ClientException })
  end.emit('now')
  t.is((await read).getCode(), 408)
  await aborted
  t.true(client.isClosed())
})

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
  test(`${way} on an idle connection closes it`, async (t) => {
    const { wire, client, answer } = await holdOne(t)
    answer(Response.text('done'))
    await wire.until((text) => text.endsWith('done'))
    t.false(client.isClosed())
    leave(wire.socket)
    await closed(client)
    t.is(client.getStatus(), Client.CLOSED_RDWR)
  })

  test(`${way} in a head closes the connection, and no handler runs`, async (t) => {
    const server = await hold(t)
    const wire = await server.connect()
    wire.send(GET)
    const { client, answer } = await server.next()
    answer(Response.text('done'))
    await wire.until((text) => text.endsWith('done'))
    wire.send('GET / HTTP/1.1\r\nHost: a\r\nX-Half: ')
    await catchUp(server)
    leave(wire.socket)
    await closed(client)
    t.is(server.arrived.length, 0)
  })

  test(`${way} in a body closes the connection, rejects the read and aborts the signal`, async (t) => {
    const { wire, request, client } = await holdOne(t, UPLOAD)
    const seen: string[] = []
    client.onClose(() => void seen.push('hook'))
    const signal = request.getSignal()
    signal.addEventListener('abort', () => void seen.push(`signal of a client with status ${client.getStatus()}`))
    const read = t.throwsAsync(request.text(), { instanceOf: ClientException })
    leave(wire.socket)
    const error = await read
    t.is(error.getCode(), 408)
    t.is(error.getClient(), client)
    t.deepEqual(seen, ['hook', 'signal of a client with status 3'])
  })

  test(`${way} in a body that is not read yet is detected, and a later read is rejected`, async (t) => {
    const { wire, request, client } = await holdOne(t, UPLOAD)
    const aborted = once(request.getSignal(), 'abort')
    leave(wire.socket)
    await aborted
    t.true(client.isClosed())
    await t.throwsAsync(request.text(), { instanceOf: ClientException })
  })

  test(`${way} while a handler runs aborts its signal at once`, async (t) => {
    const { wire, request, client } = await holdOne(t)
    const aborted = once(request.getSignal(), 'abort')
    leave(wire.socket)
    await aborted
    t.is(client.getStatus(), way === 'a reset' || IS_HTTP2 ? Client.CLOSED_RDWR : Client.CLOSED_RD)
  })

  test(`${way} while several pipelined handlers run aborts all their signals`, async (t) => {
    const { connect, next } = await hold(t)
    const wire = await connect()
    wire.send(GET + GET + GET)
    const signals = [await next(), await next(), await next()].map(({ request }) => request.getSignal())
    const aborted = signals.map((signal) => once(signal, 'abort'))
    leave(wire.socket)
    await Promise.all(aborted)
    t.true(signals.every((signal) => signal.aborted))
  })

  test(`${way} aborts a signal that the handler gets afterwards`, async (t) => {
    const { wire, request, client } = await holdOne(t)
    leave(wire.socket)
    await until(() => client.getStatus() !== 0)
    t.true(request.getSignal().aborted)
  })
}

/** Requests that pause reading, and the reason. */
const PAUSES: Readonly<Record<string, string>> = {
  'a pipelined upload waits for its turn': `${GET}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab`,
  'an upgrade is not answered': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'a body fills its window': `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
}

for (const [pause, bytes] of Object.entries(PAUSES)) {
  for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
    http1Test(`${way} is detected at once although ${pause}`, async (t) => {
      const server = await hold(t)
      const wire = await server.connect()
      wire.send(bytes)
      const { request, client } = await server.next()
      const aborted = once(request.getSignal(), 'abort')
      await catchUp(server)
      t.is(client.getStatus(), 0)
      leave(wire.socket)
      await aborted
      t.not(client.getStatus(), 0)
    })
  }
}

http1Test('a FIN is detected at once although a whole body is unread', async (t) => {
  const { wire, request, client, answer } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  wire.send('cd')
  await until(() => client.getPendingRequestCount() === 0)
  const aborted = once(request.getSignal(), 'abort')
  wire.socket.end()
  await aborted
  t.is(client.getStatus(), Client.CLOSED_RD)
  t.is(await request.text(), 'abcd')
  answer(Response.text('taken'))
  t.true((await wire.end()).endsWith('taken'))
})

http1Test('requests behind a pause are still served after the FIN of the client', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(`${GET}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab`)
  wire.socket.end()
  const first = await next()
  await until(() => first.client.getStatus() === Client.CLOSED_RD)
  first.answer(Response.text('one'))
  const second = await next()
  t.is(await second.request.text(), 'ab')
  t.true(second.request.getSignal().aborted)
  second.answer(Response.text('two'))
  t.regex(await wire.end(), /one[^]*two$/)
})

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE).slice(1)) {
  test(`${way} while a response is written to a slow client closes the connection and disposes of the response`, async (t) => {
    const { connect, next } = await hold(t)
    const wire = await connect()
    wire.socket.pause()
    wire.send(GET)
    const { client, answer } = await next()
    const response = Response.text('x'.repeat(24 * 1024 * 1024))
    const disposed = new Promise<void>((resolve) => response.onDispose(resolve))
    answer(response)
    await until(() => !client.isWaitingOnResponse())
    await new Promise((resolve) => setImmediate(resolve))
    t.is(client.getPendingResponseCount(), 1)
    leave(wire.socket)
    await Promise.all([closed(client), disposed])
    t.is(client.getPendingResponseCount(), 0)
  })
}

http1Test('a FIN while a response is written half-closes the connection, and the response arrives complete', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET)
  const { client, answer } = await next()
  const length = 24 * 1024 * 1024
  answer(Response.text('x'.repeat(length)))
  await until(() => !client.isWaitingOnResponse())
  wire.socket.end()
  await until(() => client.getStatus() === Client.CLOSED_RD)
  wire.socket.resume()
  const received = await wire.end()
  t.is(received.length - received.indexOf('\r\n\r\n') - 4, length)
})

http1Test('with allowHalfClose a FIN does not abort the signal, and the response is sent', async (t) => {
  const { wire, request, client, answer } = await holdOne(t, GET, { allowHalfClose: true })
  const signal = request.getSignal()
  wire.socket.end()
  await until(() => client.getStatus() === Client.CLOSED_RD)
  t.false(signal.aborted)
  answer(Response.text('for you'))
  t.true((await wire.end()).endsWith('for you'))
  await closed(client)
  t.false(signal.aborted)
  t.false(request.getSignal().aborted)
})

test('with allowHalfClose a FIN inside a body still aborts the request', async (t) => {
  const { wire, request, client } = await holdOne(t, UPLOAD, { allowHalfClose: true })
  const aborted = once(request.getSignal(), 'abort')
  wire.socket.end()
  await aborted
  t.true(client.isClosed())
})

plainTest('a hang-up on a unix socket is detected while the handler runs', async (t) => {
  const path = join(await temporaryDirectory(t), 'leaving.sock')
  const { next } = await hold(t, {}, `unix:${path}`)
  const socket = connect({ path })
  socket.write(GET)
  const { request, client } = await next()
  const aborted = once(request.getSignal(), 'abort')
  socket.destroy()
  await aborted
  t.true(client.isClosed())
})

/** A bare engine that listens on `target`; `idle` resolves when it is stopped and the last client has closed. */
function engine(handler: HandlerFunction, path: string | null) {
  const options = Options.from()
  const news = new EventEmitter()
  const dispatcher = new Dispatcher({
    handler,
    options,
    logger: silentLogger,
    errorHandler: new DefaultErrorHandler(),
    limits: engineLimits(options),
    ioThreads: ioThreads(undefined),
    observer: new Observer([], silentLogger),
    onIdle: () => void news.emit('idle'),
  })
  const host = path === null ? '127.0.0.1' : null
  const wish = {
    host, port: 0, path, fd: null, backlog: 511, reusePort: false, ipv6Only: false, mode: null, proxyProtocol: false,
  }
  const { port } = dispatcher.engine.listen(wish)
  dispatcher.engine.start()
  return { dispatcher, idle: once(news, 'idle'), target: path === null ? { host: '127.0.0.1', port } : { path } }
}

/** What a client sends, the event after which it disconnects, and the handler. */
interface PhaseOfRequest {
  readonly sends: string
  readonly waitsFor: 'the connection' | 'the handler' | 'an answer'
  readonly handler: HandlerFunction
  /** Over a unix socket, whose buffers are small. */
  readonly isUnix?: boolean
}

const PHASES: Readonly<Record<string, PhaseOfRequest>> = {
  idle: { sends: '\r\nHost: a\r\n\r\n', waitsFor: 'an answer', handler: () => Response.text('done') },
  'in a head': { sends: '\r\nHost: a\r\nX-Half: ', waitsFor: 'the connection', handler: () => Response.text('done') },
  'in a body': {
    sends: '\r\nHost: a\r\nContent-Length: 1000\r\n\r\nthe beginning',
    waitsFor: 'the handler',
    handler: async (request) => Response.text(await request.text()),
  },
  'while a handler runs': {
    sends: '\r\nHost: a\r\n\r\n',
    waitsFor: 'the handler',
    handler: async (request) => {
      if (!request.getSignal().aborted) await once(request.getSignal(), 'abort')
      return Response.text('done')
    },
  },
  'while an answer is written': {
    sends: '\r\nHost: a\r\n\r\n',
    waitsFor: 'an answer',
    handler: () => Response.text('x'.repeat(1024 * 1024)),
    isUnix: true,
  },
}

const isLinux = process.platform === 'linux'

for (const [phase, { sends, waitsFor, handler, isUnix = false }] of Object.entries(PHASES)) {
  ;(isLinux ? test.serial : test.serial.skip)(`2,000 clients that disconnect ${phase} leave no resources`, async (t) => {
    const path = isUnix ? join(await temporaryDirectory(t), 'leaving.sock') : null
    const before = openDescriptors()
    const called = new EventEmitter().setMaxListeners(0)
    const tellAndHandle: HandlerFunction = (request) => {
      called.emit(request.getPath())
      return handler(request)
    }
    const { dispatcher, idle, target } = engine(tellAndHandle, path)
    const listening = openDescriptors()
    const ways = isUnix ? [WAYS_TO_LEAVE['a hang-up']] : Object.values(WAYS_TO_LEAVE)
    const visit = async (index: number): Promise<void> => {
      const socket = connect({ ...(target as NetConnectOpts), allowHalfOpen: true })
      const gone = new Promise((resolve) => socket.on('close', resolve))
      socket.on('error', () => {})
      socket.write(`${phase === 'in a body' ? 'POST' : 'GET'} /${index} HTTP/1.1${sends}`)
      if (waitsFor === 'the handler') await once(called, `/${index}`)
      else await once(socket, waitsFor === 'an answer' ? 'data' : 'connect')
      ways[index % ways.length]!(socket)
      // After a FIN the server ends the connection; its remaining bytes are read.
      socket.resume()
      await gone
    }
    for (let done = 0; done < 2000; done += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => visit(done + index)))
    }
    await until(() => openDescriptors() === listening && dispatcher.pending.size === 0)
    dispatcher.engine.stopGracefully()
    await idle
    dispatcher.engine.dispose()
    await until(() => openDescriptors() === before)
    t.pass()
  })
}

for (const size of [0, 10, 30_000, 200_000]) {
  plainTest(`a request over a unix socket is handled after its client has hung up: ${size} bytes`, async (t) => {
    const path = join(await temporaryDirectory(t), 'socket')
    const { next } = await hold(t, { bodySizeLimit: 1_000_000 }, `unix:${path}`)
    const socket = connect(path)
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`, () => socket.destroy())
    const { request, client, answer } = await next()
    t.is((await request.getBody().buffer()).length, size)
    await closed(client)
    answer(new Response(204))
  })
}

for (const [what, cut] of Object.entries({
  'half a head': 'GET /2 HT',
  'half a body': 'GET /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe',
})) {
  for (const threads of [0, 1]) {
    http1Test(`the complete request in front of ${what} is answered when the client closes its side; ioThreads ${threads}`, async (t) => {
      const { connect, next } = await hold(t, { ioThreads: threads })
      const wire = (await connect()).send(GET + cut)
      const { answer, client } = await next()
      wire.socket.end()
      await until(() => client.getStatus() === Client.CLOSED_RD)
      answer(Response.text('complete'))
      const text = await wire.end()
      t.regex(text, /^HTTP\/1\.1 200 [^]*\r\n\r\ncomplete$/)
    })
  }
}
