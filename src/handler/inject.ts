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
import { logExpiry, logFailure, logLateFailure } from './log-failure.ts'
import type { Client } from '../connection/client.ts'
import type { Logger } from '../core/logger.ts'
import { refusalOf } from '../http/methods.ts'
import type { Options } from '../options/options.ts'
import { dropResponse } from '../message/given-response.ts'
import { Request, abortRequest } from '../message/request.ts'
import { checkLength } from '../message/content-length.ts'
import { Response, discardResponse, extrasOf } from '../message/response.ts'
import { unaskedProtocol } from '../message/upgrade-request.ts'
import { isBodiless } from '../http/status.ts'

/** The codes of refusals. */
export type Refusal = 'BUSBAR_METHOD_NOT_ALLOWED' | 'BUSBAR_BODY_TOO_LARGE' | 'BUSBAR_HANDLER_TIMEOUT' | 'BUSBAR_REQUEST_LIMIT'

/** Is notified of what happens to a request beside its answer. */
export interface InjectWatch {
  /** The handler has failed. */
  onFailure(error: unknown): void
  /** The request was refused by a rule or a limit. */
  onRefusal(code: Refusal): void
}

/** Decides when a handler may run. */
export interface HandlerRunner {
  /** Calls the handler once it may run, and `begin` before. */
  handle(handler: HandlerFunction, request: Request, begin: () => void): Response | Promise<Response>
}

/** The parts of a server that make a response. */
export interface InjectSettings {
  readonly handler: HandlerFunction
  /** Without one, the handler runs at once. */
  readonly runner?: HandlerRunner | null
  readonly errorHandler: ErrorHandler
  readonly options: Options
  readonly logger: Logger
  readonly watch?: InjectWatch
  /** The page of debug mode for an error that a handler has thrown; null for that of the error handler. */
  readonly debugPage: (error: unknown, request: Request, client: Client) => Response | null
}

const AT_ONCE: HandlerRunner = {
  handle(handler, request, begin) {
    begin()
    return handler(request)
  },
}

/** Makes the response by the same rules as for a client on a socket. */
export async function inject(request: Request, settings: InjectSettings): Promise<Response> {
  if (!(request instanceof Request)) throw new StateError('server.inject takes a Request; see Request.create')
  const { options } = settings
  const allowed = options.get('allowedMethods')
  const allow = allowed.join(', ')
  const method = request.getMethod()
  if (!allowed.includes(method)) {
    settings.watch?.onRefusal('BUSBAR_METHOD_NOT_ALLOWED')
    return page(request, settings, { status: refusalOf(method), headers: [['allow', allow]] })
  }
  if (method === 'OPTIONS' && request.getTarget() === '*') return new Response(204, { allow })
  try {
    const response = await answer(request, settings)
    const asked = { method: () => method, upgrade: () => request.getUpgrade() }
    const takeover = extrasOf(response)?.takeover ?? null
    const unasked = takeover === null ? null : unaskedProtocol(asked, response, takeover)
    if (unasked !== null) {
      discard(request, response, settings)
      return page(request, settings, { status: 426, headers: [['upgrade', unasked], ['connection', 'upgrade']] })
    }
    checkLength(response, method)
    // The engine sends a length with an empty response, too.
    if (response.getBody() === null && !isBodiless(response.getStatus()) && !response.hasHeader('content-length')) {
      response.setHeader('content-length', 0)
    }
    return response
  } catch (exception) {
    dropResponse(request, (error) => logFailure(settings, 'a response that was not sent could not be disposed of', request, error))
    return failed(request, settings, exception)
  }
}

/** The answer for a handler that has failed. Rejects with a `ClientException` where the client would be gone. */
async function failed(request: Request, settings: InjectSettings, exception: unknown): Promise<Response> {
  let subject: PageSubject | Response | ClientException
  try {
    subject = subjectFor(request, settings, exception)
  } catch (failure) {
    // Looking at the thrown value has thrown as well.
    logFailure(settings, 'a handler failed', request, failure)
    subject = { status: 500, error: exception }
  }
  if (subject instanceof ClientException) throw subject
  return subject instanceof Response ? subject : page(request, settings, subject)
}

/** What to answer with after an error. */
function subjectFor(request: Request, settings: InjectSettings, exception: unknown): PageSubject | Response | ClientException {
  if (exception instanceof HttpErrorException) return subjectOf(exception)
  const atFault = clientExceptionIn(exception)
  if (atFault?.getCode() === 413) {
    settings.watch?.onRefusal('BUSBAR_BODY_TOO_LARGE')
    return { status: 413, error: exception }
  }
  // On a socket the client would be gone.
  if (atFault !== undefined || isAbortedBy(request.getSignal(), exception)) return atFault ?? gone()
  settings.watch?.onFailure(exception)
  logFailure(settings, 'a handler failed', request, exception)
  const shown = settings.options.get('debug') ? settings.debugPage(exception, request, request.getClient()) : null
  return shown ?? { status: 500, error: exception }
}

async function answer(request: Request, settings: InjectSettings): Promise<Response> {
  const { handler, options } = settings
  const runner = settings.runner ?? AT_ONCE
  const seconds = options.get('handlerTimeout')
  let isExpired = false
  let timer: NodeJS.Timeout | undefined
  let reject!: (error: Error) => void
  const expired = new Promise<never>((_, fail) => (reject = fail))
  const expire = (): void => {
    isExpired = true
    logExpiry(settings, request)
    settings.watch?.onRefusal('BUSBAR_HANDLER_TIMEOUT')
    abortRequest(request)
    const isGone = (error: unknown): boolean => clientExceptionIn(error) !== undefined || isAbortedBy(request.getSignal(), error)
    answered.catch((error: unknown) => logLateFailure(settings, request, error, () => isGone(error)))
    reject(new HttpErrorException(503))
  }
  const begin = (): void => {
    if (seconds > 0) timer = setTimeout(expire, Math.min(seconds * 1000, 2 ** 31 - 1))
  }
  const handle = async (): Promise<Response> => {
    const response: unknown = await runner.handle(handler, request, begin)
    if (!(response instanceof Response)) throw notAResponse(response)
    const body = response.getBody()
    if (isExpired) discard(request, response, settings)
    else if (body instanceof FileBody) await answerWithFile(request, response, body).finally(() => body.release())
    return response
  }
  const answered = handle()
  try {
    return await Promise.race([answered, expired])
  } finally {
    clearTimeout(timer)
  }
}

function page(request: Request, settings: InjectSettings, subject: PageSubject): Promise<Response> {
  const { errorHandler } = settings
  const onFailure = (exception: unknown): void => logFailure(settings, 'the error handler failed', request, exception)
  return errorPage(subject, errorHandler, request, onFailure)
}

function gone(): ClientException {
  return new ClientException(null, 'the client disconnected', 408)
}

function discard(request: Request, response: Response, settings: InjectSettings): void {
  discardResponse(response, (error) => logFailure(settings, 'a response that was not sent could not be disposed of', request, error))
}
