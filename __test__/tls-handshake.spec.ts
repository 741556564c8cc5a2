/**
 * Handshakes that go wrong at each of their steps, and records in every form.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { HttpServer } from '../src/index.ts'
import { GET, LAST_GET, collected, openDescriptors, postHead, until } from './support.ts'
import { ask, dialTls, openTls, readAll } from './tls-support.ts'

/** What a relay does with bytes of the client; `at` is how many came before. */
type Pass = (bytes: Buffer, server: Socket, at: number, client: Socket) => void

/** A port whose connections go on to `port` by way of `pass`. */
async function relay(t: ExecutionContext, port: number, pass: Pass): Promise<number> {
  const middle = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let at = 0
    client.on('data', (bytes: Buffer) => {
      pass(bytes, server, at, client)
      at += bytes.length
    })
    client.on('end', () => void server.end())
    server.on('data', (bytes: Buffer) => void client.write(bytes))
    server.on('end', () => void client.end())
    for (const [one, other] of [[client, server], [server, client]] as const) {
      one.on('error', () => {})
      one.on('close', () => void other.destroy())
    }
  })
  middle.listen(0, '127.0.0.1')
  await once(middle, 'listening')
  t.teardown(() => void middle.close())
  return (middle.address() as AddressInfo).port
}

/** Bytes that a client sends up to the end of its request. */
async function sentBytes(t: ExecutionContext, port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<number> {
  let total = 0
  const middle = await relay(t, port, (bytes, server) => {
    total += bytes.length
    server.write(bytes)
  })
  await ask(t, middle, { minVersion: version, maxVersion: version })
  return total
}

function failures(server: HttpServer): number {
  return Object.values(server.getRefusals()).reduce((sum, one) => sum + one, 0)
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a handshake and a request in pieces of one byte are answered, ${version}`, async (t) => {
    const { port } = await openTls(t)
    const middle = await relay(t, port, (bytes, server) => {
      server.setNoDelay(true)
      for (const byte of bytes) server.write(Buffer.of(byte))
    })
    t.regex(await ask(t, middle, { minVersion: version, maxVersion: version }), /done$/)
  })

  test.serial(`a connection that is cut at any byte of its handshake leaves nothing, ${version}`, async (t) => {
    const { server, port } = await openTls(t)
    const total = await sentBytes(t, port, version)
    const before = openDescriptors()
    let cuts = 0
    let relays = 0
    for (let limit = 1; limit < total; limit += 23) {
      relays += 1
      const middle = await relay(t, port, (bytes, toServer, at, client) => {
        const rest = limit - at
        if (rest > 0) toServer.write(bytes.subarray(0, rest))
        if (bytes.length > rest) (cuts % 2 === 0 ? client : toServer).destroy()
      })
      await ask(t, middle, { minVersion: version, maxVersion: version }).catch(() => (cuts += 1))
    }
    t.true(cuts > 0)
    t.regex(await ask(t, port), /done$/)
    // Relays are closed at the end of the test.
    await until(() => openDescriptors() <= before + relays)
    t.deepEqual(Object.keys(server.getRefusals()), ['BUSBAR_TLS_CUT'])
  })

  test(`a handshake that stalls is ended after tlsSetupTimeout, wherever it stalls, ${version}`, async (t) => {
    const { server, port } = await openTls(t, {}, undefined, { tlsSetupTimeout: 1 })
    const stalls = [1, 6, 100].map(async (limit) => {
      const middle = await relay(t, port, (bytes, toServer, at) => {
        if (limit > at) toServer.write(bytes.subarray(0, limit - at))
      })
      await t.throwsAsync(ask(t, middle, { minVersion: version, maxVersion: version }))
    })
    await Promise.all(stalls)
    t.deepEqual(server.getRefusals(), { BUSBAR_TLS_TIMEOUT: stalls.length })
  })
}

test('an alert of the client is counted by its name', async (t) => {
  const { server, port } = await openTls(t)
  // In place of its second flight the client sends a fatal alert, unknown_ca (RFC 5246 §7.2).
  const middle = await relay(t, port, (bytes, toServer, at) => {
    toServer.write(at === 0 ? bytes : Buffer.of(21, 3, 3, 0, 2, 2, 48))
  })
  await t.throwsAsync(dialTls(t, middle, { maxVersion: 'TLSv1.2' }))
  await until(() => failures(server) === 1)
  t.deepEqual(server.getRefusals(), { BUSBAR_TLS_ALERT_UNKNOWN_CA: 1 })
})

test('a connection without a byte is no failure', async (t) => {
  const { server, port } = await openTls(t)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end()
  await collected(socket)
  t.deepEqual(server.getRefusals(), {})
})

test('a connection without a byte is idle, and closed after http1Timeout', async (t) => {
  const { server, port } = await openTls(t, {}, undefined, { http1Timeout: 1, tlsSetupTimeout: 60 })
  t.is(await collected(connect(port, '127.0.0.1')), '')
  t.deepEqual(server.getRefusals(), {})
})

test('bytes that are neither TLS nor HTTP get an alert', async (t) => {
  const { server, port } = await openTls(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.alloc(100, 0x05))
  await collected(socket).catch(() => '')
  await until(() => failures(server) === 1)
  t.regex(Object.keys(server.getRefusals())[0]!, /^BUSBAR_TLS_/)
})

test('a record that is changed on its way ends the connection, and the request is aborted', async (t) => {
  const seen: string[] = []
  let isCalled = false
  const { server, port } = await openTls(t, {}, async (request) => {
    isCalled = true
    await request.text().catch((error: Error) => void seen.push(error.name))
    return Response.text('done')
  })
  let isChanging = false
  const middle = await relay(t, port, (bytes, toServer) => {
    if (isChanging) bytes[bytes.length - 1]! ^= 1
    toServer.write(bytes)
  })
  const socket = await dialTls(t, middle)
  socket.on('error', () => {})
  socket.write(`${postHead(1000)}beginning`)
  // The record has passed the relay.
  await until(() => isCalled)
  isChanging = true
  socket.write('more')
  await new Promise((resolve) => socket.once('close', resolve))
  await until(() => seen.length > 0)
  t.deepEqual(seen, ['ClientException'])
  t.deepEqual(server.getRefusals(), { BUSBAR_TLS_BAD_RECORD_MAC: 1 })
})

test('close_notify behind the handshake closes the connection', async (t) => {
  const { server, port } = await openTls(t)
  const socket = await dialTls(t, port)
  socket.end()
  t.is(await readAll(socket), '')
  t.deepEqual(server.getRefusals(), {})
})

test('records of every size arrive, in both directions', async (t) => {
  const { port } = await openTls(t, {}, async (request) => new Response(200, {}, await request.getBody().buffer()))
  const socket = await dialTls(t, port)
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => (received += text))
  const sizes = [1, 2, 15, 16, 17, 255, 256, 1000, 4096, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 100_000]
  for (const size of sizes) {
    received = ''
    socket.write(postHead(size))
    for (let at = 0; at < size; at += 7000) socket.write('x'.repeat(Math.min(7000, size - at)))
    await until(() => received.split('\r\n\r\n')[1]?.length === size)
  }
  t.pass()
})

test('a client that sends a byte in a record of its own is served', async (t) => {
  const { port } = await openTls(t, {}, async (request) => Response.text(await request.text()))
  const socket = await dialTls(t, port)
  for (const byte of `${postHead(5, 'Connection: close')}hello`) socket.write(byte)
  t.regex(await readAll(socket), /hello$/)
})

test('half handshakes that are old give way at connectionLimit, and connections with requests do not', async (t) => {
  const held: ((response: Response) => void)[] = []
  const { server, port } = await openTls(
    t,
    {},
    () => new Promise<Response>((resolve) => void held.push(resolve)),
    { connectionLimit: 4, tlsSetupTimeout: 60 },
  )
  const busy = await dialTls(t, port)
  busy.write(LAST_GET)
  await until(() => held.length === 1)
  const halves = Array.from({ length: 3 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.write(Buffer.of(22, 3, 1, 2, 0, 1))
    return socket
  })
  const closed = Promise.race(halves.map((socket) => once(socket, 'close')))
  // After two seconds they count as old.
  await new Promise((resolve) => setTimeout(resolve, 2300))
  const another = await dialTls(t, port)
  await closed
  another.write(GET)
  await until(() => held.length === 2)
  for (const answer of held) answer(Response.text('done'))
  t.regex(await readAll(busy), /done$/)
  t.deepEqual(Object.keys(server.getRefusals()), ['BUSBAR_CONNECTION_LIMIT_EVICTED'])
})

test('a flood of handshakes does not keep requests from being answered', async (t) => {
  const { port } = await openTls(t)
  const steady = await dialTls(t, port)
  let text = ''
  steady.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  const flood = Promise.all(Array.from({ length: 60 }, () => ask(t, port)))
  for (let request = 1; request <= 20; request++) {
    text = ''
    steady.write(GET)
    await until(() => text.endsWith('done'))
  }
  t.is((await flood).length, 60)
})
