import { createHash } from 'node:crypto'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { H3, HTTPError, getRequestIP, readBody, withBase } from 'h3'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { getCookie, setCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { HTTPException } from 'hono/http-exception'
import { logger } from 'hono/logger'
import { proxy } from 'hono/proxy'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import { validator } from 'hono/validator'
import type { ServerMiddleware, ServerRequest } from 'srvx'
import type { FetchApplication, ServerSettings } from '../src/index.ts'
import { open } from './support.ts'

async function served(t: ExecutionContext, app: FetchApplication, settings: ServerSettings = {}) {
  const { server } = await open(t, app, settings, '127.0.0.1:0')
  const url = server.url.slice(0, -1)
  return (path: string, init?: RequestInit) => fetch(url + path, init)
}

test('an application of Hono with its middleware runs unchanged', async (t) => {
  const lines: string[] = []
  const app = new Hono()
  app.use(logger((line) => void lines.push(line)), requestId(), secureHeaders(), cors({ origin: 'http://a.example' }))
  app.use('/zipped/*', compress({ threshold: 10 }))
  app.use('/tagged', etag())
  app.get('/', (c) => c.text('Hello'))
  app.get('/json', (c) => c.json({ query: c.req.query('q'), header: c.req.header('x-a') }, 201, { 'x-b': 'c' }))
  app.get('/users/:id', (c) => c.html(`<p>${c.req.param('id')}`))
  app.post('/form', async (c) => c.json(await c.req.parseBody()))
  app.post('/valid', validator('json', (value, c) => (typeof value.a === 'number' ? value : c.text('invalid', 400))), (c) => c.json(c.req.valid('json')))
  app.get('/cookie', (c) => {
    setCookie(c, 'seen', 'yes', { httpOnly: true })
    setCookie(c, 'twice', 'too')
    return c.text(getCookie(c, 'given') ?? 'none')
  })
  app.get('/zipped/text', (c) => c.text('z'.repeat(1000)))
  app.get('/tagged', (c) => c.text('tagged'))
  app.get('/redirect', (c) => c.redirect('/users/1'))
  app.get('/events', (c) => streamSSE(c, async (stream) => {
    for (let id = 0; id < 3; id++) await stream.writeSSE({ id: String(id), data: 'event' })
  }))
  app.get('/teapot', () => {
    throw new HTTPException(418, { message: 'short and stout' })
  })
  app.get('/background', (c) => {
    c.executionCtx.waitUntil(Promise.resolve())
    return c.body(null, 204)
  })
  app.post('/large', async (c) => c.text(await c.req.text()))
  app.get('/proxy', (c) => proxy(new URL('/zipped/text', c.req.url), { headers: { 'x-a': 'b' } }))
  app.post('/raw', async (c) => c.body(await new Request(c.req.raw, { headers: { 'x-a': 'b' } }).text()))
  const get = await served(t, app, { bodySizeLimit: 1000 })

  const hello = await get('/', { headers: { origin: 'http://a.example' } })
  t.is(await hello.text(), 'Hello')
  t.is(hello.headers.get('access-control-allow-origin'), 'http://a.example')
  t.is(hello.headers.get('x-content-type-options'), 'nosniff')
  t.truthy(hello.headers.get('x-request-id'))
  const json = await get('/json?q=a%20b', { headers: { 'x-a': 'b' } })
  t.deepEqual([json.status, json.headers.get('x-b'), await json.json()], [201, 'c', { query: 'a b', header: 'b' }])
  t.is(await (await get('/users/%C3%BC')).text(), '<p>ü')
  const form = new FormData()
  form.set('name', 'ada')
  t.deepEqual(await (await get('/form', { method: 'POST', body: form })).json(), { name: 'ada' })
  const sent = { method: 'POST', headers: { 'content-type': 'application/json' } }
  t.deepEqual(await (await get('/valid', { ...sent, body: '{"a":1}' })).json(), { a: 1 })
  t.is((await get('/valid', { ...sent, body: '{"a":"1"}' })).status, 400)
  t.is((await get('/valid', { ...sent, body: '{' })).status, 400)
  const cookie = await get('/cookie', { headers: { cookie: 'given=cookie' } })
  t.is(await cookie.text(), 'cookie')
  t.deepEqual(cookie.headers.getSetCookie(), ['seen=yes; Path=/; HttpOnly', 'twice=too; Path=/'])
  const zipped = await get('/zipped/text', { headers: { 'accept-encoding': 'gzip' } })
  t.deepEqual([zipped.headers.get('content-encoding'), (await zipped.text()).length], ['gzip', 1000])
  const tag = `"${createHash('sha1').update('tagged').digest('hex')}"`
  const tagged = await get('/tagged')
  t.deepEqual([tagged.headers.get('etag'), await tagged.text()], [tag, 'tagged'])
  t.is((await get('/tagged', { headers: { 'if-none-match': tag } })).status, 304)
  t.is((await get('/redirect', { redirect: 'manual' })).headers.get('location'), '/users/1')
  t.is(await (await get('/events')).text(), 'data: event\nid: 0\n\ndata: event\nid: 1\n\ndata: event\nid: 2\n\n')
  const teapot = await get('/teapot')
  t.deepEqual([teapot.status, await teapot.text()], [418, 'short and stout'])
  t.is((await get('/background')).status, 204)
  t.is((await get('/none')).status, 404)
  t.is((await get('/large', { method: 'POST', body: 'x'.repeat(1001) })).status, 413)
  t.is((await (await get('/proxy')).text()).length, 1000)
  t.is(await (await get('/raw', { method: 'POST', body: 'raw' })).text(), 'raw')
  const preflight = await get('/', { method: 'OPTIONS', headers: { origin: 'http://a.example', 'access-control-request-method': 'GET' } })
  t.is(preflight.status, 204)
  t.regex(lines.join('\n'), /<-- GET \/\n[^]*--> GET \/ .*200/)
})

test('an application of h3 runs unchanged', async (t) => {
  const app = new H3()
  app.use((event) => void event.res.headers.set('x-middleware', 'yes'))
  app.get('/', () => 'Hello')
  app.get('/object/:id', (event) => ({ id: event.context.params!['id'], query: event.url.searchParams.get('q') }))
  app.post('/body', async (event) => readBody(event))
  app.get('/ip', (event) => getRequestIP(event))
  app.get('/stream', () => new Blob(['streamed']).stream())
  app.get('/error', () => {
    throw new HTTPError({ status: 409, message: 'conflict' })
  })
  app.get('/wait', (event) => {
    event.waitUntil(Promise.resolve())
    event.res.status = 202
    return null
  })
  app.use('/nested/**', withBase('/nested', new H3().get('/inner', () => 'inner')))
  const get = await served(t, app, { bodySizeLimit: 1000 })

  const hello = await get('/')
  t.deepEqual([await hello.text(), hello.headers.get('x-middleware')], ['Hello', 'yes'])
  t.deepEqual(await (await get('/object/a-b?q=1')).json(), { id: 'a-b', query: '1' })
  const sent = { method: 'POST', headers: { 'content-type': 'application/json' } }
  t.deepEqual(await (await get('/body', { ...sent, body: '{"a":1}' })).json(), { a: 1 })
  t.is(await (await get('/ip')).text(), '127.0.0.1')
  t.is(await (await get('/stream')).text(), 'streamed')
  t.is((await get('/error')).status, 409)
  t.is((await get('/wait')).status, 202)
  t.is(await (await get('/nested/inner')).text(), 'inner')
  t.is((await get('/none')).status, 404)
})

test('an application of srvx runs unchanged', async (t) => {
  const seen: string[] = []
  const timing: ServerMiddleware = async (request, next) => {
    const response = await next()
    response.headers.set('x-middleware', request.method)
    return response
  }
  const answer = (request: ServerRequest): Response => {
    seen.push(String(request.ip))
    request.waitUntil?.(Promise.resolve())
    return new Response(`${request.method} ${new URL(request.url).pathname}`)
  }
  const app = { fetch: (request: Request) => Promise.resolve(timing(request as ServerRequest, () => answer(request as ServerRequest))) }
  const get = await served(t, app)
  const response = await get('/path', { method: 'DELETE' })
  t.deepEqual([await response.text(), response.headers.get('x-middleware')], ['DELETE /path', 'DELETE'])
  t.deepEqual(seen, ['127.0.0.1'])
})
