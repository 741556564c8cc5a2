import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import type { NetConnectOpts } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Client, ClientException, OptionError, Response, StateError, TimeoutError, silentLogger } from '../src/index.ts'
import type { Request } from '../src/index.ts'
import { ioThreads } from '../src/io-threads.ts'
import { GET, LAST_GET, Wire, count, hold, open, until } from './support.ts'

/** More than the kernel takes for a client that doesn't read. */
const LARGE = 'x'.repeat(24 * 1024 * 1024)

async function dial(t: ExecutionContext, target: NetConnectOpts): Promise<Wire> {
  const socket = openSocket({ ...target, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return new Wire(socket)
}

const counters = (client: Client): [number, number, boolean] => [
  client.getPendingRequestCount(),
  client.getPendingResponseCount(),
  client.isWaitingOnResponse(),
]

/**
 * The same behind an answer. A thread of its own counts in its own time; in-loop it is counted at once.
 */
async function counted(client: Client, expected: [number, number, boolean]): Promise<[number, number, boolean]> {
  if (ioThreads(undefined) > 0) await until(() => isDeepStrictEqual(counters(client), expected))
  return counters(client)
}

test('a request without a body counts as a response that is waited for, until it is written', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client, answer } = await next()
  t.deepEqual(counters(client), [0, 1, true])
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('a head that has come by half counts as nothing', async (t) => {
  const { connect, next } = await hold(t)
  const [wire, other] = [await connect(), await connect()]
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  wire.send('GET / HTTP/1.1\r\nHo')
  other.send(GET)
  ;(await next()).answer(Response.text('done'))
  await other.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
  wire.send('st: a\r\n\r\n')
  t.is((await next()).client, client)
  t.deepEqual(counters(client), [0, 1, true])
})

test('an upload is a pending request until its last byte has come', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  const { request, client, answer } = await next()
  t.deepEqual(counters(client), [1, 1, false])
  wire.send('cd')
  t.is(await request.text(), 'abcd')
  t.deepEqual(counters(client), [0, 1, true])
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('an upload whose body nobody reads is over with its last byte, too', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n')
  const { client } = await next()
  t.deepEqual(counters(client), [1, 1, false])
  wire.send('0\r\n\r\n')
  await until(() => client.getPendingRequestCount() === 0)
  t.deepEqual(counters(client), [0, 1, true])
})

test('a response counts while a slow client reads it, and nobody waits for a handler then', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text(LARGE))
  await until(() => !client.isWaitingOnResponse())
  t.deepEqual(await counted(client, [0, 1, false]), [0, 1, false])
  wire.socket.resume()
  await wire.until((text) => text.length > LARGE.length)
  await until(() => client.getPendingResponseCount() === 0)
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('a pipelined request runs while an earlier response is being written: two are pending', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET + LAST_GET)
  const [first, second] = [await next(), await next()]
  t.deepEqual(counters(first.client), [0, 2, true])
  first.answer(Response.text(LARGE))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(counters(first.client), [0, 2, true])
  second.answer(Response.text('done'))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(await counted(first.client, [0, 2, false]), [0, 2, false])
  wire.socket.resume()
  t.true((await wire.end()).endsWith('done'))
})

test('a handler that answers early leaves a pending request until the body has come', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  const { client, answer } = await next()
  answer(Response.text('early'))
  await wire.until((text) => text.endsWith('early'))
  t.deepEqual(await counted(client, [1, 0, false]), [1, 0, false])
  wire.send('cd')
  await until(() => client.getPendingRequestCount() === 0)
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('requests that the server answers itself are settled like others', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.includes('HTTP/1.1 204') && text.includes('HTTP/1.1 405'))
  wire.send(GET)
  const { client } = await next()
  t.deepEqual(counters(client), [0, 1, true])
})

test('a closed client has nothing pending, whatever its handlers do', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(`${GET}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab`)
  const { client } = await next()
  client.close()
  t.deepEqual(counters(client), [0, 0, false])
})

test('ids are counted up, one for each connection, and outlive it', async (t) => {
  const { connect, next } = await hold(t)
  const ids: number[] = []
  for (let n = 0; n < 3; n++) {
    const wire = await connect()
    wire.send(GET)
    const { client } = await next()
    const id = client.getId()
    client.close()
    t.is(client.getId(), id)
    ids.push(id)
  }
  t.true(ids.every((id, at) => Number.isInteger(id) && id > (ids[at - 1] ?? 0)))
})

test('all requests of a connection have the same client, those of another one have another', async (t) => {
  const { connect, next } = await hold(t)
  const [wire, other] = [await connect(), await connect()]
  wire.send(GET)
  const first = await next()
  first.answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  wire.send(GET)
  const second = await next()
  other.send(GET)
  const third = await next()
  t.is(second.client, first.client)
  t.not(third.client, first.client)
})

test('a request keeps its client when the connection has closed', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  const { request, client } = await next()
  const body = t.throwsAsync(request.text(), { instanceOf: ClientException })
  wire.socket.destroy()
  const error = await body
  t.is(error.getClient(), client)
  t.is(error.getCode(), 408)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(request.getClient(), client)
})

test('a client that is first asked for when it has gone is closed and knows where it came from', async (t) => {
  const gone: { request: Request; leave: () => void }[] = []
  let tell = (): void => {}
  const { connect, port } = await open(t, async (request) => {
    await new Promise<void>((leave) => {
      gone.push({ request, leave })
      tell()
    })
    return new Response(204)
  })
  const wire = await connect()
  const called = new Promise<void>((resolve) => (tell = resolve))
  wire.send(GET)
  await called
  const { localPort } = wire.socket
  wire.socket.resetAndDestroy()
  const { request } = gone[0]!
  // The next connection's request comes after the reset.
  const other = await connect()
  const calledAgain = new Promise<void>((resolve) => (tell = resolve))
  other.send(GET)
  await calledAgain
  const client = request.getClient()
  t.is(client, request.getClient())
  t.true(client.isClosed())
  t.is(client.getRemoteAddress().getPort(), localPort ?? null)
  t.is(client.getLocalAddress().getPort(), port)
  t.true(request.getSignal().aborted)
  gone.forEach(({ leave }) => leave())
})

test('over IPv4 the addresses are those of the socket, and stay known after the close', async (t) => {
  const { next, port } = await hold(t)
  const wire = await dial(t, { host: '127.0.0.1', port })
  wire.send(GET)
  const { client } = await next()
  for (const _ of ['open', 'closed']) {
    t.is(client.getRemoteAddress().toString(), `127.0.0.1:${wire.socket.localPort}`)
    t.is(client.getLocalAddress().toString(), `127.0.0.1:${port}`)
    t.false(client.isUnix())
    client.close()
  }
})

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

;(hasIPv6 ? test : test.skip)('over IPv6 the addresses are those of the socket', async (t) => {
  const { next, port } = await hold(t, {}, '[::1]:0')
  const wire = await dial(t, { host: '::1', port })
  wire.send(GET)
  const { client } = await next()
  t.is(client.getRemoteAddress().toString(), `[::1]:${wire.socket.localPort}`)
  t.is(client.getLocalAddress().toString(), `[::1]:${port}`)
})

test('on all interfaces an IPv4 peer is shown as one, and the local address is the concrete one', async (t) => {
  const { next, port } = await hold(t, {}, 0)
  const wire = await dial(t, { host: '127.0.0.1', port })
  wire.send(GET)
  const { client } = await next()
  t.is(client.getRemoteAddress().toString(), `127.0.0.1:${wire.socket.localPort}`)
  t.is(client.getRemoteAddress().getVersion(), 4)
  t.is(client.getLocalAddress().toString(), `127.0.0.1:${port}`)
})

test('over a unix socket both addresses are its path', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const path = join(directory, 'client.sock')
  const { next } = await hold(t, {}, `unix:${path}`)
  const wire = await dial(t, { path })
  wire.send(GET)
  const { client } = await next()
  t.true(client.isUnix())
  for (const address of [client.getRemoteAddress(), client.getLocalAddress()]) {
    t.deepEqual([address.getHost(), address.getPort(), address.getType()], [path, null, 'unix'])
  }
})

test('the options are those of the server, nothing is encrypted and nothing exported', async (t) => {
  const { server, connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  t.is(client.getOptions(), server.getOptions())
  t.deepEqual([client.isEncrypted(), client.getTlsInfo(), client.isExported()], [false, null, false])
})

test('the status goes from open to closed', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  t.deepEqual([client.getStatus(), client.isClosed()], [0, false])
  client.close()
  t.deepEqual([client.getStatus(), client.isClosed()], [Client.CLOSED_RDWR, true])
  t.deepEqual([Client.CLOSED_RD, Client.CLOSED_WR, Client.CLOSED_RDWR], [1, 2, 3])
})

for (const allowHalfClose of [false, true]) {
  test(`a client that has finished sending is half closed until it is answered, allowHalfClose ${allowHalfClose}`, async (t) => {
    const { connect, next } = await hold(t, { allowHalfClose })
    const wire = await connect()
    wire.send(GET)
    const { client, answer } = await next()
    wire.socket.end()
    await until(() => client.getStatus() !== 0)
    t.deepEqual([client.getStatus(), client.isClosed()], [Client.CLOSED_RD, false])
    answer(Response.text('for you'))
    t.regex(await wire.end(), /connection: close\r\n[^]*\r\n\r\nfor you$/)
    await until(() => client.isClosed())
    t.is(client.getStatus(), Client.CLOSED_RDWR)
  })
}

test('the expiration is told in whole seconds, only ever extended, and 0 after the close', async (t) => {
  const { connect, next } = await hold(t, { http1Timeout: 20 })
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  const expires = client.getExpirationTime()
  t.true(Number.isInteger(expires))
  t.true(Math.abs(expires - (Date.now() / 1000 + 20)) < 3, `${expires}`)
  client.updateExpirationTime(expires - 10)
  client.updateExpirationTime(-1)
  t.is(client.getExpirationTime(), expires)
  client.updateExpirationTime(expires + 30)
  t.is(client.getExpirationTime(), expires + 30)
  client.updateExpirationTime(expires + 29)
  t.is(client.getExpirationTime(), expires + 30)
  client.updateExpirationTime(expires + 30.25)
  t.is(client.getExpirationTime(), expires + 31)
  t.throws(() => client.updateExpirationTime(NaN), { instanceOf: OptionError, message: /expiresAt/ })
  client.close()
  t.is(client.getExpirationTime(), 0)
  client.updateExpirationTime(expires + 60)
  t.is(client.getExpirationTime(), 0)
})

test('a client whose expiration was put off outlives the idle time of others', async (t) => {
  const { connect, next } = await hold(t, { http1Timeout: 1 })
  const patient = (await connect()).send(GET)
  const held = await next()
  const other = (await connect()).send(GET)
  const { client: unextended, answer } = await next()
  const until = Math.ceil(Date.now() / 1000) + 3
  held.client.updateExpirationTime(until)
  held.answer(new Response(204))
  answer(new Response(204))
  await other.end()
  await closed(unextended)
  t.false(held.client.isClosed())
  t.is(held.client.getExpirationTime(), until)
  await patient.end()
  t.true(Date.now() / 1000 >= until)
})

function closed(client: Client): Promise<void> {
  return new Promise((resolve) => void client.onClose(() => resolve()))
}

test('close hooks run once, in order, with the client, and a function given twice runs twice', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  const seen: unknown[] = []
  const twice = (): void => void seen.push('twice')
  client.onClose((given) => void seen.push(given, given.isClosed()))
  client.onClose(twice)
  client.onClose(twice)
  wire.socket.resetAndDestroy()
  await closed(client)
  client.close()
  t.deepEqual(seen, [client, true, 'twice', 'twice'])
})

test('a close hook added after the close runs at once', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  client.close()
  let given: Client | null = null
  client.onClose((client) => void (given = client))
  t.is(given as Client | null, client)
})

test('a close hook that is no function is refused where it is added', async (t) => {
  const { connect, next } = await hold(t)
  ;(await connect()).send(LAST_GET)
  const { client, answer } = await next()
  t.throws(() => client.onClose('now' as never), { instanceOf: OptionError, message: /^callback must be a function; got "now"/ })
  answer(new Response(204))
})

test('a close hook that was taken back does not run', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  const seen: string[] = []
  const hook = (): void => void seen.push('same function, other hook')
  const takeBack = client.onClose(hook)
  client.onClose(hook)
  const disposable = client.onClose(() => void seen.push('disposed'))
  takeBack()
  takeBack()
  disposable[Symbol.dispose]()
  client.close()
  t.deepEqual(seen, ['same function, other hook'])
})

test('hooks that throw or reject are logged, and the others run', async (t) => {
  const logged: unknown[] = []
  const logger = {
    ...silentLogger,
    error: (message: string, context?: { readonly exception?: unknown }) => void logged.push(message, context?.exception),
  }
  const { connect, next } = await hold(t, { logger })
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')]
  let hasRun = false
  client.onClose(() => {
    throw thrown
  })
  client.onClose(async () => {
    await Promise.resolve()
    throw rejected
  })
  client.onClose(() => void (hasRun = true))
  t.true(client.close())
  t.true(hasRun)
  await until(() => logged.length === 4)
  const line = `a close hook of client ${client.getId()} failed`
  t.deepEqual(logged, [line, thrown, line, rejected])
})

test('close is true for the call that closed it, also seen from inside a hook', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  const results: boolean[] = []
  client.onClose(() => void results.push(client.close()))
  results.push(client.close(), client.close())
  t.deepEqual(results, [false, true, false])
  t.is(await wire.end(), '')
})

test('a handler that closes its client and answers all the same sends nothing and fails nowhere', async (t) => {
  const logged: string[] = []
  const logger = { ...silentLogger, error: (message: string) => void logged.push(message) }
  let disposed = (): void => {}
  const isDisposed = new Promise<void>((resolve) => (disposed = resolve))
  const results: boolean[] = []
  const { connect } = await open(
    t,
    (request) => {
      results.push(request.getClient().close())
      const response = Response.text('too late')
      response.onDispose(disposed)
      return response
    },
    { logger },
  )
  const wire = await connect()
  t.is(await wire.send(GET + GET).end(), '')
  await isDisposed
  t.deepEqual(results, [true, false])
  t.deepEqual(logged, [])
})

test('close fails what the other requests of the connection wait for', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET + GET)
  const [first, second] = [await next(), await next()]
  const aborted = once(second.request.getSignal(), 'abort')
  let wasClosed = false
  second.request.getSignal().addEventListener('abort', () => (wasClosed = second.client.isClosed()))
  first.client.close()
  await aborted
  t.true(wasClosed)
})

test('stop closes an idle client', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  const stopped = client.stop(30_000)
  await wire.end()
  await stopped
  t.true(client.isClosed())
})

test('stop waits for answers under way, announces the end in them, and takes no further request', async (t) => {
  const { connect, next, arrived } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client, answer } = await next()
  const stopped = client.stop(Infinity)
  wire.send(GET)
  await until(() => wire.socket.bytesWritten === 2 * GET.length)
  t.false(client.isClosed())
  answer(Response.text('the last'))
  t.regex(await wire.end(), /connection: close\r\n[^]*\r\n\r\nthe last$/)
  await stopped
  t.true(client.isClosed())
  t.is(arrived.length, 0)
  t.is(count(wire.received, 'HTTP/1.1'), 1)
})

for (const timeout of [0, 20]) {
  test(`stop(${timeout}) gives up on a handler, closes, and rejects with a TimeoutError`, async (t) => {
    const { connect, next } = await hold(t)
    const wire = await connect()
    wire.send(GET)
    const { client, answer } = await next()
    const error = await t.throwsAsync(client.stop(timeout), { instanceOf: TimeoutError })
    t.is(error.code, 'BUSBAR_TIMEOUT')
    t.true(client.isClosed())
    answer(Response.text('too late'))
    t.is(await wire.end(), '')
  })
}

test('stop resolves for a client that owes nothing, even if its peer never closes', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  await t.notThrowsAsync(client.stop(0))
  t.true(client.isClosed())
})

test('stop resolves on a closed client and refuses a time that is none', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  await t.throwsAsync(client.stop(-1), { instanceOf: OptionError })
  await t.throwsAsync(client.stop(NaN), { instanceOf: OptionError })
  t.false(client.isClosed())
  client.close()
  await t.notThrowsAsync(client.stop(0))
})

test('start is for the server alone', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  t.throws(() => client.start(), { instanceOf: StateError })
  client.close()
  t.throws(() => client.start(), { instanceOf: StateError })
})

test('nobody but the server makes clients', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client } = await next()
  t.true(client instanceof Client)
  for (const args of [[], [client, client, Symbol('client')], [client, client, null]]) {
    t.throws(() => Reflect.construct(Client, args) as unknown, { instanceOf: StateError })
  }
})
