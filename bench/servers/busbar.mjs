import { HttpServer, Response, readAhead } from '../../dist/index.js'
import { DocumentRoot } from '../../dist/static.js'

const TEXT = { 'content-type': 'text/plain' }
const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')
const GIBIBYTE = 1024 ** 3
const LONGEST_ECHO = 100 * MEBIBYTE.length

async function* pieces(count) {
  for (let at = 0; at < count; at++) yield LONG
}

const handlers = {
  hello: () => new Response(200, { 'content-type': 'text/plain' }, 'Hello, World!'),
  get web() {
    return handlers.hello
  },
  get static() {
    return new DocumentRoot(process.env.BENCH_ROOT)
  },
  json: () => Response.json({ message: 'Hello, World!', id: 42, ok: true }),
  headers(request) {
    const isPlain = request.getHeader('accept') && request.getHeader('cookie') && request.getHeader('user-agent')
    return new Response(isPlain ? 200 : 400, TEXT, 'Hello, World!')
  },
  async echo(request) {
    const body = request.getBody()
    body.increaseSizeLimit(LONGEST_ECHO)
    return new Response(200, TEXT, await body.buffer())
  },
  long: () => new Response(200, TEXT, LONG),
  longer: () => new Response(200, TEXT, MEBIBYTE),
  stream: () => new Response(200, { ...TEXT, 'content-length': MEBIBYTE.length }, pieces(16)),
  ahead: () => new Response(200, { ...TEXT, 'content-length': MEBIBYTE.length }, readAhead(pieces(16))),
  huge: () => new Response(200, { ...TEXT, 'content-length': GIBIBYTE }, pieces(GIBIBYTE / LONG.length)),
  file: () => Response.file(process.env.BENCH_FILE, { headers: TEXT }),
  pipe(request) {
    const body = request.getBody()
    body.increaseSizeLimit(LONGEST_ECHO)
    return new Response(200, { ...TEXT, 'content-length': request.getHeader('content-length') }, body)
  },
  burn() {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    return new Response(200, TEXT, 'Hello, World!')
  },
  events: () => new Response(200, { 'content-type': 'text/event-stream' }, eachEvent()),
  websocket: (request) =>
    Response.detach((socket) => {
      const headers = Object.fromEntries(Object.entries(request.getHeaders()).map(([name, values]) => [name, values.join()]))
      const upgrade = { method: request.getMethod(), url: request.getTarget(), headers, socket }
      webSockets.handleUpgrade(upgrade, socket, Buffer.alloc(0), (webSocket) => {
        webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
      })
    }),
  upgrade: () =>
    new Response(101, { upgrade: 'websocket' }).upgrade((socket) => {
      socket.on('error', () => {})
      socket.pipe(socket)
    }),
  async: () => new Promise((resolve) => setImmediate(() => resolve(new Response(200, TEXT, 'Hello, World!')))),
}

const [handler, ioThreads, protocol] = process.argv.slice(2)
let webSockets
if (process.argv[2] === 'websocket') {
  const { WebSocketServer } = await import('ws')
  webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
}

/** Resolves for all streams at once, each second. */
let nextEvent = new Promise(tick)
function tick(resolve) {
  setTimeout(() => {
    nextEvent = new Promise(tick)
    resolve('data: 0123456789\n\n')
  }, 1000)
}
async function* eachEvent() {
  for (;;) yield await nextEvent
}

const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
const listen = cert === undefined ? '127.0.0.1:0' : { host: '127.0.0.1', port: 0, tls: { cert, key } }
const server = new HttpServer(listen, handlers[handler], {
  ioThreads: ioThreads === undefined ? 0 : Number(ioThreads),
  http2Cleartext: protocol === 'h2c',
})
await server.start()
console.log(server.getServers()[0].getPort())
