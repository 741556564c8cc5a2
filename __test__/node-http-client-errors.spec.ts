/** What an application hears of bytes that are no request, of TLS that fails and of connections that are dropped. */
import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import http, { createServer } from '../src/node-http/index.ts'
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
async function provoke(t: ExecutionContext, server: Server, bytes: string, rest?: string): Promise<{ error: ParseFailure; text: string }> {
  const heard = once(server, 'clientError') as Promise<[ParseFailure, Socket]>
  server.on('clientError', (_error, socket) => void socket.end('HTTP/1.1 499 Mine\r\nConnection: close\r\n\r\n'))
  const dialogue = (await Dialogue.dial(await listen(t, server))).send(bytes)
  if (rest !== undefined) {
    await once(server, 'request')
    await new Promise((resolve) => setTimeout(resolve, 30))
    dialogue.send(rest)
  }
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

/** Bodies in chunks that are malformed, and how Node speaks of them. */
const MALFORMED_CHUNKS: readonly (readonly [bytes: string, code: string, parsed: number])[] = [
  ['zz\r\n', 'HPE_INVALID_CHUNK_SIZE', 0],
  ['-1\r\n', 'HPE_INVALID_CHUNK_SIZE', 0],
  ['4 \r\nhell\r\n', 'HPE_INVALID_CHUNK_SIZE', 2],
  ['4\r\nhellXX\r\n', 'HPE_STRICT', 7],
  ['4\r\rhell', 'HPE_STRICT', 2],
  ['4\r\nhell\r\nzz\r\n', 'HPE_INVALID_CHUNK_SIZE', 9],
  ['0\r\nbad name: x\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN', 6],
]

/** What a server and its client hear of a body whose bytes behind the first chunk are malformed. */
async function provokeInBody(t: ExecutionContext, server: Server, bytes: string, handle: (req: IncomingMessage, res: ServerResponse) => void): Promise<object> {
  const events: string[] = []
  const here = once(server, 'request')
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    let text = ''
    for (const event of ['aborted', 'end', 'close']) req.on(event, () => events.push(`req ${event} ${text}`))
    for (const event of ['finish', 'close']) res.on(event, () => events.push(`res ${event}`))
    req.on('error', (error: NodeJS.ErrnoException) => events.push(`req ${error.code} ${error.message}`))
    req.on('data', (piece: Buffer) => (text += String(piece)))
    handle(req, res)
  })
  const errors: object[] = []
  server.on('clientError', ({ message, code, reason, bytesParsed, rawPacket }: ParseFailure, socket: Socket) => {
    // More may come, while Node's own socket is still read.
    if (errors.length > 0) return
    events.push('clientError')
    errors.push({ message, code, reason, bytesParsed, packet: rawPacket.toString('latin1'), writable: socket.writable, destroyed: socket.destroyed })
    socket.end('HTTP/1.1 499 Mine\r\nConnection: close\r\n\r\n')
  })
  const dialogue = await Dialogue.dial(await listen(t, server))
  dialogue.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await here
  await new Promise((resolve) => setTimeout(resolve, 30))
  const text = await dialogue.send(bytes).end()
  while (!events.includes('req close hello') && !events.includes('req close hellohell')) await new Promise((resolve) => setTimeout(resolve, 2))
  return { events, errors, text: text.replaceAll(/^keep-alive: .*\r\n/gim, '') }
}

test('a malformed body emits clientError with Node’s code and what came, and its request ends when the connection does', async (t) => {
  for (const [bytes, code, parsed] of MALFORMED_CHUNKS) {
    for (const handle of [() => {}, (_req: IncomingMessage, res: ServerResponse) => void res.write('begun')]) {
      const ours = await provokeInBody(t, createServer(), bytes, handle)
      const what = JSON.stringify(bytes)
      t.like(ours, { errors: { 0: { code, bytesParsed: parsed, packet: bytes, writable: true, destroyed: false } } }, what)
      t.regex((ours as { text: string }).text, /HTTP\/1\.1 499 Mine\r\nconnection: close\r\n\r\n \[end\]$/, what)
      if (!IS_CURRENT) continue
      const { errors, ...nodes } = (await provokeInBody(t, nodeHttp.createServer(), bytes, handle)) as { errors: readonly { reason: string; message: string }[] }
      const [error] = errors
      // Node has many words for the same code.
      const said = code === 'HPE_INVALID_CHUNK_SIZE' ? {} : { reason: (ours as { errors: ParseFailure[] }).errors[0]!.reason, message: (ours as { errors: ParseFailure[] }).errors[0]!.message }
      t.deepEqual(ours, { ...nodes, errors: [{ ...error, ...said }] } as never, what)
    }
  }
})

test('a malformed body behind its response emits clientError as well, and one behind an earlier request when that is answered', async (t) => {
  const early = createServer((_req, res) => void res.end('early'))
  const { error, text } = await provoke(t, early, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n', 'zz\r\n')
  t.is(error.code, 'HPE_INVALID_CHUNK_SIZE')
  t.is(error.rawPacket.toString(), 'zz\r\n')
  t.regex(text, /^HTTP\/1\.1 200 [^]*\r\n\r\nearlyHTTP\/1\.1 499 Mine/)
  const late = createServer((req, res) => req.method === 'GET' && void setTimeout(() => res.end('first'), 60))
  const second = await provoke(t, late, `GET / HTTP/1.1\r\n${HOST}\r\nPOST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`, 'zz\r\n')
  t.is(second.error.code, 'HPE_INVALID_CHUNK_SIZE')
  t.regex(second.text, /^HTTP\/1\.1 200 [^]*\r\n\r\nfirstHTTP\/1\.1 499 Mine/)
})

test('a malformed body that has no listener gets a 400, and its request is aborted', async (t) => {
  for (const { createServer: make } of IS_CURRENT ? [http, nodeHttp] : [http]) {
    const server = make()
    const events: string[] = []
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      for (const event of ['aborted', 'close']) req.on(event, () => events.push(`req ${event}`))
      res.on('close', () => events.push('res close'))
      req.on('error', (error: NodeJS.ErrnoException) => events.push(`req ${error.code} ${error.message}`))
      req.resume()
    })
    const dialogue = (await Dialogue.dial(await listen(t, server))).send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    await once(server, 'request')
    await new Promise((resolve) => setTimeout(resolve, 20))
    t.is(await dialogue.send('zz\r\n').end(), 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n [end]')
    while (!events.includes('req close')) await new Promise((resolve) => setTimeout(resolve, 2))
    t.deepEqual(events, ['req aborted', 'res close', 'req ECONNRESET aborted', 'req close'])
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
