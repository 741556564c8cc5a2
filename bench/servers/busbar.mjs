import { HttpServer, Response } from '../../dist/index.js'

const TEXT = { 'content-type': 'text/plain' }
const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')
const STREAMED = { ...TEXT, 'content-length': MEBIBYTE.length }

async function* pieces() {
  for (let at = 0; at < 16; at++) yield LONG
}

const handlers = {
  hello: () => new Response(200, { 'content-type': 'text/plain' }, 'Hello, World!'),
  json: () => Response.json({ message: 'Hello, World!', id: 42, ok: true }),
  headers(request) {
    const isPlain = request.getHeader('accept') && request.getHeader('cookie') && request.getHeader('user-agent')
    return new Response(isPlain ? 200 : 400, TEXT, 'Hello, World!')
  },
  async echo(request) {
    const body = request.getBody()
    body.increaseSizeLimit(MEBIBYTE.length)
    return new Response(200, TEXT, await body.buffer())
  },
  long: () => new Response(200, TEXT, LONG),
  longer: () => new Response(200, TEXT, MEBIBYTE),
  stream: () => new Response(200, STREAMED, pieces()),
  pipe(request) {
    const body = request.getBody()
    body.increaseSizeLimit(MEBIBYTE.length)
    return new Response(200, { ...TEXT, 'content-length': request.getHeader('content-length') }, body)
  },
  burn() {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    return new Response(200, TEXT, 'Hello, World!')
  },
  async: () => new Promise((resolve) => setImmediate(() => resolve(new Response(200, TEXT, 'Hello, World!')))),
}

const [handler, ioThreads] = process.argv.slice(2)
const server = new HttpServer('127.0.0.1:0', handlers[handler], { ioThreads: ioThreads === undefined ? 0 : Number(ioThreads) })
await server.start()
console.log(server.getServers()[0].getPort())
