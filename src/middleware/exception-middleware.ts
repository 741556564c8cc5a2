/**
 * Answers for handlers that fail.
 */
import { clientExceptionIn, isAbortedBy } from '../connection/client-exception.ts'
import { OptionError } from '../core/errors.ts'
import { isObserver } from '../core/observing.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { DefaultExceptionHandler } from './exception-handler.ts'
import type { ExceptionHandler, PageServer } from './exception-handler.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * Passes errors that are thrown behind it to an `ExceptionHandler`, by default to a `DefaultExceptionHandler`. An
 * `HttpErrorException` and errors of a client that is at fault or has left go through it.
 *
 * Without it the server answers a failed handler with the same page. With it, what stands outside of it sees that page
 * as a response.
 *
 * @example stack(handler, new ExceptionMiddleware({ handleException: (request, error) => Response.json({ error: 'ours' }, 500) }))
 */
export class ExceptionMiddleware implements Middleware {
  readonly #handler: ExceptionHandler

  constructor(handler: ExceptionHandler = new DefaultExceptionHandler()) {
    if (typeof handler?.handleException !== 'function') {
      throw new OptionError('the exception handler', handler, 'an object with handleException(request, error)')
    }
    this.#handler = handler
  }

  /** Starts the exception handler, if it is an observer. */
  async onStart(server: PageServer): Promise<void> {
    if (isObserver(this.#handler)) await this.#handler.onStart?.(server as never)
  }

  /** Stops it. */
  async onStop(server: PageServer): Promise<void> {
    if (isObserver(this.#handler)) await this.#handler.onStop?.(server as never)
  }

  /**
   * Passes the request on, and errors to the exception handler.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    try {
      const result = next(request)
      return result instanceof Promise ? result.catch((error: unknown) => this.#answer(request, error)) : result
    } catch (error) {
      return this.#answer(request, error)
    }
  }

  #answer(request: Request, error: unknown): Response | Promise<Response> {
    if (error instanceof HttpErrorException || clientExceptionIn(error) !== undefined || isAbortedBy(request.getSignal(), error)) throw error
    return this.#handler.handleException(request, error)
  }
}
