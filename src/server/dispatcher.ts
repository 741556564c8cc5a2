/**
 * The hot path: from a notice to the handler and from its response to the engine.
 *
 * Budget: 0.4 us for a request whose handler reads nothing and answers at once, without the handler itself.
 * Each request costs a Request, its Exchange and an AsyncResource. A request is registered only when it expects
 * notices. Rare cases leave the path by a call to a function of their own.
 */
import { AsyncResource } from '../core/builtin.ts'
import { FieldNumbers } from '../exchange/field-numbers.ts'
import { HandlerTimeout } from '../handler/handler-timeout.ts'
import type { DriverSelector, SelectorOwner } from '../driver/driver-selector.ts'
import type { ClientOwner } from '../connection/client.ts'
import { ClientRegistry } from '../connection/client-registry.ts'
import { rejectionMessage } from './refused-connections.ts'
import { debugPage } from '../pages/debug-page.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { giveErrorPage } from '../handler/error-page.ts'
import { HandlerError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { ClientException } from '../connection/client-exception.ts'
import { upgrade } from '../exchange/upgrade.ts'
import { notAResponse } from '../handler/handler.ts'
import type { HandlerFunction } from '../handler/handler.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { hasLibuv } from './io-threads.ts'
import type { FieldsInit } from '../http/fields.ts'
import { refusalOf } from '../http/methods.ts'
import { ANSWER_WORDS, Answer, Engine, Flag, Notice, RECORD_WORDS } from '../native.ts'
import type { EngineLimits, HotFunctions, TlsAnswer } from '../native.ts'
import type { Options } from '../options/options.ts'
import { Exchange } from '../exchange/exchange.ts'
import { OpenExchanges } from '../exchange/open-exchanges.ts'
import { RawConnections } from '../connection/raw-connection.ts'
import { settleKnownFile } from '../message/file-response.ts'
import { Request } from '../message/request.ts'
import { ResponseStream } from '../exchange/response-stream.ts'
import { PendingExchanges } from '../exchange/pending-exchanges.ts'
import { RunningHandlers } from '../handler/running-handlers.ts'
import { Response, BODY_TOO_SHORT, markSent, discardResponse, openResponse, extrasOf, sendResponse } from '../message/response.ts'
import type { Framing } from '../message/response-extras.ts'
import type { Extras, Takeover } from '../message/response.ts'

const HIGH = 2 ** 32

const NO_HEADERS: FieldsInit = []

/** The method isn't allowed: the request is refused. */
const REFUSE = 0
/** The handler is called. */
const CALL = 1
/** OPTIONS: the handler is called unless the target is `*`. */
const LOOK = 2
/** The request is logged, and the handler called. */
const LOG = 3

const UNUSUAL = Flag.Body | Flag.Spilled | Flag.ExpectsOther
const UNTRACKED = { requireManualDestroy: true }

/** Gives the certificate of a server name; null is the default one. */
interface CertificateSource {
  ask(name: string, take: (answer: TlsAnswer | null) => void): void
}

/** What a dispatcher needs of its server. */
export interface DispatchSettings {
  readonly handler: HandlerFunction
  readonly options: Options
  readonly logger: Logger
  readonly errorHandler: ErrorHandler
  readonly limits: EngineLimits
  /** A listener speaks TLS. */
  readonly hasTls?: boolean
  /** The TLS of a listening socket, by its number. */
  readonly tlsOf?: (listener: number) => CertificateSource | null
  /** The logger takes debug lines about requests and clients. */
  readonly logsRequests?: boolean
  readonly ioThreads: number
  readonly onIdle: () => void
  /** Makes the selector of drivers; without one the engine serves all connections. */
  readonly makeSelector?: ((host: SelectorOwner) => DriverSelector) | undefined
}

/** The requests of one server. */
export class Dispatcher implements ClientOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly fieldNumbers: FieldNumbers
  readonly options: Options
  readonly logger: Logger
  readonly methods: readonly string[]
  readonly pending: PendingExchanges
  readonly clients: ClientRegistry
  readonly rawConnections = new RawConnections()
  readonly open = new OpenExchanges()
  readonly hasTls: boolean
  readonly #running: RunningHandlers
  readonly #handler: HandlerFunction
  readonly #errorHandler: ErrorHandler
  readonly #onIdle: () => void
  /** The records of notices, and behind them the words of the next response. Shared with the engine alone. */
  readonly #words = new Uint32Array(ANSWER_WORDS + RECORD_WORDS)
  /** REFUSE, CALL, LOOK or LOG by method number. */
  readonly #allowed: Uint8Array
  readonly #allow: string
  readonly #run: (request: Request, exchange: Exchange) => void
  /** Null without a `handlerTimeout`. */
  readonly #timeout: HandlerTimeout | null
  /** Null unless the server has factories of its own. */
  readonly #selector: DriverSelector | null
  readonly #logsRequests: boolean
  readonly #tlsOf: ((listener: number) => CertificateSource | null) | undefined
  #slab: Buffer | null = null

  constructor(settings: DispatchSettings) {
    this.options = settings.options
    this.logger = settings.logger
    this.hasTls = settings.hasTls === true
    this.#tlsOf = settings.tlsOf
    this.#handler = settings.handler
    this.#errorHandler = settings.errorHandler
    this.#onIdle = settings.onIdle
    const onNotices = (first: number, count: number, slab: Buffer): void => this.#onNotices(first, count, slab)
    this.engine = new Engine(settings.limits, this.#words, onNotices, settings.ioThreads, hasLibuv())
    if (this.options.get('debug')) this.engine.explainRefusals()
    // A copy: an object made by the addon is in V8's dictionary mode, so calls to its functions aren't direct.
    this.hot = { ...this.engine.hot() }
    this.clients = new ClientRegistry(this)
    this.pending = new PendingExchanges(this.hot, this.clients)
    this.#running = new RunningHandlers(this.options.get('requestLimit'), (isPaused) => this.engine.pauseRequests(isPaused))
    this.fieldNumbers = new FieldNumbers(this.hot)
    this.methods = Engine.methods()
    const allowed = this.options.get('allowedMethods')
    this.#logsRequests = settings.logsRequests === true
    const call = this.#logsRequests ? LOG : CALL
    this.#allowed = Uint8Array.from(this.methods, (method) => (allowed.includes(method) ? call : REFUSE))
    if (allowed.includes('OPTIONS')) this.#allowed[this.methods.indexOf('OPTIONS')] = LOOK
    this.#allow = allowed.join(', ')
    const timeout = this.options.get('handlerTimeout')
    this.#timeout = timeout === 0 ? null : new HandlerTimeout(timeout)
    this.#selector = settings.makeSelector?.(this) ?? null
    if (this.#selector !== null) this.engine.announceAccepted()
    this.#run = (request, exchange) => this.#handle(request, exchange)
  }

  #onNotices(first: number, count: number, slab: Buffer): void {
    if (slab !== this.#slab) this.#changeSlab(slab)
    const words = this.#words
    for (let at = first * RECORD_WORDS, end = at + count * RECORD_WORDS; at < end; at += RECORD_WORDS) {
      const kind = words[at]!
      if ((kind & 0xff) === Notice.Request) this.#dispatch(words, at, kind, slab)
      else this.#route(kind, at)
    }
  }

  #dispatch(words: Uint32Array, at: number, kind: number, slab: Buffer): void {
    const flags = kind >>> 16
    const requestId = words[at + 2]! + words[at + 3]! * HIGH
    const method = (kind >>> 8) & 0xff
    const exchange = new Exchange(this, slab, words[at + 4]!, words[at + 1]!, requestId, method, flags)
    const request = new Request(exchange)
    if ((flags & UNUSUAL) !== 0 && this.#takeUnusual(request, exchange, words, at, flags)) return
    if (this.#allowed[method] !== CALL && this.#isAnsweredByServer(request, exchange, method)) return
    this.#timeout?.add(requestId, () => this.#expire(request, exchange))
    // Without a resource of its own, a request would see what AsyncLocalStorage.enterWith set in the one before.
    const resource = new AsyncResource('busbar.Request', UNTRACKED)
    if (this.#running.isFull()) this.#wait(resource, request, exchange)
    else resource.runInAsyncScope(this.#run, undefined, request, exchange)
  }

  /** The request waits: the limit of running handlers is reached. */
  #wait(resource: AsyncResource, request: Request, exchange: Exchange): void {
    this.open.add(exchange)
    this.#running.wait(() => {
      if (!exchange.isAnswered && !exchange.client().isClosed()) resource.runInAsyncScope(this.#run, undefined, request, exchange)
    })
  }

  #handle(request: Request, exchange: Exchange): void {
    let result
    try {
      result = this.#handler(request)
    } catch (error) {
      return this.fail(request, exchange, error)
    }
    if (result instanceof Response) return this.#answer(request, exchange, result)
    this.#settleLater(request, exchange, result)
  }

  #settleLater(request: Request, exchange: Exchange, result: unknown): void {
    // A thenable of the application may call back more than once, or throw.
    let isRunning = false
    try {
      if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function') {
        return this.fail(request, exchange, notAResponse(result))
      }
      this.open.add(exchange)
      this.#running.enter()
      isRunning = true
      ;(result as PromiseLike<unknown>).then(
        (response) => {
          if (exchange.isExpired()) this.#takeLate(request, response)
          else if (response instanceof Response) this.#answer(request, exchange, response)
          else this.fail(request, exchange, notAResponse(response))
          isRunning = this.#leave(isRunning)
        },
        (error: unknown) => {
          if (!exchange.isExpired()) this.fail(request, exchange, error)
          else if (!exchange.isClientGone(error)) this.logFailure('a handler failed after its time limit', request, error)
          isRunning = this.#leave(isRunning)
        },
      )
    } catch (error) {
      this.fail(request, exchange, error)
      isRunning = this.#leave(isRunning)
    }
  }

  #leave(isRunning: boolean): false {
    if (isRunning) this.#running.leave()
    return false
  }

  #answer(request: Request, exchange: Exchange, response: Response): void {
    try {
      this.#send(request, exchange, response)
    } catch (error) {
      this.#discard(request, response)
      this.fail(request, exchange, error)
    }
  }

  #send(request: Request, exchange: Exchange, response: Response): void {
    const extras = extrasOf(response)
    if (exchange.isOverLimit && response.getStatus() < 400 && exchange.isUnread()) {
      return this.#refuseBody(request, exchange, response)
    }
    if (extras !== null) return this.#sendWithExtras(request, exchange, response, extras)
    this.#sendWhole(request, exchange, response)
  }

  #sendWhole(request: Request, exchange: Exchange, response: Response): void {
    this.#address(exchange)
    if (sendResponse(response, this.#words, this.hot) === BODY_TOO_SHORT) this.#logShort(request, exchange, response)
    exchange.markAnswered()
    this.#timeout?.delete(exchange.requestId)
    if (exchange.isListening) exchange.settle(null)
  }

  /** Writes the slot and the id of the request whose response follows. */
  #address(exchange: Exchange): void {
    const words = this.#words
    words[ANSWER_WORDS + Answer.Slot] = exchange.slot
    words[ANSWER_WORDS + Answer.RequestIdLow] = exchange.requestId
    words[ANSWER_WORDS + Answer.RequestIdHigh] = exchange.requestId / HIGH
  }

  /** Rare responses: upgrades, streams, trailers, and those with dispose hooks. */
  #sendWithExtras(request: Request, exchange: Exchange, response: Response, extras: Extras): void {
    if (extras.takeover !== null) return this.#takeOver(request, exchange, response, extras, extras.takeover)
    if (extras.isStreamed) settleKnownFile(request, response)
    if (extras.isStreamed || extras.trailers !== null || extras.isCut) return this.#stream(request, exchange, response, extras)
    if (extras.disposers.length === 0) return this.#sendWhole(request, exchange, response)
    this.#address(exchange)
    const result = sendResponse(response, this.#words, this.hot)
    if (result === BODY_TOO_SHORT) this.#logShort(request, exchange, response)
    const isTaken = result === 0 || result === BODY_TOO_SHORT
    exchange.markAnswered()
    this.#timeout?.delete(exchange.requestId)
    const dispose = (): void => this.#dispose(extras)
    exchange.settle(isTaken ? dispose : null)
    if (!isTaken) dispose()
  }

  /** Logs a body that is shorter than its Content-Length: the engine has aborted the response. */
  #logShort(request: Request, exchange: Exchange, response: Response): void {
    if (exchange.method() === 'HEAD' || [204, 304].includes(response.getStatus())) return
    const length = response.getHeader('content-length')
    this.logFailure('the body of a response failed', request, new HandlerError(`it is shorter than its content-length of ${length}`))
  }

  #dispose(extras: Extras): void {
    extras.dispose((exception) => this.logger.error('a dispose hook of a response failed', { exception }))
  }

  /** Takes the connection over for the application. */
  #takeOver(request: Request, exchange: Exchange, response: Response, extras: Extras, takeover: Takeover): void {
    markSent(response)
    this.#timeout?.delete(exchange.requestId)
    try {
      upgrade(this, request, exchange, response, takeover, () => this.#dispose(extras))
    } catch (error) {
      this.#dispose(extras)
      throw error
    }
  }

  /** Disposes of a response that isn't sent. */
  #discard(request: Request, response: Response): void {
    discardResponse(response, (error) => this.logFailure('a response that was not sent could not be disposed of', request, error))
  }

  /** Answers with a 413: the body is over its limit, and the handler has ignored it. */
  #refuseBody(request: Request, exchange: Exchange, response: Response): void {
    this.#discard(request, response)
    // The page is sent with any status, also below 400.
    exchange.isOverLimit = false
    this.#answerError(request, exchange, 413, null, true)
  }

  #stream(request: Request, exchange: Exchange, response: Response, extras: Extras): void {
    markSent(response)
    this.#timeout?.delete(exchange.requestId)
    // The stream may be long: its head must not keep a whole slab.
    this.open.add(exchange)
    new ResponseStream(this, request, exchange, response, extras).begin()
  }

  /** Begins a streamed response; 1 when its request is no longer open. */
  openStream(exchange: Exchange, response: Response, framing: Framing): number {
    this.#address(exchange)
    return openResponse(response, this.#words, this.hot, framing)
  }

  /** Disposes of the response of a handler whose time was over. */
  #takeLate(request: Request, response: unknown): void {
    if (response instanceof Response) this.#discard(request, response)
  }

  /** Answers a request whose handler has failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void {
    try {
      this.#failFor(request, exchange, error)
    } catch (exception) {
      // Looking at the thrown value has thrown as well.
      this.logFailure('a handler failed', request, exception)
      this.#answerError(request, exchange, 500, null)
    }
  }

  #failFor(request: Request, exchange: Exchange, error: unknown): void {
    const isClientGone = exchange.isClientGone(error)
    if (isClientGone || (error instanceof ClientException && error.getCode() !== 413)) {
      // The client is at fault or has disconnected, and the handler has nothing more to send.
      if (!exchange.isAnswered) void exchange.client().stop(1000).catch(() => {})
      return
    }
    if (error instanceof ClientException) return this.#answerError(request, exchange, 413, null, true)
    if (error instanceof HttpErrorException) return this.#answerError(request, exchange, error.status, error.reason, false, error.headers.length === 0 ? NO_HEADERS : error.headers)
    this.logFailure('a handler failed', request, error)
    const page = this.options.get('debug') ? debugPage(error, request, exchange.client()) : null
    if (page === null) this.#answerError(request, exchange, 500, null)
    else this.#answer(request, exchange, page)
  }

  /** The time of a handler is over. A later response of it is dropped. */
  #expire(request: Request, exchange: Exchange): void {
    const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
    this.logger.warning(`a handler has not answered within ${this.options.get('handlerTimeout')} s: ${target}`)
    exchange.expire()
    this.#answerError(request, exchange, 503, null)
  }

  /** The engine is about to close: no more notices come. */
  close(): void {
    this.#timeout?.close()
    this.#selector?.close()
    this.pending.close()
  }

  /** Logs an error about one request. */
  logFailure(message: string, request: Request, exception: unknown): void {
    const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
    const context = this.options.get('requestLogContext') ? { exception, request } : { exception }
    this.logger.error(`${message}: ${target}`, context)
  }

  /** Answers with the page of the error handler, or with the default page when that fails. */
  #answerError(
    request: Request,
    exchange: Exchange,
    status: number,
    reason: string | null,
    closes = false,
    headers: FieldsInit = NO_HEADERS,
  ): void {
    const send = (response: Response): void => {
      if (closes) response.setHeader('connection', 'close')
      if (headers !== NO_HEADERS) response.setHeaders(headers)
      this.#send(request, exchange, response)
    }
    giveErrorPage({
      errorHandler: this.#errorHandler,
      request,
      status,
      reason,
      send,
      onFailure: (error) => this.logFailure('the error handler failed', request, error),
    })
  }

  /** Answers `OPTIONS *`, which concerns the server (RFC 9110 §9.3.7), and methods that aren't allowed. */
  #isAnsweredByServer(request: Request, exchange: Exchange, method: number): boolean {
    if (this.#logsRequests) this.#logRequest(request)
    if (this.#allowed[method] === LOG) return false
    if (this.#allowed[method] === LOOK) {
      if (request.getTarget() !== '*') return false
      this.#answer(request, exchange, new Response(204, { allow: this.#allow }))
      return true
    }
    this.#answerError(request, exchange, refusalOf(request.getMethod()), null, false, { allow: this.#allow })
    return true
  }

  /** Logs a request. With a silent logger it isn't called, so logging is off the hot path. */
  #logRequest(request: Request): void {
    const client = request.getClient()
    const line = `${request.getMethod()} ${escapeLine(request.getTarget())} HTTP/${request.getProtocolVersion()}`
    this.logger.debug(`client ${client.getId()} at ${client.getRemoteAddress()} requests ${line}`)
  }

  /** Bodies, spilled heads and unknown expectations; true when the request is answered by that. */
  #takeUnusual(request: Request, exchange: Exchange, words: Uint32Array, at: number, flags: number): boolean {
    exchange.isOverLimit = (flags & Flag.Over) !== 0
    if ((flags & Flag.Spilled) !== 0) exchange.moveHead(this.hot.takeBytes(words[at + 4]!))
    if ((flags & Flag.Whole) !== 0) {
      if ((flags & Flag.Large) !== 0) exchange.setWhole(this.hot.takeBytes(words[at + 5]!))
      else exchange.setPlace(words[at + 5]!, words[at + 6]!)
    }
    if ((flags & Flag.ExpectsOther) === 0) return false
    // Whether the client sends the body is unknown, so the bytes behind the head can't be read as a request.
    this.#answerError(request, exchange, 417, null, true)
    return true
  }

  /** Delivers a notice to its client, connection or request. */
  #route(kind: number, at: number): void {
    const words = this.#words
    const id = words[at + 2]! + words[at + 3]! * HIGH
    switch (kind & 0xff) {
      case Notice.Closed:
        if (this.clients.closed(id) && this.#logsRequests) this.logger.debug(`client ${id} has closed`)
        return
      case Notice.PeerHalfClosed:
        return this.clients.halfClosed(id)
      case Notice.Raw:
        return this.rawConnections.get(id)?.onNotice(this.#bytesAt(kind, at), ((kind >>> 16) & Flag.End) !== 0)
      case Notice.RawDrained:
        return this.rawConnections.get(id)?.onDrained()
      case Notice.Accepted:
        return this.#selector?.accept(words[at + 1]!, id)
      case Notice.Established:
        return this.#selector?.established(words[at + 1]!, id)
      case Notice.ServerName:
        return this.#askCertificate(words[at + 1]!, id, words[at + 7]!, this.#bytesAt(kind, at).toString('latin1'))
      case Notice.Idle:
        return this.#onIdle()
      case Notice.Refused:
        return this.logger.debug(this.#bytesAt(kind, at).toString('latin1'))
      case Notice.Rejected:
        return this.logger.warning(rejectionMessage(words[at + 4]!, words[at + 7]!, this.#bytesAt(kind, at).toString('latin1'), this.options))
    }
    this.pending.notify(id, kind, words, at)
  }

  #askCertificate(slot: number, id: number, listener: number, name: string): void {
    const take = (answer: TlsAnswer | null): void => this.engine.answerCertificate(slot, id, answer)
    const source = this.#tlsOf?.(listener) ?? null
    if (source === null) take(null)
    else source.ask(name, take)
  }

  /** A copy of the bytes that came with a notice. */
  #bytesAt(kind: number, at: number): Buffer {
    const start = this.#words[at + 5]!
    if (((kind >>> 16) & Flag.Large) !== 0) return this.hot.takeBytes(start)
    return Buffer.from(this.#slab!.subarray(start, start + this.#words[at + 6]!))
  }

  #changeSlab(slab: Buffer): void {
    if (this.#slab !== null) this.open.leave(this.#slab)
    this.#slab = slab
  }
}
