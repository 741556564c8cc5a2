/**
 * Requests that are answered without a socket.
 */
import { DefaultErrorHandler } from './error-handler.ts'
import type { ErrorHandler } from './error-handler.ts'
import { StateError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { ClientException } from '../connection/client-exception.ts'
import { answerWithFile } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import { notAResponse } from './handler.ts'
import type { HandlerFunction } from './handler.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { refusalOf } from '../http/methods.ts'
import type { Options } from '../options/options.ts'
import { Request, abortRequest } from '../message/request.ts'
import { Response, discardResponse } from '../message/response.ts'

/** The parts of a server that make a response. */
export interface InjectSettings {
  readonly handler: HandlerFunction
  readonly errorHandler: ErrorHandler
  readonly options: Options
  readonly logger: Logger
}

/** Makes the response by the same rules as for a client on a socket. */
export async function inject(request: Request, settings: InjectSettings): Promise<Response> {
  if (!(request instanceof Request)) throw new StateError('server.inject takes a Request; see Request.create')
  const { options, logger } = settings
  const allowed = options.get('allowedMethods')
  const allow = allowed.join(', ')
  const method = request.getMethod()
  if (!allowed.includes(method)) {
    const response = await page(request, settings, refusalOf(method))
    response.setHeader('allow', allow)
    return response
  }
  if (method === 'OPTIONS' && request.getTarget() === '*') return new Response(204, { allow })
  try {
    return await answer(request, settings)
  } catch (exception) {
    if (exception instanceof HttpErrorException) return failed(request, settings, exception)
    if (exception instanceof ClientException && exception.getCode() === 413) return page(request, settings, 413)
    // On a socket the client would be gone.
    if (exception instanceof ClientException) throw exception
    logger.error(`a handler failed: ${method} ${escapeLine(request.getTarget())}`, { exception })
    return page(request, settings, 500)
  }
}

async function answer(request: Request, { handler, options, logger }: InjectSettings): Promise<Response> {
  const seconds = options.get('handlerTimeout')
  let isExpired = false
  const answered = Promise.resolve(handler(request)).then(async (response: unknown) => {
    if (!(response instanceof Response)) throw notAResponse(response)
    const body = response.getBody()
    if (isExpired) discardResponse(response, (exception) => logger.error('a late response could not be disposed of', { exception }))
    else if (body instanceof FileBody) await answerWithFile(request, response, body).finally(() => body.release())
    return response
  })
  if (seconds === 0) return answered
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    const expire = (): void => {
      isExpired = true
      abortRequest(request)
      reject(new HttpErrorException(503))
    }
    timer = setTimeout(expire, Math.min(seconds * 1000, 2 ** 31 - 1))
  })
  try {
    return await Promise.race([answered, expired])
  } finally {
    clearTimeout(timer)
  }
}

async function failed(request: Request, settings: InjectSettings, { status, reason, headers }: HttpErrorException): Promise<Response> {
  const response = await page(request, settings, status, reason)
  if (headers.length > 0) response.setHeaders(headers)
  return response
}

async function page(
  request: Request,
  { errorHandler, logger }: InjectSettings,
  status: number,
  reason: string | null = null,
): Promise<Response> {
  try {
    const response: unknown = await errorHandler.handleError(status, reason, request)
    if (response instanceof Response) return response
    throw notAResponse(response)
  } catch (exception) {
    logger.error('the error handler failed', { exception })
    return new DefaultErrorHandler().handleError(status, reason)
  }
}
