import findMyWay from 'find-my-way'
import test from 'ava'
import { HttpErrorException, OptionError, Request, Response, StateError } from '../src/index.ts'
import { MatchedRoute, Router } from '../src/router/index.ts'
import type { HandlerFunction, MiddlewareFunction } from '../src/index.ts'
import { open } from './support.ts'

/** The answer of a router to a request: its status and text. */
async function ask(router: Router, method: string, uri: string): Promise<[number, string]> {
  try {
    const response = await router.handleRequest(Request.create(method, uri))
    return [response.getStatus(), await response.text()]
  } catch (error) {
    if (!(error instanceof HttpErrorException)) throw error
    return [error.status, '']
  }
}

const says = (text: string): HandlerFunction => () => Response.text(text)
const shows = (request: Request): Response => Response.json(request.getAttribute(MatchedRoute))
const marks = (mark: string): MiddlewareFunction => async (request, next) => {
  const response = await next(request)
  return Response.text(`${mark}(${await response.text()})`)
}

test('a route is given its parameters, decoded, and the request has them as an attribute', async (t) => {
  const router = new Router().route('GET', '/notes/:id/:part', (request, { id, part }) => {
    const { pattern, parameters } = request.getAttribute(MatchedRoute)
    t.is(parameters['id'], id)
    return Response.text(`${pattern} ${id} ${part}`)
  })
  t.deepEqual(await ask(router, 'GET', '/notes/a%20b/%C3%BC?q=1'), [200, '/notes/:id/:part a b ü'])
})

/** Patterns, and paths with the parameters that find-my-way gives, or null without a match. */
const PATTERNS: readonly (readonly [string, readonly string[]])[] = [
  ['/', ['/', '//', '/a']],
  ['/a/:b', ['/a/1', '/a/', '/a', '/a/1/', '/a/1/2', '/A/1', '/a/%2F', '/a/%252F', '/a/x%20y', '/a/%C3%BC', '/a/a+b', '/a/;x', '/a/:b', '/a/..x']],
  ['/f/*', ['/f/', '/f', '/f/a', '/f/a/b', '/f//a', '/f/a%2Fb', '/f/%23', '/f/a%20b/']],
  ['/:from-:to', ['/1-2', '/1-', '/-2', '/a-b-c', '/1', '/a%2Db']],
  ['/file.:ext', ['/file.png', '/file.', '/file.a.b', '/fileXpng']],
  ['/n/:id(^\\d+)', ['/n/12', '/n/x', '/n/1x', '/n/']],
  ['/at/:h(^\\d{2})h:m(^\\d{2})m', ['/at/12h30m', '/at/1h3m', '/at/12h30']],
  ['/o/:id?', ['/o/1', '/o/', '/o', '/o/1/2']],
  ['/name::verb', ['/name:verb', '/name::verb', '/namex']],
  ['/ünï/:x', ['/%C3%BCn%C3%AF/1', '/ünï/1']],
]
for (const [pattern, paths] of PATTERNS) {
  test(`paths for ${pattern} are matched as by find-my-way`, async (t) => {
    const own = findMyWay({ maxParamLength: 10_000 })
    own.on('GET', pattern, () => {})
    const router = new Router().route('GET', pattern, shows)
    for (const path of paths) {
      // The path is what the router sees: dot segments are resolved, and what can't be in a URI is escaped.
      const seen = Request.create('GET', path).getPath()
      const found = own.find('GET', seen)
      const [status, text] = await ask(router, 'GET', path)
      t.is(status, found === null ? 404 : 200, path)
      if (found !== null) t.deepEqual(JSON.parse(text), { pattern, parameters: { ...found.params } }, path)
    }
  })
}

test('static segments go before parameters, and parameters before wildcards', async (t) => {
  const router = new Router().route('GET', '/*', says('wildcard')).route('GET', '/:a', says('parameter')).route('GET', '/x', says('static'))
  t.deepEqual(await ask(router, 'GET', '/x'), [200, 'static'])
  t.deepEqual(await ask(router, 'GET', '/y'), [200, 'parameter'])
  t.deepEqual(await ask(router, 'GET', '/y/z'), [200, 'wildcard'])
})

test('an escaped slash is part of a parameter, and invalid escapes are a 400', async (t) => {
  const router = new Router().route('GET', '/a/:b', (_, { b }) => Response.text(b)).route('GET', '/a/b/c', says('three'))
  t.deepEqual(await ask(router, 'GET', '/a/b%2Fc'), [200, 'b/c'])
  t.deepEqual(await ask(router, 'GET', '/a/%zz'), [400, ''])
  t.deepEqual(await ask(router, 'GET', '/a/%C3%28'), [400, ''])
})

test('a long parameter is matched, also by an expression', async (t) => {
  const router = new Router().route('GET', '/p/:a', (_, { a }) => Response.text(String(a.length))).route('GET', '/r/:a(^x+$)', says('x'))
  t.deepEqual(await ask(router, 'GET', `/p/${'x'.repeat(5000)}`), [200, '5000'])
  t.deepEqual(await ask(router, 'GET', `/r/${'x'.repeat(5000)}`), [200, 'x'])
})

test('no route is a 404, another method a 405 with Allow, and OPTIONS tells the methods', async (t) => {
  const router = new Router().route('GET', '/a', says('a')).route(['PUT', 'DELETE'], '/a', says('b')).route('POST', '/b', says('c'))
  const { server } = await open(t, router, {}, '127.0.0.1:0')
  const get = (path: string, method: string) => fetch(server.url + path, { method })
  t.is((await get('none', 'GET')).status, 404)
  const refused = await get('a', 'POST')
  t.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD, PUT, DELETE, OPTIONS'])
  const options = await get('b', 'OPTIONS')
  t.deepEqual([options.status, options.headers.get('allow')], [204, 'POST, OPTIONS'])
  t.is((await get('none', 'OPTIONS')).status, 404)
  t.is(await (await get('a', 'DELETE')).text(), 'b')
})

test('HEAD is answered by the route of GET, unless it has one', async (t) => {
  const router = new Router()
    .route('GET', '/a', () => new Response(200, { 'x-by': 'get' }, 'body'))
    .route('HEAD', '/:own', () => new Response(200, { 'x-by': 'head' }))
    .route('GET', '/b', says('b'))
    .route('HEAD', '/b', () => new Response(204))
  const { server } = await open(t, router, {}, '127.0.0.1:0')
  const response = await fetch(`${server.url}a`, { method: 'HEAD' })
  t.deepEqual([response.headers.get('x-by'), response.headers.get('content-length'), await response.text()], ['get', '4', ''])
  t.is((await fetch(`${server.url}c`, { method: 'HEAD' })).headers.get('x-by'), 'head')
  t.is((await fetch(`${server.url}b`, { method: 'HEAD' })).status, 204)
})

test("'*' stands for each method without a route of its own", async (t) => {
  const router = new Router().route('*', '/:a', says('any')).route('GET', '/:b', says('get')).route('OPTIONS', '/o', says('options'))
  t.deepEqual(await ask(router, 'GET', '/x'), [200, 'get'])
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) t.deepEqual(await ask(router, method, '/x'), [200, 'any'], method)
  t.deepEqual(await ask(router, 'OPTIONS', '/o'), [200, 'options'])
})

test('middleware stands around routes and answers to OPTIONS, not around the fallback', async (t) => {
  const router = new Router()
    .route('GET', '/a', says('a'), marks('route'))
    .addMiddleware(marks('first'), marks('second'))
    .setFallback(says('fallback'))
    .route('GET', '/b/:id', (_, { id }) => Response.text(id))
  t.deepEqual(await ask(router, 'GET', '/a'), [200, 'first(second(route(a)))'])
  t.deepEqual(await ask(router, 'GET', '/b/5'), [200, 'first(second(5))'])
  t.deepEqual(await ask(router, 'OPTIONS', '/a'), [200, 'first(second())'])
  t.deepEqual(await ask(router, 'GET', '/none'), [200, 'fallback'])
  t.deepEqual(await ask(router, 'POST', '/a'), [405, ''])
})

test('prefixes and mounted routers give whole patterns, with middleware from the outside in', async (t) => {
  const inner = new Router().route('GET', '/', shows).route('GET', '/:id', shows).addMiddleware(marks('inner')).setFallback(says('inner fallback'))
  const router = new Router().prefix('/v1').prefix('/api/').mount('/notes', inner, marks('mount')).addMiddleware(marks('outer'))
  const found = JSON.stringify({ pattern: '/api/v1/notes/:id', parameters: { id: '5' } })
  t.deepEqual(await ask(router, 'GET', '/api/v1/notes/5'), [200, `outer(mount(inner(${found})))`])
  t.is((await ask(router, 'GET', '/api/v1/notes'))[0], 200)
  t.deepEqual(await ask(router, 'GET', '/api/v1/notes/5/6'), [200, 'inner fallback'])
  t.deepEqual(await ask(router, 'GET', '/api/v1/notesx'), [404, ''])
  t.deepEqual(router.getRoutes().map(({ methods, pattern }) => `${methods} ${pattern}`), ['GET /api/v1/notes', 'GET /api/v1/notes/:id'])
})

test('a mounted handler sees the path without the prefix, and afterwards it is whole again', async (t) => {
  const handler = (request: Request): Response => Response.text(request.getTarget())
  const router = new Router()
    .addMiddleware(async (request, next) => {
      const response = await next(request)
      return Response.text(`${request.getTarget()} ${await response.text()}`)
    })
    .mount('/a/:b', handler)
    .mount('/web', { fetch: async (request) => new globalThis.Response(new URL(request.url).pathname) })
    .mount('/late', async (request) => handler(request))
  const { server } = await open(t, router, {}, '127.0.0.1:0')
  const get = async (path: string) => (await fetch(server.url + path)).text()
  t.is(await get('a/x%2Fy/c/d?q=1'), '/a/x%2Fy/c/d?q=1 /c/d?q=1')
  t.is(await get('a/x'), '/a/x /')
  t.is(await get('a/x/'), '/a/x/ /')
  t.is(await get('web/b'), '/web/b /b')
  t.is(await get('late//c'), '/late//c //c')
})

test('the last slash counts, is ignored, or redirects', async (t) => {
  const make = (trailingSlash: 'strict' | 'ignore' | 'redirect') => new Router({ trailingSlash }).route('GET', '/a', says('a')).route('GET', '/b/', says('b'))
  const location = async (router: Router, uri: string) => {
    const response = await router.handleRequest(Request.create('GET', uri))
    return [response.getStatus(), response.getHeader('location')]
  }
  t.deepEqual(await ask(make('strict'), 'GET', '/a/'), [404, ''])
  t.deepEqual(await ask(make('ignore'), 'GET', '/a/'), [200, 'a'])
  t.deepEqual(await ask(make('ignore'), 'GET', '/b'), [200, 'b'])
  const router = make('redirect')
  t.deepEqual(await location(router, '/a/?q=1'), [308, '/a?q=1'])
  t.deepEqual(await location(router, '/b'), [308, '/b/'])
  t.deepEqual(await ask(router, 'GET', '/c/'), [404, ''])
  const single = new Router().route('GET', '/d/?', says('d'))
  t.deepEqual(await ask(single, 'GET', '/d'), [200, 'd'])
  t.deepEqual(await location(single, '/d/?q=1'), [308, '/d?q=1'])
})

test('a redirect of the slash never leads to another host', async (t) => {
  const router = new Router({ trailingSlash: 'redirect' }).route('GET', '/:empty/:host', says('host')).route('GET', '/:a/?', says('a'))
  for (const path of ['//evil.example/', '/%5Cevil.example/']) {
    const response = await router.handleRequest(Request.create('GET', path))
    t.is(response.getStatus(), 308, path)
    t.is(new URL(response.getHeader('location')!, 'http://own.example').host, 'own.example', path)
  }
})

test('letter case counts unless it is switched off', async (t) => {
  const router = new Router({ caseSensitive: false }).route('GET', '/Notes/:id', (_, { id }) => Response.text(id))
  t.deepEqual(await ask(router, 'GET', '/nOTES/AbC'), [200, 'AbC'])
  t.deepEqual(await ask(new Router().route('GET', '/Notes', says('a')), 'GET', '/notes'), [404, ''])
})

test('a wrong route throws where it is declared', (t) => {
  const router = new Router().route('GET', '/a', says('a'))
  const wrong = (message: RegExp, declare: () => unknown) => void t.throws(declare, { instanceOf: OptionError, message })
  wrong(/declared once; got "GET \/a"/, () => router.route('GET', '/a', says('a')))
  wrong(/begins with a slash/, () => router.route('GET', 'a', says('a')))
  wrong(/method/, () => router.route('NO METHOD', '/b', says('b')))
  wrong(/MADEUP/, () => router.route('MADEUP', '/b', says('b')))
  wrong(/at least one/, () => router.route([], '/b', says('b')))
  wrong(/Wildcard|wildcard/, () => router.route('GET', '/b/*/c', says('b')))
  wrong(/[Rr]egex/, () => router.route('GET', '/b/:c((a+)+$)', says('b')))
  wrong(/handler/, () => router.route('GET', '/b', 5 as never))
  wrong(/3 parameters/, () => router.route('GET', '/b', ((_a: unknown, _b: unknown, _c: unknown) => says('c')) as never))
  wrong(/this is a class/, () => router.route('GET', '/c', class {} as never))
  wrong(/middleware/, () => router.route('GET', '/d', says('d'), 5 as never))
  wrong(/middleware/, () => router.addMiddleware(5 as never))
  wrong(/without wildcards/, () => router.prefix('/a/*'))
  wrong(/another router/, () => router.mount('/a', router))
  wrong(/trailingSlash/, () => new Router({ trailingSlash: 'maybe' as never }))
  wrong(/ignoreCase/, () => new Router({ ignoreCase: true } as never))
})

test('routes are complete once the server starts, or a request is handled', async (t) => {
  const router = new Router().route('GET', '/a', says('a'))
  await open(t, router)
  for (const late of [() => router.route('GET', '/b', says('b')), () => router.addMiddleware(marks('m')), () => router.prefix('/a'), () => router.setFallback(says('f')), () => router.mount('/m', says('m'))]) {
    t.throws(late, { instanceOf: StateError, message: /before the first request/ })
  }
})

test('handlers, middleware and mounted routers that observe the server are called', async (t) => {
  const calls: string[] = []
  const observes = (name: string) => ({
    handleRequest: () => Response.text(name),
    onStart: () => void calls.push(`${name} starts`),
    onStop: () => void calls.push(`${name} stops`),
  })
  const router = new Router()
    .route('GET', '/a', observes('route'))
    .addMiddleware(observes('middleware'))
    .setFallback(observes('fallback'))
    .mount('/b', new Router().route('GET', '/c', observes('inner')))
  const { server } = await open(t, router)
  t.deepEqual(calls.toSorted(), ['fallback starts', 'inner starts', 'middleware starts', 'route starts'])
  await server.stop()
  t.is(calls.filter((call) => call.endsWith('stops')).length, 4)
})
