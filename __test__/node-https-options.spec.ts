/** Options and events of TLS and HTTP/2: the engine has what is asked for, or Node serves. */
import { constants } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { RequestListener, Server } from 'node:http'
import { BlockList, connect } from 'node:net'
import nodeHttps from 'node:https'
import tls from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import https from '../src/node-http/https.ts'
import { createSecureServerOf } from '../src/node-http/http2.ts'
import { Authority } from './authority.ts'
import { IS_CURRENT, listen } from './differential/requests.ts'
import { getByTls } from './node-http-support.ts'

const pair = new Authority().issue()
const createSecureServer = createSecureServerOf(http2.createSecureServer as never)
const facts: RequestListener = (req, res) => void res.end(req.socket instanceof tls.TLSSocket && isNodes(req.socket) ? 'node' : 'busbar')

/** Only Node's have a handle. */
function isNodes(socket: object): boolean {
  return (socket as { _handle?: object | null })._handle?.constructor.name === 'TLSWrap'
}

test('secureOptions that the engine can grant are granted, others are Node’s', async (t) => {
  const { SSL_OP_ALL, SSL_OP_NO_SSLv3, SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3, SSL_OP_NO_TICKET } = constants
  const old = await listen(t, https.createServer({ ...pair, secureOptions: SSL_OP_ALL | SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 }, facts))
  t.is(await getByTls(old, { maxVersion: 'TLSv1.2' }), 'busbar')
  const newest = await listen(t, https.createServer({ ...pair, secureOptions: SSL_OP_NO_TLSv1_2 }, facts))
  t.is(await getByTls(newest), 'busbar')
  await t.throwsAsync(getByTls(newest, { maxVersion: 'TLSv1.2' }))
  const before = await listen(t, https.createServer({ ...pair, secureOptions: SSL_OP_NO_TLSv1_3 }, facts))
  t.is(await getByTls(before), 'node')
  await t.throwsAsync(getByTls(before, { minVersion: 'TLSv1.3' }))
  t.is(await getByTls(await listen(t, https.createServer({ ...pair, secureOptions: SSL_OP_NO_TICKET }, facts))), 'node')
})

for (const event of ['keylog', 'newSession', 'resumeSession', 'OCSPRequest']) {
  test(`a server that listens to ${event} is Node’s`, async (t) => {
    const server = https.createServer(pair, facts)
    server.on(event, (...given) => void (given.at(-1) as () => void | undefined)?.call?.(null))
    t.is(await getByTls(await listen(t, server)), 'node')
  })
}

test.serial('a listener to such an event that comes later is warned of', async (t) => {
  const server = https.createServer(pair, facts)
  await listen(t, server)
  const warned = once(process, 'warning')
  server.on('keylog', () => {})
  t.regex(String(((await warned) as [Error])[0].message), /busbar doesn't emit 'keylog'/)
})

test('handshakeTimeout ends a handshake that doesn’t go on', async (t) => {
  const server = https.createServer({ ...pair, handshakeTimeout: 100 }, facts)
  const port = await listen(t, server)
  t.is(await getByTls(port), 'busbar')
  const failed = once(server, 'tlsClientError')
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  // The begin of a ClientHello.
  socket.write(Buffer.from([22, 3, 1, 1, 0, 1]))
  await Promise.all([once(socket.resume(), 'close'), failed])
  t.pass()
})

const withBlockList = IS_CURRENT ? test : test.skip
// Node's servers without TLS have no such option.
withBlockList('the connections of a blockList are closed', async (t) => {
  const blockList = new BlockList()
  let seen = 0
  const server = https.createServer({ ...pair, blockList } as nodeHttps.ServerOptions, facts).on('connection', () => seen++)
  const port = await listen(t, server)
  t.is(await getByTls(port), 'busbar')
  blockList.addAddress('127.0.0.1')
  await t.throwsAsync(getByTls(port))
  t.is(seen, 1)
})

/** A session that one server has given, and whether another takes it. */
async function resumes(t: ExecutionContext, first: Server, second: Server): Promise<boolean> {
  const ports = [await listen(t, first), await listen(t, second)] as const
  const one = tls.connect({ port: ports[0], host: '127.0.0.1', rejectUnauthorized: false })
  one.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const [session] = (await once(one.resume(), 'session')) as [Buffer]
  one.destroy()
  const other = tls.connect({ port: ports[1], host: '127.0.0.1', rejectUnauthorized: false, session })
  await once(other, 'secureConnect')
  const isReused = other.isSessionReused()
  other.destroy()
  return isReused
}

test('the ticket keys that a server says are those by which it seals', async (t) => {
  const make = (): nodeHttps.Server => https.createServer(pair, facts)
  const [first, second] = [make(), make()]
  second.setTicketKeys(first.getTicketKeys())
  t.is(first.getTicketKeys().length, 48)
  t.true(await resumes(t, first, second))
  t.false(await resumes(t, make(), make()))
})

async function settingsOf(t: ExecutionContext, port: number): Promise<http2.Settings> {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings]
  return settings
}

test('settings of HTTP/2 that the engine has a limit for reach the client, others are Node’s', async (t) => {
  const make = (settings: http2.Settings): http2.Http2SecureServer => createSecureServer({ ...pair, allowHTTP1: true, settings }, facts as never)
  const server = make({ maxConcurrentStreams: 7, enablePush: false })
  const port = await listen(t, server as never)
  t.is((await settingsOf(t, port)).maxConcurrentStreams, 7)
  t.is(await getByTls(port), 'busbar')
  server.updateSettings({ maxConcurrentStreams: 9 })
  await getByTls(port)
  t.is((await settingsOf(t, port)).maxConcurrentStreams, 9)
  const nodes = await listen(t, make({ maxConcurrentStreams: 7, initialWindowSize: 1_234_567 }) as never)
  t.like(await settingsOf(t, nodes), { maxConcurrentStreams: 7, initialWindowSize: 1_234_567 })
  t.is(await getByTls(nodes), 'node')
})
