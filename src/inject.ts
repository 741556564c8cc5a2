/**
 * Answering a request without a socket.
 */
import { DefaultErrorHandler } from './error-handler.ts'
import type { ErrorHandler } from './error-handler.ts'
import { HandlerError, HttpErrorException, show } from './errors.ts'
import type { HandlerFunction } from './handler.ts'
import type { Logger } from './logger.ts'
import type { Options } from './options.ts'
import type { Request } from './request.ts'
import { Response } from './response.ts'

/** The response that a client would get, by the same rules as on a socket. */
export async function inject(
  request: Request,
  handler: HandlerFunction,
  errorHandler: ErrorHandler,
  options: Options,
  logger: Logger,
): Promise<Response> {
  const allowed = options.get('allowedMethods')
  const method = request.getMethod()
  const page = async (status: number, reason: string | null = null): Promise<Response> => {
    try {
      return await errorHandler.handleError(status, reason, request)
    } catch (exception) {
      logger.error('the error handler failed', { exception })
      return new DefaultErrorHandler().handleError(status, reason)
    }
  }
  if (!allowed.includes(method)) {
    const isStandard = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'].includes(method)
    const response = await page(isStandard ? 405 : 501)
    response.setHeader('allow', allowed.join(', '))
    return response
  }
  try {
    const response: unknown = await handler(request)
    if (response instanceof Response) return response
    throw new HandlerError(`a handler must return a Response or a promise of one; got ${show(response)}`)
  } catch (exception) {
    if (exception instanceof HttpErrorException) return page(exception.status, exception.reason)
    logger.error(`a handler failed: ${method} ${request.getTarget()}`, { exception })
    return page(500)
  }
}
