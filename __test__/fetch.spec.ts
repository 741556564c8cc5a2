import { once } from 'node:events'
import { request as sendRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpErrorException, Request, Response as ServerResponse, serve, stack } from '../src/index.ts'
import type { FetchContext, FetchFunction, ServerSettings } from '../src/index.ts'
import { contextOf, fromFetch, serve as serveFetch } from '../src/fetch/index.ts'
import { Router } from '../src/router/index.ts'
import { Authority } from './authority.ts'
import { keepErrors, open, plainTest, until } from './support.ts'

/** The platform's own, before a server replaces it. */
const NativeResponse = globalThis.Response

/** A server of an application, and requests to it. */
async function app(t: ExecutionContext, fetch: FetchFunction, settings: ServerSettings = {}) {
  const opened = await open(t, fromFetch(fetch), settings, '127.0.0.1:0')
  const url = opened.server.url.slice(0, -1)
  return { ...opened, url, get: (path: string, init?: RequestInit) => globalThis.fetch(url + path, init) }
}

test('a request passes as one of the web, with its method, URL, headers and body', async (t) => {
  const { get, url } = await app(t, async (request) => {
    t.true(request instanceof globalThis.Request)
    t.true(request.headers instanceof Headers)
    t.is(Object.prototype.toString.call(request), '[object Request]')
    const { method, url: seen, headers } = request
    return Response.json({ method, seen, type: headers.get('Content-Type'), text: await request.text() })
  })
  const response = await get('/a/b?c=d', { method: 'PUT', body: 'text', headers: { 'content-type': 'text/x' } })
  t.deepEqual(await response.json(), { method: 'PUT', seen: `${url}/a/b?c=d`, type: 'text/x', text: 'text' })
})

for (const [target, seen] of [
  ['/a/../b', '/b'],
  ['/a/%2e%2E/b', '/b'],
  ['/a|b', '/a|b'],
  ['/a"b', '/a%22b'],
  ['/?q=a"b', '/?q=a%22b'],
  ['//evil.example/x', '//evil.example/x'],
  ['/a\\b', '/a/b'],
  ['/a.b/c', '/a.b/c'],
  ['/%2F', '/%2F'],
] as const) {
  plainTest(`the URL of ${target} is what URL writes: ${seen}`, async (t) => {
    const { connect, port } = await app(t, (request) => new Response(request.url))
    const wire = (await connect()).send(`GET ${target} HTTP/1.1\r\nHost: A.example:${port}\r\nConnection: close\r\n\r\n`)
    t.true((await wire.end()).endsWith(`\r\n\r\nhttp://a.example:${port}${seen}`))
    t.is(new URL(target.startsWith('//') ? `http://a${target}` : target, 'http://a').href, `http://a${seen}`)
  })
}

test('headers of a request have the methods of the web', async (t) => {
  const { get } = await app(t, ({ headers }) => {
    t.is(headers.get('user-agent'), 'first')
    t.is(headers.get('x-two'), '1, 2')
    t.is(headers.get('User-Agent'), 'first')
    t.true(headers.has('user-agent'))
    t.is(headers.get('none'), null)
    t.true(headers.has('X-TWO'))
    t.throws(() => headers.get('no name'), { instanceOf: TypeError })
    headers.set('x-two', ' 3\t')
    headers.append('x-two', '4')
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    t.is(headers.get('x-two'), '3, 4')
    t.deepEqual(headers.getSetCookie(), ['a=1', 'b=2'])
    headers.delete('accept')
    t.false(headers.has('accept'))
    t.throws(() => headers.set('x', 'a\r\nb'), { instanceOf: TypeError })
    t.throws(() => headers.append('x', 'ł'), { instanceOf: TypeError })
    t.deepEqual([...new Headers(headers)], [...headers])
    t.deepEqual([...headers.keys()], [...headers.keys()].toSorted?.() ?? [...headers.keys()].sort())
    const each: string[] = []
    headers.forEach((value, name, all) => each.push(name, value, String(all === headers)))
    t.true(each.join().includes('x-two,3, 4,true'))
    return new Response()
  })
  t.is((await get('/', { headers: [['user-agent', 'first'], ['x-two', '1'], ['x-two', '2']] })).status, 200)
})

test('the body is read as text, JSON, bytes, a blob, a form, or a stream, once', async (t) => {
  const { get } = await app(t, async (request) => {
    const kind = new URL(request.url).pathname
    t.false(request.bodyUsed)
    if (kind === '/json') return Response.json(await request.json())
    if (kind === '/bytes') return new Response(await request.arrayBuffer())
    if (kind === '/blob') {
      const blob = await request.blob()
      return new Response(blob)
    }
    if (kind === '/form') return new Response(String((await request.formData()).get('a')))
    if (kind === '/stream') return new Response(request.body)
    const text = await request.text()
    t.true(request.bodyUsed)
    await t.throwsAsync(request.text(), { instanceOf: TypeError })
    t.throws(() => request.clone(), { instanceOf: TypeError })
    return new Response(text)
  })
  const post = async (path: string, body: BodyInit, type?: string) => {
    const response = await get(path, { method: 'POST', body, ...(type === undefined ? {} : { headers: { 'content-type': type } }) })
    return [await response.text(), response.headers.get('content-type')]
  }
  t.deepEqual(await post('/json', '{"a":[1]}'), ['{"a":[1]}', 'application/json'])
  t.deepEqual(await post('/bytes', 'bytes'), ['bytes', null])
  t.deepEqual(await post('/blob', 'blob', 'text/x-blob'), ['blob', 'text/x-blob'])
  t.deepEqual(await post('/form', new URLSearchParams({ a: 'b c' })), ['b c', 'text/plain;charset=UTF-8'])
  const form = new FormData()
  form.set('a', 'of several parts')
  t.deepEqual(await post('/form', form), ['of several parts', 'text/plain;charset=UTF-8'])
  t.deepEqual(await post('/stream', 's'.repeat(100_000)), ['s'.repeat(100_000), null])
  t.deepEqual(await post('/text', 'ünïcode'), ['ünïcode', 'text/plain;charset=UTF-8'])
})

test('invalid JSON is a SyntaxError, as the web has it', async (t) => {
  const { get } = await app(t, async (request) => {
    await t.throwsAsync(request.json(), { instanceOf: SyntaxError })
    return new Response('seen')
  })
  t.is(await (await get('/', { method: 'POST', body: '{' })).text(), 'seen')
})

test('GET has no body, and an empty one can be read again', async (t) => {
  const { get } = await app(t, async (request) => {
    t.is(request.body, null)
    t.is(await request.text(), '')
    t.is(await request.text(), '')
    t.false(request.bodyUsed)
    return new Response()
  })
  t.is((await get('/')).status, 200)
})

test('new Request, clone and fetch take the request of a server', async (t) => {
  const { get, url } = await app(t, async (request) => {
    const path = new URL(request.url).pathname
    if (path === '/clone') return new Response((await request.clone().text()) + (await request.text()))
    if (path === '/again') {
      const again = new globalThis.Request(request, { headers: { 'x-a': 'b' } })
      t.true(again instanceof globalThis.Request)
      return new Response(again.method + again.headers.get('x-a') + (await again.text()))
    }
    if (path === '/init') return new Response(await new globalThis.Request(`${url}/text`, request).text())
    if (path === '/proxy') return fetch(new globalThis.Request(`${url}/text`, request))
    return new Response(`${request.method} ${await request.text()} ${request.headers.get('x-kept')}`)
  })
  const post = async (path: string) => (await get(path, { method: 'POST', body: 'body', headers: { 'x-kept': 'kept' } })).text()
  t.is(await post('/clone'), 'bodybody')
  t.is(await post('/again'), 'POSTbbody')
  t.is(await post('/init'), 'body')
  t.is(await post('/proxy'), 'POST body kept')
})

test('the signal of a request aborts when the client leaves', async (t) => {
  let signal: AbortSignal | null = null
  const { connect } = await app(t, (request) => {
    signal = request.signal
    return new Promise<Response>((resolve) => signal!.addEventListener('abort', () => resolve(new Response())))
  })
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => signal !== null)
  wire.socket.destroy()
  await until(() => signal!.aborted)
  t.true(signal!.aborted)
})

/** Responses, the status, content type and text with which they arrive, and whether their length is declared. */
const RESPONSES: readonly (readonly [string, () => Response | Promise<Response>, number, string | null, string, boolean])[] = [
  ['text', () => new Response('text'), 200, 'text/plain;charset=UTF-8', 'text', true],
  ['text with a type', () => new Response('<p>', { headers: { 'Content-Type': 'text/html' } }), 200, 'text/html', '<p>', true],
  ['bytes', () => new Response(Buffer.from('bytes')), 200, null, 'bytes', true],
  ['an ArrayBuffer', () => new Response(new TextEncoder().encode('buffer').buffer), 200, null, 'buffer', true],
  ['a view', () => new Response(new Uint16Array([0x6261])), 200, null, 'ab', true],
  ['a short blob', () => new Response(new Blob(['blob'], { type: 'text/x' })), 200, 'text/x', 'blob', true],
  ['a long blob', () => new Response(new Blob(['b'.repeat(300_000)])), 200, null, 'b'.repeat(300_000), true],
  ['JSON', () => Response.json({ a: 1 }, { status: 201 }), 201, 'application/json', '{"a":1}', true],
  ['a query', () => new Response(new URLSearchParams({ a: 'b c' })), 200, 'application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c', true],
  ['nothing', () => new Response(null, { status: 204 }), 204, null, '', false],
  ['no argument', () => new Response(), 200, null, '', true],
  ['a stream', () => new Response(new Blob(['streamed']).stream()), 200, null, 'streamed', false],
  ['a generator', () => new Response((async function* () { yield Buffer.from('a'); yield Buffer.from('b') })() as never), 200, null, 'ab', false],
  ['a promise', async () => new Response('later'), 200, 'text/plain;charset=UTF-8', 'later', true],
  ['the body of another', () => new Response(new Response('inner').body, { status: 202 }), 202, null, 'inner', true],
  ['a response as init', () => new Response('b', new Response('a', { status: 203, headers: { 'content-type': 'x/y' } })), 203, 'x/y', 'b', true],
  ['a clone', () => new Response('cloned').clone(), 200, 'text/plain;charset=UTF-8', 'cloned', true],
  ['a number', () => new Response(5 as never), 200, 'text/plain;charset=UTF-8', '5', true],
  ["one of the platform's", () => new NativeResponse('native', { status: 210 }), 210, 'text/plain;charset=UTF-8', 'native', !isPrivate()],
  ["a stream of the platform's", () => new NativeResponse(new Blob(['native']).stream()), 200, null, 'native', false],
]

/** Whether the state of the platform's objects can't be seen. */
function isPrivate(): boolean {
  return Object.getOwnPropertySymbols(new NativeResponse()).length === 0
}

for (const [what, make, status, type, text, hasLength] of RESPONSES) {
  test(`${what} arrives as a response`, async (t) => {
    const { get } = await app(t, make)
    const response = await get('/')
    t.deepEqual([response.status, response.headers.get('content-type'), await response.text()], [status, type, text])
    t.is(response.headers.has('content-length'), hasLength)
    t.is((await get('/', { method: 'HEAD' })).status, status)
  })
}

test('a form arrives with its boundary', async (t) => {
  const form = new FormData()
  form.set('a', 'b')
  const { get } = await app(t, () => new Response(form))
  t.is((await (await get('/')).formData()).get('a'), 'b')
})

test('what the application does to the headers of a response is sent', async (t) => {
  const { get } = await app(t, () => {
    const response = new Response('body', { statusText: 'Fine', headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-a', '1']] })
    response.headers.set('x-a', '2')
    response.headers.append('x-a', '3')
    response.headers.set('content-length', '999')
    response.headers.set('date', 'yesterday')
    response.headers.set('transfer-encoding', 'gzip')
    response.headers.set('location', '/a b')
    return response
  })
  const response = await get('/')
  t.is(response.statusText, 'Fine')
  t.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  t.is(response.headers.get('x-a'), '2, 3')
  t.is(response.headers.get('content-length'), '4')
  t.not(response.headers.get('date'), 'yesterday')
  t.is(response.headers.get('transfer-encoding'), null)
  t.is(response.headers.get('location'), '/a%20b')
  t.is(await response.text(), 'body')
})

test('a response has the members of the web, and its body is read once', async (t) => {
  const { get } = await app(t, async () => {
    const response = Response.json({ a: 1 }, { status: 299 })
    t.true(response instanceof Response && response instanceof NativeResponse)
    t.true(new NativeResponse() instanceof Response)
    t.deepEqual([response.ok, response.type, response.url, response.redirected, response.bodyUsed], [true, 'default', '', false, false])
    const copy = response.clone()
    t.deepEqual(await response.json(), { a: 1 })
    t.true(response.bodyUsed)
    t.throws(() => response.clone(), { instanceOf: TypeError })
    await t.throwsAsync(response.text())
    const redirect = Response.redirect('http://a/b')
    t.deepEqual([redirect.status, redirect.headers.get('location')], [302, 'http://a/b'])
    t.is(await new Response(new Uint8Array([104, 105])).text(), 'hi')
    t.is((await new Response('hi').bytes()).length, 2)
    t.is((await new Response('hi').blob()).type, 'text/plain;charset=utf-8')
    return copy
  })
  t.deepEqual(await (await get('/')).json(), { a: 1 })
})

test('wrong arguments throw where the response is made, as on the web', async (t) => {
  const { get } = await app(t, () => {
    t.throws(() => new Response('a', { status: 204 }), { instanceOf: TypeError })
    t.throws(() => new Response(null, { status: 199 }), { instanceOf: RangeError })
    t.throws(() => new Response(null, { status: 600 }), { instanceOf: RangeError })
    t.throws(() => new Response(null, { statusText: 'a\nb' }), { instanceOf: TypeError })
    t.throws(() => new Response(null, { headers: { 'no name': 'x' } }), { instanceOf: TypeError })
    t.throws(() => new Response(null, { headers: { x: 'a\nb' } }), { instanceOf: TypeError })
    t.throws(() => new Response(null, { headers: [['x']] as never }), { instanceOf: TypeError })
    t.throws(() => Response.json(undefined), { instanceOf: TypeError })
    t.throws(() => Response.json(1, { status: 204 }), { instanceOf: TypeError })
    t.throws(() => Response.redirect('http://a', 200), { instanceOf: RangeError })
    t.throws(() => (Response as unknown as () => void)(), { instanceOf: TypeError })
    return new Response()
  })
  t.is((await get('/')).status, 200)
})

test('classes can extend the global Response', async (t) => {
  class Html extends Response {
    constructor(html: string) {
      super(html, { headers: { 'content-type': 'text/html' } })
    }
  }
  const { get } = await app(t, () => {
    const response = new Html('<p>')
    t.true(response instanceof Html)
    return response
  })
  const response = await get('/')
  t.deepEqual([response.headers.get('content-type'), await response.text()], ['text/html', '<p>'])
})

/** What an application may do wrong, and the error that is logged. */
const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['gives nothing', () => undefined, /fetch must give a Response or a promise of one; got undefined/],
  ['gives an object', () => ({ status: 200 }), /fetch must give a Response/],
  ['throws', () => { throw new Error('thrown') }, /thrown/],
  ['rejects', () => Promise.reject(new Error('rejected')), /rejected/],
  ['gives Response.error()', () => Response.error(), /it is Response\.error\(\)/],
  ['has read the body of its response', async () => { const response = new Response('a'); await response.text(); return response }, /body of the response was read before/],
]
for (const [what, fetch, message] of WRONG) {
  test(`an application that ${what} is answered with a 500, and the error is logged`, async (t) => {
    const { logger, errors } = keepErrors()
    const { get } = await app(t, fetch as FetchFunction, { logger })
    t.is((await get('/')).status, 500)
    t.is(errors.length, 1)
    t.regex(String(errors[0]!.exception), message)
  })
}

test('an HttpErrorException, and a body over its limit, are answered with their status', async (t) => {
  const { get } = await app(
    t,
    async (request) => {
      if (request.method === 'GET') throw new HttpErrorException(418)
      return new Response(await request.text())
    },
    { bodySizeLimit: 10 },
  )
  t.is((await get('/')).status, 418)
  t.is((await get('/', { method: 'POST', body: 'x'.repeat(11) })).status, 413)
})

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

plainTest('a body is sent back while it arrives', async (t) => {
  const { port } = await app(t, (request) => new Response(request.body), { bodySizeLimit: Infinity })
  const request = sendRequest({ port, host: '127.0.0.1', method: 'POST' })
  t.teardown(() => request.destroy())
  request.write('first')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const next = async (): Promise<string> => String((await once(response, 'data'))[0])
  t.is(await next(), 'first')
  const second = next()
  request.write('second')
  t.is(await second, 'second')
  request.end()
  await once(response.resume(), 'end')
  t.pass()
})

test('an application in a stack, as a fallback and below a path answers, and middleware changes its response', async (t) => {
  const application = { fetch: (request: globalThis.Request) => new Response(new URL(request.url).pathname, { headers: { 'x-own': 'yes' } }) }
  const tagged = async (request: Request, next: (request: Request) => ServerResponse | Promise<ServerResponse>) => {
    const response = await next(request)
    response.setHeader('x-tag', `${response.getHeader('x-own')} ${response.getHeader('content-type')}`)
    return response
  }
  const router = new Router().mount('/below', application).setFallback(application)
  await using server = await serve('127.0.0.1:0', stack(router, tagged))
  for (const [path, seen] of [['below/a', '/a'], ['other', '/other']] as const) {
    const response = await fetch(server.url + path)
    t.deepEqual([await response.text(), response.headers.get('x-tag')], [seen, 'yes text/plain;charset=UTF-8'])
  }
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

test('a stream of the application is cancelled when the client leaves', async (t) => {
  let isCancelled = false
  const { connect } = await app(t, () => {
    return new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65536)),
        cancel: () => void (isCancelled = true),
      }),
    )
  })
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(wire.socket, 'data')
  wire.socket.destroy()
  await until(() => isCancelled)
  t.true(isCancelled)
})

test('a busbar Response is sent as it is', async (t) => {
  const { get } = await app(t, () => ServerResponse.json({ own: true }))
  t.deepEqual(await (await get('/')).json(), { own: true })
})

test('an object with fetch is a handler everywhere, bound to its object', async (t) => {
  class App {
    text = 'bound'
    fetch(request: globalThis.Request): Response {
      return new Response(`${this.text} ${new URL(request.url).pathname}`)
    }
  }
  await using server = await serve('127.0.0.1:0', new App())
  t.is(await (await fetch(`${server.url}a`)).text(), 'bound /a')
  t.is(await (await server.inject(Request.create('GET', '/b'))).text(), 'bound /b')
})

test('serve takes fetch, port and hostname, and the settings of a server', async (t) => {
  await using server = await serveFetch({ fetch: () => new Response('Hello'), port: '0', hostname: '127.0.0.1', http1Timeout: 7 })
  t.is(server.getOptions().getHttp1Timeout(), 7)
  t.is(await (await fetch(server.url)).text(), 'Hello')
  await t.throwsAsync(serveFetch({ fetch: () => new Response(), port: 'web', hostname: 'localhost' }))
  await t.throwsAsync(serveFetch({ port: 0 } as never), { message: /fetch/ })
  t.throws(() => fromFetch(() => new Response(), { override: true } as never), { message: /overrideGlobals/ })
})

test('what fetch has decoded is not told to be encoded', async (t) => {
  const origin = await open(t, () => {
    const zipped = process.getBuiltinModule('node:zlib').gzipSync('a'.repeat(5000))
    return new ServerResponse(200, { 'content-encoding': 'gzip' }, zipped)
  }, {}, '127.0.0.1:0')
  const { get } = await app(t, () => fetch(origin.server.url))
  const response = await get('/')
  t.deepEqual([response.headers.get('content-encoding'), (await response.text()).length], [null, 5000])
})
