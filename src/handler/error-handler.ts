/**
 * Error pages.
 */
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { isReasonPhrase, reasonPhrase } from '../http/status.ts'

/**
 * Makes the error page for a status.
 *
 * @example const json: ErrorHandler = { handleError: (status) => Response.json({ status }, status) }
 */
export interface ErrorHandler {
  /** `reason` replaces the standard phrase; `request` is null when it could not be parsed. */
  handleError(status: number, reason: string | null, request: Request | null): Response | Promise<Response>
}

/**
 * A small HTML page with status and standard phrase. A reason is sent in the status line only. Never throws.
 *
 * @example server.setErrorHandler(new DefaultErrorHandler())
 */
export class DefaultErrorHandler implements ErrorHandler {
  readonly #pages = new Map<number, string>()

  /**
   * The page for a status.
   *
   * @example new DefaultErrorHandler().handleError(404)
   */
  handleError(status: number, reason: string | null = null): Response {
    let page = this.#pages.get(status)
    if (page === undefined) {
      const title = `${status} ${reasonPhrase(status)}`.trim()
      page = `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n</html>\n`
      this.#pages.set(status, page)
    }
    const response = Response.html(page, status)
    if (isReasonPhrase(reason)) response.setStatus(status, reason)
    return response
  }
}
