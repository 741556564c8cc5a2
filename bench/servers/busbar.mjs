import { HttpServer, Response } from '../../dist/index.js'

const TEXT = { 'content-type': 'text/plain' }
const handlers = {
  hello: () => new Response(200, { 'content-type': 'text/plain' }, 'Hello, World!'),
  json: () => Response.json({ message: 'Hello, World!', id: 42, ok: true }),
  headers(request) {
    const isPlain = request.getHeader('accept') && request.getHeader('cookie') && request.getHeader('user-agent')
    return new Response(isPlain ? 200 : 400, TEXT, 'Hello, World!')
  },
  echo: async (request) => new Response(200, TEXT, await request.buffer()),
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
