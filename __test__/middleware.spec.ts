import {
  CallableMiddleware,
  CallableRequestHandler,
  ClientException,
  HandlerError,
  HttpErrorException,
  HttpServer,
  OptionError,
  Request,
  Response,
  silentLogger,
  stack,
} from '../src/index.ts'
import type { AnyMiddleware, Handler, Middleware, Next, RequestHandler } from '../src/index.ts'
import { open, plainTest as test } from './support.ts'

const get = (): Request => Request.create('GET', '/')
const hello = (): Response => Response.text('hello')

/** A middleware that writes its name into the response on the way out and into an attribute on the way in. */
function named(name: string): Middleware {
  return {
    async handleRequest(request, next) {
      request.setAttribute('in', [...((request.findAttribute('in') as string[] | undefined) ?? []), name])
      const response = await next.handleRequest(request)
      response.addHeader('x-out', name)
      return response
    },
  }
}

/** Answers by a server without a socket. */
function answer(handler: Handler, request = get(), settings = {}): Promise<Response> {
  return new HttpServer(0, handler, { logger: silentLogger, ...settings }).inject(request)
}

test('the first middleware of a stack is the outermost', async (t) => {
  const handler = (request: Request): Response => Response.json(request.getAttribute('in'))
  const response = await answer(stack(handler, named('a'), named('b'), named('c')))
  t.deepEqual(await response.json(), ['a', 'b', 'c'])
  t.deepEqual(response.getHeaderArray('x-out'), ['c', 'b', 'a'])
})

test('without middleware a stack is the handler itself', (t) => {
  const object: RequestHandler = { handleRequest: hello }
  t.is(stack(object), object)
  t.is(stack(hello), hello)
  t.throws(() => stack({} as Handler), { instanceOf: OptionError })
})

test('functions, objects and instances of classes are middleware, and a stack may be in a stack', async (t) => {
  class Tag implements Middleware {
    readonly #tag = 'object'
    async handleRequest(request: Request, next: Next): Promise<Response> {
      const response = await next(request)
      response.addHeader('x-out', this.#tag)
      return response
    }
  }
  const tag = (text: string) => (response: Response) => {
    response.addHeader('x-out', text)
    return response
  }
  const inner = stack(hello, new Tag())
  const outer = stack(
    inner,
    async (request, next) => tag('function')(await next(request)),
    new CallableMiddleware(async (request, next) => tag('callable')(await next(request))),
  )
  t.deepEqual((await answer(outer)).getHeaderArray('x-out'), ['object', 'callable', 'function'])
  t.deepEqual((await answer(new CallableRequestHandler(outer))).getHeaderArray('x-out'), ['object', 'callable', 'function'])
})

test('a stack is a function and an object with handleRequest', async (t) => {
  const stacked = stack(hello, (request, next) => next(request))
  t.is(await (await stacked(get())).text(), 'hello')
  t.is(await (await stacked.handleRequest(get())).text(), 'hello')
})

test('a stack of synchronous middleware answers synchronously', (t) => {
  const pass: AnyMiddleware = (request, next) => next(request)
  t.true(stack(hello, pass, pass)(get()) instanceof Response)
})

test('a middleware may answer itself, and change the request before the handler sees it', async (t) => {
  const stacked = stack(
    (request) => Response.text(request.getTarget()),
    (request, next) => {
      if (request.getTarget() === '/no') return new Response(403)
      request.setUri('/changed')
      return next(request)
    },
  )
  t.is((await answer(stacked, Request.create('GET', '/no'))).getStatus(), 403)
  t.is(await (await answer(stacked)).text(), '/changed')
})

test('a middleware may call the next handler again', async (t) => {
  let calls = 0
  const flaky = (): Response => {
    if (++calls < 3) throw new Error('not yet')
    return hello()
  }
  const retry: AnyMiddleware = async (request, next) => {
    for (;;) {
      try {
        return await next(request)
      } catch (error) {
        if ((error as Error).message !== 'not yet') throw error
      }
    }
  }
  t.is(await (await answer(stack(flaky, retry))).text(), 'hello')
  t.is(calls, 3)
})

test('what a handler throws comes out of next as an exception, an HttpErrorException too', async (t) => {
  const caught: unknown[] = []
  const keep: AnyMiddleware = async (request, next) => {
    try {
      return await next(request)
    } catch (error) {
      caught.push(error)
      throw error
    }
  }
  const http = new HttpErrorException(418, { headers: { 'x-tea': 'yes' } })
  const failing: Handler[] = [() => Promise.reject(http), () => { throw http }]
  for (const handler of failing) {
    const response = await answer(stack(handler, keep))
    t.is(response.getStatus(), 418)
    t.is(response.getHeader('x-tea'), 'yes')
  }
  t.deepEqual(caught, [http, http])
  const plain = await answer(stack(() => Promise.reject(new Error('bug')), keep))
  t.is(plain.getStatus(), 500)
})

test('a caught exception may be answered', async (t) => {
  const stacked = stack(
    () => Promise.reject(new HttpErrorException(404)),
    async (request, next) => {
      try {
        return await next(request)
      } catch (error) {
        return Response.json({ status: (error as HttpErrorException).status }, 404)
      }
    },
  )
  t.deepEqual(await (await answer(stacked)).json(), { status: 404 })
})

test('a middleware that gives no response is an error that says so', async (t) => {
  const lost: AnyMiddleware[] = [
    (() => undefined) as unknown as AnyMiddleware,
    (async () => undefined) as unknown as AnyMiddleware,
  ]
  for (const middleware of lost) {
    const seen: unknown[] = []
    const outer: AnyMiddleware = async (request, next) => {
      try {
        return await next(request)
      } catch (error) {
        seen.push(error)
        throw error
      }
    }
    t.is((await answer(stack(hello, outer, middleware))).getStatus(), 500)
    t.true(seen[0] instanceof HandlerError)
    t.regex((seen[0] as Error).message, /must return a Response or a promise of one; got undefined/)
  }
  const forgetful = ((_: Request, next: () => Response) => next()) as unknown as AnyMiddleware
  await t.throwsAsync(async () => stack(hello, forgetful)(get()), { instanceOf: HandlerError, message: /next\(request\)/ })
})

test('what is no middleware is refused with the reason', (t) => {
  const refused = (middleware: unknown, message: RegExp) =>
    t.throws(() => stack(hello, middleware as AnyMiddleware), { instanceOf: OptionError, message })
  refused(null, /a function \(request, next\) => Response/)
  refused({}, /an object with handleRequest\(request, next\)/)
  refused(class Tag {}, /this is a class: pass an instance of it/)
  refused((_request: unknown, _response: unknown, next: () => void) => next(), /3 parameters, as .* Express/)
  t.throws(() => new CallableMiddleware({} as never), { instanceOf: OptionError })
  t.throws(() => new CallableRequestHandler({} as never), { instanceOf: OptionError })
})

test('observers in a stack are called at start and stop, all at once, and handlers too', async (t) => {
  const calls: string[] = []
  const observing = (name: string): Middleware & { onStart(server: unknown): Promise<void>; onStop(): void } => ({
    handleRequest: (request, next) => next(request),
    onStart: async (server) => {
      calls.push(`${name} begins`)
      t.true(server instanceof HttpServer)
      await new Promise((resolve) => setImmediate(resolve))
      calls.push(`${name} has started`)
    },
    onStop: () => void calls.push(`${name} stops`),
  })
  const handler = { handleRequest: hello, onStop: () => void calls.push('handler stops') }
  const { server } = await open(t, stack(handler, observing('a'), observing('b')))
  t.deepEqual(calls, ['a begins', 'b begins', 'a has started', 'b has started'])
  await server.stop()
  t.deepEqual(calls.slice(4).sort(), ['a stops', 'b stops', 'handler stops'])
})

test('one observer of a stack that fails makes the start fail', async (t) => {
  const pass: AnyMiddleware = (request, next) => next(request)
  const failing = (message: string): Middleware & { onStart(): void } => ({
    handleRequest: pass as never,
    onStart: () => {
      throw new Error(message)
    },
  })
  const started = (...middleware: AnyMiddleware[]) => new HttpServer('127.0.0.1:0', stack(hello, ...middleware), { logger: silentLogger }).start()
  const one = await t.throwsAsync(started(pass, failing('no database')), { instanceOf: AggregateError })
  t.deepEqual((one as AggregateError).errors.map((error: Error) => error.message), ['no database'])
  const two = (await t.throwsAsync(started(failing('first'), failing('second')))) as AggregateError
  t.deepEqual((two.errors[0] as AggregateError).errors.map((error: Error) => error.message), ['first', 'second'])
})

test('a stack answers on a socket, with promises and without', async (t) => {
  const { port } = await open(t, stack(hello, named('a'), (request, next) => next(request)))
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.is(response.headers.get('x-out'), 'a')
  t.is(await response.text(), 'hello')
})

test('an error of the client passes through a stack', async (t) => {
  const error = new ClientException(null as never, 'gone', 408)
  await t.throwsAsync(async () => stack(() => Promise.reject(error), named('a'))(get()), { is: error })
})
