/** Heads of responses, and what a client is answered whose bytes are no request, as servers of node:http write them. */
import { EventEmitter, once } from 'node:events'
import nodeHttp from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import test from 'ava'
import { createServer } from '../src/node-http/index.ts'
import { ask, open, serveNode } from './node-http-support.ts'
import type { Served } from './node-http-support.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const CLOSING = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** All that is answered to some bytes. */
async function answered({ dial }: Served, bytes: string): Promise<string> {
  return (await (await dial()).send(bytes).end()).replaceAll(/Date: [^\r]+/g, 'Date: now')
}

function lines(...given: readonly string[]): string {
  return `${given.join('\r\n')}\r\n\r\n`
}

test('fields of the application come first, those of the server behind them', async (t) => {
  const served = await serveNode(t, (_req, res) => {
    res.setHeader('x-A', 'b')
    res.end('ok')
  })
  t.is(await answered(served, GET + CLOSING), `${lines('HTTP/1.1 200 OK', 'x-A: b', 'Date: now', 'Connection: keep-alive', 'Keep-Alive: timeout=75', 'Content-Length: 2')}ok${lines('HTTP/1.1 200 OK', 'x-A: b', 'Date: now', 'Connection: close', 'Content-Length: 2')}ok`)
})

const HEADS: readonly (readonly [string, (res: ServerResponse) => void, string])[] = [
  ['a length of the application stays where it was set', (res) => res.writeHead(200, { 'content-LENGTH': 2, b: 'c' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'content-LENGTH: 2', 'b: c', 'Date: now', 'Connection: close')}ok`],
  ['a coding of the application stays where it was set', (res) => res.writeHead(200, { 'transfer-encoding': 'chunked', b: 'c' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', 'b: c', 'Date: now', 'Connection: close')}2\r\nok\r\n0\r\n\r\n`],
  ['a length beside chunks isn’t sent', (res) => res.writeHead(200, { 'content-length': 9, 'transfer-encoding': 'chunked' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', 'Date: now', 'Connection: close')}2\r\nok\r\n0\r\n\r\n`],
  ['a coding other than chunks is followed by that of the server', (res) => res.writeHead(200, { 'transfer-encoding': 'gzip' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'transfer-encoding: gzip', 'Date: now', 'Connection: close', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`],
  ['a connection field of the application is sent as it is', (res) => res.writeHead(200, { connection: 'Close, x' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'connection: Close, x', 'Date: now', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`],
  ['a keep-alive of the application that can’t be kept isn’t sent', (res) => res.writeHead(200, { connection: 'keep-alive' }).end('ok'), `${lines('HTTP/1.1 200 OK', 'Date: now', 'Connection: close', 'Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`],
  ['a response without a length and a coding ends with its connection', (res) => {
    res.removeHeader('content-length')
    res.removeHeader('transfer-encoding')
    res.end('ok')
  }, `${lines('HTTP/1.1 200 OK', 'Date: now', 'Connection: close')}ok`],
  ['a 205 without them has neither', (res) => {
    res.statusCode = 205
    res.removeHeader('content-length')
    res.removeHeader('transfer-encoding')
    res.end()
  }, lines('HTTP/1.1 205 Reset Content', 'Date: now', 'Connection: close')],
  ['a 204 has no length, whatever the application says', (res) => res.writeHead(204, { 'content-length': 2 }).end(), lines('HTTP/1.1 204 No Content', 'Date: now', 'Connection: close')],
]

for (const [title, answer, expected] of HEADS) {
  test(title, async (t) => {
    t.is(await answered(await serveNode(t, (_req, res) => answer(res)), CLOSING), expected)
  })
}

test('early hints can’t have what would begin another field', async (t) => {
  const thrown: string[] = []
  const link = '</a>; rel=preload'
  const refused: readonly Record<string, string | string[]>[] = [
    { link, x: 'y\r\nevil: 1' },
    { link, x: 'y\nevil: 1' },
    { link, x: ['y', '\u010d\u010aevil: 1'] },
    { link, 'x\r\nevil': '1' },
    { link: '</a\r\nevil: 1>; rel=preload' },
    { link: [link, '</b\nevil: 1>; rel=preload'] },
    { link: '</\u010aevil: 1>; rel=preload' },
  ]
  const served = await serveNode(t, (_req, res) => {
    for (const hints of refused) {
      try {
        res.writeEarlyHints(hints)
      }
      catch (error) {
        thrown.push((error as NodeJS.ErrnoException).code!)
      }
    }
    res.writeEarlyHints({ link, x: 'y' })
    res.end('ok')
  })
  const text = await answered(served, CLOSING)
  t.true(text.startsWith(lines('HTTP/1.1 103 Early Hints', `Link: ${link}`, 'x: y') + 'HTTP/1.1 200 OK'), text)
  t.deepEqual(thrown, ['ERR_INVALID_CHAR', 'ERR_INVALID_CHAR', 'ERR_INVALID_CHAR', 'ERR_INVALID_HTTP_TOKEN', 'ERR_INVALID_CHAR', 'ERR_INVALID_CHAR', 'ERR_INVALID_CHAR'])
})

test('a connection field that is removed isn’t sent, and the connection stays open', async (t) => {
  const served = await serveNode(t, (_req, res) => {
    res.removeHeader('connection')
    res.end('ok')
  })
  const head = lines('HTTP/1.1 200 OK', 'Date: now', 'Content-Length: 2')
  t.is(await answered(served, GET + CLOSING), `${head}ok${head}ok`)
})

test('a server that counts requests tells how many it takes', async (t) => {
  const served = await serveNode(t, (_req, res) => void res.end(), { keepAliveTimeout: 7000 })
  served.server.maxRequestsPerSocket = 2
  const [first, second] = (await answered(served, GET + GET)).split('\r\n\r\n')
  t.regex(first!, /\r\nConnection: keep-alive\r\nKeep-Alive: timeout=7, max=2\r\n/)
  t.regex(second!, /\r\nConnection: close\r\n/)
})

test('the target of a CONNECT counts, whatever its Host says', async (t) => {
  const served = await serveNode(t, () => t.fail())
  served.server.on('connect', (req, socket) => {
    socket.end(`HTTP/1.1 200 OK\r\n\r\n${req.url} ${req.headers.host}`)
  })
  t.is(await answered(served, 'CONNECT a:443 HTTP/1.1\r\nHost: b:80\r\n\r\n'), 'HTTP/1.1 200 OK\r\n\r\na:443 b:80')
})

test('what is no request is answered with a head alone', async (t) => {
  const served = await serveNode(t, () => t.fail())
  t.is(await answered(served, 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'), lines('HTTP/1.1 400 Bad Request', 'Connection: close'))
  t.is(await answered(served, `GET / HTTP/1.1\r\nHost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`), lines('HTTP/1.1 431 Request Header Fields Too Large', 'Connection: close'))
})

test('a Host isn’t needed where the server says so', async (t) => {
  const served = await serveNode(t, (req, res) => void res.end(`${req.headers.host}`), { requireHostHeader: false })
  t.regex(await answered(served, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nundefined$/s)
})

async function refusing(t: Parameters<typeof serveNode>[0], listener: (error: NodeJS.ErrnoException, socket: Socket) => void): Promise<Served> {
  const served = await serveNode(t, () => t.fail())
  served.server.on('clientError', listener as never)
  return served
}

test('a listener of clientError writes the answer to what is no request', async (t) => {
  const codes: (string | undefined)[] = []
  const served = await refusing(t, (error, socket) => {
    codes.push(error.code)
    t.true(socket.writable)
    socket.end('HTTP/1.1 400 Bad Request\r\nX-By: listener\r\n\r\n')
  })
  t.is(await answered(served, 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'), lines('HTTP/1.1 400 Bad Request', 'X-By: listener'))
  t.is(await answered(served, 'FETCH / HTTP/1.1\r\nHost: a\r\n\r\n'), lines('HTTP/1.1 400 Bad Request', 'X-By: listener'))
  t.deepEqual(codes, ['HPE_INVALID_HEADER_TOKEN', 'HPE_INVALID_METHOD'])
})

test('a listener of clientError that destroys the socket has sent what it wrote before', async (t) => {
  const served = await refusing(t, (error, socket) => {
    socket.write('HTTP/1.1 418 No\r\n\r\n')
    socket.destroy(error)
  })
  t.is(await answered(served, 'nonsense\r\n\r\n'), 'HTTP/1.1 418 No\r\n\r\n')
})

test('a listener of clientError that only destroys the socket closes it without an answer', async (t) => {
  const served = await refusing(t, (_error, socket) => void socket.destroy())
  t.is(await answered(served, 'nonsense\r\n\r\n'), '')
})

test('a server that was closed listens again at once', async (t) => {
  const { server, port, dial } = await serveNode(t, (_req, res) => void res.end('ok'))
  const wire = (await dial()).send(GET)
  await wire.until((received) => received.endsWith('ok'))
  let closes = 0
  server.on('close', () => closes++)
  server.close()
  t.false(server.listening)
  t.is(server.address(), null)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await wire.end()
  const address = server.address() as AddressInfo
  t.not(address.port, port)
  t.is((await ask({ port: address.port, path: '/' })).text, 'ok')
  t.is(closes, 0)
})

test('a response that is given is sent, though its server closes in the same moment', async (t) => {
  const { server, get } = await serveNode(t, (_req, res) => {
    res.write('a')
    res.end('b')
    server.close()
  })
  t.is((await get('/')).text, 'ab')
})

test('a response that is destroyed in the moment of its first write isn’t sent', async (t) => {
  const served = await serveNode(t, (_req, res) => {
    res.write('a')
    res.destroy()
  })
  t.is(await answered(served, GET), '')
})

test('an upgrade without a Host reaches its listener', async (t) => {
  const served = await serveNode(t, () => t.fail())
  served.server.on('upgrade', (req, socket) => void socket.end(`HTTP/1.1 101 X\r\n\r\n${req.headers.host}`))
  t.is(await answered(served, 'GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'), 'HTTP/1.1 101 X\r\n\r\nundefined')
})

test('what a listener rejects with is answered with a 500 where the server captures it', async (t) => {
  EventEmitter.captureRejections = true
  const server = createServer(async (_req, res) => {
    res.setHeader('x-secret', '1')
    throw new Error('rejected')
  })
  EventEmitter.captureRejections = false
  const answer = await (await open(t, server)).get('/')
  t.deepEqual([answer.status, answer.text, answer.headers['x-secret']], [500, 'Internal Server Error', undefined])
})

test('an upgraded connection that is reset ends with an error at the client', async (t) => {
  const { server, port } = await serveNode(t, () => t.fail())
  server.on('upgrade', (_req, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
    socket.once('data', () => socket.resetAndDestroy())
  })
  const client = connect(port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  // A reset that comes together with bytes looks like an end to Node's clients.
  client.once('data', () => client.write('reset'))
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
  t.is(error.code, 'ECONNRESET')
})

test('a piece above the high-water mark has its writer wait', async (t) => {
  const { get } = await serveNode(t, (_req, res) => {
    t.false(res.write(Buffer.alloc(res.writableHighWaterMark + 1)))
    res.once('drain', () => res.end('end'))
  })
  t.true((await get('/')).text.endsWith('end'))
})

test('the encoding of a connection can’t be changed', async (t) => {
  const { get } = await serveNode(t, (req, res) => {
    const error = t.throws(() => void req.socket.setEncoding('utf8')) as NodeJS.ErrnoException
    res.end(error.code)
  })
  t.is((await get('/')).text, 'ERR_HTTP_SOCKET_ENCODING')
})

test('a write without a body is refused where the server refuses it', async (t) => {
  const { get } = await serveNode(t, (_req, res) => {
    res.writeHead(204)
    const error = t.throws(() => void res.write('no')) as NodeJS.ErrnoException
    t.is(error.code, 'ERR_HTTP_BODY_NOT_ALLOWED')
    res.end()
  }, { rejectNonStandardBodyWrites: true })
  t.is((await get('/')).status, 204)
})

test('a server with an insecure parser is Node’s', async (t) => {
  const server: Server = createServer({ insecureHTTPParser: true }, (_req, res) => void res.end('ok'))
  const { port } = await open(t, server)
  t.is((await ask({ port, path: '/' }, undefined)).text, 'ok')
  t.true(server instanceof nodeHttp.Server)
})

test('a writer that is never interrupted is stopped when its client has left', async (t) => {
  const MANY = 200_000
  let end = (_pieces: number): void => {}
  const ended = new Promise<number>((resolve) => (end = resolve))
  const { port } = await serveNode(t, (_req, res) => {
    let pieces = 0
    res.on('close', () => end(pieces))
    // Each turn is a microtask: between two of them nothing that happens to the connection is announced.
    const write = async (): Promise<void> => {
      while (pieces < MANY && res.write('a piece of a response'.padEnd(1024))) {
        pieces++
        await Promise.resolve()
      }
      if (pieces === MANY) end(MANY)
    }
    res.on('drain', () => void write())
    void write()
  })
  const client = connect(port, '127.0.0.1')
  client.write(GET)
  for (let bytes = 0; bytes < 1_000_000; ) bytes += ((await once(client, 'data')) as [Buffer])[0].length
  client.resetAndDestroy()
  t.true((await ended) < MANY)
})
