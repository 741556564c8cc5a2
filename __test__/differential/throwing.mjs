/**
 * Handlers that throw and reject, by hand and in frameworks: what a client gets, what the process hears of, and whether
 * the connection lives. Run as a process of its own, since nothing else may catch what is thrown.
 *
 * Usage: throwing.mjs node|busbar
 */
import nodeHttp from 'node:http'
import { createRequire } from 'node:module'
import { getRequestListener } from '@hono/node-server'
import fastify from 'fastify'
import { H3 } from 'h3'
import { Hono } from 'hono'
import Koa from 'koa'
import { toNodeHandler } from 'srvx/node'
import http from '../../src/node-http/index.ts'
import { Dialogue } from './wire.ts'

const require = createRequire(import.meta.url)
const connect = require('connect')
const { createServer } = process.argv[2] === 'busbar' ? http : nodeHttp
/** Milliseconds after which no response comes any more. */
const PATIENCE = 600

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))
const later = () => new Promise((resolve) => setImmediate(resolve))
const fail = (message = 'thrown') => {
  throw Object.assign(new Error(message), { status: 418, statusCode: 418, expose: true, stack: message })
}

const PLAIN = {
  throws: () => fail(),
  'throws a value': () => { throw 'text' },
  'throws behind setHeader': (_req, res) => { res.setHeader('X-A', '1'); fail() },
  'throws behind writeHead': (_req, res) => { res.writeHead(201); fail() },
  'throws behind a write': (_req, res) => { res.write('first'); fail() },
  'throws behind the end': (_req, res) => { res.end('done'); fail() },
  rejects: async () => fail(),
  'rejects late': async () => { await later(); fail() },
  'rejects behind a write': async (_req, res) => { res.write('first'); await later(); fail() },
  'rejects behind the end': async (_req, res) => { res.end('done'); await later(); fail() },
  'throws in a timer': () => void setTimeout(fail, 5),
  'throws in a listener to the end of the request': (req) => void req.on('end', () => fail()).resume(),
  'throws in a listener to finish': (_req, res) => void res.on('finish', () => fail()).end('done'),
  'throws in a listener to the close of the response': (_req, res) => void res.on('close', () => fail()).end('done'),
  'throws in the callback of the end': (_req, res) => void res.end('done', () => fail()),
  'throws in the callback of a write': (_req, res) => { res.write('first', () => fail()); setImmediate(() => res.end()) },
  'emits an error on the response': (_req, res) => void res.emit('error', new Error('mine')),
  'emits an error on the request': (req) => void req.emit('error', new Error('mine')),
  'destroys with an error behind a write': (_req, res) => { res.write('first'); setImmediate(() => res.destroy(new Error('mine'))) },
  'writes twice': (_req, res) => { res.end('once'); res.write('more') },
  'sets a header too late': (_req, res) => { res.write('first'); res.setHeader('a', '1') },
  'has an invalid status': (_req, res) => void res.writeHead(99),
}

/** One application for a path of a framework's, which gives routes as its own users write them. */
function routes(app) {
  app.get('/throws', () => fail())
  app.get('/rejects', async () => { await later(); fail() })
  app.get('/head', (_req, res) => { res.write('first'); fail() })
  app.get('/async-head', async (_req, res) => { res.write('first'); await later(); fail() })
  app.get('/next', (_req, _res, next) => setImmediate(next, Object.assign(new Error('given'), { status: 409, stack: 'given' })))
  app.get('/next-head', (_req, res, next) => { res.write('first'); setImmediate(next, Object.assign(new Error('given'), { stack: 'given' })) })
  app.get('/handled', () => fail('handled'))
  app.get('/handler-throws', () => fail('again'))
  app.get('/handler-rejects', () => fail('async'))
  app.get('/timer', () => void setTimeout(fail, 5))
  return app
}

function express(name) {
  const app = routes(require(name)())
  app.set('env', 'test')
  // oxlint-disable-next-line max-params
  app.use((error, _req, res, next) => {
    if (error.message === 'handled') res.status(500).end('handled')
    else if (error.message === 'again') fail('from the handler')
    else next(error)
  })
  app.use(async (error, _req, _res, next) => {
    if (error.message !== 'async') return next(error)
    await later()
    fail('from the handler')
  })
  return app
}

function connectApp() {
  const app = connect()
  routes({ get: (path, handle) => void app.use(path, (req, res, next) => handle(req, res, next)) })
  app.use((error, _req, res, next) => (error.message === 'handled' ? res.end('handled') : error.message === 'again' ? fail('from the handler') : next(error)))
  return app
}

function koa() {
  const app = new Koa()
  app.on('error', (error) => note(`koa error ${error.message}`))
  const ways = {
    '/throws': () => fail(),
    '/rejects': async () => { await later(); fail() },
    '/head': (ctx) => { ctx.res.write('first'); fail() },
    '/timer': () => void setTimeout(fail, 5),
    '/caught': () => fail('handled'),
    '/stream': (ctx) => { ctx.body = (async function* () { yield 'first'; await later(); fail() })(); },
    '/late': (ctx) => { ctx.body = 'ok'; ctx.res.on('finish', () => fail('late')) },
  }
  app.use(async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      if (error.message !== 'handled') throw error
      ctx.body = 'handled'
    }
  })
  app.use((ctx) => ways[ctx.path]?.(ctx))
  return app.callback()
}

async function fastifyApp() {
  let listener
  const app = fastify({ serverFactory: (handler) => createServer((listener = handler)) })
  app.get('/throws', () => fail())
  app.get('/rejects', async () => { await later(); fail() })
  app.get('/raw', (_req, reply) => { reply.raw.write('first'); fail() })
  app.get('/async-raw', async (_req, reply) => { reply.raw.write('first'); await later(); fail() })
  app.get('/hijack', (_req, reply) => { reply.hijack(); fail() })
  app.get('/timer', () => void setTimeout(fail, 5))
  app.get('/hook', { preHandler: async () => fail('in a hook') }, async () => 'never')
  app.get('/on-send', { onSend: async () => fail('in onSend') }, async () => 'sent')
  app.get('/handler', { errorHandler: () => fail('from the handler') }, async () => fail())
  app.get('/twice', (_req, reply) => { reply.send('once'); fail() })
  app.get('/stream', (_req, reply) => reply.send((require('node:stream').Readable.from((async function* () { yield 'first'; await later(); fail() })()))))
  await app.ready()
  return listener
}

function honoApp() {
  const app = new Hono()
  app.get('/throws', () => fail())
  app.get('/rejects', async () => { await later(); fail() })
  app.get('/stream', () => new Response(new ReadableStream({ async pull(controller) { controller.enqueue(Buffer.from('first')); await later(); controller.error(new Error('mine')) } })))
  app.get('/timer', async () => { setTimeout(fail, 5); await pause(20); return new Response('ok') })
  app.use('/middleware', async () => fail('in the middleware'))
  app.onError((error, c) => (error.message === 'again' ? fail('from the handler') : c.text(error.message, 500)))
  app.get('/handler', () => fail('again'))
  return getRequestListener(app.fetch)
}

function h3App() {
  const app = new H3({ silent: true })
  app.get('/throws', () => fail())
  app.get('/rejects', async () => { await later(); fail() })
  app.get('/timer', async () => { setTimeout(fail, 5); await pause(20); return 'ok' })
  app.use('/middleware', async () => fail('in the middleware'))
  return toNodeHandler(app.fetch)
}

const EXPRESS = ['/throws', '/rejects', '/head', '/async-head', '/next', '/next-head', '/handled', '/handler-throws', '/handler-rejects', '/timer']

const APPLICATIONS = [
  { name: 'plain', app: (req, res) => (req.url === '/nowhere' ? res.end('alive') : PLAIN[decodeURIComponent(req.url.slice(1))](req, res)), paths: Object.keys(PLAIN).map((way) => `/${encodeURIComponent(way)}`) },
  { name: 'Express 5', app: express('express'), paths: EXPRESS },
  { name: 'Express 4', app: express('express4'), paths: EXPRESS },
  { name: 'Connect', app: connectApp(), paths: EXPRESS.filter((path) => path !== '/handler-rejects') },
  { name: 'Koa', app: koa(), paths: ['/throws', '/rejects', '/head', '/timer', '/caught', '/stream', '/late'] },
  { name: 'Fastify', app: await fastifyApp(), paths: ['/throws', '/rejects', '/raw', '/async-raw', '/hijack', '/timer', '/hook', '/on-send', '/handler', '/twice', '/stream'] },
  { name: 'Hono', app: honoApp(), paths: ['/throws', '/rejects', '/stream', '/timer', '/middleware', '/handler'] },
  { name: 'h3', app: h3App(), paths: ['/throws', '/rejects', '/timer', '/middleware'] },
]

let events = []
const note = (event) => events.push(event)
const said = (error) => (error instanceof Error ? `${error.code ?? error.name} ${error.message}` : String(error))
process.on('uncaughtException', (error, origin) => note(`${origin} ${said(error)}`))
process.on('unhandledRejection', (error) => note(`unhandledRejection ${said(error)}`))
console.error = () => {}

/** One request, and what becomes of it, of its connection and of the process. */
async function provoke(port, path) {
  events = []
  const dialogue = await Dialogue.dial(port)
  dialogue.send(path.includes('request') ? `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody` : `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const end = Date.now() + PATIENCE
  while (Date.now() < end && dialogue.ending === null && !events.includes('res close')) await pause(5)
  await pause(50)
  const text = dialogue.received.replaceAll(/^(?:date|etag): .*\r\n/gim, '').replaceAll(/^(?:connection|keep-alive|content-length|transfer-encoding):/gim, (name) => name.toLowerCase())
  dialogue.received = ''
  // Only behind a whole response can another one come.
  const isWhole = dialogue.ending === null && events.includes('res finish')
  const next = isWhole ? (await dialogue.send('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n').response('GET'))?.at(-1).line : null
  const { ending } = dialogue
  dialogue.close()
  const closed = Date.now() + PATIENCE
  while (Date.now() < closed && !events.includes('res close')) await pause(5)
  await pause(20)
  return { text: text.split('\r\n').toSorted(), ending, next, events }
}

const outcomes = {}
for (const { name, app, paths } of APPLICATIONS) {
  const server = createServer({ keepAliveTimeout: 5000 }, (req, res) => {
    req.on('close', () => note('req close')).on('aborted', () => note('req aborted'))
    res.on('finish', () => note('res finish')).on('close', () => note('res close'))
    return app(req, res)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  for (const path of paths) outcomes[`${name} ${decodeURIComponent(path)}`] = await provoke(port, path)
  server.close()
  server.closeAllConnections()
}
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0))
