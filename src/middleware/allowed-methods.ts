/**
 * Refuses methods. The server does the same by its option `allowedMethods`; this is for a part of an application.
 */
import { OptionError } from '../core/errors.ts'
import { escapeLine, silentLogger } from '../core/logger.ts'
import { toLogger } from '../core/any-logger.ts'
import type { AnyLogger } from '../core/any-logger.ts'
import type { Logger } from '../core/logger.ts'
import { DefaultErrorHandler } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { errorPage } from '../handler/error-page.ts'
import { DEFAULT_METHODS, refusalOf } from '../http/methods.ts'
import { TOKEN } from '../http/token.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * Answers requests of other methods with the error handler's page, a 405 for methods of HTTP and a 501 for others, and
 * `OPTIONS *` with a 204; both have `allow`. Each refusal is logged as a warning.
 *
 * @example stack(handler, new AllowedMethodsMiddleware(errorHandler, logger, ['GET', 'HEAD']))
 */
export class AllowedMethodsMiddleware implements Middleware {
  readonly #errorHandler: ErrorHandler
  readonly #logger: Logger
  readonly #methods: readonly string[]
  readonly #allow: string

  constructor(
    errorHandler: ErrorHandler = new DefaultErrorHandler(),
    logger: AnyLogger = silentLogger,
    methods: readonly string[] = DEFAULT_METHODS,
  ) {
    this.#errorHandler = errorHandler
    this.#logger = toLogger(logger)
    this.#methods = checkMethods(methods)
    this.#allow = this.#methods.join(', ')
  }

  /**
   * The methods that are let through, in the order of `allow`.
   *
   * @example middleware.getAllowedMethods() // ['GET', 'HEAD']
   */
  getAllowedMethods(): readonly string[] {
    return this.#methods
  }

  /**
   * Passes on a request whose method is allowed.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const method = request.getMethod()
    const allow = this.#allow
    if (this.#methods.includes(method)) {
      return method === 'OPTIONS' && request.getTarget() === '*' ? new Response(204, { allow }) : next(request)
    }
    this.#logger.warning(`a method isn't allowed: ${escapeLine(method)} ${escapeLine(request.getTarget())}`)
    const onFailure = (exception: unknown): void => this.#logger.error('the error handler failed', { exception })
    return errorPage({ status: refusalOf(method), headers: [['allow', allow]] }, this.#errorHandler, request, onFailure)
  }
}

/** A list of methods without duplicates. GET and HEAD are part of it (RFC 9110 §9.1). */
function checkMethods(methods: readonly string[]): readonly string[] {
  const isList = Array.isArray(methods) && methods.every((method) => typeof method === 'string' && TOKEN.test(method))
  if (isList && methods.includes('GET') && methods.includes('HEAD')) return Object.freeze([...new Set(methods)])
  throw new OptionError('methods', methods, 'a list of methods with GET and HEAD')
}
