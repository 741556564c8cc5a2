/**
 * Settings for the two places in which a server stands: at the edge, or behind a proxy.
 *
 * The order of the middleware, from the outside: exception handler, concurrency, what is forwarded, compression, those of the
 * application, error pages. Methods are refused before, by the option `allowedMethods`.
 */
import { OptionError } from '../core/errors.ts'
import { CompressionMiddleware } from '../middleware/compression.ts'
import { ConcurrencyLimitingMiddleware } from '../middleware/concurrency-limiting.ts'
import { ErrorPagesMiddleware } from '../middleware/error-pages.ts'
import type { ExceptionHandler } from '../middleware/exception-handler.ts'
import { ExceptionMiddleware } from '../middleware/exception-middleware.ts'
import { ForwardedMiddleware } from '../middleware/forwarded-middleware.ts'
import type { AnyMiddleware } from '../middleware/middleware.ts'
import { Engine } from '../native.ts'
import type { ServerSettings } from './server-settings.ts'

/** Settings of `HttpServer.createForDirectAccess`: those of a server, and some more. */
export interface DirectAccessSettings extends Omit<ServerSettings, 'allowedMethods'> {
  /** Methods that reach the handler; null for all that the parser knows. Default: those of the option. */
  readonly allowedMethods?: readonly string[] | null
  /** Handlers that run at the same time; further requests wait. Null for no limit but `requestLimit`. Default: 1000. */
  readonly concurrencyLimit?: number | null
  /** Answers for handlers that fail; without one the server does. */
  readonly exceptionHandler?: ExceptionHandler
}

/** Settings of `HttpServer.createForBehindProxy`. */
export interface BehindProxySettings extends DirectAccessSettings {
  /** Networks of the proxies, and `'unix'`: what they forward is believed. */
  readonly proxies: readonly string[]
}

const CONCURRENCY = 1000

/** The settings of a server that clients reach directly. */
export function directAccess(settings: DirectAccessSettings): ServerSettings {
  return preset(settings, null)
}

/** The settings of a server that proxies reach: connections aren't limited, since a few proxies have them all. */
export function behindProxy(settings: BehindProxySettings): ServerSettings {
  const { proxies, forwardedHeaders = 'x-forwarded' } = settings
  if (!Array.isArray(proxies) || proxies.length === 0) {
    throw new OptionError('proxies', proxies, "a list of the proxies' networks, such as ['10.0.0.0/8'], or ['unix']")
  }
  const limits = { connectionLimit: Infinity, connectionsPerIpLimit: Infinity }
  return preset({ ...limits, ...settings }, new ForwardedMiddleware(forwardedHeaders, proxies))
}

function preset(settings: DirectAccessSettings, forwarded: ForwardedMiddleware | null): ServerSettings {
  const { allowedMethods, concurrencyLimit = CONCURRENCY, exceptionHandler, compression = true, middleware = [], ...others } = settings
  const outer: (AnyMiddleware | null)[] = [
    exceptionHandler === undefined ? null : new ExceptionMiddleware(exceptionHandler),
    concurrencyLimit === null ? null : new ConcurrencyLimitingMiddleware(concurrencyLimit),
    forwarded,
    // One of the application's, with settings of its own, takes the place of this one.
    compression && !hasCompression(middleware) ? new CompressionMiddleware() : null,
  ]
  // A number that no method has is an empty name.
  const methods = allowedMethods === null ? Engine.methods().filter((method) => method !== '') : allowedMethods
  return {
    ...others,
    ...(methods === undefined ? {} : { allowedMethods: methods }),
    compression,
    middleware: [...outer.filter((each) => each !== null), ...middleware, new ErrorPagesMiddleware()],
  }
}

/** Whether responses are compressed by one of these middleware. */
export function hasCompression(middleware: readonly AnyMiddleware[]): boolean {
  return middleware.some((each) => each instanceof CompressionMiddleware)
}
