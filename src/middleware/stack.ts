/**
 * A handler with middleware around it.
 *
 * ```text
 *   request ──► first ──► second ──► handler
 *   response ◄── first ◄── second ◄──┘
 * ```
 * The links are made once, so a request pays a call for each of them. A link whose middleware answers synchronously is
 * synchronous itself. A response that a middleware replaces is discarded when its replacement is over.
 */
import { HandlerError } from '../core/errors.ts'
import { TAKES_STREAMS, notifyObservers, takesStreams } from '../core/observing.ts'
import type { Observing } from '../core/observing.ts'
import { notAResponse, toFunction } from '../handler/handler.ts'
import type { Handler, HandlerFunction } from '../handler/handler.ts'
import { noteResponse } from '../message/given-response.ts'
import { isKept, keepPromise } from '../message/request.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { middlewareFunction } from './middleware.ts'
import type { AnyMiddleware, MiddlewareFunction, Next } from './middleware.ts'

/** A handler with its middleware: a function, a `RequestHandler`, and an observer of servers. */
export interface Stack extends Next, Observing<unknown> {
  onStart(server: unknown): Promise<void>
  onStop(server: unknown): Promise<void>
}

/**
 * A handler with middleware around it. The first middleware is the outermost: it sees the request first and the
 * response last. Without middleware it is the handler itself. Those of them that have `onStart` or `onStop` are called
 * when the server starts and stops; if one fails, the start or stop fails.
 *
 * @example new HttpServer(8080, stack(handler, new CorsMiddleware(), async (request, next) => tagged(await next(request))))
 */
export function stack<H extends Handler>(handler: H): H
export function stack(handler: Handler, ...middleware: AnyMiddleware[]): Stack
export function stack(handler: Handler, ...middleware: AnyMiddleware[]): Handler {
  const innermost = toFunction(handler)
  if (middleware.length === 0) return handler
  const links = middleware.map(middlewareFunction)
  const outermost = links.reduceRight<Next>((next, link) => linkOf(link, next), nextOf(innermost))
  const parts = [...middleware, handler]
  return Object.assign(outermost, {
    onStart: (server: unknown) => notify(parts, 'onStart', server),
    onStop: (server: unknown) => notify(parts, 'onStop', server),
    [TAKES_STREAMS]: () => takesStreams(parts),
  })
}

/** The handler as the innermost `next`. */
function nextOf(handler: HandlerFunction): Next {
  const call: HandlerFunction = (request) => {
    // A middleware of another framework may call it without the request.
    if (request === undefined) throw new HandlerError('a middleware must pass the request on: next(request)')
    return given(request, handler(request))
  }
  return Object.assign(call, { handleRequest: call })
}

function linkOf(middleware: MiddlewareFunction, next: Next): Next {
  const call: HandlerFunction = (request) => given(request, middleware(request, next))
  return Object.assign(call, { handleRequest: call })
}

/** What a handler or middleware has returned, if it is a response or a promise of one. */
function given(request: Request, result: unknown): Response | Promise<Response> {
  if (result instanceof Response) {
    noteResponse(request, result)
    return result
  }
  // Most middleware return the promise of the next one, which is looked at already.
  return isKept(request, result) ? (result as Promise<Response>) : givenLater(request, result)
}

function givenLater(request: Request, result: unknown): Promise<Response> {
  if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') throw notAResponse(result)
  const promise = Promise.resolve(result).then((response) => {
    if (!(response instanceof Response)) throw notAResponse(response)
    noteResponse(request, response)
    return response
  })
  keepPromise(request, promise)
  return promise
}

async function notify(parts: readonly unknown[], moment: 'onStart' | 'onStop', server: unknown): Promise<void> {
  const failures = await notifyObservers(parts, moment, server)
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, `middleware failed in ${moment}`)
}
