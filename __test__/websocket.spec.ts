import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { WebSocket as UndiciWebSocket } from 'undici'
import { WebSocket } from 'ws'
import { HttpServer, silentLogger } from '../dist/index.js'
import handler from '../examples/ws.mjs'
import { Wire } from './support.ts'

/** A server with the example's handler. */
async function openEcho(t: ExecutionContext) {
  const server = new HttpServer('127.0.0.1:0', handler, { logger: silentLogger })
  await server.start()
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
  })
  const port = server.getServers()[0]!.getPort()!
  return { server, port, url: `ws://127.0.0.1:${port}/` }
}

async function dial(t: ExecutionContext, port: number): Promise<Wire> {
  const socket = openSocket({ port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return new Wire(socket)
}

const HELLO =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** A frame as clients send it. RFC 6455 §5.2. */
function frame(opcode: number, payload: Buffer, isLast = true): Buffer {
  const mask = randomBytes(4)
  const first = (isLast ? 0x80 : 0) | opcode
  let head: Buffer
  if (payload.length < 126) {
    head = Buffer.from([first, 0x80 | payload.length])
  } else if (payload.length < 65536) {
    head = Buffer.from([first, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
  } else {
    head = Buffer.from([first, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0])
    head.writeUInt32BE(payload.length, 6)
  }
  const masked = Buffer.from(payload.map((byte, at) => byte ^ mask[at & 3]!))
  return Buffer.concat([head, mask, masked])
}

/** The frames of a server, each as its opcode and payload. */
function framesOf(bytes: Buffer): string[] {
  const frames: string[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    let length = bytes[at + 1]! & 0x7f
    let head = 2
    if (length === 126) [length, head] = [bytes.readUInt16BE(at + 2), 4]
    else if (length === 127) [length, head] = [bytes.readUInt32BE(at + 6), 10]
    if (at + head + length > bytes.length) break
    frames.push(`${bytes[at]!.toString(16)} ${bytes.subarray(at + head, at + head + length).toString('hex')}`)
    at += head + length
  }
  return frames
}

const TEXT = 1
const BINARY = 2
const CLOSE = 8
const PING = 9
const PONG = 10

/** Frames of every kind, and the replies. */
function conversation(): { sent: Buffer; expected: string[] } {
  const long = Buffer.alloc(200, 'l')
  const sent = Buffer.concat([
    frame(TEXT, Buffer.from('hello')),
    frame(BINARY, Buffer.from([0, 1, 255])),
    frame(TEXT, Buffer.from('frag'), false),
    frame(PING, Buffer.from('are you there?')),
    frame(0, Buffer.from('men'), false),
    frame(0, Buffer.from('ted')),
    frame(PONG, Buffer.from('unasked')),
    frame(TEXT, Buffer.alloc(0)),
    frame(BINARY, long),
    frame(CLOSE, Buffer.from([0x03, 0xe8])),
  ])
  const expected = [
    [0x81, 'hello'],
    [0x82, Buffer.from([0, 1, 255])],
    [0x8a, 'are you there?'],
    [0x81, 'fragmented'],
    [0x81, ''],
    [0x82, long],
    [0x88, Buffer.from([0x03, 0xe8])],
  ].map(([first, payload]) => `${Number(first).toString(16)} ${Buffer.from(payload as string).toString('hex')}`)
  return { sent, expected }
}

const payloadOf = (received: string): Buffer => Buffer.from(received.slice(received.indexOf('\r\n\r\n') + 4), 'latin1')

test('frames of every kind work with a segment boundary at every byte', async (t) => {
  const { port } = await openEcho(t)
  const { sent, expected } = conversation()
  const hello = Buffer.from(HELLO)
  const all = Buffer.concat([hello, sent])
  for (let at = 1; at < all.length; at++) {
    const wire = await dial(t, port)
    wire.socket.write(all.subarray(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    wire.socket.write(all.subarray(at))
    const received = await wire.end()
    t.regex(received, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    t.deepEqual(framesOf(payloadOf(received)), expected, `cut at ${at}`)
  }
})

test('hundreds of frames that are sent byte by byte are echoed', async (t) => {
  const { port } = await openEcho(t)
  const wire = await dial(t, port)
  const texts = Array.from({ length: 300 }, (_, number) => `frame ${number}`)
  const bytes = Buffer.concat([Buffer.from(HELLO), ...texts.map((text) => frame(TEXT, Buffer.from(text)))])
  for (const byte of bytes) wire.socket.write(Buffer.from([byte]))
  await wire.until((received) => framesOf(payloadOf(received)).length === texts.length)
  t.deepEqual(framesOf(payloadOf(wire.received)), texts.map((text) => `81 ${Buffer.from(text).toString('hex')}`))
})

test('a thousand sockets of `ws` under load each get back what they sent', async (t) => {
  const { server, url } = await openEcho(t)
  const sockets = await Promise.all(
    Array.from({ length: 1000 }, async (_, number) => {
      const socket = new WebSocket(url, { perMessageDeflate: number % 10 === 0 })
      await once(socket, 'open')
      return socket
    }),
  )
  const sizes = [0, 1, 125, 126, 4096, 70_000]
  await Promise.all(
    sockets.map(async (socket, number) => {
      for (let round = 0; round < 10; round++) {
        const size = round === 9 && number % 50 !== 0 ? 10 : sizes[(number + round) % (number % 50 === 0 ? 6 : 5)]!
        const message = Buffer.alloc(size, number + round)
        socket.send(message)
        const [echo] = (await once(socket, 'message')) as [Buffer]
        if (!echo.equals(message)) throw new Error(`socket ${number} got something else in round ${round}`)
      }
    }),
  )
  t.true(sockets.every((socket) => socket.readyState === WebSocket.OPEN))
  // Half of them send a close frame, the others only disconnect.
  const closes = sockets.map((socket) => once(socket, 'close'))
  for (const [number, socket] of sockets.entries()) {
    if (number % 2 === 0) socket.close(1000)
    else socket.terminate()
  }
  await Promise.all(closes)
  await server.stop(10_000)
  t.is(server.getState(), HttpServer.STOPPED)
})

test('undici\'s WebSocket gets its text, bytes, long messages and close back', async (t) => {
  const { url } = await openEcho(t)
  const socket = new UndiciWebSocket(url)
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  const echo = async (message: string | Uint8Array): Promise<unknown> => {
    const answer = new Promise<MessageEvent>((resolve) =>
      socket.addEventListener('message', (event) => resolve(event as unknown as MessageEvent), { once: true }),
    )
    socket.send(message)
    return (await answer).data
  }
  for (let round = 0; round < 100; round++) t.is(await echo(`text ${round} ünïcode`), `text ${round} ünïcode`)
  for (const size of [0, 125, 126, 65_535, 65_536, 1 << 20]) {
    const bytes = randomBytes(size)
    t.true(Buffer.from((await echo(bytes)) as ArrayBuffer).equals(bytes), `${size} bytes`)
  }
  const closed = new Promise<CloseEvent>((resolve) =>
    socket.addEventListener('close', (event) => resolve(event as unknown as CloseEvent)),
  )
  socket.close(3000, 'done')
  const { code, reason, wasClean } = await closed
  t.deepEqual([code, reason, wasClean], [3000, 'done', true])
})

test('a stop sends a close frame with 1001', async (t) => {
  const { server, url } = await openEcho(t)
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await server.stop(60_000)
  const [code, reason] = (await closed) as [number, Buffer]
  t.deepEqual([code, String(reason)], [1001, 'the server stops'])
})

test('an invalid frame ends only its own connection', async (t) => {
  const { port, url } = await openEcho(t)
  const other = new WebSocket(url)
  await once(other, 'open')
  const wire = await dial(t, port)
  wire.socket.write(Buffer.concat([Buffer.from(HELLO), Buffer.from([0xff, 0xff, 0xff, 0xff])]))
  const received = await wire.end()
  t.is(framesOf(payloadOf(received))[0]?.slice(0, 7), '88 03ea')
  other.send('still here')
  t.is(String((await once(other, 'message'))[0]), 'still here')
  other.terminate()
})

test('`ws` answers the upgrades that it refuses, and the handler all other requests', async (t) => {
  const { port } = await openEcho(t)
  const wire = await dial(t, port)
  wire.socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  t.regex(await wire.end(), /^HTTP\/1\.1 400 Bad Request\r\n/)
  const plain = await dial(t, port)
  plain.socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.regex(await plain.end(), /^HTTP\/1\.1 426 /)
})
