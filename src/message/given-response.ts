/**
 * Responses that middleware replace. A middleware may return another response than the one it was given, whose body it
 * may have wrapped. So the first one isn't over before the second is: then its hooks run, and its body is cancelled if
 * it wasn't read.
 *
 * ```text
 *   handler gives A ──► middleware gives B ──► B is sent, or discarded ──► A is discarded
 *                   └─► middleware throws  ──► A is discarded
 * ```
 */
import { keepResponse } from './request.ts'
import type { Request } from './request.ts'
import { discardResponse, replaceResponse } from './response.ts'
import type { Response } from './response.ts'

/** A handler or a middleware has given a response. */
export function noteResponse(request: Request, response: Response): void {
  const before = keepResponse(request, response)
  if (before !== null && before !== response) replaceResponse(response, before)
}

/** No response that was given so far will be sent. */
export function dropResponse(request: Request, report: (error: unknown) => void): void {
  const before = keepResponse(request, null)
  if (before !== null) discardResponse(before, report)
}
