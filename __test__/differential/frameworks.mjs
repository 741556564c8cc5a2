/** One application for each framework, with what its users do most, and the requests for it. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import connect from 'connect'
import express5 from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { H3, readBody } from 'h3'
import { toNodeHandler } from 'srvx/node'
import { Hono } from 'hono'
import Koa from 'koa'
import { chunked, request } from './requests.ts'

/** A file that both servers send. */
export const FILE = fileURLToPath(new URL('../../LICENSE', import.meta.url))
const JSON_TYPE = { 'Content-Type': 'application/json' }
const FORM_TYPE = { 'Content-Type': 'application/x-www-form-urlencoded' }

function express(make) {
  return () => {
    const app = make()
    app.use(make.json())
    app.use(make.urlencoded({ extended: true }))
    app.use('/text', make.text())
    app.get('/', (_req, res) => void res.send('hello'))
    app.get('/json', (req, res) => void res.json({ query: req.query, ip: req.ip, protocol: req.protocol, secure: req.secure, host: req.hostname, xhr: req.xhr, fresh: req.fresh }))
    app.get('/buffer', (_req, res) => void res.send(Buffer.from('bytes')))
    app.get('/none', (_req, res) => void res.sendStatus(204))
    app.get('/status', (_req, res) => void res.sendStatus(418))
    app.get('/to', (_req, res) => void res.redirect('/'))
    app.get('/away', (_req, res) => void res.redirect(301, 'https://example.org/\u00fc'))
    app.get('/cookie', (_req, res) => void res.cookie('a', 'b', { httpOnly: true, path: '/' }).clearCookie('c').send('set'))
    app.get('/file', (_req, res) => void res.sendFile(FILE))
    app.get('/download', (_req, res) => void res.download(FILE, 'licence.txt'))
    app.get('/format', (_req, res) => void res.format({ text: () => res.send('text'), html: () => res.send('<p>html'), json: () => res.json({}) }))
    app.get('/params/:a/:b', (req, res) => void res.json(req.params))
    app.get('/stream', (_req, res) => { res.type('txt'); Readable.from(['a', 'b']).pipe(res) })
    app.get('/links', (_req, res) => void res.links({ next: '/2' }).vary('Accept').append('X-A', '1').append('X-A', '2').location('/3').attachment('a.txt').end())
    app.get('/throw', () => { throw Object.assign(new Error('thrown'), { status: 503, expose: true }) })
    app.get('/next', (_req, _res, next) => next(Object.assign(new Error('given'), { status: 400 })))
    app.get('/late', (_req, res, next) => { res.write('half'); setImmediate(next, new Error('late')) })
    app.all('/echo', (req, res) => void res.json({ method: req.method, body: req.body ?? null, type: req.get('content-type') ?? null }))
    app.post('/text', (req, res) => void res.send(`${typeof req.body} ${req.body}`))
    const router = make.Router()
    router.get('/inner', (req, res) => void res.json([req.baseUrl, req.originalUrl, req.url, req.path]))
    app.use('/outer', router)
    app.use((error, _req, res, next) => (res.headersSent ? next(error) : res.status(error.status ?? 500).json({ error: error.message })))
    app.set('env', 'test')
    return app
  }
}

function koa() {
  const app = new Koa()
  app.keys = ['key']
  app.silent = true
  const ways = {
    '/': (ctx) => void (ctx.body = 'hello'),
    '/json': (ctx) => void (ctx.body = { query: ctx.query, ip: ctx.ip, protocol: ctx.protocol, host: ctx.host, origin: ctx.origin, fresh: ctx.fresh }),
    '/buffer': (ctx) => void (ctx.body = Buffer.from('bytes')),
    '/none': (ctx) => void (ctx.body = null),
    '/status': (ctx) => void (ctx.status = 418),
    '/to': (ctx) => ctx.redirect('/'),
    '/cookie': (ctx) => { ctx.cookies.set('a', 'b', { signed: true }); ctx.cookies.set('c', 'd'); ctx.body = 'set' },
    '/file': (ctx) => { ctx.type = 'txt'; ctx.body = createReadStream(FILE) },
    '/stream': (ctx) => void (ctx.body = Readable.from(['a', 'b'])),
    '/throw': (ctx) => ctx.throw(503, 'thrown'),
    '/crash': () => { throw new Error('crash') },
    '/assert': (ctx) => ctx.assert(false, 401, 'who'),
    '/etag': (ctx) => { ctx.etag = 'tag'; ctx.lastModified = new Date(0); ctx.body = 'etag'; if (ctx.fresh) ctx.status = 304 },
    '/length': (ctx) => { ctx.length = 5; ctx.body = 'hello' },
    '/attachment': (ctx) => { ctx.attachment('a.txt'); ctx.body = 'x' },
    '/respond': (ctx) => { ctx.respond = false; ctx.res.end('raw') },
    '/vary': (ctx) => { ctx.vary('Accept'); ctx.append('X-A', '1'); ctx.append('X-A', '2'); ctx.body = ctx.accepts('json', 'html') || 'none' },
    '/flush': (ctx) => { ctx.flushHeaders(); ctx.body = 'late' },
    '/echo': async (ctx) => { let text = ''; for await (const piece of ctx.req) text += piece; ctx.body = { method: ctx.method, text, length: ctx.request.length ?? null } },
  }
  app.use(async (ctx, next) => { await next(); ctx.set('X-Done', '1') })
  app.use((ctx) => ways[ctx.path]?.(ctx))
  return app.callback()
}

async function fastifyApp(create) {
  let listener
  const app = fastify({ serverFactory: (handler) => create((listener = handler)) })
  app.get('/', async () => 'hello')
  app.get('/json', async (req) => ({ query: req.query, ip: req.ip, protocol: req.protocol, host: req.host, url: req.url }))
  app.get('/buffer', async () => Buffer.from('bytes'))
  app.get('/none', (_req, reply) => void reply.code(204).send())
  app.get('/status', async (_req, reply) => { reply.code(418); return 'tea' })
  app.get('/to', (_req, reply) => reply.redirect('/'))
  app.get('/file', (_req, reply) => reply.type('text/plain').send(createReadStream(FILE)))
  app.get('/stream', (_req, reply) => reply.send(Readable.from(['a', 'b'])))
  app.get('/throw', async () => { throw Object.assign(new Error('thrown'), { statusCode: 503 }) })
  app.get('/headers', (_req, reply) => reply.header('X-A', '1').header('set-cookie', ['a=1', 'b=2']).send({}))
  app.get('/trailer', (_req, reply) => { reply.trailer('x-sum', async () => '1'); reply.send('trailed') })
  app.get('/hijack', (_req, reply) => { reply.hijack(); reply.raw.end('hijacked') })
  app.get('/web', async () => new Response('web', { status: 201, headers: { 'x-a': '1' } }))
  app.get('/hints', (_req, reply) => { reply.raw.writeEarlyHints({ link: '</a>; rel=preload' }); reply.send('hinted') })
  app.get('/params/:a/:b', async (req) => req.params)
  app.route({ method: ['POST', 'PUT', 'DELETE'], url: '/echo', handler: async (req) => ({ method: req.method, body: req.body ?? null }) })
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_req, body, done) => done(null, Object.fromEntries(new URLSearchParams(body))))
  await app.ready()
  return listener
}

function connectApp() {
  const app = connect()
  app.use((_req, res, next) => { res.setHeader('X-First', '1'); next() })
  app.use('/inner', (req, res) => void res.end(`${req.url} ${req.originalUrl}`))
  app.use('/throw', () => { throw Object.assign(new Error('thrown'), { status: 503, stack: 'thrown' }) })
  app.use('/next', (_req, _res, next) => next(Object.assign(new Error('given'), { stack: 'given' })))
  app.use('/echo', (req, res) => void req.pipe(res))
  app.use('/', (req, res, next) => (req.url === '/' ? res.end('hello') : next()))
  return app
}

const echoed = async (req) => ({ method: req.method, text: await req.text(), type: req.headers.get('content-type') })

function honoApp() {
  const app = new Hono()
  app.get('/', (c) => c.text('hello'))
  app.get('/json', (c) => c.json({ query: c.req.query(), host: new URL(c.req.url).host, agent: c.req.header('user-agent') ?? null }))
  app.get('/html', (c) => c.html('<p>hello'))
  app.get('/buffer', (c) => c.body(new Uint8Array([1, 2, 3])))
  app.get('/none', (c) => c.body(null, 204))
  app.get('/status', (c) => c.text('tea', 418))
  app.get('/to', (c) => c.redirect('/'))
  app.get('/stream', () => new Response(new Blob(['a', 'b']).stream()))
  app.get('/headers', (c) => { c.header('X-A', '1'); c.header('Set-Cookie', 'a=1'); c.header('Set-Cookie', 'b=2', { append: true }); return c.text('set') })
  app.get('/throw', () => { throw new Error('thrown') })
  app.onError((error, c) => c.text(error.message, 503))
  app.all('/echo', async (c) => c.json(await echoed(c.req.raw)))
  return getRequestListener(app.fetch)
}

function h3App() {
  const app = new H3()
  app.get('/', () => 'hello')
  app.get('/json', (event) => ({ path: event.url.pathname, query: Object.fromEntries(event.url.searchParams) }))
  app.get('/buffer', () => new Uint8Array([1, 2, 3]))
  app.get('/none', () => null)
  app.get('/status', (event) => { event.res.status = 418; return 'tea' })
  app.get('/stream', () => new Blob(['a', 'b']).stream())
  app.get('/headers', (event) => { event.res.headers.set('X-A', '1'); event.res.headers.append('set-cookie', 'a=1'); event.res.headers.append('set-cookie', 'b=2'); return 'set' })
  app.get('/response', () => new Response('web', { status: 201 }))
  app.post('/body', async (event) => ({ body: await readBody(event) }))
  app.all('/echo', async (event) => echoed(event.req))
  return toNodeHandler(app.fetch)
}

const paths = (...all) => all.map((path) => request(`GET ${path}`))
const echoes = (path) => [
  request(`POST ${path}`, JSON_TYPE, '{"a":[1,2]}'),
  request(`PUT ${path}`, FORM_TYPE, 'a=1&b=%20'),
  request(`POST ${path}`, { ...JSON_TYPE, 'Transfer-Encoding': 'chunked' }, chunked('{"a":', '1}')),
  request(`DELETE ${path}`),
]
const COMMON = [...paths('/', '/json?a=1&b=2', '/buffer', '/none', '/status', '/to', '/stream', '/throw', '/nowhere'), ...echoes('/echo'), request('HEAD /'), request('OPTIONS /'), request('PATCH /nowhere', {}, 'x')]

const EXPRESS = [
  ...COMMON,
  ...paths('/away', '/cookie', '/file', '/download', '/links', '/next', '/late', '/params/a%20b/c', '/outer/inner?x=1', '/params/%ff/c', '//', '/File'),
  request('GET /file', { Range: 'bytes=0-9' }),
  request('GET /file', { Range: 'bytes=9999999-' }),
  request('GET /file', { 'If-None-Match': '*' }),
  request('GET /', { 'If-None-Match': 'W/"5-qvTGHdzF6KLavt4PO0gs2a6pQ00"' }),
  request('GET /format', { Accept: 'text/html' }),
  request('GET /format', { Accept: 'image/png' }),
  request('GET /json', { 'X-Forwarded-For': '1.2.3.4', 'X-Requested-With': 'XMLHttpRequest' }),
  request('POST /echo', JSON_TYPE, '{bad'),
  request('POST /echo', { 'Content-Type': 'application/json; charset=nope' }, '{}'),
  request('POST /echo', { ...JSON_TYPE, 'Content-Encoding': 'nope' }, '{}'),
  request('POST /echo', JSON_TYPE, JSON.stringify({ text: 'x'.repeat(120_000) })),
  request('POST /text', { 'Content-Type': 'text/plain' }, 'some text'),
  request('HEAD /file'),
  request('HEAD /json?a=1&b=2'),
]

/** Each framework: its application and what it is asked. */
export const frameworks = [
  { name: 'Express 5', app: express(express5), requests: EXPRESS },
  { name: 'Express 4', app: express(express4), requests: EXPRESS },
  {
    name: 'Koa', app: koa,
    requests: [
      ...COMMON, ...paths('/cookie', '/file', '/crash', '/assert', '/etag', '/length', '/attachment', '/respond', '/flush'),
      request('GET /etag', { 'If-None-Match': '"tag"' }), request('GET /vary', { Accept: 'text/html' }), request('HEAD /stream'), request('HEAD /json?a=1&b=2'),
    ],
  },
  {
    name: 'Fastify', app: fastifyApp,
    requests: [
      ...COMMON, ...paths('/file', '/headers', '/trailer', '/hijack', '/web', '/hints', '/params/a%20b/c', '/params/%ff/c'),
      request('POST /echo', JSON_TYPE, '{bad'), request('POST /echo', JSON_TYPE, ''), request('POST /echo', { 'Content-Type': 'x/y' }, 'x'), request('HEAD /json?a=1&b=2'),
    ],
  },
  { name: 'Connect', app: connectApp, requests: [...paths('/', '/inner/a?b', '/throw', '/next', '/nowhere'), ...echoes('/echo'), request('HEAD /')] },
  { name: 'Hono', app: honoApp, requests: [...COMMON, ...paths('/html', '/headers')] },
  { name: 'h3', app: h3App, requests: [...COMMON.filter(({ bytes }) => !/ \/(?:throw|to) /.test(bytes)), ...paths('/headers', '/response'), ...echoes('/body').slice(0, 3)] },
]

