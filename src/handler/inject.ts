/**
 * Requests that are answered without a socket.
 */
import type { ErrorHandler } from './error-handler.ts'
import { StateError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { ClientException, clientExceptionIn, isAbortedBy } from '../connection/client-exception.ts'
import { answerWithFile } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import { errorPage, subjectOf } from './error-page.ts'
import type { PageSubject } from './error-page.ts'
import { notAResponse } from './handler.ts'
import type { HandlerFunction } from './handler.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { refusalOf } from '../http/methods.ts'
import type { Options } from '../options/options.ts'
import { dropResponse } from '../message/given-response.ts'
import { Request, abortRequest } from '../message/request.ts'
import { checkLength } from '../message/content-length.ts'
import { Response, discardResponse, extrasOf } from '../message/response.ts'
import { unaskedProtocol } from '../message/upgrade-request.ts'
import { isBodiless } from '../http/status.ts'

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
    return page(request, settings, { status: refusalOf(method), headers: [['allow', allow]] })
  }
  if (method === 'OPTIONS' && request.getTarget() === '*') return new Response(204, { allow })
  try {
    const response = await answer(request, settings)
    const asked = { method: () => method, upgrade: () => request.getUpgrade() }
    const takeover = extrasOf(response)?.takeover ?? null
    const unasked = takeover === null ? null : unaskedProtocol(asked, response, takeover)
    if (unasked !== null) {
      discard(response, logger)
      return page(request, settings, { status: 426, headers: [['upgrade', unasked], ['connection', 'upgrade']] })
    }
    checkLength(response, method)
    // The engine sends a length with an empty response, too.
    if (response.getBody() === null && !isBodiless(response.getStatus()) && !response.hasHeader('content-length')) {
      response.setHeader('content-length', 0)
    }
    return response
  } catch (exception) {
    dropResponse(request, (error) => logger.error('a response that was not sent could not be disposed of', { exception: error }))
    if (exception instanceof HttpErrorException) return page(request, settings, subjectOf(exception))
    const atFault = clientExceptionIn(exception)
    if (atFault?.getCode() === 413) return page(request, settings, { status: 413, error: exception })
    // On a socket the client would be gone.
    if (atFault !== undefined || isAbortedBy(request.getSignal(), exception)) throw atFault ?? gone()
    logger.error(`a handler failed: ${method} ${escapeLine(request.getTarget())}`, { exception })
    return page(request, settings, { status: 500, error: exception })
  }
}

async function answer(request: Request, { handler, options, logger }: InjectSettings): Promise<Response> {
  const seconds = options.get('handlerTimeout')
  let isExpired = false
  const answered = Promise.resolve(handler(request)).then(async (response: unknown) => {
    if (!(response instanceof Response)) throw notAResponse(response)
    const body = response.getBody()
    if (isExpired) discard(response, logger)
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

function page(request: Request, { errorHandler, logger }: InjectSettings, subject: PageSubject): Promise<Response> {
  const onFailure = (exception: unknown): void => logger.error('the error handler failed', { exception })
  return errorPage(subject, errorHandler, request, onFailure)
}

function gone(): ClientException {
  return new ClientException(null, 'the client disconnected', 408)
}

function discard(response: Response, logger: Logger): void {
  discardResponse(response, (exception) => logger.error('a response that was not sent could not be disposed of', { exception }))
}
