/** What an application hears of bytes that are no request, of TLS that fails and of connections that are dropped. */
import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { createServer } from '../src/node-http/index.ts'
import { createServer as createSecureServer } from '../src/node-http/https.ts'
import { Authority } from './authority.ts'
import { IS_CURRENT, listen } from './differential/requests.ts'
import { Dialogue } from './differential/wire.ts'

type ParseFailure = NodeJS.ErrnoException & { rawPacket: Buffer; bytesParsed: number; reason: string }

const HOST = 'Host: a\r\n'
const LONG = 'x'.repeat(20_000)

/** Bytes that are no request, and the code that Node has for them. */
const MALFORMED: readonly (readonly [bytes: string, code: string])[] = [
  ['BAD\r\n\r\n', 'HPE_INVALID_METHOD'],
  [`FOO / HTTP/1.1\r\n${HOST}\r\n`, 'HPE_INVALID_METHOD'],
  [`GET / HTTP/9.9\r\n${HOST}\r\n`, 'HPE_INVALID_VERSION'],
  [`GET / HTTX/1.1\r\n${HOST}\r\n`, 'HPE_INVALID_CONSTANT'],
  [`GET /\u0001 HTTP/1.1\r\n${HOST}\r\n`, 'HPE_INVALID_URL'],
  [`GET / HTTP/1.1\r\n${HOST}Bad Name: x\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  [`GET / HTTP/1.1\r\n${HOST}No-Colon\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  [`GET / HTTP/1.1\r\n${HOST}A: b\u0000c\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  [`GET / HTTP/1.1\r\n${HOST} folded\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
  [`POST / HTTP/1.1\r\n${HOST}Content-Length: x\r\n\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
  [`POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 'HPE_UNEXPECTED_CONTENT_LENGTH'],
  [`POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 'HPE_INVALID_TRANSFER_ENCODING'],
  [`GET / HTTP/1.1\r\n${HOST}A: ${LONG}\r\n\r\n`, 'HPE_HEADER_OVERFLOW'],
  [`GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`, 'HPE_HEADER_OVERFLOW'],
]

/** Sends bytes to a server whose listener answers them; what it was given, and what the client has received. */
async function provoke(t: ExecutionContext, server: Server, bytes: string): Promise<{ error: ParseFailure; text: string }> {
  const heard = once(server, 'clientError') as Promise<[ParseFailure, Socket]>
  server.on('clientError', (_error, socket) => void socket.end('HTTP/1.1 499 Mine\r\nConnection: close\r\n\r\n'))
  const dialogue = (await Dialogue.dial(await listen(t, server))).send(bytes)
  const text = await dialogue.end()
  const [error] = await heard
  return { error, text }
}

test('a listener to clientError gets the code of Node’s parser and what came, and answers', async (t) => {
  for (const [bytes, code] of MALFORMED) {
    const { error, text } = await provoke(t, createServer(() => t.fail()), bytes)
    const what = JSON.stringify(bytes.slice(0, 60))
    t.is(error.code, code, what)
    t.true(error.message.startsWith('Parse Error: '), what)
    t.is(error.message, `Parse Error: ${error.reason}`)
    t.is(error.rawPacket.toString('latin1'), bytes, what)
    t.true(error.bytesParsed >= 0 && error.bytesParsed <= bytes.length, what)
    t.is(text, 'HTTP/1.1 499 Mine\r\nconnection: close\r\n\r\n [end]', what)
    if (!IS_CURRENT) continue
    const nodes = await provoke(t, nodeHttp.createServer(), bytes)
    t.is(nodes.error.code, code, what)
    t.is(nodes.text, text, what)
  }
})

test('another protocol is answered by the engine, and told', async (t) => {
  for (const [bytes, code] of [['\u0016\u0003\u0001\u0002\u0000\u0001', 'HPE_INVALID_METHOD'], ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HPE_PAUSED_H2_UPGRADE']] as const) {
    const { error, text } = await provoke(t, createServer(() => t.fail()), bytes)
    t.is(error.code, code)
    t.regex(error.message, /^Parse Error: /)
    t.notRegex(text, /499/)
  }
})

test('an answer of the listener comes behind the responses that are due', async (t) => {
  const server = createServer((req, res) => void setTimeout(() => res.end(req.url), 20))
  const { error, text } = await provoke(t, server, `GET /first HTTP/1.1\r\n${HOST}\r\nBAD\r\n\r\n`)
  t.is(error.code, 'HPE_INVALID_METHOD')
  t.regex(text, /^HTTP\/1\.1 200 [^]*\r\n\r\n\/firstHTTP\/1\.1 499 Mine/)
})

test('a head that comes in pieces is given as a whole, and one that is late as a timeout', async (t) => {
  const server = createServer({ headersTimeout: 50, requestTimeout: 50 })
  server.on('clientError', (error: ParseFailure, socket: Socket) => void socket.end(`HTTP/1.1 408 ${error.code}\r\n\r\n`))
  const port = await listen(t, server)
  const late = await Dialogue.dial(port)
  t.is(await late.send('GET / HT').end(), 'HTTP/1.1 408 ERR_HTTP_REQUEST_TIMEOUT\r\n\r\n [end]')
  const patient = createServer()
  const heard = once(patient, 'clientError') as Promise<[ParseFailure, Socket]>
  patient.on('clientError', (_error, socket) => void socket.end())
  const pieces = await Dialogue.dial(await listen(t, patient))
  pieces.send('GET / HTTP/1.1\r\n')
  await new Promise((resolve) => setTimeout(resolve, 10))
  await pieces.send('bad name: x\r\n').end()
  t.is((await heard)[0].rawPacket.toString(), 'GET / HTTP/1.1\r\nbad name: x\r\n')
})

test('without a listener the engine answers, and a listener that is added while it listens is heard', async (t) => {
  const server = createServer()
  const port = await listen(t, server)
  const first = await Dialogue.dial(port)
  t.regex(await first.send('BAD\r\n\r\n').end(), /^HTTP\/1\.1 400 Bad Request\r\n/)
  server.on('clientError', (_error, socket) => socket.destroy())
  const second = await Dialogue.dial(port)
  t.regex(await second.send('BAD\r\n\r\n').end(), /^ \[(?:end|reset)\]$/)
})

test('TLS that fails emits tlsClientError, and clientError where that has a listener', async (t) => {
  const { cert, key } = new Authority().issue()
  for (const event of ['tlsClientError', 'clientError']) {
    const server = createSecureServer({ cert, key }, () => t.fail())
    const heard = new Promise<unknown[]>((resolve) => server.on(event, (...given: unknown[]) => resolve(given)))
    const dialogue = await Dialogue.dial(await listen(t, server))
    dialogue.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [error, socket] = (await heard) as [NodeJS.ErrnoException, Socket]
    t.regex(error.code ?? '', /^[A-Z][A-Z_]+$/)
    t.is(socket.remoteAddress, '127.0.0.1')
    dialogue.close()
  }
})

test('a connection above maxConnections emits drop, with both addresses', async (t) => {
  const server = createServer((_req, res) => void res.write('busy'))
  server.maxConnections = 1
  const port = await listen(t, server)
  const first = await Dialogue.dial(port)
  await first.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n').until((text) => text.includes('busy'))
  const dropped = once(server, 'drop') as Promise<[object]>
  const second = connect(port, '127.0.0.1')
  second.on('error', () => {})
  t.like((await dropped)[0], { localAddress: '127.0.0.1', localPort: (server.address() as AddressInfo).port, localFamily: 'IPv4', remoteAddress: '127.0.0.1', remoteFamily: 'IPv4' })
  second.destroy()
})
