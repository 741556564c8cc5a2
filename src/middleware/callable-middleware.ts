/**
 * A function as a middleware object.
 */
import { OptionError } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { middlewareFunction } from './middleware.ts'
import type { Middleware, MiddlewareFunction, Next } from './middleware.ts'

/**
 * A middleware that calls a function, for code that asks for objects. busbar takes functions themselves, too.
 *
 * @example new CallableMiddleware(async (request, next) => tagged(await next(request)))
 */
export class CallableMiddleware implements Middleware {
  readonly #call: MiddlewareFunction

  constructor(call: MiddlewareFunction) {
    if (typeof call !== 'function') throw new OptionError('CallableMiddleware', call, 'given a function (request, next) => Response')
    this.#call = middlewareFunction(call)
  }

  /**
   * Calls the function.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    return this.#call(request, next)
  }
}
