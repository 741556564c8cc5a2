import test from 'ava'
import { Request, Response as ServerResponse, serve, stack } from '../src/index.ts'
import { fromFetch, serve as serveFetch } from '../src/fetch/index.ts'
import { Router } from '../src/router/index.ts'

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
