/**
 * Pages for failed requests: that of the error handler, or the default page if the error handler fails, too.
 */
import { DefaultErrorHandler } from './error-handler.ts'
import type { ErrorHandler } from './error-handler.ts'
import { notAResponse } from './handler.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'

const LAST_RESORT = new DefaultErrorHandler()

/** What a page is about. */
export interface PageSubject {
  readonly status: number
  readonly reason?: string | null
  /** What has failed, if anything was thrown. */
  readonly error?: unknown
  /** Fields that the page must have. Those that the error handler has set stay. */
  readonly headers?: readonly (readonly [string, string])[]
}

/** The error and its request. */
export interface Failure extends PageSubject {
  readonly errorHandler: ErrorHandler
  /** Null when it could not be parsed. */
  readonly request: Request | null
  /** Sends a page; may throw. */
  send(page: Response): void
  /** Reports that the error handler has failed. */
  onFailure(error: unknown): void
}

/** The page of an error handler as a promise. */
export function errorPage(
  subject: PageSubject,
  errorHandler: ErrorHandler,
  request: Request,
  onFailure: (error: unknown) => void,
): Promise<Response> {
  return new Promise((send) => giveErrorPage({ ...subject, errorHandler, request, send, onFailure }))
}

/** The page that a handler has asked for by an exception. */
export function subjectOf(error: HttpErrorException): PageSubject {
  return { status: error.status, reason: error.reason, headers: error.headers, error }
}

/** Makes a page and sends it. */
export function giveErrorPage({ errorHandler, request, status, reason = null, error, headers = [], send, onFailure }: Failure): void {
  const sendWith = (page: Response): void => {
    addMissing(page, headers)
    send(page)
  }
  const giveUp = (failure: unknown): void => {
    onFailure(failure)
    sendWith(LAST_RESORT.handleError(status, reason, request, error))
  }
  // The error handler might return the same page again, so it is called only once.
  const take = (page: unknown): void => {
    try {
      if (!(page instanceof Response)) throw notAResponse(page)
      sendWith(page)
    } catch (failure) {
      giveUp(failure)
    }
  }
  try {
    const page = errorHandler.handleError(status, reason, request, error) as Response | PromiseLike<unknown>
    if (page instanceof Response || typeof page?.then !== 'function') take(page)
    else page.then(take, giveUp)
  } catch (failure) {
    giveUp(failure)
  }
}

/** Adds the fields whose names a page doesn't have. */
function addMissing(page: Response, headers: readonly (readonly [string, string])[]): void {
  const missing = headers.filter(([name]) => !page.hasHeader(name))
  for (const [name, value] of missing) page.addHeader(name, value)
}
