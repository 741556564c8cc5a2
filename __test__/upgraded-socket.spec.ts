import { once } from 'node:events'
import test from 'ava'
import { Client, StateError, UpgradedSocket } from '../src/index.ts'
import { IS_TLS, keepErrors, until } from './support.ts'
import { LARGE, SWITCHED, UPGRADE, takeover, upgraded } from './takeover.ts'

test('an exported client has no expiration and no pending requests, and stays exported', async (t) => {
  const { socket } = await upgraded(t)
  const client = socket.getClient()
  t.true(client.isExported())
  t.is(client.getExpirationTime(), 0)
  client.updateExpirationTime(Date.now() / 1000 + 60)
  t.is(client.getExpirationTime(), 0)
  t.deepEqual([client.getPendingRequestCount(), client.getPendingResponseCount(), client.isWaitingOnResponse()], [0, 0, false])
  t.throws(() => client.switchDriver({ handleClient: async () => {} }), { instanceOf: StateError, message: /upgraded/ })
  socket.destroy()
  t.is(client.getStatus(), Client.CLOSED_RDWR)
  t.true(client.isExported())
})

test('an idle socket stays open beyond all deadlines of HTTP', async (t) => {
  const { connect, next } = await takeover(t, {
    http1Timeout: 1,
    headerTimeout: 0.1,
    bodyTimeout: 0.1,
    requestTimeout: 0.1,
    writeTimeout: 0.1,
    handlerTimeout: 0.1,
  })
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  // An HTTP connection beside it shows that the deadlines have passed.
  const idle = await connect()
  idle.send('GET')
  await idle.end()
  const second = await connect()
  second.send('GET')
  await second.end()
  socket.write('still here')
  t.is(await wire.until((text) => text.endsWith('still here')), `${SWITCHED}still here`)
})

test('a peer that does not read pauses the writer', async (t) => {
  const { wire, socket } = await upgraded(t)
  await wire.until((text) => text === SWITCHED)
  wire.socket.pause()
  let written = 0
  const chunk = Buffer.alloc(256 * 1024, 'y')
  for (; written < 64 && socket.write(chunk); written++) await new Promise((resolve) => setImmediate(resolve))
  t.true(written < 64)
  t.true(socket.writableNeedDrain)
  wire.socket.resume()
  await once(socket, 'drain')
  socket.end()
  t.is((await wire.end()).length, SWITCHED.length + (written + 1) * chunk.length)
})

test('a socket that is not read pauses the peer', async (t) => {
  const { wire, socket } = await upgraded(t)
  let isSent = false
  wire.socket.write(LARGE, () => (isSent = true))
  for (let round = 0; round < 100; round++) await new Promise((resolve) => setImmediate(resolve))
  t.false(isSent)
  t.true(socket.readableLength <= 256 * 1024)
  let received = 0
  while (received < LARGE.length) received += (await socket.readChunk())!.length
  t.is(received, LARGE.length)
  await until(() => isSent)
})

test('corked writes, and those of one event-loop turn, are sent together', async (t) => {
  const { wire, socket } = await upgraded(t)
  await wire.until((text) => text === SWITCHED)
  const pieces: string[] = []
  wire.socket.on('data', (text: string) => pieces.push(text))
  socket.cork()
  socket.write('a')
  socket.write(Buffer.from('b'))
  socket.write('63', 'hex')
  process.nextTick(() => socket.uncork())
  await wire.until((text) => text.endsWith('c'))
  t.deepEqual(pieces, ['abc'])
})

test('text of every encoding is sent as by Node', async (t) => {
  const { wire, socket } = await upgraded(t)
  socket.write('é')
  socket.write('é', 'latin1')
  socket.end('AAA=', 'base64')
  t.is(await wire.end(), `${SWITCHED}\xc3\xa9\xe9\0\0`)
})

test('an error on a socket without a listener is logged, and the process continues', async (t) => {
  const { logger, errors } = keepErrors()
  const { wire, socket } = await upgraded(t, '', { logger })
  socket.end('bye')
  socket.write('too late')
  t.is(await wire.end(), `${SWITCHED}bye`)
  t.is(errors.length, 1)
})

test('a socket has its addresses, and the methods of Node\'s sockets', async (t) => {
  const { port, wire, socket } = await upgraded(t)
  t.is(socket.remoteAddress, '127.0.0.1')
  t.is(socket.remotePort, wire.socket.localPort)
  t.is(socket.remoteFamily, 'IPv4')
  t.is(socket.localAddress, '127.0.0.1')
  t.is(socket.localPort, port)
  t.is(socket.getRemoteAddress().toString(), `127.0.0.1:${wire.socket.localPort}`)
  t.is(socket.getLocalAddress().getPort(), port)
  t.is(socket.getTlsInfo() !== null, IS_TLS)
  t.is(socket.encrypted, IS_TLS)
  t.is(socket.setNoDelay(true).setKeepAlive(true, 1000).ref().unref(), socket)
  socket.reference()
  socket.unreference()
  t.true(socket instanceof UpgradedSocket)
  t.false(wire.socket instanceof UpgradedSocket)
  t.is(UpgradedSocket.name, 'UpgradedSocket')
  t.throws(() => new (UpgradedSocket as unknown as new () => unknown)(), { instanceOf: StateError })
  const timeouts: string[] = []
  socket.setTimeout(20, () => timeouts.push('idle'))
  await once(socket, 'timeout')
  t.deepEqual(timeouts, ['idle'])
  t.false(socket.isClosed())
})

test('an iteration over a socket gives the bytes of the peer, and the end of the loop closes it', async (t) => {
  const { socket } = await upgraded(t, 'piece')
  for await (const chunk of socket) {
    t.is(String(chunk), 'piece')
    break
  }
  t.true(socket.getClient().isClosed())
})

test('buffers that are shared, resized or transferred while they wait to be written do no harm', async (t) => {
  const { wire, socket } = await upgraded(t)
  await wire.until((text) => text === SWITCHED)
  wire.socket.pause()
  // The first write fills the kernel's buffer; later ones wait in the stream.
  socket.write(LARGE)
  const resizable = new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(4096, { maxByteLength: 8192 })
  const given = new ArrayBuffer(4096)
  socket.write(new Uint8Array(new SharedArrayBuffer(16)).fill(0x73))
  socket.write(new Uint8Array(resizable))
  socket.write(new Uint8Array(given))
  ;(resizable as unknown as { resize(length: number): void }).resize(0)
  structuredClone(given, { transfer: [given] })
  socket.end('bye')
  wire.socket.resume()
  const text = await wire.end()
  t.true(text.endsWith(`${'s'.repeat(16)}bye`))
})

for (const ioThreads of [0, 1]) {
  test(`bytes written to a peer that does not read stay counted until they are sent (ioThreads ${ioThreads})`, async (t) => {
    const { wire, socket, connect, next } = await upgraded(t, '', { ioThreads })
    await wire.until((text) => text === SWITCHED)
    wire.socket.pause()
    const piece = Buffer.alloc(1024 * 1024, 'y')
    let called = 0
    for (let at = 0; at < 64; at++) socket.write(piece, () => called++)
    // Each further connection goes to the engine and back, so the engine has tried to send by then.
    for (let round = 0; round < 8; round++) {
      ;(await connect()).send(UPGRADE)
      await next()
    }
    t.true(called < 64, `${called} callbacks`)
    t.true(socket.writableLength >= 32 * piece.length, `${socket.writableLength} bytes`)
    wire.socket.resume()
    await until(() => called === 64)
    t.is(socket.writableLength, 0)
    socket.end()
    t.is((await wire.end()).length, SWITCHED.length + 64 * piece.length)
  })
}
