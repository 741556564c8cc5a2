import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import test from 'ava'
import type { FetchContext, FetchFunction } from '../src/index.ts'
import { contextOf, serve as serveFetch } from '../src/fetch/index.ts'
import { Authority } from './authority.ts'
import { app } from './fetch-support.ts'
import { keepErrors, plainTest, until } from './support.ts'

plainTest('the context has the names of WinterTC, over the client', async (t) => {
  const { get, port } = await app(t, (request, context, execution) => {
    t.is(context, execution)
    t.is(contextOf(request), context)
    t.is(contextOf(new globalThis.Request('http://a')), undefined)
    const { remoteAddress, localAddress, encrypted, alpnProtocol, serverName, client } = context
    t.is(client, context.request.getClient())
    t.deepEqual(localAddress, { address: '127.0.0.1', port, family: 'IPv4' })
    t.deepEqual(remoteAddress, { address: '127.0.0.1', port: client.getRemoteAddress().getPort()!, family: 'IPv4' })
    t.is(encrypted, client.isEncrypted())
    t.deepEqual([alpnProtocol, serverName], [null, null])
    context.passThroughOnException()
    return new Response()
  })
  t.is((await get('/')).status, 200)
})

test('over TLS the context has what was negotiated', async (t) => {
  const { cert, key } = new Authority().issue()
  const seen: unknown[] = []
  const fetch: FetchFunction = (request, { encrypted, alpnProtocol, serverName }) => {
    seen.push(encrypted, alpnProtocol, serverName, new URL(request.url).protocol)
    return new Response('secure')
  }
  await using server = await serveFetch({ fetch, port: 0, hostname: '127.0.0.1', tls: { cert, key } })
  const session = connectHttp2(server.url, { rejectUnauthorized: false, servername: 'localhost' })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/a' })
  t.is(await text(stream), 'secure')
  t.deepEqual(seen, [true, 'h2', 'localhost', 'https:'])
})

plainTest('detach hands the connection over, and drops what the application answers', async (t) => {
  let isCancelled = false
  const { connect } = await app(t, (_, context) => {
    context.detach((socket) => void socket.end('raw'), 'echo')
    t.throws(() => context.detach(() => {}), { message: /handed over already/ })
    return new Response(new ReadableStream({ cancel: () => void (isCancelled = true) }))
  })
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  t.is(await wire.end(), 'raw')
  t.true(isCancelled)
})

test('sendInformational sends a 103 ahead of the response', async (t) => {
  const { connect } = await app(t, (_, context) => {
    context.sendInformational(103, { link: '</a.css>; rel=preload' })
    return new Response('done')
  })
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.regex(await wire.end(), /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test('a stop waits for the work of waitUntil, and its rejections are logged', async (t) => {
  const { logger, errors } = keepErrors()
  let finish = (): void => {}
  const work = new Promise<void>((resolve) => (finish = resolve))
  const { get, server } = await app(
    t,
    (_, context) => {
      context.waitUntil(work)
      context.waitUntil(Promise.reject(new Error('in the background')))
      t.throws(() => context.waitUntil(5 as never))
      return new Response()
    },
    { logger },
  )
  await get('/')
  let isStopped = false
  const stopping = server.stop().then(() => (isStopped = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.false(isStopped)
  finish()
  await stopping
  t.deepEqual(errors.map(({ exception }) => String(exception)), ['Error: in the background'])
})

test('work that doesn\'t finish within the stop time is reported', async (t) => {
  const warnings: string[] = []
  const { get, server } = await app(
    t,
    (_, context) => {
      context.waitUntil(new Promise(() => {}))
      return new Response()
    },
    { logger: { ...keepErrors().logger, warning: (message: string) => void warnings.push(message) } },
  )
  await get('/')
  await server.stop(30)
  t.regex(warnings.join(), /has not waited longer for work behind responses: 1 not finished/)
})

test('completed resolves when the response is sent, and rejects when the client has left', async (t) => {
  const completions: Promise<string>[] = []
  let context: FetchContext | null = null
  const { get, connect } = await app(t, (request, given) => {
    context = given
    completions.push(given.completed.then(() => 'sent', (error: Error) => error.name))
    if (request.url.endsWith('/whole')) return new Response('whole')
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65536)) }))
  })
  await (await get('/whole')).text()
  t.is(await completions[0], 'sent')
  t.is(await context!.completed, undefined)
  const wire = (await connect()).send('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(wire.socket, 'data')
  wire.socket.destroy()
  await until(() => completions.length === 2)
  t.is(await completions[1], 'AbortError')
})

test('completed must be asked for before the answer', async (t) => {
  let context: FetchContext | null = null
  const { get } = await app(t, (_, given) => {
    context = given
    return new Response()
  })
  await get('/')
  await t.throwsAsync(context!.completed, { message: /before the application answers/ })
})
