import { once } from 'node:events'
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { HttpServer, OptionError, Response, stack } from '../src/index.ts'
import type { Client, Handler, ServerSettings } from '../src/index.ts'
import { Router } from '../src/router/index.ts'
import { webSocket } from '../src/websocket/index.ts'
import type { WebSocketListener, WebSocketSettings } from '../src/websocket/index.ts'
import { begin, openHttp2 } from './http2.ts'
import { keepErrors, open, plainTest, until } from './support.ts'

const echo: WebSocketListener = (socket) => void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))

async function served(t: ExecutionContext, listener: WebSocketListener, settings: WebSocketSettings = {}, server: ServerSettings = {}) {
  const router = new Router().route('*', '/chat/:room', webSocket(listener, settings)).route('GET', '/', () => Response.text('plain'))
  const opened = await open(t, router, server, '127.0.0.1:0')
  const url = `ws://127.0.0.1:${opened.port}/chat/one`
  const dial = async (options: object = {}, protocols: string[] = []): Promise<WebSocket> => {
    const socket = new WebSocket(url, protocols, options)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  const refused = async (options: object = {}): Promise<number> => {
    const socket = new WebSocket(url, options)
    socket.on('error', () => {})
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; destroy: () => void }]
    response.destroy()
    return response.statusCode
  }
  return { ...opened, url, dial, refused }
}

async function message(socket: WebSocket): Promise<string> {
  const [data] = (await once(socket, 'message')) as [Buffer]
  return String(data)
}

plainTest('a route serves WebSockets beside others, with the request and its client at hand', async (t) => {
  let peer: Client | null = null
  const { dial, server } = await served(t, (socket, request) => {
    peer = request.getClient()
    socket.send(`${request.getPath()} ${request.getHeader('x-a')}`)
    return echo(socket, request)
  })
  const opening = new WebSocket(`${server.url.replace('http', 'ws')}chat/one`, { headers: { 'x-a': 'b' } })
  t.is(await message(opening), '/chat/one b')
  opening.terminate()
  const socket = await dial()
  socket.send('text')
  t.is(await message(socket), 'text')
  socket.send(Buffer.from([1, 2]))
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  t.deepEqual([[...data], isBinary], [[1, 2], true])
  t.true(peer!.isExported())
  t.is(await (await fetch(server.url)).text(), 'plain')
})

plainTest('requests that are no WebSocket, or not a good one, get an error page', async (t) => {
  const { server, connect, refused } = await served(t, echo, { origins: ['https://app.example'] })
  const plain = await fetch(`${server.url}chat/one`)
  t.deepEqual([plain.status, plain.headers.get('upgrade')], [426, 'websocket'])
  t.is((await fetch(`${server.url}chat/one`, { method: 'POST' })).status, 405)
  t.is(await refused({ origin: 'https://evil.example' }), 403)
  t.is(await refused(), 403)
  const ask = async (...fields: string[]) => {
    const head = ['GET /chat/one HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', 'Origin: https://app.example', ...fields, '\r\n']
    const wire = (await connect()).send(head.join('\r\n'))
    const received = await wire.until((text) => text.includes('\r\n\r\n'))
    wire.socket.destroy()
    return received.slice(0, received.indexOf('\r\n\r\n'))
  }
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
  t.regex(await ask('Sec-WebSocket-Version: 12', key), /^HTTP\/1\.1 426 [^]*sec-websocket-version: 13/)
  t.regex(await ask('Sec-WebSocket-Version: 13'), /^HTTP\/1\.1 400 /)
  t.regex(await ask('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'), /^HTTP\/1\.1 400 /)
  t.regex(await ask('Sec-WebSocket-Version: 13', key), /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/)
})

plainTest('the first of our subprotocols that the client offers is used', async (t) => {
  const { dial } = await served(t, echo, { protocols: ['v2', 'v1'] })
  t.is((await dial({}, ['v1', 'v2'])).protocol, 'v2')
  t.is((await dial({}, ['v1'])).protocol, 'v1')
  t.is((await dial()).protocol, '')
})

plainTest('messages are compressed where both want it', async (t) => {
  const { dial } = await served(t, echo, { perMessageDeflate: { threshold: 0 } })
  const socket = await dial({ perMessageDeflate: true })
  t.regex(socket.extensions, /permessage-deflate/)
  socket.send('z'.repeat(10_000))
  t.is((await message(socket)).length, 10_000)
  t.is((await (await served(t, echo)).dial({ perMessageDeflate: true })).extensions, '')
})

plainTest('a stop closes with 1001', async (t) => {
  const { dial, server } = await served(t, echo)
  const socket = await dial()
  const closed = once(socket, 'close')
  await server.stop(10_000)
  const [code, reason] = (await closed) as [number, Buffer]
  t.deepEqual([code, String(reason)], [1001, 'the server stops'])
})

for (const [when, listener] of [
  ['throws', () => { throw new Error('listener') }],
  ['rejects', () => Promise.reject(new Error('listener'))],
] as readonly (readonly [string, WebSocketListener])[]) {
  plainTest(`a listener that ${when} closes its socket with 1011, and the error is logged`, async (t) => {
    const { logger, errors } = keepErrors()
    const { dial } = await served(t, listener, {}, { logger })
    const socket = await dial()
    const [code] = (await once(socket, 'close')) as [number]
    t.is(code, 1011)
    await until(() => errors.length > 0)
    t.is(String(errors[0]!.exception), 'Error: listener')
  })
}

plainTest('a message above maxPayload closes its socket alone, with 1009', async (t) => {
  const { dial } = await served(t, echo, { maxPayload: 100 })
  const [one, other] = [await dial(), await dial()]
  one.send('x'.repeat(101))
  const [code] = (await once(one, 'close')) as [number]
  t.is(code, 1009)
  other.send('still here')
  t.is(await message(other), 'still here')
})

plainTest('while a client does not read, no more of its messages are read', async (t) => {
  let received = 0
  let server: WebSocket | null = null
  const { dial } = await served(
    t,
    (socket) => {
      server = socket
      socket.on('message', (data) => {
        received++
        socket.send(data)
      })
    },
    { sendBufferLimit: 100_000 },
  )
  const socket = await dial()
  socket.pause()
  const bytes = Buffer.alloc(50_000)
  const COUNT = 1000
  for (let sent = 0; sent < COUNT; sent++) socket.send(bytes)
  await until(() => server?.isPaused === true)
  t.true(received < COUNT)
  t.true(server!.bufferedAmount < 20_000_000)
  let echoed = 0
  socket.on('message', () => echoed++)
  socket.resume()
  await until(() => echoed === COUNT)
  t.is(received, COUNT)
})

/** A frame of a client; the mask is zero. RFC 6455 §5.2. */
const frame = (opcode: number, text: string): Buffer => Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])

/** Bytes of a stream, until there are as many. */
async function read(stream: ClientHttp2Stream, count: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const piece of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, piece])
    if (bytes.length >= count) break
  }
  return bytes
}

const CONNECT = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat/one', 'sec-websocket-version': '13' }

plainTest('over HTTP/2 a server with a WebSocket among its routes serves it on a stream', async (t) => {
  const router = new Router().mount('/', new Router().route('GET', '/chat/:room', webSocket(echo, { protocols: ['v2'], perMessageDeflate: true })))
  const { client, server } = await openHttp2(t, stack(router, (request, next) => next(request)))
  t.true(client.remoteSettings.enableConnectProtocol)
  t.true(server.getOptions().isExtendedConnectAllowed())
  const stream = begin(client, { ...CONNECT, 'sec-websocket-protocol': 'v1, v2', 'sec-websocket-extensions': 'permessage-deflate' }, false)
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  t.deepEqual([head[':status'], head['sec-websocket-protocol'], head['sec-websocket-extensions']], [200, 'v2', undefined])
  stream.write(frame(1, 'hello'))
  t.deepEqual(await read(stream, 7), Buffer.from('\x81\x05hello', 'latin1'))
  const stopped = server.stop(10_000)
  const bye = await read(stream, 20)
  t.is(bye.subarray(2, 4).readUInt16BE(), 1001)
  stream.write(frame(8, '\x03\xe9'))
  stream.end()
  await stopped
})

plainTest('over HTTP/2 a request that may not become a WebSocket is refused with its status', async (t) => {
  const { client } = await openHttp2(t, new Router().route('GET', '/chat/:room', webSocket(echo, { origins: ['https://app.example'] })))
  const stream = begin(client, { ...CONNECT, origin: 'https://evil.example' }, false)
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  t.is(head[':status'], 403)
  stream.close()
})

test('extended CONNECT is not switched on without a WebSocket, or where it is not wanted', async (t) => {
  const offers = async (handler: Handler) => {
    const { server } = await open(t, handler)
    return server.getOptions().isExtendedConnectAllowed()
  }
  t.true(await offers(webSocket(echo)))
  t.false(await offers(webSocket(echo, { http2: false })))
  t.false(await offers(new Router()))
  t.false(new HttpServer(0, () => new Response(204)).getOptions().isExtendedConnectAllowed())
})

test('wrong settings are reported where the handler is made', (t) => {
  for (const [settings, message] of [
    [{ maxPayload: 0 }, /maxPayload/],
    [{ maxpayload: 5 }, /maxpayload/],
    [{ origins: ['app.example'] }, /origins/],
    [{ origins: ['https://app.example/'] }, /origins/],
    [{ protocols: 'v1' }, /protocols/],
    [{ sendBufferLimit: 0 }, /sendBufferLimit/],
    [{ http2: 'no' }, /http2/],
  ] as const) {
    t.throws(() => webSocket(echo, settings as never), { instanceOf: OptionError, message })
  }
  t.throws(() => webSocket(5 as never), { instanceOf: OptionError })
})
