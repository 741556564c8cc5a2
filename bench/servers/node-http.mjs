import { createReadStream, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Readable } from 'node:stream'

const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')
const GIBIBYTE = 1024 ** 3

async function* pieces(count) {
  for (let at = 0; at < count; at++) yield LONG
}

function send(response, body, type = 'text/plain', status = 200) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
function stream(response, length, source) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': length })
  source.pipe(response)
}
const handlers = {
  hello: (_, response) => send(response, 'Hello, World!'),
  json: (_, response) => {
    send(response, JSON.stringify({ message: 'Hello, World!', id: 42, ok: true }), 'application/json')
  },
  headers({ headers }, response) {
    const isPlain = headers.accept && headers.cookie && headers['user-agent']
    send(response, 'Hello, World!', 'text/plain', isPlain ? 200 : 400)
  },
  echo(request, response) {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => send(response, Buffer.concat(pieces)))
  },
  long: (_, response) => send(response, LONG),
  longer: (_, response) => send(response, MEBIBYTE),
  stream: (_, response) => stream(response, MEBIBYTE.length, Readable.from(pieces(16))),
  ahead: (_, response) => stream(response, MEBIBYTE.length, Readable.from(pieces(16))),
  huge: (_, response) => stream(response, GIBIBYTE, Readable.from(pieces(GIBIBYTE / LONG.length))),
  file: (_, response) => stream(response, GIBIBYTE, createReadStream(process.env.BENCH_FILE)),
  pipe(request, response) {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': request.headers['content-length'] })
    request.pipe(response)
  },
  events(_, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    eventStreams.add(response)
    response.on('close', () => eventStreams.delete(response))
  },
  websocket() {},
  upgrade() {},
  burn(_, response) {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    send(response, 'Hello, World!')
  },
  async: (_, response) => setImmediate(() => send(response, 'Hello, World!')),
}

const eventStreams = new Set()
if (process.argv[2] === 'events') {
  setInterval(() => eventStreams.forEach((response) => response.write('data: 0123456789\n\n')), 1000)
}
const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
const handler = handlers[process.argv[2]]
const server =
  cert === undefined ? createServer(handler) : createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, handler)
if (process.argv[2] === 'websocket') {
  const { WebSocketServer } = await import('ws')
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
}
if (process.argv[2] === 'upgrade') {
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
    socket.pipe(socket)
  })
}
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
