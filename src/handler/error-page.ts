/**
 * Pages for failed requests: that of the error handler, or the default page if the error handler fails, too.
 */
import { DefaultErrorHandler } from './error-handler.ts'
import type { ErrorHandler } from './error-handler.ts'
import { notAResponse } from './handler.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'

const LAST_RESORT = new DefaultErrorHandler()

/** The error and its request. */
export interface Failure {
  readonly errorHandler: ErrorHandler
  readonly request: Request
  readonly status: number
  readonly reason: string | null
  /** Sends a page; may throw. */
  send(page: Response): void
  /** Reports that the error handler has failed. */
  onFailure(error: unknown): void
}

/** Makes a page and sends it. */
export function giveErrorPage({ errorHandler, request, status, reason, send, onFailure }: Failure): void {
  const giveUp = (error: unknown): void => {
    onFailure(error)
    send(LAST_RESORT.handleError(status, reason))
  }
  // The error handler might return the same page again, so it is called only once.
  const take = (page: unknown): void => {
    try {
      if (!(page instanceof Response)) throw notAResponse(page)
      send(page)
    } catch (error) {
      giveUp(error)
    }
  }
  try {
    const page = errorHandler.handleError(status, reason, request) as Response | PromiseLike<unknown>
    if (page instanceof Response || typeof page?.then !== 'function') take(page)
    else page.then(take, giveUp)
  } catch (error) {
    giveUp(error)
  }
}
