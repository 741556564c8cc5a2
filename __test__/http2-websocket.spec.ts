import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import handler, { settings } from '../examples/ws.mjs'
import { HttpServer, silentLogger } from '../dist/index.js'
import { Response } from '../src/index.ts'
import type { Handler, ServerSettings, UpgradedSocket } from '../src/index.ts'
import { begin, closed, openHttp2, send, session } from './http2.ts'
import { until } from './support.ts'

const HTTP_1_1_REQUIRED = 13
const CANCEL = 8
const PROTOCOL_ERROR = 1

const openTunnels = (t: ExecutionContext, serve: Handler, settings: ServerSettings = {}) =>
  openHttp2(t, serve, { extendedConnect: true, ...settings })

/** An extended CONNECT. */
function dial(client: ClientHttp2Session, protocol = 'echo', headers: IncomingHttpHeaders = {}): ClientHttp2Stream {
  return begin(client, { ':method': 'CONNECT', ':protocol': protocol, ':scheme': 'http', ':path': '/chat', ...headers }, false)
}

type Head = Record<string, string | number | undefined>

async function headOf(stream: ClientHttp2Stream): Promise<Head> {
  const [head] = (await once(stream, 'response')) as [Head]
  return head
}

async function read(stream: ClientHttp2Stream, count: number): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    pieces.push(piece)
    length += piece.length
    if (length >= count) break
  }
  return Buffer.concat(pieces).toString('latin1')
}

const echo: Handler = (request) =>
  request.getUpgrade() === null
    ? new Response(200, {}, 'no upgrade')
    : new Response(101, { upgrade: 'echo', 'x-of': 'upgrade' }).upgrade((socket) => void socket.pipe(socket))

/** Upgrades, and resolves with the socket. */
function holdSocket(): { serve: Handler; socket: Promise<UpgradedSocket> } {
  let give: (socket: UpgradedSocket) => void
  const socket = new Promise<UpgradedSocket>((resolve) => (give = resolve))
  return { serve: () => new Response(101, { upgrade: 'echo' }).upgrade((held) => give(held)), socket }
}

for (const ioThreads of [0, 2]) {
  test(`hundreds of streams that end one side and then the other are closed, with ${ioThreads} threads`, async (t) => {
    const serve: Handler = () =>
      new Response(101, { upgrade: 'echo' }).upgrade((socket) => {
        socket.allowHalfOpen = true
        socket.on('data', (piece: Buffer) => void socket.write(piece)).on('end', () => void socket.end('the end'))
      })
    const { client, server } = await openTunnels(t, serve, { ioThreads })
    const visit = async (): Promise<void> => {
      const stream = dial(client)
      await headOf(stream)
      for (let turn = 0; turn < 4; turn++) {
        stream.write('x'.repeat(1 + Math.random() * 30_000))
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
      }
      stream.end()
      let last = ''
      for await (const piece of stream) last = (last + String(piece)).slice(-7)
      t.is(last, 'the end')
    }
    for (let turn = 0; turn < 50; turn++) await Promise.all(Array.from({ length: 8 }, visit))
    await until(() => server.getStatistics().upgradedConnections === 0)
  })
}

test('extended CONNECT is offered with the option alone', async (t) => {
  const { client } = await openTunnels(t, echo)
  t.true(client.remoteSettings.enableConnectProtocol)
  const { client: other } = await openHttp2(t, echo)
  t.false(other.remoteSettings.enableConnectProtocol)
  t.is(await closed(dial(other)), PROTOCOL_ERROR)
})

test('a handler sees the GET with an upgrade that it sees with HTTP/1', async (t) => {
  const seen: unknown[] = []
  const { client } = await openTunnels(
    t,
    async (request) => {
      const { host: _, ...headers } = request.getHeaders()
      seen.push(request.getMethod(), request.getTarget(), request.getUpgrade(), request.getProtocolVersion(), headers)
      seen.push(await request.getBody().text())
      return new Response(403, {}, 'no')
    },
    { allowedMethods: ['GET', 'HEAD'] },
  )
  const stream = dial(client, 'websocket', { 'sec-websocket-version': '13' })
  t.is((await headOf(stream))[':status'], 403)
  t.is(await read(stream, 2), 'no')
  t.is(await closed(stream), 0)
  const headers = { connection: ['upgrade'], upgrade: ['websocket'], 'sec-websocket-version': ['13'] }
  t.deepEqual(seen, ['GET', '/chat', ['websocket'], '2', headers, ''])
})

test('an upgrade gives a socket for the stream, and the connection lives on', async (t) => {
  const { client, server } = await openTunnels(t, echo)
  const stream = dial(client)
  const head = await headOf(stream)
  t.is(head[':status'], 200)
  t.is(head['x-of'], 'upgrade')
  t.is(head['upgrade'], undefined)
  t.is(head['content-length'], undefined)
  t.like(server.getStatistics(), { connections: 1, upgradedConnections: 1, runningHandlers: 0 })
  stream.write('hello')
  t.is(await read(stream, 5), 'hello')
  t.is((await send(client)).text, 'no upgrade')
  const long = 'x'.repeat(1_000_000)
  stream.end(long)
  t.is(await read(stream, long.length), long)
  t.is(await closed(stream), 0)
  await until(() => server.getStatistics().upgradedConnections === 0)
  t.is((await send(client)).text, 'no upgrade')
  await server.stop(500)
})

test('many sockets of one connection carry bytes side by side', async (t) => {
  const { client } = await openTunnels(t, echo)
  const texts = Array.from({ length: 50 }, (_, number) => `${number}-`.repeat(20_000))
  const received = await Promise.all(
    texts.map(async (text) => {
      const stream = dial(client)
      stream.end(text)
      return read(stream, text.length)
    }),
  )
  t.deepEqual(received, texts)
})

test('a socket outlives the deadlines and limits of bodies', async (t) => {
  const { client } = await openTunnels(t, echo, { bodySizeLimit: 10, bodyTimeout: 0.05, minimumBodyRate: 1e6, requestTimeout: 0.1 })
  const stream = dial(client)
  await headOf(stream)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  stream.write('longer than a body')
  t.is(await read(stream, 18), 'longer than a body')
})

test('a socket learns that its stream was reset, and its client is open', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  const held = await socket
  t.false(held.getClient().isExported())
  const gone = once(held, 'close')
  stream.close(CANCEL)
  await gone
  t.true(held.isClosed())
  t.false(held.getClient().isClosed())
  t.deepEqual(held.getClient().getRemoteAddress().getHost(), '127.0.0.1')
})

test('a socket learns that its connection has closed', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  await headOf(dial(client))
  const held = await socket
  const gone = once(held, 'close')
  client.destroy()
  await gone
  t.true(held.getClient().isClosed())
})

test('close resets the stream, and nothing else', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  ;(await socket).close()
  t.is(await closed(stream), CANCEL)
  t.false(client.closed)
})

test('each side can end alone', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  const held = await socket
  held.allowHalfOpen = true
  stream.end('from the client')
  t.is(Buffer.from((await held.readChunk()) ?? []).toString(), 'from the client')
  t.is(await held.readChunk(), null)
  held.end('and the reply')
  t.is(await read(stream, 13), 'and the reply')
  t.is(await closed(stream), 0)
  if (!held.destroyed) await once(held, 'close')
})

test('the server ends its side first, and reads on', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  const held = await socket
  held.end('bye')
  t.is(await read(stream, 3), 'bye')
  stream.end('later')
  t.is(Buffer.from((await held.readChunk()) ?? []).toString(), 'later')
  t.is(await held.readChunk(), null)
  if (!held.destroyed) await once(held, 'close')
  t.is(await closed(stream), 0)
})

test('back-pressure works in both directions', async (t) => {
  const { serve, socket } = holdSocket()
  const { client } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  const held = await socket
  held.pause()
  let sent = 0
  const piece = Buffer.alloc(16_384)
  while (stream.write(piece) && sent < 10_000_000) sent += piece.length
  t.true(sent < 10_000_000)
  stream.pause()
  let isFull = false
  for (let count = 0; count < 2000 && !isFull; count++) {
    isFull = !held.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true(isFull)
  t.true(held.writableLength > 0)
})

test('an ordinary response to an extended CONNECT opens nothing', async (t) => {
  const { client } = await openTunnels(t, () => new Response(200, {}, 'hello'))
  const stream = dial(client)
  t.is((await headOf(stream))[':status'], 501)
  await closed(stream.resume())
  t.is((await send(client)).text, 'hello')
})

test('an upgrade to a protocol that was not asked for is a 426', async (t) => {
  const { client } = await openTunnels(t, echo)
  const stream = dial(client, 'websocket')
  t.is((await headOf(stream))[':status'], 426)
  await closed(stream.resume())
})

for (const [what, respond] of [
  ['a 101', () => new Response(101, { upgrade: 'echo' })],
  ['an upgrade', () => new Response(101, { upgrade: 'echo' }).upgrade(() => {})],
  ['a detach', () => Response.detach(() => {})],
] as const) {
  test(`${what} on any other stream is a reset that asks for HTTP/1.1`, async (t) => {
    const { client } = await openTunnels(t, (request) => (request.getTarget() === '/' ? respond() : new Response(204)))
    t.is(await closed(begin(client)), HTTP_1_1_REQUIRED)
    t.is((await send(client, { ':path': '/next' })).status, 204)
  })
}

test('a request with :protocol that is malformed is reset', async (t) => {
  const { client } = await openTunnels(t, echo)
  t.is(await closed(dial(client, 'no token')), PROTOCOL_ERROR)
  t.is(await closed(dial(client, 'echo', { 'content-length': '5' })), PROTOCOL_ERROR)
})

test('a socket is notified of a stop, and has the time of the stop to say goodbye', async (t) => {
  const { serve, socket } = holdSocket()
  const { client, server } = await openTunnels(t, serve)
  const stream = dial(client)
  await headOf(stream)
  const held = await socket
  held.onStop(() => void held.end('goodbye'))
  const stopped = server.stop(3000)
  t.is(await read(stream, 7), 'goodbye')
  stream.end()
  t.is(await closed(stream), 0)
  await stopped
})

test('an error of the callback resets the stream, and is logged', async (t) => {
  const lines: string[] = []
  const logger = { error: (line: string) => void lines.push(line) }
  const fail = () => Promise.reject(new Error('no'))
  const { client } = await openTunnels(t, () => new Response(101, { upgrade: 'echo' }).upgrade(fail), { logger })
  const stream = dial(client)
  t.is(await closed(stream), CANCEL)
  t.regex(lines.join('\n'), /an upgrade callback failed/)
})

/** A server with the example's handler, which imports the package as users do. */
async function openExample(t: ExecutionContext) {
  const server = new HttpServer('127.0.0.1:0', handler, { logger: silentLogger, ...settings })
  await server.start()
  t.teardown(() => server.stop(0))
  const port = server.getServers()[0]!.getPort()!
  return { port, client: await session(t, port) }
}

test('the example with ws speaks WebSocket on a stream', async (t) => {
  const { client } = await openExample(t)
  const stream = dial(client, 'websocket', { 'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat, other' })
  const head = await headOf(stream)
  t.is(head[':status'], 200)
  t.is(head['sec-websocket-protocol'], 'chat')
  // 'hello' as a client sends it, with a mask of zeros. RFC 6455 §5.2.
  stream.write(Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')]))
  t.is(await read(stream, 7), '\x81\x05hello')
  stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]))
  t.is(await read(stream, 4), '\x88\x02\x03\xe8')
  stream.end()
  t.is(await closed(stream), 0)
})

test('unmodified ws goes over HTTP/1.1 beside HTTP/2', async (t) => {
  const { port, client } = await openExample(t)
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`)
  t.teardown(() => webSocket.terminate())
  webSocket.on('open', () => webSocket.send('hello'))
  const [response] = await once(webSocket, 'upgrade')
  t.is(response.httpVersion, '1.1')
  const [data] = await once(webSocket, 'message')
  t.is(String(data), 'hello')
  t.false(client.closed)
})
