/**
 * What answers when a handler has failed.
 */
import { escapeLine, silentLogger } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { toLogger } from '../core/any-logger.ts'
import type { AnyLogger } from '../core/any-logger.ts'
import { DefaultErrorHandler } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { errorPage } from '../handler/error-page.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { debugPage } from '../pages/debug-page.ts'

/**
 * Makes the response for an error that a handler has thrown.
 *
 * @example const teapot: ExceptionHandler = { handleException: (request, error) => Response.json({ error: String(error) }, 500) }
 */
export interface ExceptionHandler {
  handleException(request: Request, error: unknown): Response | Promise<Response>
}

/** What a part that makes error pages uses of the server in which it stands. */
export interface PageServer {
  getErrorHandler(): ErrorHandler
  getLogger(): Logger
  getOptions(): { get(name: 'debug' | 'requestLogContext'): boolean }
}

/**
 * Logs the error and answers with the error handler's page for a 500. In debug mode, clients on this machine get a page
 * with the error, its stack and the request. Error handler and logger are those of the server unless they are given.
 *
 * @example new ExceptionMiddleware(new DefaultExceptionHandler(errorHandler, logger))
 */
export class DefaultExceptionHandler implements ExceptionHandler {
  readonly #ownErrorHandler: ErrorHandler | null
  readonly #ownLogger: Logger | null
  #server: PageServer | null = null

  constructor(errorHandler: ErrorHandler | null = null, logger: AnyLogger | null = null) {
    this.#ownErrorHandler = errorHandler
    this.#ownLogger = logger === null ? null : toLogger(logger)
  }

  /** The server has started: its error handler, logger and debug mode count. */
  onStart(server: PageServer): void {
    this.#server = server
  }

  /**
   * The page, after a log line.
   *
   * @example await handler.handleException(request, new Error('no database'))
   */
  handleException(request: Request, error: unknown): Response | Promise<Response> {
    const logger = this.#ownLogger ?? this.#server?.getLogger() ?? silentLogger
    const log = (message: string, exception: unknown): void => {
      const context = this.#server?.getOptions().get('requestLogContext') === true ? { exception, request } : { exception }
      logger.error(`${message}: ${escapeLine(request.getMethod())} ${escapeLine(request.getTarget())}`, context)
    }
    log('a handler failed', error)
    const page = this.#server?.getOptions().get('debug') === true ? debugPage(error, request, request.getClient()) : null
    if (page !== null) return page
    const errorHandler = this.#ownErrorHandler ?? this.#server?.getErrorHandler() ?? new DefaultErrorHandler()
    return errorPage({ status: 500, error }, errorHandler, request, (failure) => log('the error handler failed', failure))
  }
}
