import { readFileSync } from 'node:fs'
import { createSecureServer, createServer } from 'node:http2'

const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')

function send(response, body) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
const handlers = {
  hello: (_, response) => send(response, 'Hello, World!'),
  echo(request, response) {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => send(response, Buffer.concat(pieces)))
  },
  longer: (_, response) => send(response, MEBIBYTE),
}
const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
const handler = handlers[process.argv[2]]
const server =
  cert === undefined ? createServer(handler) : createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, handler)
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
