/**
 * The time in which a server still serves, but so that its clients leave.
 */
import type { HandlerFunction } from '../handler/handler.ts'
import { Response } from '../message/response.ts'

/** A handler whose responses close their connections. */
export function closing(handler: HandlerFunction): HandlerFunction {
  return (request) => {
    const result = handler(request) as Response | PromiseLike<Response> | null | undefined
    if (result instanceof Response || typeof result?.then !== 'function') return closed(result as Response)
    return Promise.resolve(result).then(closed)
  }
}

function closed(response: Response): Response {
  if (response instanceof Response && !response.isUpgraded()) response.setHeader('connection', 'close')
  return response
}
