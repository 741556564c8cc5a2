import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Client, ClientException, OptionError, Response, StateError } from '../src/index.ts'
import type { Request } from '../src/index.ts'
import { GET, closed, dial, hold, holdOne, open, plainTest, temporaryDirectory, until } from './support.ts'

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

test('all requests of a connection have the same client, and those of another connection have another client', async (t) => {
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
  const { wire, request, client } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  const body = t.throwsAsync(request.text(), { instanceOf: ClientException })
  wire.socket.destroy()
  const error = await body
  t.is(error.getClient(), client)
  t.is(error.getCode(), 408)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(request.getClient(), client)
})

test('a client that is made after the disconnect is closed and has its addresses', async (t) => {
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

test('on all interfaces an IPv4 peer has an IPv4 address, and the local address is the concrete one', async (t) => {
  const { next, port } = await hold(t, {}, 0)
  const wire = await dial(t, { host: '127.0.0.1', port })
  wire.send(GET)
  const { client } = await next()
  t.is(client.getRemoteAddress().toString(), `127.0.0.1:${wire.socket.localPort}`)
  t.is(client.getRemoteAddress().getVersion(), 4)
  t.is(client.getLocalAddress().toString(), `127.0.0.1:${port}`)
})

test('over a unix socket both addresses are its path', async (t) => {
  const path = join(await temporaryDirectory(t), 'client.sock')
  const { next } = await hold(t, {}, `unix:${path}`)
  const wire = await dial(t, { path })
  wire.send(GET)
  const { client } = await next()
  t.true(client.isUnix())
  for (const address of [client.getRemoteAddress(), client.getLocalAddress()]) {
    t.deepEqual([address.getHost(), address.getPort(), address.getType()], [path, null, 'unix'])
  }
})

plainTest('a plaintext client has the options of its server, is not encrypted and not exported', async (t) => {
  const { server, client } = await holdOne(t)
  t.is(client.getOptions(), server.getOptions())
  t.deepEqual([client.isEncrypted(), client.getTlsInfo(), client.isExported()], [false, null, false])
})

test('the status goes from open to closed', async (t) => {
  const { client } = await holdOne(t)
  t.deepEqual([client.getStatus(), client.isClosed()], [0, false])
  client.close()
  t.deepEqual([client.getStatus(), client.isClosed()], [Client.CLOSED_RDWR, true])
  t.deepEqual([Client.CLOSED_RD, Client.CLOSED_WR, Client.CLOSED_RDWR], [1, 2, 3])
})

for (const allowHalfClose of [false, true]) {
  test(`a client that has finished sending is half closed until it is answered, allowHalfClose ${allowHalfClose}`, async (t) => {
    const { wire, client, answer } = await holdOne(t, GET, { allowHalfClose })
    wire.socket.end()
    await until(() => client.getStatus() !== 0)
    t.deepEqual([client.getStatus(), client.isClosed()], [Client.CLOSED_RD, false])
    answer(Response.text('for you'))
    t.regex(await wire.end(), /connection: close\r\n[^]*\r\n\r\nfor you$/)
    await until(() => client.isClosed())
    t.is(client.getStatus(), Client.CLOSED_RDWR)
  })
}

test('the expiration is in whole seconds, can only be extended, and is 0 after the close', async (t) => {
  const { client } = await holdOne(t, GET, { http1Timeout: 20 })
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

test('a client with a later expiration stays open longer than other idle clients', async (t) => {
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

test('only the server starts a client', async (t) => {
  const { client } = await holdOne(t)
  t.throws(() => client.start(), { instanceOf: StateError })
  client.close()
  t.throws(() => client.start(), { instanceOf: StateError })
})

test('only the server makes clients', async (t) => {
  const { client } = await holdOne(t)
  t.true(client instanceof Client)
  for (const args of [[], [client, client, Symbol('client')], [client, client, null]]) {
    t.throws(() => Reflect.construct(Client, args) as unknown, { instanceOf: StateError })
  }
})
