/**
 * The context of a request in an application of Hono.
 */
import type { Context } from 'hono'
import { StateError } from '../core/errors.ts'
import type { FetchContext } from '../handler/fetch-application.ts'
import { RequestContext } from '../web/fetch-context.ts'
import { contextOf } from '../web/fetch-request.ts'

/** The context of busbar. A middleware may have replaced the request, but not the bindings. */
export function contextIn(c: Context): FetchContext {
  const context = contextOf(c.req.raw) ?? (c.env as unknown)
  if (context instanceof RequestContext) return context
  throw new StateError('this request of Hono was not served by busbar, or the application was given other bindings and another request')
}
