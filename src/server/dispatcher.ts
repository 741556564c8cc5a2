/**
 * The hot path: from a notice to the handler and from its response to the engine.
 *
 * Budget: 0.4 us for a request that reads nothing and answers at once, the handler's own work apart.
 * Per request it makes a Request with its source and an AsyncResource; nothing is registered unless
 * somebody waits for something. All that is rare leaves by a call to a function of its own.
 */
import { AsyncResource } from '../core/builtin.ts'
import { FieldNumbers } from '../exchange/field-numbers.ts'
import { HandlerTimeout } from '../handler/handler-timeout.ts'
import type { DriverSelector, SelectorOwner } from '../driver/driver-selector.ts'
import { createClient, markClosed, markHalfClosed } from '../connection/client.ts'
import type { Client, ClientOwner } from '../connection/client.ts'
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
import { refusalOf } from '../http/methods.ts'
import { ANSWER_WORDS, Answer, Engine, Flag, Notice, RECORD_WORDS } from '../native.ts'
import type { EngineLimits, HotFunctions } from '../native.ts'
import type { Options } from '../options/options.ts'
import { Exchange } from '../exchange/exchange.ts'
import { OpenExchanges } from '../exchange/open-exchanges.ts'
import { RawConnections } from '../connection/raw-connection.ts'
import { Request } from '../message/request.ts'
import { ResponseStream } from '../exchange/response-stream.ts'
import { PendingExchanges } from '../exchange/pending-exchanges.ts'
import { RunningHandlers } from '../handler/running-handlers.ts'
import { Response, BODY_TOO_SHORT, markSent, discardResponse, openResponse, extrasOf, sendResponse } from '../message/response.ts'
import type { Framing } from '../message/response-extras.ts'
import type { Extras, Takeover } from '../message/response.ts'

const HIGH = 2 ** 32

/** The handler isn't called. */
const REFUSE = 0
/** The handler is called. */
const CALL = 1
/** It depends on the target. */
const LOOK = 2
/** The handler is called, and the log told. */
const LOG = 3

const UNUSUAL = Flag.Body | Flag.Spilled | Flag.ExpectsOther
const UNTRACKED = { requireManualDestroy: true }

/** What a dispatcher needs of its server. */
export interface DispatchSettings {
  readonly handler: HandlerFunction
  readonly options: Options
  readonly logger: Logger
  readonly errorHandler: ErrorHandler
  readonly limits: EngineLimits
  /** Debug lines about requests and clients have a reader. */
  readonly logsRequests?: boolean
  readonly ioThreads: number
  readonly onIdle: () => void
  /** Makes what gives connections their drivers; without it they are the engine's. */
  readonly makeSelector?: ((host: SelectorOwner) => DriverSelector) | undefined
}

/** One server's requests and clients, as far as anybody waits for them. */
export class Dispatcher implements ClientOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly fieldNumbers: FieldNumbers
  readonly options: Options
  readonly logger: Logger
  readonly methods: readonly string[]
  /** By request id: requests that wait for something. */
  readonly waiting: PendingExchanges
  readonly rawConnections = new RawConnections()
  readonly open = new OpenExchanges()
  readonly #running: RunningHandlers
  readonly #handler: HandlerFunction
  readonly #errorHandler: ErrorHandler
  readonly #onIdle: () => void
  /** Notices come in it, and the numbers of answers go; nobody else ever has it. */
  readonly #words = new Uint32Array(ANSWER_WORDS + RECORD_WORDS)
  /** By method number: what becomes of a request with it. */
  readonly #allowed: Uint8Array
  readonly #allow: string
  /** By id: clients that somebody asked for. */
  readonly #clients = new Map<number, Client>()
  readonly #run: (request: Request, exchange: Exchange) => void
  /** Only where handlers have a time limit. */
  readonly #timeout: HandlerTimeout | null
  /** Only where a server has factories of its own. */
  readonly #selector: DriverSelector | null
  readonly #logsRequests: boolean
  #slab: Buffer | null = null

  constructor(settings: DispatchSettings) {
    this.options = settings.options
    this.logger = settings.logger
    this.#handler = settings.handler
    this.#errorHandler = settings.errorHandler
    this.#onIdle = settings.onIdle
    const onNotices = (first: number, count: number, slab: Buffer): void => this.#onNotices(first, count, slab)
    this.engine = new Engine(settings.limits, this.#words, onNotices, settings.ioThreads, hasLibuv())
    if (this.options.get('debug')) this.engine.explainRefusals()
    // A copy: an object that the native side has filled is one V8 looks up by hashing, and calls to which it
    // doesn't make direct.
    this.hot = { ...this.engine.hot() }
    this.waiting = new PendingExchanges(this.hot)
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
    // Each request has a resource of its own, or what AsyncLocalStorage.enterWith sets in one handler
    // would be seen by the next.
    const resource = new AsyncResource('busbar.Request', UNTRACKED)
    if (this.#running.isFull()) this.#wait(resource, request, exchange)
    else resource.runInAsyncScope(this.#run, undefined, request, exchange)
  }

  /** There are as many handlers as may run. */
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
    // A `then` of the application's own may call back more than once, or fail.
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
          else if (!exchange.isClientGone(error)) this.logFailure('a handler failed after its time', request, error)
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
    this.#address(exchange)
    if (sendResponse(response, this.#words, this.hot) === BODY_TOO_SHORT) this.#logShort(request, exchange, response)
    exchange.markAnswered()
    this.#timeout?.delete(exchange.requestId)
    if (exchange.isWaiting) exchange.settle(null)
  }

  /** Notes whose answer follows. */
  #address(exchange: Exchange): void {
    const words = this.#words
    words[ANSWER_WORDS + Answer.Slot] = exchange.slot
    words[ANSWER_WORDS + Answer.RequestIdLow] = exchange.requestId
    words[ANSWER_WORDS + Answer.RequestIdHigh] = exchange.requestId / HIGH
  }

  /** The rarer answers: somebody waits for the end, or the body comes by and by. */
  #sendWithExtras(request: Request, exchange: Exchange, response: Response, extras: Extras): void {
    if (extras.takeover !== null) return this.#takeOver(request, exchange, response, extras, extras.takeover)
    if (extras.isStreamed || extras.trailers !== null || extras.isCut) return this.#stream(request, exchange, response, extras)
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

  /** The engine cuts off what is shorter than its length, unless it has no body anyway. */
  #logShort(request: Request, exchange: Exchange, response: Response): void {
    if (exchange.method() === 'HEAD' || [204, 304].includes(response.getStatus())) return
    const length = response.getHeader('content-length')
    this.logFailure('the body of a response failed', request, new HandlerError(`it is shorter than its content-length of ${length}`))
  }

  #dispose(extras: Extras): void {
    extras.dispose((exception) => this.logger.error('a dispose hook of a response failed', { exception }))
  }

  /** The answer is the connection itself. */
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

  /** Lets go of a response that nobody gets. */
  #discard(request: Request, response: Response): void {
    discardResponse(response, (error) => this.logFailure('a response that was not sent could not be disposed of', request, error))
  }

  /** The body is over its limit and the handler, which answers as if all were well, hasn't noticed. */
  #refuseBody(request: Request, exchange: Exchange, response: Response): void {
    this.#discard(request, response)
    // Whatever status the page has, it is the answer.
    exchange.isOverLimit = false
    this.#answerError(request, exchange, 413, null, true)
  }

  #stream(request: Request, exchange: Exchange, response: Response, extras: Extras): void {
    markSent(response)
    this.#timeout?.delete(exchange.requestId)
    // Its request stays in use: the head must not keep a whole slab.
    this.open.add(exchange)
    new ResponseStream(this, request, exchange, response, extras).begin()
  }

  /** Begins a streamed answer; 1 when its request isn't open any more. */
  openStream(exchange: Exchange, response: Response, framing: Framing): number {
    this.#address(exchange)
    return openResponse(response, this.#words, this.hot, framing)
  }

  /** What a handler gives whose time was over. */
  #takeLate(request: Request, response: unknown): void {
    if (response instanceof Response) this.#discard(request, response)
  }

  /** Answers as a handler deserves that has failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void {
    try {
      this.#failFor(request, exchange, error)
    } catch (exception) {
      // What was thrown defies being looked at.
      this.logFailure('a handler failed', request, exception)
      this.#answerError(request, exchange, 500, null)
    }
  }

  #failFor(request: Request, exchange: Exchange, error: unknown): void {
    const isClientGone = exchange.isClientGone(error)
    if (isClientGone || (error instanceof ClientException && error.getCode() !== 413)) {
      // The client is at fault and often gone; whoever let this escape is done with it.
      if (!exchange.isAnswered) void exchange.client().stop(1000).catch(() => {})
      return
    }
    if (error instanceof ClientException) return this.#answerError(request, exchange, 413, null, true)
    if (error instanceof HttpErrorException) return this.#answerError(request, exchange, error.status, error.reason)
    this.logFailure('a handler failed', request, error)
    const page = this.options.get('debug') ? debugPage(error, request, exchange.client()) : null
    if (page === null) this.#answerError(request, exchange, 500, null)
    else this.#answer(request, exchange, page)
  }

  /** A handler has had its time. Whatever it answers later is dropped. */
  #expire(request: Request, exchange: Exchange): void {
    const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
    this.logger.warning(`a handler has not answered within ${this.options.get('handlerTimeout')} s: ${target}`)
    exchange.expire()
    this.#answerError(request, exchange, 503, null)
  }

  /** No more news will come. */
  close(): void {
    this.#timeout?.close()
    this.#selector?.close()
    this.waiting.close()
  }

  /** A line in the log about one request. */
  logFailure(message: string, request: Request, exception: unknown): void {
    const target = `${request.getMethod()} ${escapeLine(request.getTarget())}`
    const context = this.options.get('requestLogContext') ? { exception, request } : { exception }
    this.logger.error(`${message}: ${target}`, context)
  }

  /** Answers with the error handler's page; with our own should that fail as well. */
  #answerError(
    request: Request,
    exchange: Exchange,
    status: number,
    reason: string | null,
    closes = false,
    allow: string | null = null,
  ): void {
    const send = (response: Response): void => {
      if (closes) response.setHeader('connection', 'close')
      if (allow !== null) response.setHeader('allow', allow)
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

  /** `OPTIONS *`, which is about the server and not the application, and methods that aren't allowed. */
  #isAnsweredByServer(request: Request, exchange: Exchange, method: number): boolean {
    if (this.#logsRequests) this.#logRequest(request)
    if (this.#allowed[method] === LOG) return false
    if (this.#allowed[method] === LOOK) {
      if (request.getTarget() !== '*') return false
      this.#answer(request, exchange, new Response(204, { allow: this.#allow }))
      return true
    }
    this.#answerError(request, exchange, refusalOf(request.getMethod()), null, false, this.#allow)
    return true
  }

  /** Away from the hot path, which a silent logger costs nothing. */
  #logRequest(request: Request): void {
    const client = request.getClient()
    const line = `${request.getMethod()} ${escapeLine(request.getTarget())} HTTP/${request.getProtocolVersion()}`
    this.logger.debug(`client ${client.getId()} at ${client.getRemoteAddress()} requests ${line}`)
  }

  /** What few heads have; true for a request that is answered by it. */
  #takeUnusual(request: Request, exchange: Exchange, words: Uint32Array, at: number, flags: number): boolean {
    exchange.isOverLimit = (flags & Flag.Over) !== 0
    if ((flags & Flag.Spilled) !== 0) exchange.moveHead(this.hot.takeBytes(words[at + 4]!))
    if ((flags & Flag.Whole) !== 0) {
      if ((flags & Flag.Large) !== 0) exchange.setWhole(this.hot.takeBytes(words[at + 5]!))
      else exchange.setPlace(words[at + 5]!, words[at + 6]!)
    }
    if ((flags & Flag.ExpectsOther) === 0) return false
    // Whether the body comes is unknown, so nothing behind it can be trusted to be a request.
    this.#answerError(request, exchange, 417, null, true)
    return true
  }

  /** News of requests and clients that somebody waits for. */
  #route(kind: number, at: number): void {
    const words = this.#words
    const id = words[at + 2]! + words[at + 3]! * HIGH
    switch (kind & 0xff) {
      case Notice.Closed:
      case Notice.PeerHalfClosed: {
        const client = this.#clients.get(id)
        if (client === undefined) return
        if ((kind & 0xff) === Notice.PeerHalfClosed) return markHalfClosed(client)
        this.#clients.delete(id)
        if (this.#logsRequests) this.logger.debug(`client ${id} has closed`)
        return markClosed(client)
      }
      case Notice.Raw:
        return this.rawConnections.get(id)?.onNotice(this.#bytesAt(kind, at), ((kind >>> 16) & Flag.End) !== 0)
      case Notice.RawDrained:
        return this.rawConnections.get(id)?.onDrained()
      case Notice.Accepted:
        return this.#selector?.accept(words[at + 1]!, id)
      case Notice.Idle:
        return this.#onIdle()
      case Notice.Refused:
        return this.logger.debug(this.#bytesAt(kind, at).toString('latin1'))
      case Notice.Rejected:
        return this.logger.warning(rejectionMessage(words[at + 4]!, words[at + 7]!, this.#bytesAt(kind, at).toString('latin1'), this.options))
    }
    this.waiting.tell(id, kind, words, at)
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

  /** The client behind an exchange; the same object until its close was announced. */
  clientOf(exchange: Exchange): Client {
    const known = this.#clients.get(exchange.clientId())
    if (known !== undefined) return known
    const client = createClient(exchange.openFacts(), this)
    this.adopt(client)
    return client
  }

  /** Tells a client of its close. */
  adopt(client: Client): void {
    if (!client.isClosed()) this.#clients.set(client.getId(), client)
  }
}
