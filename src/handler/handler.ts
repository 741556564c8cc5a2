/**
 * Handlers: what answers requests.
 */
import { HandlerError, OptionError, show } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'

/** Answers a request, now or later. */
export type HandlerFunction = (request: Request) => Response | Promise<Response>

/**
 * A handler as an object.
 *
 * @example class Hello implements RequestHandler { handleRequest() { return Response.text('Hello') } }
 */
export interface RequestHandler {
  handleRequest(request: Request): Response | Promise<Response>
}

/** Anything that answers requests. */
export type Handler = RequestHandler | HandlerFunction

/** The same handler as a plain function, which is what the hot path calls. */
export function toFunction(handler: Handler): HandlerFunction {
  if (typeof handler === 'function') return handler
  if (typeof handler === 'object' && handler !== null && typeof handler.handleRequest === 'function') {
    return (request) => handler.handleRequest(request)
  }
  throw new OptionError('handler', handler, 'a function (request) => Response, or an object with handleRequest(request)')
}

/** The error of a handler that answered with something else. */
export function notAResponse(value: unknown): HandlerError {
  if (typeof globalThis.Response === 'function' && value instanceof globalThis.Response) {
    return new HandlerError("this is the web Response; import { Response } from 'busbar'")
  }
  let shown = 'something that can not be shown'
  try {
    shown = show(value)
  } catch {
    // A getter of its own failed.
  }
  return new HandlerError(`a handler must return a Response or a promise of one; got ${shown}`)
}
