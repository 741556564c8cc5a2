import test from 'ava'
import {
  Attribute,
  Client,
  ClientException,
  InvalidCookieException,
  MissingAttributeError,
  OptionError,
  Request,
  Response,
  StateError,
} from '../src/index.ts'
import type { Handler, ServerSettings } from '../src/index.ts'
import { SCHEME, open, plainTest } from './support.ts'

/** The answer of a handler to a request, parsed as JSON. */
async function seen(t: Parameters<typeof open>[0], handler: Handler, request: string, settings?: ServerSettings): Promise<never> {
  const { connect } = await open(t, handler, settings)
  const received = await (await connect()).send(request).end()
  const body = Buffer.from(received.slice(received.indexOf('\r\n\r\n') + 4), 'latin1')
  return JSON.parse(body.toString('utf8')) as never
}

const get = (target: string, ...fields: string[]): string =>
  `GET ${target} HTTP/1.1\r\n${['Host: example.org', ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`
const post = (body: string, ...fields: string[]): string =>
  `POST / HTTP/1.1\r\n${['Host: a', `Content-Length: ${body.length}`, ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`

test('target, path, query and parameters are as sent', async (t) => {
  const parts = (request: Request): Response =>
    Response.json([
      request.getMethod(),
      request.getTarget(),
      request.getPath(),
      request.getQuery(),
      request.getQueryParameter('q'),
      request.getQueryParameterArray('t'),
      request.hasQueryParameter('none'),
      request.getQueryParameter('none'),
      request.getUri().href,
      request.getProtocolVersion(),
    ])
  t.deepEqual(await seen(t, parts, get('/a%20b?q=x+y&t=1&t=2')), [
    'GET',
    '/a%20b?q=x+y&t=1&t=2',
    '/a%20b',
    'q=x+y&t=1&t=2',
    'x y',
    ['1', '2'],
    false,
    null,
    'http://example.org/a%20b?q=x+y&t=1&t=2',
    '1.1',
  ] as never)
})

test('a target that begins with two slashes is a path', async (t) => {
  const uri = (request: Request): Response => Response.json([request.getPath(), request.getUri().host])
  t.deepEqual(await seen(t, uri, get('//evil.example/x')), ['//evil.example/x', 'example.org'] as never)
})

test('an absolute target has a path, too', async (t) => {
  const path = (request: Request): Response => Response.json([request.getPath(), request.getQuery()])
  t.deepEqual(await seen(t, path, get('http://example.org/a?b')), ['/a', 'b'] as never)
  t.deepEqual(await seen(t, path, get('http://example.org')), ['/', ''] as never)
  t.deepEqual(await seen(t, path, get('http://example.org?b')), ['/', 'b'] as never)
})

plainTest('an absolute target gives the authority, and https where a proxy may have ended TLS', async (t) => {
  const uri = (request: Request): Response => Response.json(request.getUri().href)
  t.is(await seen(t, uri, get('HTTP://example.org/a?b')), 'http://example.org/a?b' as never)
  t.is(await seen(t, uri, get('https://example.org/a?b')), 'https://example.org/a?b' as never)
})

test('the authority of an absolute target is the host, except in the pairs as received', async (t) => {
  const hosts = (request: Request): Response => {
    const first = [request.getHeader('host'), request.hasHeader('HOST')]
    const pairs = request.getRawHeaders().filter(([name]) => name.toLowerCase() === 'host')
    const all = [request.getHeader('Host'), request.getHeaderArray('host'), request.getHeaderLine('host')]
    const record = request.getHeaders()['host']
    const { host } = request.getUri()
    request.addHeader('host', 'x')
    const added = request.getHeaderArray('host')
    request.setHeader('host', 'y')
    return Response.json([first, pairs, all, record, host, added, request.getRawHeaders().at(-1)])
  }
  const expected = [
    ['a:81', true],
    [['Host', 'example.org']],
    ['a:81', ['a:81'], 'a:81'],
    ['a:81'],
    'a:81',
    ['a:81', 'x'],
    ['host', 'y'],
  ]
  t.deepEqual(await seen(t, hosts, get('http://a:81/x')), expected as never)
  const without = 'GET http://a:81/x HTTP/1.0\r\n\r\n'
  expected[1] = []
  t.deepEqual(await seen(t, hosts, without), expected as never)
})

for (const version of ['1.0', '1.1']) {
  test(`an empty Host is served in HTTP/${version}: the URI is that of the connection`, async (t) => {
    const { connect, port } = await open(t, (request) => Response.json([request.getHeader('host'), request.getUri().href]))
    const wire = (await connect()).send(`GET /x HTTP/${version}\r\nHost:\r\nConnection: close\r\n\r\n`)
    t.true((await wire.end()).endsWith(`["","${SCHEME}://127.0.0.1:${port}/x"]`))
  })
}

test('path and URI agree on dot segments, escaped ones too; the target has them', async (t) => {
  const both = (request: Request): Response =>
    Response.json([request.getPath(), request.getUri().pathname, request.getTarget()])
  for (const target of [
    '/a/../b', '/a/./b', '/a/..', '/.', '/../../etc/passwd', '/a/%2e%2E/b', '/a/.%2e/b', '/a/%2e/b', '/a/..\\b', '/x//../y?/../z',
  ]) {
    const [path, ofUri, received] = (await seen(t, both, get(target))) as string[]
    t.is(path, ofUri, target)
    t.false(/(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|$)/i.test(path!), target)
    t.is(received, target)
  }
})

test('dots that are no segment stay as received', async (t) => {
  const path = (request: Request): Response => Response.json([request.getPath()])
  for (const target of ['/a.b/..c', '/...', '/a/%2e%2e%2e', '/%2F..%2f', '/a%20b.html', '/"{}"/.well-known']) {
    t.deepEqual(await seen(t, path, get(target)), [target] as never)
  }
})

test('OPTIONS * and CONNECT have no path', async (t) => {
  const { connect } = await open(t, (request) => Response.json([request.getPath(), request.getUri().href]), {
    allowedMethods: ['GET', 'HEAD', 'CONNECT'],
  })
  const wire = (await connect()).send('CONNECT example.org:81 HTTP/1.1\r\nHost: example.org:81\r\nConnection: close\r\n\r\n')
  t.true((await wire.end()).endsWith(`["","${SCHEME}://example.org:81/"]`))
  const all = Request.create('OPTIONS', '*')
  t.deepEqual([all.getTarget(), all.getPath(), all.getUri().href], ['*', '', 'http://localhost/'])
})

test('without Host the URI is that of the connection', async (t) => {
  const { connect, port } = await open(t, (request) => Response.text(request.getUri().href))
  t.true((await (await connect()).send('GET /x HTTP/1.0\r\n\r\n').end()).endsWith(`${SCHEME}://127.0.0.1:${port}/x`))
})

test('headers keep their order and letter case, and are found in any', async (t) => {
  const headers = (request: Request): Response =>
    Response.json([
      request.getHeader('x-a'),
      request.getHeaderArray('X-A'),
      request.getHeaderLine('x-A'),
      request.hasHeader('x-b'),
      request.hasHeader('x-c'),
      request.getHeader('x-c'),
      request.getRawHeaders(),
      Object.keys(request.getHeaders()),
    ])
  t.deepEqual(await seen(t, headers, get('/', 'X-a: 1', 'x-B:', 'x-A: 2')), [
    '1',
    ['1', '2'],
    '1, 2',
    true,
    false,
    null,
    [['Host', 'example.org'], ['X-a', '1'], ['x-B', ''], ['x-A', '2'], ['Connection', 'close']],
    ['host', 'x-a', 'x-b', 'connection'],
  ] as never)
})

test('headers are read as latin1, prototype-like names are ordinary', async (t) => {
  const headers = (request: Request): Response =>
    Response.json([request.getHeader('x'), request.getHeader('__proto__'), request.getHeaders()['__proto__'], request.getHeader('tostring')])
  t.deepEqual(await seen(t, headers, get('/', 'X: \xe9', '__proto__: p')), ['é', 'p', ['p'], null] as never)
})

test('a handler may read any number of headers, in any letter case', async (t) => {
  const found = await seen(
    t,
    (request) => {
      const names = Array.from({ length: 3000 }, (_, at) => `X-${at}`)
      const once = names.filter((name) => request.getHeader(name) !== null)
      return Response.json([once, request.getHeader('x-7'), request.getHeader('X-2999'), request.getHeader('HOST'), request.getHeader('ħost')])
    },
    get('/', 'x-7: seven', 'X-1023: a', 'x-1024: b', 'x-2999: c'),
  )
  t.deepEqual(found, [['X-7', 'X-1023', 'X-1024', 'X-2999'], 'seven', 'c', 'example.org', null])
})

test('headers can be read after the response and after many other requests', async (t) => {
  let first: Request | null = null
  const { connect } = await open(t, (request) => {
    first ??= request
    return new Response(204)
  })
  const wire = await connect()
  for (let at = 0; at < 400; at++) wire.send(`GET /${at} HTTP/1.1\r\nHost: a\r\nX: ${at} ${'x'.repeat(400)}\r\n\r\n`)
  await wire.until((text) => text.split('HTTP/1.1 204').length > 400)
  t.is(first!.getTarget(), '/0')
  t.true(first!.getHeader('x')!.startsWith('0 x'))
})

test('later handlers see the changes of earlier ones', (t) => {
  const request = Request.create('GET', '/a?b=1', { 'X-One': '1' })
  request.setMethod('PUT')
  request.setHeader('x-two', 2)
  request.addHeader('x-one', '3')
  request.setHeaders({ 'x-three': ['4', '5'] })
  request.setUri(new URL('http://other.example/c?d=2'))
  request.setProtocolVersion('1.0')
  t.is(request.getMethod(), 'PUT')
  t.true(request.isIdempotent())
  t.deepEqual(request.getHeaderArray('x-one'), ['1', '3'])
  t.is(request.getHeader('x-two'), '2')
  t.deepEqual(request.getHeaderArray('x-three'), ['4', '5'])
  t.is(request.getPath(), '/c')
  t.is(request.getQueryParameter('d'), '2')
  t.is(request.getProtocolVersion(), '1.0')
  request.removeHeader('X-ONE')
  t.false(request.hasHeader('x-one'))
  t.throws(() => request.setMethod('A B'), { instanceOf: OptionError })
  t.throws(() => request.setHeaders({ 'x-four': '6', 'x bad': '7' }))
  t.false(request.hasHeader('x-four'))
})

test('query parameters can be changed, and target and URI with them', (t) => {
  const request = Request.create('GET', '/a?x=1&y=%20&x=2')
  request.setQueryParameter('x', 3)
  t.is(request.getTarget(), '/a?y=+&x=3')
  request.addQueryParameter('t', ['ä', 'b&c'])
  t.deepEqual(request.getQueryParameterArray('t'), ['ä', 'b&c'])
  t.is(request.getUri().href, 'http://localhost/a?y=+&x=3&t=%C3%A4&t=b%26c')
  request.removeQueryParameter('t')
  request.setQueryParameter('x', [])
  t.is(request.getUri().href, 'http://localhost/a?y=+')
  t.deepEqual([...request.getQueryParameters()], [['y', ' ']])
  request.setQueryParameters({ q: 'bus', n: [1, 2] })
  t.is(request.getQuery(), 'q=bus&n=1&n=2')
  request.setQueryParameters(new URLSearchParams('only=this'))
  t.is(request.getTarget(), '/a?only=this')
  request.removeQuery()
  t.deepEqual([request.getTarget(), request.getQuery(), request.getUri().href], ['/a', '', 'http://localhost/a'])
  t.throws(() => request.setQueryParameter('x', undefined as never), { instanceOf: OptionError, message: /parameter x/ })
  t.throws(() => request.setQueryParameters({ x: {} as never }), { instanceOf: OptionError })
  t.is(request.getTarget(), '/a')
})

test('changed query parameters keep the authority of a URI that was set', (t) => {
  const request = Request.create('GET', 'https://example.org/a?b=1#top')
  t.is(request.getUri().href, 'https://example.org/a?b=1')
  t.is(request.getHeader('host'), 'example.org')
  request.setQueryParameter('b', 2)
  t.is(request.getUri().href, 'https://example.org/a?b=2')
})

test('a URI is set as a URL, as text, or as a path that keeps the authority', (t) => {
  const request = Request.create('GET', '//evil.example/x?y#z')
  t.deepEqual([request.getTarget(), request.getUri().host], ['//evil.example/x?y', 'localhost'])
  request.setUri('/v2' + request.getTarget())
  t.is(request.getUri().href, 'http://localhost/v2//evil.example/x?y')
  request.setUri('//still.a/path#z')
  t.deepEqual([request.getTarget(), request.getUri().href], ['//still.a/path', 'http://localhost//still.a/path'])
  request.setUri('https://example.org/b')
  t.is(request.getUri().href, 'https://example.org/b')
  const uri = new URL('https://example.org/c#d')
  request.setUri(uri)
  t.is(request.getTarget(), '/c')
  t.is(uri.hash, '#d')
  t.throws(() => request.setUri('no URL'), { instanceOf: OptionError, message: /uri must be a URL, or a path/ })
  t.is(request.getTarget(), '/c')
})

test('an invalid cookie or method throws where it is set', (t) => {
  const request = Request.create('GET', '/')
  t.throws(() => request.setCookie('a=1' as never), { instanceOf: InvalidCookieException, message: /RequestCookie; got "a=1"/ })
  for (const method of ['', 'A B', 'GET\r\n', 5 as never]) {
    t.throws(() => request.setMethod(method), { instanceOf: OptionError, message: /^method must be a token/ })
    t.throws(() => Request.create(method, '/'), { instanceOf: OptionError })
  }
})

test('the signal of a request of Request.create is the same each time', (t) => {
  const request = Request.create('GET', '/')
  t.is(request.getSignal(), request.getSignal())
  t.false(request.getSignal().aborted)
})

test('a body that is set sets content-length', async (t) => {
  const request = Request.create('POST', '/')
  request.setBody('héllo')
  t.is(request.getHeader('content-length'), '6')
  t.is(await request.text(), 'héllo')
  request.setBody(null)
  t.is(request.getHeader('content-length'), '0')
  request.setMethod('GET')
  request.setBody('')
  t.false(request.hasHeader('content-length'))
})

test('attributes are kept by typed key, string, symbol and class', (t) => {
  class Session {}
  const User = new Attribute<{ name: string }>('user')
  const request = Request.create('GET', '/')
  const error = t.throws(() => request.getAttribute(User), { instanceOf: MissingAttributeError })
  t.regex(error.message, /user/)
  t.is(request.findAttribute(User), undefined)
  request.setAttribute(User, { name: 'ada' })
  request.setAttribute(Session, new Session())
  request.setAttribute('a', null)
  t.is(request.getAttribute(User).name, 'ada')
  t.true(request.getAttribute(Session) instanceof Session)
  t.true(request.hasAttribute('a'))
  t.is(request.getAttribute('a'), null)
  t.is(request.getAttributes().size, 3)
  request.removeAttribute('a')
  t.throws(() => request.removeAttribute('a'), { instanceOf: MissingAttributeError })
  request.removeAttributes()
  t.false(request.hasAttribute(User))
})

test('a request of Request.create has no client', (t) => {
  t.throws(() => Request.create('GET', '/').getClient(), { instanceOf: StateError })
})

test('requests of one connection share their client', async (t) => {
  const clients: Client[] = []
  const { connect } = await open(t, (request) => {
    clients.push(request.getClient(), request.getClient())
    return new Response(204)
  })
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2))
  await wire.until((text) => text.split('204').length > 2)
  t.is(new Set(clients).size, 1)
})

test('a body is bytes, text and JSON', async (t) => {
  const echo = async (request: Request): Promise<Response> => Response.json(await request.json())
  t.deepEqual(await seen(t, echo, post('{"a":"\xc3\xa9"}')), { a: 'é' } as never)
  const bytes = async (request: Request): Promise<Response> => Response.json([...(await request.buffer())])
  t.deepEqual(await seen(t, bytes, post('\x00\xff')), [0, 255] as never)
})

test('a body can be read repeatedly as a whole, but only once piece by piece', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    const body = request.getBody()
    const pieces = []
    for await (const piece of body) pieces.push(...piece)
    return Response.json([pieces.length, await body.read(), (await body.buffer()).length])
  }
  t.deepEqual(await seen(t, handler, post('hello')), [5, null, 0] as never)
  const again = async (request: Request): Promise<Response> => {
    const [one, two] = [await request.text(), await request.text()]
    const error = await request.getBody().read().then(null, (reason: unknown) => String(reason))
    return Response.json([one, two, error])
  }
  const [one, two, error] = (await seen(t, again, post('hi'))) as string[]
  t.deepEqual([one, two], ['hi', 'hi'])
  t.regex(error!, /read as a whole/)
})

test('a late body is awaited, and 100 Continue requests it', async (t) => {
  const { connect } = await open(t, async (request) => Response.text((await request.text()).toUpperCase()))
  const wire = (await connect()).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n')
  t.is(await wire.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 100 Continue\r\n\r\n')
  t.regex(await wire.send('hello').end(), /\r\n\r\nHELLO$/)
})

test('a body above its limit is a 413, and the connection ends', async (t) => {
  const { connect } = await open(t, async (request) => Response.text(await request.text()), { bodySizeLimit: 4 })
  t.regex(await (await connect()).send(post('hello').replace('Connection: close\r\n', '')).end(), /^HTTP\/1\.1 413 [^]*connection: close/)
})

test('a handler can catch the error of a body and answer itself', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    try {
      return Response.text(await request.text())
    } catch (error) {
      return Response.json((error as ClientException).getCode(), 422)
    }
  }
  t.is(await seen(t, handler, post('hello'), { bodySizeLimit: 4 }), 413 as never)
})

test('a handler can raise the limit of one body', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    request.getBody().increaseSizeLimit(1_000_000)
    return Response.json((await request.buffer()).length)
  }
  t.is(await seen(t, handler, post('x'.repeat(200_000)), { bodySizeLimit: 4 }), 200_000 as never)
})

test('an informational response is sent before the final one', async (t) => {
  const { connect } = await open(t, (request) => {
    request.inform(103, { link: '</a.css>; rel=preload' })
    return Response.text('done')
  })
  const received = await (await connect()).send(get('/')).end()
  t.regex(received, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*done$/)
})

test('fields that the server writes are dropped from an informational response', async (t) => {
  const { connect } = await open(t, (request) => {
    request.inform(103, { 'content-length': 5, 'transfer-encoding': 'chunked', date: 'never', 'X-Kept': '1' })
    return Response.text('done')
  })
  t.regex(await (await connect()).send(get('/')).end(), /^HTTP\/1\.1 103 Early Hints\r\nX-Kept: 1\r\n\r\nHTTP\/1\.1 200 /)
})

test('request.inform refuses 101 and final statuses', (t) => {
  const request = Request.create('GET', '/')
  for (const status of [100, 101, 200, 102.5]) t.throws(() => request.inform(status), { instanceOf: StateError })
  t.throws(() => request.inform(103, { 'x-a': 'b\n' }))
})
