/**
 * Requests whose handler has failed, and requests that are refused by a rule or a limit: their error pages, their log
 * lines and their counts.
 */
import type { Client } from '../connection/client.ts'
import { clientExceptionIn } from '../connection/client-exception.ts'
import type { Logger } from '../core/logger.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { giveErrorPage, subjectOf } from '../handler/error-page.ts'
import type { PageSubject } from '../handler/error-page.ts'
import { logExpiry, logFailure, logLateFailure } from '../handler/log-failure.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { dropResponse } from '../message/given-response.ts'
import type { Request } from '../message/request.ts'
import { discardResponse } from '../message/response.ts'
import type { Response } from '../message/response.ts'
import type { HotFunctions } from '../native.ts'
import type { Options } from '../options/options.ts'
import { debugPage } from '../pages/debug-page.ts'
import { refusalMessage } from './refusals.ts'
import type { RefusalCode } from './refusals.ts'

/** What the answers of failed requests need of their server. */
export interface FailureOwner {
  readonly hot: HotFunctions
  readonly options: Options
  readonly logger: Logger
  /** Each response closes its connection. */
  readonly isDraining: boolean
}

/** Sends a response. */
type Send = (request: Request, exchange: Exchange, response: Response) => void

/** The failed and refused requests of one server. */
export class FailedRequests {
  readonly #owner: FailureOwner
  readonly #errorHandler: ErrorHandler
  readonly #send: Send
  /** Requests that were refused here, by the code of the reason. The engine counts its own. */
  readonly #refusals: Record<string, number> = {}

  /** `send` throws when a response can't be sent. */
  constructor(owner: FailureOwner, errorHandler: ErrorHandler, send: Send) {
    this.#owner = owner
    this.#errorHandler = errorHandler
    this.#send = send
  }

  /** How many requests were refused here, by the code of the reason. */
  refusals(): Readonly<Record<string, number>> {
    return this.#refusals
  }

  /** Answers a request whose handler has failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void {
    this.drop(request)
    try {
      this.#failFor(request, exchange, error)
    } catch (exception) {
      // Looking at the thrown value has thrown as well.
      this.log('a handler failed', request, exception)
      this.answer(request, exchange, { status: 500, error })
    }
  }

  /** Disposes of what was given behind middleware and isn't sent. */
  drop(request: Request): void {
    dropResponse(request, (error) => this.log('a response that was not sent could not be disposed of', request, error))
  }

  #failFor(request: Request, exchange: Exchange, error: unknown): void {
    if (error instanceof HttpErrorException) return this.answer(request, exchange, subjectOf(error))
    const atFault = clientExceptionIn(error)
    if (atFault?.getCode() === 413) return this.refuse(request, exchange, { status: 413, error }, 'BUSBAR_BODY_TOO_LARGE')
    if (atFault !== undefined || exchange.isClientGone(error)) {
      // The client is at fault or has disconnected, and the handler has nothing more to send.
      if (exchange.isAnswered) return
      if (exchange.isHttp2()) return this.#endStream(request, exchange, error)
      void exchange.client().stop(1000).catch(() => {})
      return
    }
    exchange.observation?.fail(error)
    this.log('a handler failed', request, error)
    const page = this.#owner.options.get('debug') ? debugPage(error, request, exchange.client()) : null
    if (page === null) this.answer(request, exchange, { status: 500, error })
    else this.#sendPage(request, exchange, page)
  }

  #sendPage(request: Request, exchange: Exchange, page: Response): void {
    try {
      this.#send(request, exchange, page)
    } catch (error) {
      this.discard(request, page)
      this.fail(request, exchange, error)
    }
  }

  /** Ends a stream of HTTP/2 for an error of its client; the connection lives on. */
  #endStream(request: Request, exchange: Exchange, error: unknown): void {
    const status = clientExceptionIn(error)?.status
    if (status !== undefined) return this.answer(request, exchange, { status, error })
    exchange.markAnswered()
    this.#owner.hot.abort(exchange.slot, exchange.requestId)
  }

  /** The time of a handler is over. A later response of it is dropped. */
  expire(request: Request, exchange: Exchange): void {
    logExpiry(this.#owner, request)
    exchange.observation?.mark('timeout')
    exchange.expire()
    this.count('BUSBAR_HANDLER_TIMEOUT', exchange.client())
    this.answer(request, exchange, { status: 503 })
  }

  /** Counts a refusal. In debug mode it is logged with its reason. */
  count(code: RefusalCode, client: Client): void {
    this.#refusals[code] = (this.#refusals[code] ?? 0) + 1
    const { options, logger } = this.#owner
    if (options.get('debug')) logger.debug(refusalMessage(code, client.getRemoteAddress(), options))
  }

  /** A handler has failed after its time was over. */
  failLate(request: Request, exchange: Exchange, error: unknown): void {
    this.drop(request)
    const isGone = (): boolean => clientExceptionIn(error) !== undefined || exchange.isClientGone(error)
    logLateFailure(this.#owner, request, error, isGone)
  }

  /** Refuses a request by a rule or a limit. After a body that isn't read, the connection closes. */
  refuse(request: Request, exchange: Exchange, subject: PageSubject, code: RefusalCode, closes = true): void {
    this.count(code, exchange.client())
    this.answer(request, exchange, subject, closes)
  }

  /** Answers with a 413: the body is over its limit, and the handler has ignored it. */
  refuseBody(request: Request, exchange: Exchange, response: Response): void {
    this.discard(request, response)
    // The page is sent with any status, also below 400.
    exchange.isOverLimit = false
    this.refuse(request, exchange, { status: 413 }, 'BUSBAR_BODY_TOO_LARGE')
  }

  /** Answers with the page of the error handler, or with the default page when that fails. */
  answer(request: Request, exchange: Exchange, subject: PageSubject, closes = false): void {
    const send = (response: Response): void => {
      if (this.#owner.isDraining || (closes && !exchange.isHttp2())) response.setHeader('connection', 'close')
      this.#send(request, exchange, response)
    }
    giveErrorPage({
      ...subject,
      errorHandler: this.#errorHandler,
      request,
      send,
      onFailure: (error) => this.log('the error handler failed', request, error),
    })
  }

  /** Disposes of a response that isn't sent. */
  discard(request: Request, response: Response): void {
    discardResponse(response, (error) => this.log('a response that was not sent could not be disposed of', request, error))
  }

  /** Logs an error about one request. */
  log(message: string, request: Request, exception: unknown): void {
    logFailure(this.#owner, message, request, exception)
  }
}
