/**
 * A function as a handler object.
 */
import { OptionError } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { toFunction } from './handler.ts'
import type { HandlerFunction, RequestHandler } from './handler.ts'

/**
 * A handler that calls a function, for code that asks for objects. busbar takes functions themselves, too.
 *
 * @example new CallableRequestHandler((request) => Response.text(request.getPath()))
 */
export class CallableRequestHandler implements RequestHandler {
  readonly #call: HandlerFunction

  constructor(call: HandlerFunction) {
    if (typeof call !== 'function') throw new OptionError('CallableRequestHandler', call, 'given a function (request) => Response')
    this.#call = toFunction(call)
  }

  /**
   * Calls the function.
   *
   * @example handler.handleRequest(request)
   */
  handleRequest(request: Request): Response | Promise<Response> {
    return this.#call(request)
  }
}
