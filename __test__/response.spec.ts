import test from 'ava'
import { HandlerError, InvalidCookieException, InvalidHeaderException, OptionError, Request, Response, Trailers } from '../src/index.ts'
import type { FieldsInit } from '../src/index.ts'
import { GET, LAST_GET, keepErrors, open } from './support.ts'

/** The bytes that a client receives for a response. */
async function sent(t: Parameters<typeof open>[0], response: () => Response, request = LAST_GET): Promise<string> {
  const { connect } = await open(t, response)
  return (await connect()).send(request).end()
}

test('status, fields and body are sent as given', async (t) => {
  const received = await sent(t, () => new Response(201, { 'X-One': '1', 'x-two': [2, 'b'] }, 'created'))
  t.regex(received, /^HTTP\/1\.1 201 Created\r\n/)
  t.regex(received, /\r\nX-One: 1\r\nx-two: 2\r\nx-two: b\r\n/)
  t.true(received.endsWith('\r\ncontent-length: 7\r\n\r\ncreated'))
})

test('each response has its own fields, whatever those of the response before were', async (t) => {
  const long = 'x'.repeat(3000)
  const values = ['a', 'a', 'b', 'a', long, long, `${long.slice(1)}y`, 'a', 'é', 'é', 'a']
  const given = values[Symbol.iterator]()
  const { connect } = await open(t, () => new Response(200, { 'x-value': String(given.next().value) }))
  const received = await (await connect()).send(GET.repeat(values.length - 1) + LAST_GET).end()
  t.deepEqual([...received.matchAll(/x-value: (.*)\r\n/g)].map(([, value]) => value), values)
})

test('bytes are sent as they are, text as UTF-8', async (t) => {
  t.true((await sent(t, () => new Response(200, null, Uint8Array.of(0, 255)))).endsWith('length: 2\r\n\r\n\x00\xff'))
  t.true((await sent(t, () => Response.text('é€'))).endsWith('length: 5\r\n\r\n\xc3\xa9\xe2\x82\xac'))
})

test('text, html and json set their content type', async (t) => {
  t.regex(await sent(t, () => Response.html('<p>')), /\r\ncontent-type: text\/html; charset=utf-8\r\n[^]*\r\n\r\n<p>$/)
  t.regex(await sent(t, () => Response.json({ a: [1] })), /\r\ncontent-type: application\/json\r\n[^]*\r\n\r\n{"a":\[1\]}$/)
  const custom = await sent(t, () => Response.json({}, 422, { 'content-type': 'application/problem+json', 'x-a': 'b' }))
  t.regex(custom, /^HTTP\/1\.1 422 [^]*\r\ncontent-type: application\/problem\+json\r\nx-a: b\r\n/)
  t.is(custom.split('content-type').length, 2)
})

test('a redirect encodes invalid characters and keeps existing escapes', (t) => {
  const response = Response.redirect('/a b?ü=%20')
  t.is(response.getStatus(), 303)
  t.is(response.getHeader('location'), '/a%20b?%C3%BC=%20')
  t.is(Response.redirect(new URL('https://example.org/x'), 308).getHeader('location'), 'https://example.org/x')
  t.is(Response.redirect('http://[::1]:8080/[a]').getHeader('location'), 'http://[::1]:8080/[a]')
  t.is(Response.redirect('/a\r\nset-cookie: b=c').getHeader('location'), '/a%0D%0Aset-cookie:%20b=c')
  t.is(Response.redirect('/%25/\ud800').getHeader('location'), '/%25/%EF%BF%BD')
  t.throws(() => Response.redirect('/', 200), { instanceOf: OptionError })
})

test('a value that JSON cannot represent throws', (t) => {
  t.throws(() => Response.json(undefined), { instanceOf: HandlerError, message: /undefined/ })
})

test('a body in place of the status throws with an explanation', (t) => {
  t.throws(() => new Response('Hello' as never), { instanceOf: HandlerError, message: /status comes first.*Response\.text/ })
})

for (const status of [99, 600, 200.5, Number.NaN]) {
  test(`${status} is an invalid status`, (t) => {
    t.throws(() => new Response(status), { instanceOf: OptionError, message: /status/ })
    t.throws(() => new Response().setStatus(status), { instanceOf: OptionError })
  })
}

const bad: [string, FieldsInit, RegExp][] = [
  ['a line end', { 'x-a': 'a\r\nset-cookie: b=c' }, /header x-a.*0x0d/],
  ['NUL', { 'x-a': 'a\0' }, /0x00/],
  ['a character above U+00FF', { 'x-a': 'a€' }, /RFC 8187/],
  ['undefined', { 'x-a': undefined } as never, /undefined/],
  ['an object', { 'x-a': {} } as never, /object of class Object/],
  ['a boolean', { 'x-a': true } as never, /true/],
  ['null in a list', { 'x-a': ['b', null] } as never, /null/],
  ['an empty name', { '': 'a' }, /isn't a header name/],
  ['a name with a colon', { ':status': '200' }, /isn't a header name/],
  ['a name with a space', [['x a', 'b']], /isn't a header name/],
  ['a name with a line end', [['x\r\ny', 'b']], /isn't a header name/],
  ['an invalid URI in location', { location: '/a b' }, /location must be a URI/],
  ['a link without brackets', { link: '/a.css; rel=preload' }, /link must look like <\/style\.css>/],
  ['a link whose URI has a space', { Link: '</a b>' }, /link must look like/],
  ['a link with half a quoted string', { link: '</a>; title="b' }, /link must look like/],
]
for (const [what, headers, message] of bad) {
  test(`${what} in a header throws at each call that takes headers`, (t) => {
    t.throws(() => new Response(200, headers), { instanceOf: InvalidHeaderException, message })
    const response = new Response(200, { 'x-kept': '1' })
    t.throws(() => response.setHeaders(headers), { instanceOf: InvalidHeaderException, message })
    t.deepEqual(response.getHeaders(), { __proto__: null, 'x-kept': ['1'] } as never)
    const [name, value] = (Array.isArray(headers) ? headers[0] : Object.entries(headers)[0]) as [string, string]
    t.throws(() => response.setHeader(name, value), { instanceOf: InvalidHeaderException })
    t.throws(() => response.addHeader(name, value), { instanceOf: InvalidHeaderException })
  })
}

test('a value may contain tabs and latin1', async (t) => {
  t.regex(await sent(t, () => new Response(200, { 'x-a': 'caf\u00e9\tx' })), /\r\nx-a: caf\xe9\tx\r\n/)
})

test('headers are found in any letter case and sent as written', (t) => {
  const response = new Response(200, { 'X-Test': ['a', 'b'] })
  t.is(response.getHeader('x-test'), 'a')
  t.deepEqual(response.getHeaderArray('X-TEST'), ['a', 'b'])
  t.is(response.getHeaderLine('x-test'), 'a, b')
  t.deepEqual(response.getRawHeaders(), [['X-Test', 'a'], ['X-Test', 'b']])
  response.addHeader('x-test', 'c')
  t.is(response.getHeaderArray('x-test').length, 3)
  response.setHeader('x-test', [])
  t.false(response.hasHeader('x-test'))
  t.is(response.getHeader('x-test'), null)
})

test('headers may be an object, pairs, or the Headers of the web', (t) => {
  t.is(new Response(200, [['a', '1'], ['a', '2']]).getHeaderLine('a'), '1, 2')
  t.is(new Response(200, new Headers({ a: '1' })).getHeader('a'), '1')
  t.is(new Response(200, new Map([['a', '1']])).getHeader('a'), '1')
})

test('invalid headers and hooks throw, and the message names them', (t) => {
  for (const headers of ['content-type: text/plain', 5, true]) {
    const refusal = { instanceOf: InvalidHeaderException, message: /^headers must be an object, pairs, or the web's Headers; got / }
    t.throws(() => new Response(200, headers as never), refusal)
    t.throws(() => new Response().setHeaders(headers as never), refusal)
  }
  t.throws(() => new Response().onDispose('now' as never), { instanceOf: OptionError, message: /^callback must be a function; got "now"/ })
})

test('a link may have every form of its grammar', (t) => {
  const links = ['</a>', '<>; rel=next', '</a>;rel=preload ; as="style, \\"x\\"", <https://a/b?c>; rel="a b"; crossorigin', '']
  for (const link of links) t.is(new Response(200, { link }).getHeader('link'), link)
})

test('an empty list adds no line, and removes those that are set', (t) => {
  const response = new Response(200, { etag: '"1"', vary: 'a', 'content-length': 5, connection: 'close' })
  response.addHeader('etag', [])
  response.addHeader('content-length', [])
  t.deepEqual([response.getHeader('etag'), response.getHeader('content-length')], ['"1"', '5'])
  response.setHeaders({ etag: [], 'content-length': [], 'x-new': '1' })
  t.deepEqual(Object.keys(response.getHeaders()), ['vary', 'x-new'])
})

test('headers that are set together are all set, or none', (t) => {
  const response = new Response(200, { etag: '"1"' }, 'hello')
  for (const headers of [{ etag: '"2"', 'content-length': 1 }, { etag: [], 'bad name': [] }, { etag: '"2"', 'x-a': 'b\n' }]) {
    t.throws(() => response.setHeaders(headers))
    t.deepEqual([response.getHeader('etag'), response.getHeader('content-length')], ['"1"', '5'])
  }
})

test('an invalid cookie throws where it is set', (t) => {
  const error = t.throws(() => new Response().setCookie('a=1' as never), { instanceOf: InvalidCookieException })
  t.regex(error.message, /ResponseCookie; got "a=1"/)
})

test('inherited properties are ignored, and prototype-like names are ordinary', (t) => {
  const headers = Object.create({ inherited: 'x' }) as Record<string, string>
  headers['constructor'] = 'y'
  const response = new Response(200, headers)
  t.false(response.hasHeader('inherited'))
  t.is(response.getHeaders()['constructor']?.[0], 'y')
  t.is(Object.getPrototypeOf(response.getHeaders()), null)
})

test('fields that the server writes are dropped', async (t) => {
  const headers = { date: 'never', 'transfer-encoding': 'chunked', 'keep-alive': 'timeout=1' }
  const received = await sent(t, () => new Response(200, headers, 'x'))
  t.notRegex(received, /never|chunked|timeout=1/)
})

test('connection: close closes the connection, also among other options', async (t) => {
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const received = await sent(t, () => new Response(200, { connection: 'x, Close' }, 'bye'), get)
  t.regex(received, /\r\nconnection: close\r\nconnection: x\r\n[^]*bye$/)
  const kept = new Response(200, { connection: 'close' })
  kept.setHeader('connection', 'keep-alive')
  t.regex(await sent(t, () => kept, get + LAST_GET), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 500 /)
})

test('options of connection stay, with their fields; what the server decides is left out', async (t) => {
  const connections = (text: string): string[] => [...text.matchAll(/\r\nconnection: ([^\r]*)/gi)].map(([, value]) => value!)
  const made: Record<string, () => Response> = {
    constructor: () => new Response(200, { connection: 'keep-alive, x-hop', 'x-hop': '1' }, 'x'),
    setHeader: () => {
      const response = new Response(200, null, 'x')
      response.setHeaders({ 'x-hop': '1', connection: 'other' })
      response.setHeader('connection', ['x-hop', ' , content-length,Transfer-Encoding'])
      return response
    },
  }
  for (const [how, response] of Object.entries(made)) {
    const received = await sent(t, response)
    t.deepEqual(connections(received), ['close', 'x-hop'], how)
    t.regex(received, /\r\nx-hop: 1\r\n/)
  }
  const removed = new Response(200, { connection: 'x-hop, close' })
  t.is(removed.getHeader('connection'), 'x-hop')
  removed.removeHeader('connection')
  t.deepEqual(connections(await sent(t, () => removed, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' + LAST_GET)).slice(0, 1), ['keep-alive'])
  t.throws(() => new Response(200, { connection: 'a b' }), { instanceOf: InvalidHeaderException })
})

test('any response with an upgrade field has the connection option upgrade', async (t) => {
  const options = (text: string): number => text.match(/\r\nconnection: upgrade\r\n/g)?.length ?? 0
  t.is(options(await sent(t, () => new Response(426, { Upgrade: 'a' }, 'x'))), 1)
  const named = await sent(t, () => new Response(200, { upgrade: 'a', connection: 'Upgrade' }, 'x'))
  t.is(named.match(/\r\nconnection: upgrade\r\n/gi)?.length, 1)
  const set = new Response(200, null, 'x')
  set.addHeader('upgrade', 'a')
  t.is(options(await sent(t, () => set)), 1)
  const several = new Response(200)
  several.setHeaders({ upgrade: ['a', 'b'] })
  t.is(options(await sent(t, () => several)), 1)
  const streamed = new Response(200, { upgrade: 'a' }, (async function* () { yield 'x' })())
  t.is(options(await sent(t, () => streamed)), 1)
  const removed = new Response(200, { upgrade: 'a' })
  removed.removeHeader('upgrade')
  t.is(options(await sent(t, () => removed)), 0)
})

test('a 205 has no content, and says so', async (t) => {
  const stream = async function* (): AsyncGenerator<string> { yield 'x' }
  for (const response of [() => new Response(205), () => new Response(205, null, 'x'), () => new Response(205, null, stream())]) {
    t.regex(await sent(t, response), /^HTTP\/1\.1 205 Reset Content\r\n[^]*\r\ncontent-length: 0\r\n\r\n$/)
  }
})

for (const [what, headers, body] of [
  ['fewer bytes', { 'content-length': 5 }, 'abc'],
  ['fewer bytes in UTF-8 than declared', { 'content-length': 5 }, 'éé'],
  ['no body', { 'content-length': 5 }, null],
  ['fewer bytes of a long body', { 'content-length': 300_001 }, 'x'.repeat(300_000)],
  ['fewer bytes of an array', { 'content-length': 5 }, Uint8Array.of(1)],
] as const) {
  test(`${what} beside a content-length is a 500, and the log has the reason`, async (t) => {
    const { logger, errors } = keepErrors()
    let disposals = 0
    const { server, connect } = await open(t, () => {
      const response = new Response(200, headers, body)
      response.onDispose(() => void disposals++)
      return response
    }, { logger })
    t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 [^]*<\/html>\n$/)
    t.regex(String(errors[0]?.exception), /the body has \d+ bytes, but the content-length is \d+/)
    t.is(disposals, 1)
    t.is((await server.inject(Request.create('GET', '/'))).getStatus(), 500)
    t.regex(await (await connect()).send(LAST_GET.replace('GET', 'HEAD')).end(), /^HTTP\/1\.1 200 /)
  })
}

test('a content-length is sent for HEAD; a wrong one throws', async (t) => {
  const head = LAST_GET.replace('GET', 'HEAD')
  t.regex(await sent(t, () => new Response(200, { 'content-length': 1234 }), head), /\r\ncontent-length: 1234\r\n\r\n$/)
  t.throws(() => new Response(200, { 'content-length': 2 }, 'abc'), { message: /3 bytes, more than the content-length of 2/ })
  t.throws(() => new Response(200, { 'content-length': '+2' }), { message: /content-length/ })
})

test('the reason phrase is the standard one unless another is set', async (t) => {
  t.is(new Response(404).getReason(), 'Not Found')
  t.is(new Response(299).getReason(), '')
  const response = new Response()
  response.setStatus(404, 'Nowhere')
  t.is(response.getReason(), 'Nowhere')
  t.regex(await sent(t, () => response), /^HTTP\/1\.1 404 Nowhere\r\n/)
  t.throws(() => new Response().setStatus(200, 'a\nb'), { instanceOf: InvalidHeaderException })
})

test('a body can be replaced, and its length with it', async (t) => {
  const response = Response.text('one')
  response.setBody('three')
  t.is(response.getHeader('content-length'), '5')
  t.true((await sent(t, () => response)).endsWith('content-length: 5\r\n\r\nthree'))
  t.throws(() => response.setBody(5 as never), { instanceOf: HandlerError, message: /body must be/ })
})

test('a response is sent once', async (t) => {
  const response = Response.text('once')
  const errors: unknown[] = []
  const logger = { error: (_: string, context?: { exception?: unknown }) => void errors.push(context?.exception) }
  const { connect } = await open(t, () => response, { logger: { ...(await import('../src/index.ts')).silentLogger, ...logger } })
  t.regex(await (await connect()).send(LAST_GET).end(), /once$/)
  t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
  t.regex(String(errors[0]), /sent already/)
})

test('a 1xx status is refused as a response', async (t) => {
  t.regex(await sent(t, () => new Response(103)), /^HTTP\/1\.1 500 /)
})

test('all dispose hooks run after the response is sent, even if some throw', async (t) => {
  const seen: string[] = []
  let done = (): void => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  await sent(t, () => {
    const response = Response.text('x')
    response.onDispose(() => {
      seen.push('one')
      throw new Error('hook')
    })
    response.onDispose(() => {
      seen.push('two')
      done()
    })
    return response
  })
  await all
  t.deepEqual(seen, ['one', 'two'])
})

test('fields are replaced together, and trailers are removed', (t) => {
  const response = new Response(200, { etag: '"1"', vary: 'accept' }, 'a', new Trailers({ 'x-sum': '1' }))
  response.replaceHeaders({ etag: '"2"' })
  t.is(response.getHeader('etag'), '"2"')
  t.is(response.getHeader('vary'), 'accept')
  t.not(response.getTrailers(), null)
  response.removeTrailers()
  t.is(response.getTrailers(), null)
  response.setTrailers(new Trailers({ 'x-sum': '2' }))
  t.not(response.getTrailers(), null)
})
