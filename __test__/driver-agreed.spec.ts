/** Drivers on connections of TLS that have agreed on HTTP/2, whose server would speak first. */
import { once } from 'node:events'
import { connect as openSession } from 'node:http2'
import { connect as openSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Http1Driver, Http2Driver, Response, streamDriver } from '../src/index.ts'
import type { Driver, Parser, Request, ServerSettings } from '../src/index.ts'
import { choosing, parser } from './drivers.ts'
import { Frame, send } from './http2.ts'
import { v1 } from './proxy-headers.ts'
import { open } from './support.ts'
import { authority, dialTls, leaf } from './tls-support.ts'

const WAYS: readonly [string, ServerSettings, Buffer?][] = [
  ['in-loop', { ioThreads: 0 }],
  ['with I/O threads', { ioThreads: 2 }],
  ['behind PROXY', { ioThreads: 0, proxies: ['127.0.0.1'] }, v1('TCP4 192.0.2.7 10.0.0.1 4711 443')],
]

/** A server whose connections have this driver; gives connections that have shaken hands. */
async function serve(t: ExecutionContext, driver: () => Driver, settings: ServerSettings, header?: Buffer) {
  const driverFactory = { ...choosing(driver), getApplicationLayerProtocols: () => ['h2'] }
  const handler = (request: Request) => Response.text(`${request.getProtocolVersion()} ${request.getPath()}`)
  const listen = { host: '127.0.0.1', port: 0, proxyProtocol: header !== undefined, tls: { cert: leaf.cert, key: leaf.key } }
  const { port } = await open(t, handler, { ...settings, driverFactory }, listen)
  return async () => {
    const plain = openSocket(port, '127.0.0.1')
    t.teardown(() => plain.destroy())
    if (header !== undefined) plain.write(header)
    return dialTls(t, port, { ALPNProtocols: ['h2'], socket: plain })
  }
}

function sessionOn(t: ExecutionContext, socket: TLSSocket) {
  const session = openSession('https://localhost', { ca: authority.cert, createConnection: () => socket })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

for (const [name, settings, header] of WAYS) {
  test(`a driver over streams has the connection for itself, ${name}`, async (t) => {
    const echo = streamDriver(async (_client, readable, writable) => {
      for await (const bytes of readable) writable.write(bytes)
    })
    const dial = await serve(t, () => echo, settings, header)
    const socket = await dial()
    const pieces: Buffer[] = []
    socket.on('data', (piece) => pieces.push(piece))
    await sleep(50)
    t.deepEqual(pieces, [])
    socket.write('hello')
    await once(socket, 'data')
    t.is(String(Buffer.concat(pieces)), 'hello')
  })

  test(`a parser has the connection for itself, ${name}`, async (t) => {
    const driver = () =>
      parser(function* (_client, _onMessage, write): Parser {
        for (;;) write(`<${String(yield)}>`)
      })
    const dial = await serve(t, driver, settings, header)
    const socket = await dial()
    socket.write('hello')
    const [piece] = await once(socket, 'data')
    t.is(String(piece), '<hello>')
  })

  test(`a driver that has read the first bytes can hand them to HTTP/2, ${name}`, async (t) => {
    const driver = () =>
      streamDriver(async (client, readable) => {
        const [bytes] = await once(readable, 'data')
        client.switchDriver(new Http2Driver(), bytes)
      })
    const dial = await serve(t, driver, settings, header)
    const session = sessionOn(t, await dial())
    const goaways: number[] = []
    session.on('goaway', (code) => goaways.push(code))
    for (const path of ['/one', '/two']) t.is((await send(session, { ':path': path })).text, `2 ${path}`)
    t.deepEqual(goaways, [])
  })

  for (const driver of [new Http1Driver(), new Http2Driver()]) {
    test(`the engine speaks first when it is chosen by ${driver.constructor.name}, ${name}`, async (t) => {
      const dial = await serve(t, () => driver, settings, header)
      const [piece] = await once(await dial(), 'data')
      t.is(piece[3], Frame.Settings)
      t.is((await send(sessionOn(t, await dial()), { ':path': '/one' })).text, '2 /one')
    })
  }
}
