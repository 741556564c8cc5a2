// Applications for node:http: framework.mjs FRAMEWORK KIND [ioThreads], where the kind is `busbar`, `busbar-h2`, which is
// HTTP/2 over TLS, or `node`.
import { readFileSync } from 'node:fs'
import * as nodeHttp from 'node:http'

const [framework, kind, ioThreads] = process.argv.slice(2)
if (ioThreads !== undefined) process.env.BUSBAR_IO_THREADS = ioThreads

async function overHttp2() {
  const { createServer } = await import('../../dist/https.js')
  const [cert, key] = [process.env.BENCH_TLS_CERT, process.env.BENCH_TLS_KEY].map((file) => readFileSync(file))
  return { createServer: (listener) => createServer({ cert, key, http2: true }, listener) }
}

const modules = { busbar: () => import('../../dist/http.js'), 'busbar-h2': overHttp2, node: () => nodeHttp }
const http = await modules[kind]()
const HELLO = 'Hello, World!'

async function koa() {
  const { default: Koa } = await import('koa')
  const app = new Koa()
  app.use((ctx) => void (ctx.body = HELLO))
  return http.createServer(app.callback())
}

async function express(name) {
  const { default: make } = await import(name)
  const app = make()
  app.get('/', (_request, response) => void response.send(HELLO))
  return http.createServer(app)
}

async function fastify() {
  const { default: make } = await import('fastify')
  let server
  const app = make({ serverFactory: (handler) => (server = http.createServer(handler)) })
  app.get('/', async () => HELLO)
  await app.ready()
  return server
}

const frameworks = {
  bare: () =>
    http.createServer((_request, response) => {
      response.setHeader('content-type', 'text/plain')
      response.end(HELLO)
    }),
  koa,
  express: () => express('express'),
  express4: () => express('express4'),
  fastify,
}

const server = await frameworks[framework]()
process.on("SIGINT", () => process.exit())
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
