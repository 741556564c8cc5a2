/**
 * Handlers: functions and objects that answer requests.
 */
import { HandlerError, OptionError, show } from '../core/errors.ts'
import { fetchHandler, isFetchApplication } from './fetch-application.ts'
import type { FetchApplication } from './fetch-application.ts'
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

/** A handler in any form: a function, an object, or an application of the web's `fetch`. */
export type Handler = RequestHandler | HandlerFunction | FetchApplication

const ALLOWED = 'a function (request) => Response, or an object with handleRequest(request) or fetch(request)'
const FOR_NODE_HTTP = 'serve it with createServer of busbar/http, or write a handler for busbar'

/** A handler as a plain function, as the hot path calls it. Throws for anything else, also for applications of other servers. */
export function toFunction(handler: Handler): HandlerFunction {
  const foreign = foreignHandler(handler)
  if (foreign !== null) throw new OptionError('handler', handler, `${ALLOWED}; ${foreign}`)
  if (isRequestHandler(handler)) return typeof handler === 'function' ? handler : (request) => handler.handleRequest(request)
  if (isFetchApplication(handler)) return fetchHandler(handler)
  if (typeof handler === 'function') return handler
  throw new OptionError('handler', handler, ALLOWED)
}

function isRequestHandler(handler: unknown): handler is RequestHandler {
  const isObject = (typeof handler === 'object' || typeof handler === 'function') && handler !== null
  return isObject && typeof (handler as { handleRequest?: unknown }).handleRequest === 'function'
}

/** What a value is that answers requests of another server, and what to do with it; null for others. */
function foreignHandler(handler: unknown): string | null {
  if ((typeof handler !== 'function' && typeof handler !== 'object') || handler === null) return null
  const members = handler as Readonly<Record<string, unknown>>
  const has = (...names: string[]): boolean => names.every((name) => typeof members[name] === 'function')
  if (has('use', 'callback') && Array.isArray(members['middleware'])) return `this is a Koa application: ${FOR_NODE_HTTP}`
  if (has('use', 'handle')) return `this is an Express or Connect application: ${FOR_NODE_HTTP}`
  if (has('inject', 'register', 'listen')) return 'this is a Fastify application: start it with its own listen method, or write a handler for busbar'
  if (has('fetch')) return null
  if (has('listen', 'address') || has('listen', 'close')) return 'this is a server: pass the function that answers its requests'
  if (typeof handler === 'function') return foreignFunction(handler)
  const { handleRequest } = members
  return typeof handleRequest === 'function' && handleRequest.length > 1
    ? 'its method handleRequest has further parameters, as that of a middleware: pass a handler, which is called with the request alone'
    : null
}

function foreignFunction(handler: object & { readonly length: number }): string | null {
  if (/^class\b/.test(Function.prototype.toString.call(handler))) return 'this is a class: pass an instance of it'
  if (handler.length < 2) return null
  return `this function has ${handler.length} parameters, as (request, response) of node:http: a handler is called with the request alone and returns the response`
}

/** The error for a handler that returned another value. */
export function notAResponse(value: unknown): HandlerError {
  if (typeof globalThis.Response === 'function' && value instanceof globalThis.Response) {
    return new HandlerError("this is the web Response; import { Response } from 'busbar', or pass { fetch } as the handler")
  }
  let shown = 'a value that can not be shown'
  try {
    shown = show(value)
  } catch {
    // A getter of the value has failed.
  }
  return new HandlerError(`a handler must return a Response or a promise of one; got ${shown}`)
}
