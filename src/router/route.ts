/**
 * Routes: a method, a pattern, and what answers.
 */
import { OptionError } from '../core/errors.ts'
import type { FetchApplication } from '../handler/fetch-application.ts'
import { toFunction } from '../handler/handler.ts'
import type { Handler, RequestHandler } from '../handler/handler.ts'
import { Attribute } from '../message/attribute.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { stack } from '../middleware/stack.ts'
import type { AnyMiddleware } from '../middleware/middleware.ts'
import type { PathParameters } from './path-parameters.ts'

/** A method, or `'*'` for every method that the pattern has no route for. */
export type RouteMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | '*' | (string & {})

/** Answers the requests of a route. The parameters are decoded. */
export type RouteFunction<Pattern extends string = string> = (
  request: Request,
  parameters: PathParameters<Pattern>,
) => Response | Promise<Response>

/** What answers the requests of a route: a function with parameters, or any handler. */
export type RouteHandler<Pattern extends string = string> = RouteFunction<Pattern> | RequestHandler | FetchApplication

/** The route that a request has matched. */
export interface RouteMatch {
  /** The pattern with all prefixes, such as `/notes/:id`. */
  readonly pattern: string
  /** The parameters, decoded. */
  readonly parameters: Readonly<Record<string, string | undefined>>
}

/**
 * The attribute with the route that a request has matched, for middleware and handlers.
 *
 * @example const { id } = request.getAttribute(MatchedRoute).parameters
 */
export const MatchedRoute = new Attribute<RouteMatch>('route')

/** A route as it was declared. */
export interface Route {
  readonly methods: readonly string[]
  readonly pattern: string
  /** As it was given, since it may be an observer. */
  readonly handler: unknown
  readonly call: (request: Request, parameters: RouteMatch['parameters']) => Response | Promise<Response>
  /** The first is the outermost. */
  readonly middleware: readonly AnyMiddleware[]
}

/** What is called for the route of a request. */
export type RouteCall = Route['call']

/** The handler of a route as a function. A function may have two parameters here. */
export function callOf(handler: RouteHandler): RouteCall {
  if (typeof handler !== 'function' || 'handleRequest' in handler || 'fetch' in handler) return toFunction(handler as Handler)
  if (handler.length > 2) {
    throw new OptionError('handler', handler, `a function (request, parameters) => Response; this one has ${handler.length} parameters`)
  }
  // A class is refused there.
  return handler.length === 2 ? handler : toFunction(handler as Handler)
}

/** The call of a route with its middleware around it. */
export function withMiddleware({ call, middleware }: Pick<Route, 'call' | 'middleware'>): RouteCall {
  if (middleware.length === 0) return call
  return stack((request) => call(request, request.getAttribute(MatchedRoute).parameters), ...middleware)
}
