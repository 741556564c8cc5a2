/**
 * The context of a request, for libraries that are given the request alone.
 */
import type { FetchContext } from '../handler/fetch-application.ts'
import { contextOf as find } from '../web/fetch-request.ts'

/**
 * The context of a request that came to a server of busbar; undefined for other requests. A `new Request(request)` is
 * another one.
 *
 * @example const { remoteAddress } = contextOf(event.req)!
 */
export function contextOf(request: globalThis.Request): FetchContext | undefined {
  return find(request)
}
