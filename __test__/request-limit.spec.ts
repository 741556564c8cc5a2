import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { Response } from '../src/index.ts'
import { GET, count, hold, open, postHead } from './support.ts'
import type { Wire } from './support.ts'

/** Number of connections, each with one request. */
async function ask(connect: () => Promise<Wire>, many: number): Promise<Wire[]> {
  const wires = await Promise.all(Array.from({ length: many }, connect))
  return wires.map((wire) => wire.send(GET))
}

test('no more handlers than requestLimit run, and all requests are answered', async (t) => {
  let running = 0
  let most = 0
  const { connect } = await open(
    t,
    async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return Response.text('served')
    },
    { requestLimit: 3 },
  )
  const wires = await Promise.all(Array.from({ length: 50 }, connect))
  wires.forEach((wire) => wire.send(GET.repeat(20)))
  for (const wire of wires) await wire.until((text) => count(text, 'served') === 20)
  t.is(most, 3)
})

test('handlerTimeout counts from the moment when the handler is called', async (t) => {
  const serve = async (): Promise<Response> => {
    await new Promise((resolve) => setTimeout(resolve, 600))
    return Response.text('served')
  }
  const { connect } = await open(t, serve, { requestLimit: 1, handlerTimeout: 1 })
  for (const wire of await ask(connect, 4)) t.regex(await wire.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1\.1 200 OK/)
})

test('handlers that answer at once do not wait', async (t) => {
  const { connect } = await open(t, () => Response.text('served'), { requestLimit: 1 })
  const wire = (await connect()).send(GET.repeat(100))
  await wire.until((text) => count(text, 'served') === 100)
  t.pass()
})

test('at the limit the body of a running request is read', async (t) => {
  const { connect } = await open(t, async (request) => Response.text((await request.text()).slice(-4)), { requestLimit: 1 })
  const upload = (await connect()).send(postHead(100_000))
  const [wire] = await ask(connect, 1)
  for (let left = 100_000; left > 0; left -= 10_000) {
    upload.send('x'.repeat(9_996) + 'last')
    await new Promise((resolve) => setImmediate(resolve))
  }
  await upload.until((text) => text.endsWith('last'))
  await wire!.until((text) => text.includes('200 OK'))
  t.pass()
})

test('requests wait in the order of arrival, and each handler has its own async context', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const order: string[] = []
  const { connect } = await open(
    t,
    async (request) => {
      seen.push(storage.getStore())
      storage.enterWith(request.getTarget())
      order.push(request.getTarget())
      await new Promise((resolve) => setImmediate(resolve))
      return Response.text('served')
    },
    { requestLimit: 1 },
  )
  const wire = (await connect()).send(Array.from({ length: 10 }, (_, at) => GET.replace('/', `/${at}`)).join(''))
  await wire.until((text) => count(text, 'served') === 10)
  t.deepEqual(order, Array.from({ length: 10 }, (_, at) => `/${at}`))
  t.deepEqual(seen, Array(10).fill(undefined))
})

test('the handler is not called for a waiting request whose client has disconnected', async (t) => {
  const { connect, next, arrived } = await hold(t, { requestLimit: 1 })
  await ask(connect, 1)
  const first = await next()
  const [gone, last] = await ask(connect, 2)
  await new Promise((resolve) => setTimeout(resolve, 20))
  gone!.socket.resetAndDestroy()
  await new Promise((resolve) => setTimeout(resolve, 20))
  first.answer(Response.text('first'))
  ;(await next()).answer(Response.text('last'))
  await last!.until((text) => text.endsWith('last'))
  t.is(arrived.length, 0)
})

test('a handler whose client has disconnected counts until it has finished', async (t) => {
  const { connect, next, arrived } = await hold(t, { requestLimit: 1 })
  const [leaving] = await ask(connect, 1)
  const first = await next()
  const closed = new Promise<void>((resolve) => void first.client.onClose(() => resolve()))
  leaving!.socket.resetAndDestroy()
  await closed
  const [wire] = await ask(connect, 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.is(arrived.length, 0)
  first.answer(Response.text('to a client that has left'))
  ;(await next()).answer(Response.text('served'))
  await wire!.until((text) => text.endsWith('served'))
})

test('a thenable that calls back twice counts once', async (t) => {
  let running = 0
  let most = 0
  const { connect } = await open(
    t,
    () => {
      most = Math.max(most, ++running)
      const then = (done: (response: Response) => void): void => {
        setImmediate(() => {
          running--
          done(Response.text('served'))
          done(Response.text('again'))
        })
      }
      return new Proxy({}, { get: (_, name) => (name === 'then' ? then : undefined) }) as Promise<Response>
    },
    { requestLimit: 2 },
  )
  const wires = await ask(connect, 20)
  for (const wire of wires) await wire.until((text) => text.endsWith('served'))
  t.is(most, 2)
})

test('a thenable that throws does not count as a running handler', async (t) => {
  const failing = new Proxy({}, { get: (_, name) => (name === 'then' ? () => { throw new Error('no then') } : undefined) })
  const { connect } = await open(t, () => failing as Promise<Response>, { requestLimit: 1 })
  const wire = (await connect()).send(GET.repeat(5))
  await wire.until((text) => count(text, 'HTTP/1.1 500') === 5)
  t.pass()
})

test('a server that stops answers requests that wait', async (t) => {
  const { connect, next, server } = await hold(t, { requestLimit: 1 })
  const wire = (await connect()).send(GET.repeat(2))
  const first = await next()
  const stopped = server.stop(5000)
  first.answer(Response.text('<one>'))
  ;(await next()).answer(Response.text('<two>'))
  t.regex(await wire.end(), /<one>[^<]+<two>$/)
  await stopped
})

for (const ioThreads of [0, 1]) {
  test(`a request that has waited 5 seconds for its handler gets a 503 with retry-after: ${ioThreads} threads`, async (t) => {
    const { connect, next, server } = await hold(t, { requestLimit: 1, ioThreads })
    // The second request of the first connection may be read already; that of the second connection is in the kernel.
    const busy = (await connect()).send(GET.repeat(2))
    const { answer } = await next()
    const [waiting] = await ask(connect, 1)
    const refused = await waiting!.until((text) => text.includes('\r\n\r\n'))
    t.regex(refused, /^HTTP\/1\.1 503 [^]*\r\nretry-after: 5\r\n/)
    answer(Response.text('first'))
    await busy.until((text) => /first[^]*HTTP\/1\.1 503 [^]*retry-after: 5/.test(text))
    // A later request is served again, on the same connection.
    waiting!.send(GET)
    ;(await next()).answer(Response.text('served'))
    await waiting!.until((text) => text.endsWith('served'))
    t.is(server.getRefusals()['BUSBAR_REQUEST_LIMIT'], 2)
  })
}
