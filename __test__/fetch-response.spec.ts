import { once } from 'node:events'
import test from 'ava'
import { HttpErrorException, Response as ServerResponse } from '../src/index.ts'
import type { FetchFunction } from '../src/index.ts'
import { app } from './fetch-support.ts'
import { keepErrors, open, until } from './support.ts'

/** The platform's own, before a server replaces it. */
const NativeResponse = globalThis.Response

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

test('what fetch has decoded is not told to be encoded', async (t) => {
  const origin = await open(t, () => {
    const zipped = process.getBuiltinModule('node:zlib').gzipSync('a'.repeat(5000))
    return new ServerResponse(200, { 'content-encoding': 'gzip' }, zipped)
  }, {}, '127.0.0.1:0')
  const { get } = await app(t, () => fetch(origin.server.url))
  const response = await get('/')
  t.deepEqual([response.headers.get('content-encoding'), (await response.text()).length], [null, 5000])
})
