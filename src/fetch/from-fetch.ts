/**
 * Web-standard applications as handlers.
 */
import { OptionError } from '../core/errors.ts'
import { isFetchApplication } from '../handler/fetch-application.ts'
import type { FetchApplication, FetchFunction } from '../handler/fetch-application.ts'
import type { HandlerFunction } from '../handler/handler.ts'
import { handlerOf } from '../web/fetch-handler.ts'

/** Settings of `fromFetch`. */
export interface FromFetchSettings {
  /**
   * Whether the global `Response` is replaced by one that costs a tenth, and on Node 24 and later `Request` and `fetch` so
   * that they take the requests of a server. Objects of the platform's classes are still instances. Default: true.
   */
  readonly overrideGlobals?: boolean
}

/**
 * A handler that calls a function of the web's `Request` and `Response`, or an application with such a `fetch`. Wherever
 * busbar takes a handler it takes such applications as they are, too.
 *
 * @example router.route('GET', '/api/*', fromFetch((request) => fetch(new URL(request.url).pathname, { signal: request.signal })))
 */
export function fromFetch(fetch: FetchFunction | FetchApplication, settings: FromFetchSettings = {}): HandlerFunction {
  const { overrideGlobals = true, ...unknown } = settings
  for (const name of Object.keys(unknown)) throw new OptionError('fromFetch', name, 'an object with the key overrideGlobals')
  if (typeof overrideGlobals !== 'boolean') throw new OptionError('overrideGlobals', overrideGlobals, 'true or false')
  if (isFetchApplication(fetch)) return handlerOf(fetch, overrideGlobals)
  if (typeof fetch === 'function') return handlerOf({ fetch }, overrideGlobals)
  throw new OptionError('fetch', fetch, 'a function (request) => Response, or an object with fetch(request)')
}
