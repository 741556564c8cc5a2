import { once } from 'node:events'
import { request as sendRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import test from 'ava'
import { app } from './fetch-support.ts'
import { plainTest, until } from './support.ts'

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
