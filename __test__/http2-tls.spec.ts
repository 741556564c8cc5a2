import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as openSession } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Agent, fetch } from 'undici'
import { WebSocket } from 'ws'
import { Http1Driver, Http2Driver, Response, streamDriver } from '../src/index.ts'
import type { Driver, ServerSettings, UpgradedSocket } from '../src/index.ts'
import { choosing } from './drivers.ts'
import { send } from './http2.ts'
import { collected } from './support.ts'
import { ask, authority, dialTls, leaf, openTls } from './tls-support.ts'

const version = (t: ExecutionContext, settings: ServerSettings = {}) =>
  openTls(t, {}, async (request) => Response.text(`${request.getProtocolVersion()} ${request.getUri().protocol} ${await collected(request.getBody())}`), settings)

async function secureSession(t: ExecutionContext, port: number) {
  const session = openSession(`https://localhost:${port}`, { ca: authority.cert, lookup: (_, __, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

test('TLS agrees on HTTP/2 where the client offers it, and on HTTP/1.1 otherwise', async (t) => {
  const { port, infos } = await version(t)
  const session = await secureSession(t, port)
  t.is((await send(session, { ':method': 'POST' }, 'hello')).text, '2 https: hello')
  t.is(infos[0]?.getApplicationLayerProtocol(), 'h2')
  t.regex(await ask(t, port), /\r\n\r\n1\.1 https: $/)
  t.is((await dialTls(t, port, { ALPNProtocols: ['http/1.1', 'h2'] })).alpnProtocol, 'h2')
})

test('large bodies go both ways over TLS', async (t) => {
  const { port } = await openTls(t, {}, (request) => new Response(200, {}, request.getBody()), { bodySizeLimit: Infinity })
  const session = await secureSession(t, port)
  const bytes = Buffer.alloc(3_000_000, 'abcdefg')
  t.is((await send(session, { ':method': 'POST' }, bytes)).text, bytes.toString('latin1'))
})

test('long responses of several streams arrive whole over TLS', async (t) => {
  const { port } = await openTls(t, {}, (request) => new Response(200, {}, Buffer.alloc(3_000_000, `response ${request.getPath()};`)))
  const session = await secureSession(t, port)
  const paths = Array.from({ length: 12 }, (_, at) => `/${at}`)
  const responses = await Promise.all(paths.map((path) => send(session, { ':path': path })))
  for (const [at, { text }] of responses.entries()) {
    t.true(text === Buffer.alloc(3_000_000, `response ${paths[at]};`).toString('latin1'), paths[at])
  }
})

test('without the option http2 only HTTP/1.1 is offered', async (t) => {
  const { port } = await version(t, { http2: false })
  t.is((await dialTls(t, port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol, 'http/1.1')
})

test('a driver factory says what is offered, and which HTTP is spoken', async (t) => {
  const factory = choosing((client) => (client.getTlsInfo()?.getApplicationLayerProtocol() === 'h2' ? new Http2Driver() : new Http1Driver()))
  const { port } = await version(t, { driverFactory: { ...factory, getApplicationLayerProtocols: () => ['h2', 'http/1.1'] } })
  const session = await secureSession(t, port)
  t.is((await send(session)).text, '2 https: ')
  t.regex(await ask(t, port), /\r\n\r\n1\.1 https: $/)
})

test('undici speaks HTTP/2 over TLS', async (t) => {
  const { port } = await version(t)
  const dispatcher = new Agent({ allowH2: true, connect: { ca: authority.cert } })
  t.teardown(() => dispatcher.destroy())
  const response = await fetch(`https://localhost:${port}/`, { dispatcher, method: 'POST', body: 'hello' })
  t.is(await response.text(), '2 https: hello')
})

test('unmodified ws agrees on HTTP/1.1 on a listener that offers HTTP/2', async (t) => {
  const echo = (socket: UpgradedSocket) => void socket.pipe(socket)
  const { port, infos } = await openTls(
    t,
    {},
    (request) => {
      t.deepEqual(request.getUpgrade(), ['websocket'])
      const key = `${request.getHeader('sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
      const accept = createHash('sha1').update(key).digest('base64')
      return new Response(101, { upgrade: 'websocket', 'sec-websocket-accept': accept }).upgrade(echo)
    },
    { extendedConnect: true },
  )
  const webSocket = new WebSocket(`wss://localhost:${port}/`, { ca: authority.cert })
  webSocket.on('error', () => {})
  t.teardown(() => webSocket.terminate())
  await once(webSocket, 'open')
  t.is(infos[0]?.getApplicationLayerProtocol() ?? 'http/1.1', 'http/1.1')
})

test('a request for a host of another certificate is misdirected', async (t) => {
  const other = authority.issue({ names: ['other.test', '*.wild.test'] })
  const tls = { cert: leaf.cert, key: leaf.key, certificates: [{ cert: other.cert, key: other.key }] }
  const switching = streamDriver(async (client, readable) => {
    const [bytes] = await once(readable, 'data')
    client.switchDriver(new Http2Driver(), bytes)
  })
  const agreeing = (driver: Driver): ServerSettings => ({ driverFactory: { ...choosing(() => driver), getApplicationLayerProtocols: () => ['h2'] } })
  for (const settings of [{}, agreeing(new Http2Driver()), agreeing(switching)]) {
    const { port } = await openTls(t, tls, undefined, settings)
    const session = await secureSession(t, port)
    const statusFor = async (host: string): Promise<number> => (await send(session, { ':authority': host })).status
    t.is(await statusFor('localhost'), 200)
    t.is(await statusFor(`localhost:${port}`), 200)
    t.is(await statusFor('other.test'), 421)
    t.is(await statusFor('OTHER.test:443'), 421)
    t.is(await statusFor('a.wild.test'), 421)
    t.is(await statusFor('a.b.wild.test'), 200)
    t.is(await statusFor('unknown.test'), 200)
    t.is(await statusFor('localhost'), 200)
  }
})

test('with one certificate no request is misdirected', async (t) => {
  const { port } = await openTls(t)
  const session = await secureSession(t, port)
  t.is((await send(session, { ':authority': 'other.test' })).status, 200)
})
