/**
 * The beginning and the end of a stop: what has come is served, streams are notified, and what is cut off is counted.
 */
import { once } from 'node:events'
import test from 'ava'
import { HttpServer, OptionError, Request, Response, silentLogger } from '../src/index.ts'
import type { Client, HttpDriver, Logger } from '../src/index.ts'
import { GET, IS_HTTP2, count, dial, hold, http1Test, open, until } from './support.ts'

/** Blocks the event loop until what was sent has surely reached the kernel: its clients run in other threads of it. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

const THREADS = [0, 2]

for (const ioThreads of THREADS) {
  test(`a request that has reached a kept connection when stop begins is served: ${ioThreads} threads`, async (t) => {
    const { connect, server } = await open(t, () => Response.text('served'), { ioThreads })
    const wire = (await connect()).send(GET)
    await wire.until((text) => text.endsWith('served'))
    await new Promise<void>((resolve) => wire.socket.write(GET, () => resolve()))
    block(20)
    const stopped = server.stop()
    const answers = await wire.end()
    t.is(count(answers, 'served'), 2)
    if (!IS_HTTP2) t.regex(answers, /connection: close\r\n[^]*served$/)
    t.deepEqual(await stopped, { cutOff: 0 })
  })

  test(`a first request that has come before its connection is known to be HTTP/1 is served: ${ioThreads} threads`, async (t) => {
    const { connect, server } = await open(t, () => Response.text('served'), { ioThreads, http2Cleartext: true })
    const wire = await connect()
    await until(() => server.getStatistics().connections === 1)
    await new Promise<void>((resolve) => wire.socket.write(GET, () => resolve()))
    block(20)
    const stopped = server.stop()
    t.true((await wire.end()).endsWith('served'))
    t.deepEqual(await stopped, { cutOff: 0 })
  })

  test(`a request on a connection that is not accepted yet when stop begins is served: ${ioThreads} threads`, async (t) => {
    const { port, server } = await open(t, () => Response.text('served'), { ioThreads })
    const wires = await Promise.all(Array.from({ length: 20 }, () => dial(t, { port, host: '127.0.0.1' })))
    await Promise.all(wires.map((wire) => new Promise<void>((resolve) => wire.socket.write(GET, () => resolve()))))
    block(20)
    const stopped = server.stop()
    for (const wire of wires) t.true((await wire.end()).endsWith('served'))
    await stopped
  })

  http1Test(`half a head may be completed while the server stops: ${ioThreads} threads`, async (t) => {
    const { connect, server } = await open(t, () => Response.text('served'), { ioThreads })
    const wire = await connect()
    await new Promise<void>((resolve) => wire.socket.write(GET.slice(0, 12), () => resolve()))
    block(20)
    const stopped = server.stop({ timeout: 30 })
    t.false(server.isReady())
    wire.send(GET.slice(12))
    t.regex(await wire.end(), /connection: close\r\n[^]*served$/)
    t.deepEqual(await stopped, { cutOff: 0 })
  })

  http1Test(`stop counts the requests and upgraded sockets that it cuts off, and warns: ${ioThreads} threads`, async (t) => {
    const warnings: string[] = []
    const logger: Logger = { ...silentLogger, warning: (message) => void warnings.push(message) }
    const { connect, next, server } = await hold(t, { ioThreads, logger })
    const busy = (await connect()).send(GET.repeat(2))
    await next()
    await next()
    const upgraded = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const { answer } = await next()
    let isOpen = false
    const response = new Response(101, { upgrade: 'echo' })
    response.upgrade(() => void (isOpen = true))
    answer(response)
    await until(() => isOpen)
    // Neither an idle connection nor half a head is a request.
    await connect()
    ;(await connect()).send('GET / HT')
    t.deepEqual(await server.stop({ timeout: 0.05 }), { cutOff: 3 })
    t.deepEqual(warnings, ['the stop has cut off connections: 3 requests or upgraded sockets were not finished after 0.05 s'])
    await Promise.all([busy.end(), upgraded.end()])
  })

  test(`the stop signal of a request fires when the stop begins, and a stream ends cleanly: ${ioThreads} threads`, async (t) => {
    const { connect, server } = await open(
      t,
      (request) => {
        const stop = request.getStopSignal()
        async function* events(): AsyncGenerator<string> {
          yield 'data: hello\n\n'
          if (!stop.aborted) await once(stop, 'abort')
          yield 'event: bye\n\n'
        }
        return new Response(200, { 'content-type': 'text/event-stream' }, events())
      },
      { ioThreads },
    )
    const wire = (await connect()).send(GET)
    await wire.until((text) => text.includes('hello'))
    t.deepEqual(await server.stop({ timeout: 30 }), { cutOff: 0 })
    t.regex(await wire.end(), /hello[^]*bye[^]*\r\n0\r\n\r\n$/)
  })
}

test('a stop signal that is asked for after the stop has begun has fired', async (t) => {
  const { connect, next, server } = await hold(t)
  const wire = (await connect()).send(GET)
  const { request, answer } = await next()
  const stopped = server.stop()
  t.true(request.getStopSignal().aborted)
  t.is(request.getStopSignal(), request.getStopSignal())
  t.false(request.getSignal().aborted)
  answer(Response.text('done'))
  t.true((await wire.end()).endsWith('done'))
  await stopped
})

test('a stop signal stays silent when the response is sent or the client leaves before', async (t) => {
  const { connect, next, server } = await hold(t)
  const wire = (await connect()).send(GET)
  const { request, answer } = await next()
  const signal = request.getStopSignal()
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  await server.stop()
  t.false(signal.aborted)
  t.false(Request.create('GET', '/').getStopSignal().aborted)
})

test('the stop signal of a request that a driver in JavaScript has parsed fires when the stop begins', async (t) => {
  const driver = {
    setup: (_client: Client, onMessage: (request: Request) => Promise<void>) =>
      (function* (): Generator<unknown, void, Uint8Array | null> {
        for (;;) {
          const bytes = yield null
          if (bytes !== null && bytes.length > 0) yield onMessage(Request.create('GET', '/'))
        }
      })(),
    write: () => Promise.resolve(),
    getPendingRequestCount: () => 0,
    stop: () => Promise.resolve(),
  } as unknown as HttpDriver
  const { connect, next, server } = await hold(t, {
    driverFactory: { selectDriver: () => driver, getApplicationLayerProtocols: () => [] },
  })
  ;(await connect()).send('anything')
  const { request, answer } = await next()
  const fired = once(request.getStopSignal(), 'abort')
  const stopped = server.stop({ timeout: 5 })
  await fired
  answer(Response.text('done'))
  await stopped
  t.pass()
})

test('stop takes seconds as { timeout } and milliseconds as a number', async (t) => {
  const { server } = await open(t, () => new Response(204))
  const wrong: unknown[] = [-1, Number.NaN, '5', null, { timeout: -1 }, { timeout: '5' }, { timeout: Number.NaN }, { seconds: 5 }, []]
  for (const time of wrong.slice(0, -1)) await t.throwsAsync(server.stop(time as never), { instanceOf: OptionError })
  t.is(server.getState(), HttpServer.STARTED)
  t.deepEqual(await server.stop({ timeout: 1 }), { cutOff: 0 })
  t.deepEqual(await server.stop(), { cutOff: 0 })
})

test('a server is ready from the end of its start until its stop begins', async (t) => {
  const seen: boolean[] = []
  const server = new HttpServer(0, () => new Response(204), { logger: silentLogger })
  server.onStart(() => void seen.push(server.isReady()))
  server.onStop(() => void seen.push(server.isReady()))
  t.false(server.isReady())
  await server.start()
  t.true(server.isReady())
  await server.stop()
  t.deepEqual(seen, [false, false])
  t.false(server.isReady())
})
