import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import test from 'ava'
import { HttpServer, OptionError, Response, serve } from '../src/index.ts'
import type { Handler } from '../src/index.ts'

const app = (): object => Object.assign((_request: unknown, _response: unknown, _next: unknown) => {}, { use: () => {}, handle: () => {}, listen: () => {} })
class Koa {
  middleware = []
  use(): void {}
  listen(): void {}
  callback(): void {}
  handleRequest(_context: unknown, _next: unknown): void {}
}
const fastify = createRequire(import.meta.url)('fastify') as () => object

/** Values that answer requests of other servers, and what the message says. */
const FOREIGN: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['an Express application', app, /this is an Express or Connect application: serve it with createServer of busbar\/http/],
  ['a Koa application', () => new Koa(), /this is a Koa application: serve it with createServer of busbar\/http/],
  ['a Fastify application', fastify, /this is a Fastify application: start it with its own listen/],
  ['a listener of node:http', () => (_request: unknown, _response: unknown) => {}, /has 2 parameters, as \(request, response\) of node:http/],
  ['a middleware', () => ({ handleRequest: (_request: unknown, _next: unknown) => {} }), /has further parameters, as that of a middleware/],
  ['a class', () => Koa, /this is a class: pass an instance/],
  ['a server', () => createServer(), /this is a server/],
]
for (const [what, make, message] of FOREIGN) {
  test(`${what} as handler is refused at start, with what to do`, async (t) => {
    t.throws(() => new HttpServer(0, make() as Handler), { instanceOf: OptionError, message })
    await t.throwsAsync(serve(0, make() as Handler), { instanceOf: OptionError, message: /^handler must be a function \(request\) => Response/ })
  })
}

test('handlers of busbar are accepted in all their forms', (t) => {
  class Handling {
    fetch(): void {}
    handleRequest(): Response {
      return new Response(204)
    }
  }
  const forms = [() => new Response(204), new Handling(), { handleRequest: () => new Response(204), onStart() {}, onStop() {} }, Handling.prototype.handleRequest.bind(null), async (...given: unknown[]) => (given.length, new Response(204))]
  for (const form of forms) t.notThrows(() => new HttpServer(0, form as Handler))
})
