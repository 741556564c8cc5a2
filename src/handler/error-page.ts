/**
 * Pages for requests that have failed: the error handler's, or our own should that fail as well.
 */
import { DefaultErrorHandler } from './error-handler.ts'
import type { ErrorHandler } from './error-handler.ts'
import { notAResponse } from './handler.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'

const LAST_RESORT = new DefaultErrorHandler()

/** What is to be said, to whom. */
export interface Failure {
  readonly errorHandler: ErrorHandler
  readonly request: Request
  readonly status: number
  readonly reason: string | null
  /** Sends a page; may throw when it can't be sent. */
  send(page: Response): void
  /** The error handler has failed. */
  onFailure(error: unknown): void
}

/** Has a page made and sent. */
export function giveErrorPage({ errorHandler, request, status, reason, send, onFailure }: Failure): void {
  const giveUp = (error: unknown): void => {
    onFailure(error)
    send(LAST_RESORT.handleError(status, reason))
  }
  // A page that can't be sent isn't asked for again: an error handler may give the same one each time.
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
