/**
 * Middleware: what stands between the server and a handler.
 */
import { OptionError } from '../core/errors.ts'
import type { RequestHandler } from '../handler/handler.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'

/**
 * The rest of a stack: the next middleware, or the handler. It is a function, and a `RequestHandler`. What is thrown
 * behind it, an `HttpErrorException` too, comes out of it: use `await next(request)` in a `try`.
 */
export interface Next extends RequestHandler {
  (request: Request): Response | Promise<Response>
}

/**
 * Handles requests with the help of the next handler: it may answer itself, change the request before, or the response
 * after.
 *
 * @example class Timing implements Middleware { async handleRequest(request, next) { return timed(await next(request)) } }
 */
export interface Middleware {
  handleRequest(request: Request, next: Next): Response | Promise<Response>
}

/** A middleware as a function. */
export type MiddlewareFunction = (request: Request, next: Next) => Response | Promise<Response>

/** A middleware in either form. */
export type AnyMiddleware = Middleware | MiddlewareFunction

const ALLOWED = 'a function (request, next) => Response, or an object with handleRequest(request, next)'

/** A middleware as a plain function. Throws for anything else, also for middleware of other servers. */
export function middlewareFunction(middleware: AnyMiddleware): MiddlewareFunction {
  const foreign = foreignMiddleware(middleware)
  if (foreign !== null) throw new OptionError('middleware', middleware, `${ALLOWED}; ${foreign}`)
  if (typeof middleware === 'function') return middleware
  if (typeof middleware === 'object' && middleware !== null && typeof middleware.handleRequest === 'function') {
    return (request, next) => middleware.handleRequest(request, next)
  }
  throw new OptionError('middleware', middleware, ALLOWED)
}

/** What a function is that no middleware of ours is; null for others. */
function foreignMiddleware(middleware: unknown): string | null {
  if (typeof middleware !== 'function') return null
  if (/^class\b/.test(Function.prototype.toString.call(middleware))) return 'this is a class: pass an instance of it'
  if (middleware.length < 3) return null
  return `this function has ${middleware.length} parameters, as (request, response, next) of Express or Connect`
}
