/**
 * A limit of request bodies for a part of an application.
 */
import { limitedBody } from '../body/request-body.ts'
import { OptionError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * Lets bodies of at most so many bytes through, in place of the option `bodySizeLimit`, which may be lower or higher. A
 * request whose `content-length` is larger gets a 413 before the handler is called; of others the handler reads no more
 * than the limit, and the client gets the 413 then.
 *
 * @example router.addRoute('POST', '/avatar', stack(saveAvatar, new BodySizeLimitMiddleware(1024 * 1024)))
 */
export class BodySizeLimitMiddleware implements Middleware {
  readonly #limit: number

  constructor(limit: number) {
    if (limit !== Infinity && (!Number.isSafeInteger(limit) || limit < 0)) {
      throw new OptionError('limit', limit, 'an integer of at least 0, or Infinity')
    }
    this.#limit = limit
  }

  /**
   * Passes a request on whose body isn't known to be too large.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const length = request.getHeader('content-length')
    if (length !== null && Number(length) > this.#limit) throw new HttpErrorException(413)
    // Requests without a body have no trailers.
    if (length === '0' || (length === null && request.getTrailers() === null)) return next(request)
    const body = request.getBody()
    body.increaseSizeLimit(this.#limit)
    if (length === null && this.#limit !== Infinity) request.setBody(limitedBody(body, this.#limit, request.getClient()))
    return next(request)
  }
}
