/**
 * Handlers: functions and objects that answer requests.
 */
import { HandlerError, OptionError, show } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'

/** Answers a request, directly or by a promise. */
export type HandlerFunction = (request: Request) => Response | Promise<Response>

/**
 * A handler as an object.
 *
 * @example class Hello implements RequestHandler { handleRequest() { return Response.text('Hello') } }
 */
export interface RequestHandler {
  handleRequest(request: Request): Response | Promise<Response>
}

/** A handler in either form. */
export type Handler = RequestHandler | HandlerFunction

/** A handler as a plain function, as the hot path calls it. */
export function toFunction(handler: Handler): HandlerFunction {
  if (typeof handler === 'function') return handler
  if (typeof handler === 'object' && handler !== null && typeof handler.handleRequest === 'function') {
    return (request) => handler.handleRequest(request)
  }
  throw new OptionError('handler', handler, 'a function (request) => Response, or an object with handleRequest(request)')
}

/** The error for a handler that returned another value. */
export function notAResponse(value: unknown): HandlerError {
  if (typeof globalThis.Response === 'function' && value instanceof globalThis.Response) {
    return new HandlerError("this is the web Response; import { Response } from 'busbar'")
  }
  let shown = 'a value that can not be shown'
  try {
    shown = show(value)
  } catch {
    // A getter of the value has failed.
  }
  return new HandlerError(`a handler must return a Response or a promise of one; got ${shown}`)
}
