/**
 * Error pages.
 */
import { HttpErrorException } from '../http/http-error.ts'
import { preferredForm } from '../http/accept.ts'
import type { PageForm } from '../http/accept.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { isReasonPhrase, reasonPhrase } from '../http/status.ts'

/**
 * Makes the error page for a status.
 *
 * @example const json: ErrorHandler = { handleError: (status) => Response.json({ status }, status) }
 */
export interface ErrorHandler {
  /**
   * `reason` replaces the standard phrase; `request` is null when it could not be parsed: the page must come within a
   * second then, or a short text is sent. `error` is what a handler has thrown, or the error of the client, such as a
   * `ClientException` that says why it could not be parsed; undefined when there is none.
   */
  handleError(status: number, reason: string | null, request: Request | null, error?: unknown): Response | Promise<Response>
}

/** Whether the pages of an error handler are other than those of busbar. */
export function isCustom(errorHandler: ErrorHandler): boolean {
  return errorHandler.constructor !== DefaultErrorHandler
}

/**
 * A small page with status and standard phrase: HTML, or JSON or plain text for clients that prefer it. JSON contains
 * the details of an `HttpErrorException`. A reason is sent in the status line only. Never throws.
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
  handleError(status: number, reason: string | null = null, request: Request | null = null, error?: unknown): Response {
    const response = this.#page(status, preferredForm(request?.getHeaderLine('accept') ?? null), error)
    if (isReasonPhrase(reason)) response.setStatus(status, reason)
    return response
  }

  #page(status: number, form: PageForm, error: unknown): Response {
    const title = reasonPhrase(status)
    // The page depends on that field of the request, which caches must know. RFC 9110 §12.5.5.
    const headers = { vary: 'accept' }
    if (form === 'html') return Response.html(this.#html(status), status, headers)
    if (form === 'text') return Response.text(`${`${status} ${title}`.trim()}\n`, status, headers)
    const details = error instanceof HttpErrorException ? error.details : undefined
    try {
      return Response.json({ status, title, details }, status, headers)
    } catch {
      // JSON can't hold the details.
      return Response.json({ status, title }, status, headers)
    }
  }

  #html(status: number): string {
    let page = this.#pages.get(status)
    if (page === undefined) {
      const title = `${status} ${reasonPhrase(status)}`.trim()
      page = `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n</html>\n`
      this.#pages.set(status, page)
    }
    return page
  }
}
