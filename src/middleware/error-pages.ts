/**
 * Makes pages of thrown HTTP errors, so that what stands outside sees a response.
 */
import { silentLogger } from '../core/logger.ts'
import { DefaultErrorHandler } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { errorPage, subjectOf } from '../handler/error-page.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { settleFile } from '../message/file-response.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { PageServer } from './exception-handler.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * Answers an `HttpErrorException` that is thrown behind it with the error handler's page. Also opens the file of a
 * `Response.file`, so that a missing one is a page here. Other errors go through it.
 *
 * Make it the innermost: CORS, logs, request ids and compression then see an error page like any other response. The
 * error handler is that of the server unless one is given.
 *
 * @example stack(handler, new CorsMiddleware(), new ErrorPagesMiddleware())
 */
export class ErrorPagesMiddleware implements Middleware {
  readonly #own: ErrorHandler | null
  #server: PageServer | null = null

  constructor(errorHandler: ErrorHandler | null = null) {
    this.#own = errorHandler
  }

  /** The server has started: its error handler makes the pages, unless the middleware has its own. */
  onStart(server: PageServer): void {
    this.#server = server
  }

  /**
   * Passes the request on, and answers HTTP errors.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    try {
      const result = next(request)
      const settled = result instanceof Promise ? result.then((response) => settle(request, response)) : settle(request, result)
      return settled instanceof Promise ? settled.catch((error: unknown) => this.#answer(request, error)) : settled
    } catch (error) {
      return this.#answer(request, error)
    }
  }

  #answer(request: Request, error: unknown): Promise<Response> {
    if (!(error instanceof HttpErrorException)) throw error
    const errorHandler = this.#own ?? this.#server?.getErrorHandler() ?? new DefaultErrorHandler()
    const logger = this.#server?.getLogger() ?? silentLogger
    const onFailure = (exception: unknown): void => logger.error('the error handler failed', { exception })
    return errorPage(subjectOf(error), errorHandler, request, onFailure)
  }
}

function settle(request: Request, response: Response): Response | Promise<Response> {
  return settleFile(request, response)?.then(() => response) ?? response
}
