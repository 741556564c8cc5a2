/**
 * The hot path: from a notice to the handler and from its response to the engine.
 *
 * Budget: 0.4 us for a request whose handler reads nothing and answers at once, without the handler itself.
 * Each request costs a Request, its Exchange and an AsyncResource. A request is registered only when it expects
 * notices. Rare cases leave the path by a call to a function of their own.
 */
import { AsyncResource, executionAsyncId } from '../core/builtin.ts'
import { FieldNumbers } from '../exchange/field-numbers.ts'
import { HandlerTimeout } from '../handler/handler-timeout.ts'
import type { DriverSelector, SelectorOwner } from '../driver/driver-selector.ts'
import type { Client, ClientOwner } from '../connection/client.ts'
import { ClientRegistry } from '../connection/client-registry.ts'
import { addCounts, parseRefusal, parseUnparsed } from './refusals.ts'
import { RejectionLog } from './rejection-log.ts'
import type { RefusalCode } from './refusals.ts'
import { isCustom } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { closing } from './draining.ts'
import { notAResponse } from '../handler/handler.ts'
import type { HandlerFunction } from '../handler/handler.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { hasLibuv } from './io-threads.ts'
import { FailedRequests } from './failed-requests.ts'
import { CALL, LOG, LOOK, methodRules } from './method-rules.ts'
import { SpecialResponses, isSwitch } from './special-responses.ts'
import { WaitingRequests, shareAddress } from './waiting-requests.ts'
import { noteAnswer } from './observer.ts'
import type { Observer } from './observer.ts'
import type { ServerStatistics } from './statistics.ts'
import { UnparsedRequests } from './unparsed-requests.ts'
import { refusalOf } from '../http/methods.ts'
import { ANSWER_WORDS, Engine, Flag, Notice, RECORD_WORDS, addressAnswer, hotOf } from '../native.ts'
import type { EngineLimits, HotFunctions, TlsAnswer } from '../native.ts'
import type { Options } from '../options/options.ts'
import { Exchange } from '../exchange/exchange.ts'
import type { Observation } from '../exchange/observation.ts'
import { OpenExchanges } from '../exchange/open-exchanges.ts'
import { RawConnections } from '../connection/raw-connection.ts'
import { Request } from '../message/request.ts'
import { PendingExchanges } from '../exchange/pending-exchanges.ts'
import { RunningHandlers, WAIT_SECONDS } from '../handler/running-handlers.ts'
import type { RunningRequest } from '../handler/running-handlers.ts'
import { Response, extrasOf, sendResponse } from '../message/response.ts'

const HIGH = 2 ** 32

const UNUSUAL = Flag.Body | Flag.Spilled | Flag.ExpectsOther
/** How the resource of a request is made. What triggers it is the batch of notices, and the same for all of one. */
const UNTRACKED = { requireManualDestroy: true, triggerAsyncId: 0 }

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
  readonly observer: Observer
  readonly limits: EngineLimits
  /** Clients may use TLS: to a listener, or to a proxy that announces it. */
  readonly mayBeEncrypted?: boolean
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
  readonly mayBeEncrypted: boolean
  readonly running: RunningHandlers<RunningRequest>
  #handler: HandlerFunction
  /** Each response closes its connection. */
  isDraining = false
  readonly #onIdle: () => void
  readonly #failed: FailedRequests
  readonly #special: SpecialResponses
  readonly #waiting: WaitingRequests
  readonly #rejections = new RejectionLog(this)
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
  /** Clients of which it was logged what TLS has negotiated. */
  readonly #negotiated = new WeakSet<Client>()
  readonly #tlsOf: ((listener: number) => CertificateSource | null) | undefined
  readonly #observer: Observer
  readonly #runObserved: (request: Request, exchange: Exchange) => void
  /** Whether the requests of this batch are observed. */
  #isObserved = false
  /** Requests dispatched. */
  #requests = 0
  #slab: Buffer | null = null
  /** Null unless the application has an error handler of its own. */
  readonly #unparsed: UnparsedRequests | null = null

  constructor(settings: DispatchSettings) {
    this.options = settings.options
    this.logger = settings.logger
    this.mayBeEncrypted = settings.mayBeEncrypted === true
    this.#tlsOf = settings.tlsOf
    this.#handler = settings.handler
    this.#onIdle = settings.onIdle
    const onNotices = (first: number, count: number, slab: Buffer): void => this.#onNotices(first, count, slab)
    this.engine = new Engine(settings.limits, this.#words, onNotices, settings.ioThreads, hasLibuv())
    this.#observer = settings.observer
    if (this.options.get('debug') || this.#observer.hasHooks()) this.engine.explainRefusals()
    this.hot = hotOf(this.engine, settings.ioThreads)
    this.clients = new ClientRegistry(this)
    this.pending = new PendingExchanges(this.hot, this.clients)
    this.running = new RunningHandlers({
      limit: this.options.get('requestLimit'),
      pauseRequests: (isPaused) => this.engine.pauseRequests(isPaused),
      addressOf: shareAddress(this.options.get('proxies')),
    })
    this.fieldNumbers = new FieldNumbers(this.hot)
    this.methods = Engine.methods()
    const allowed = this.options.get('allowedMethods')
    this.#logsRequests = settings.logsRequests === true
    this.#allowed = methodRules(this.methods, allowed, this.#logsRequests)
    this.#allow = allowed.join(', ')
    const timeout = this.options.get('handlerTimeout')
    this.#timeout = timeout === 0 ? null : new HandlerTimeout(timeout)
    const send = (request: Request, exchange: Exchange, response: Response): void => this.#send(request, exchange, response)
    this.#failed = new FailedRequests(this, settings.errorHandler, send)
    this.#special = new SpecialResponses(this, this.#failed, this.#timeout, this.#words)
    this.#waiting = new WaitingRequests(this)
    if (isCustom(settings.errorHandler)) {
      this.#unparsed = new UnparsedRequests(this, settings.errorHandler, this.#words)
      this.engine.askForPages()
    }
    this.#selector = settings.makeSelector?.(this) ?? null
    if (this.#selector !== null) this.engine.announceAccepted()
    this.#run = (request, exchange) => this.#handle(request, exchange)
    this.#runObserved = (request, exchange) => exchange.observation?.run(() => this.#handle(request, exchange))
  }

  #onNotices(first: number, count: number, slab: Buffer): void {
    if (slab !== this.#slab) this.#changeSlab(slab)
    const words = this.#words
    this.#isObserved = this.#observer.isActive()
    UNTRACKED.triggerAsyncId = executionAsyncId()
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
    this.#requests++
    if (this.#isObserved) this.#observer.observe(request, exchange)
    if ((flags & UNUSUAL) !== 0 && this.#takeUnusual(request, exchange, words, at, flags)) return
    if (this.#allowed[method] !== CALL && this.#isAnsweredByServer(request, exchange, method)) return
    // Without a resource of its own, a request would see what AsyncLocalStorage.enterWith set in the one before.
    const resource = new AsyncResource('busbar.Request', UNTRACKED)
    if (this.running.mustWait(exchange)) return this.#wait(resource, request, exchange, (flags & Flag.Waited) !== 0)
    if (this.#timeout !== null) this.#limitTime(this.#timeout, request, exchange)
    resource.runInAsyncScope(exchange.observation === null ? this.#run : this.#runObserved, undefined, request, exchange)
    resource.emitDestroy()
  }

  #limitTime(timeout: HandlerTimeout, request: Request, exchange: Exchange): void {
    timeout.add(exchange.requestId, () => this.#failed.expire(request, exchange))
  }

  #handle(request: Request, exchange: Exchange): void {
    let result
    try {
      result = this.#handler(request)
    } catch (error) {
      return this.#failed.fail(request, exchange, error)
    }
    if (result instanceof Response) return this.#answer(request, exchange, result)
    this.#settleLater(request, exchange, result)
  }

  #settleLater(request: Request, exchange: Exchange, result: unknown): void {
    // A thenable of the application may call back more than once, or throw.
    let isRunning = false
    try {
      if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function') {
        return this.#failed.fail(request, exchange, notAResponse(result))
      }
      this.open.add(exchange)
      // Unlike a connection, a stream can't be asked later whether it has ended.
      if (exchange.isHttp2()) exchange.listen()
      this.running.enter(exchange)
      isRunning = true
      ;(result as PromiseLike<unknown>).then(
        (response) => {
          if (exchange.isExpired()) this.#takeLate(request, response)
          else if (response instanceof Response) this.#answer(request, exchange, response)
          else this.#failed.fail(request, exchange, notAResponse(response))
          isRunning = this.#leave(isRunning, exchange)
        },
        (error: unknown) => {
          if (!exchange.isExpired()) this.#failed.fail(request, exchange, error)
          else this.#failed.failLate(request, exchange, error)
          isRunning = this.#leave(isRunning, exchange)
        },
      )
    } catch (error) {
      this.#failed.fail(request, exchange, error)
      isRunning = this.#leave(isRunning, exchange)
    }
  }

  #leave(isRunning: boolean, exchange: Exchange): false {
    if (isRunning) this.running.leave(exchange)
    return false
  }

  #answer(request: Request, exchange: Exchange, response: Response): void {
    try {
      this.#send(request, exchange, response)
    } catch (error) {
      this.#failed.discard(request, response)
      if (isSwitch(exchange, response)) this.#special.refuseSwitch(exchange)
      else this.#failed.fail(request, exchange, error)
    }
  }

  #send(request: Request, exchange: Exchange, response: Response): void {
    const extras = extrasOf(response)
    if (exchange.isOverLimit && response.getStatus() < 400 && exchange.isUnread()) {
      return this.#failed.refuseBody(request, exchange, response)
    }
    if (extras !== null && this.#special.send(request, exchange, response, extras)) return
    const { observation } = exchange
    if (observation !== null) noteAnswer(exchange, observation, response)
    addressAnswer(this.#words, exchange.slot, exchange.requestId)
    sendResponse(response, this.#words, this.hot, exchange, observation !== null)
    exchange.markAnswered()
    this.#timeout?.delete(exchange.requestId)
    if (exchange.isListening) exchange.settle(null)
  }

  /** Disposes of the response of a handler whose time was over. */
  #takeLate(request: Request, response: unknown): void {
    if (response instanceof Response) this.#failed.discard(request, response)
  }

  /** The limit of running handlers is reached. A request that has waited in the kernel already is refused. */
  #wait(resource: AsyncResource, request: Request, exchange: Exchange, hasWaited: boolean): void {
    if (hasWaited) return this.#refuseWaiting(request, exchange)
    const run = exchange.observation === null ? this.#run : this.#runObserved
    const refuse = (): void => this.#refuseWaiting(request, exchange)
    const begin = (): void => {
      if (this.#timeout !== null) this.#limitTime(this.#timeout, request, exchange)
      run(request, exchange)
    }
    this.#waiting.add(exchange, resource, begin, refuse)
  }

  /** No handler was free for too long. */
  #refuseWaiting(request: Request, exchange: Exchange): void {
    if (exchange.isAnswered || exchange.client().isClosed()) return
    const headers = [['retry-after', String(WAIT_SECONDS)]] as const
    this.#failed.refuse(request, exchange, { status: 503, headers }, 'BUSBAR_REQUEST_LIMIT', false)
  }

  /** From now on each response closes its connection. */
  beginDrain(): void {
    if (this.isDraining) return
    this.isDraining = true
    this.#handler = closing(this.#handler)
  }

  /** How many requests were refused, by the code of the reason. */
  refusals(): Record<string, number> {
    return addCounts(this.engine.refusals(), this.#failed.refusals())
  }

  /** Whether the server has begun to stop. */
  get isStopping(): boolean {
    return this.rawConnections.isStopping
  }

  /** The server begins to stop: upgraded sockets and stop signals are notified. */
  beginStop(): void {
    this.rawConnections.notifySockets()
    this.pending.stop()
  }

  /** The engine is about to close: no more notices come. */
  close(): void {
    this.#timeout?.close()
    this.#waiting.close()
    this.#rejections.close()
    this.#selector?.close()
    this.pending.close()
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
    const status = refusalOf(request.getMethod())
    this.#failed.refuse(request, exchange, { status, headers: [['allow', this.#allow]] }, 'BUSBAR_METHOD_NOT_ALLOWED', false)
    return true
  }

  /** A driver in JavaScript has parsed a request: gives its record when something observes requests. */
  beginParsed(request: Request): Observation | null {
    this.#requests++
    if (this.#logsRequests) this.#logRequest(request)
    return this.#observer.isActive() ? this.#observer.record(request) : null
  }

  /** Counts a request of such a driver that was refused. */
  refused(code: RefusalCode, client: Client): void {
    this.#failed.count(code, client)
  }

  /** Logs a request. With a silent logger it isn't called, so logging is off the hot path. */
  #logRequest(request: Request): void {
    const client = request.getClient()
    if (this.mayBeEncrypted) this.#logNegotiated(client)
    const line = `${request.getMethod()} ${escapeLine(request.getTarget())} HTTP/${request.getProtocolVersion()}`
    this.logger.debug(`client ${client.getId()} at ${client.getRemoteAddress()} requests ${line}`)
  }

  /** Logs what TLS has negotiated, ahead of the first request. */
  #logNegotiated(client: Client): void {
    const info = client.getTlsInfo()
    if (info === null || this.#negotiated.has(client)) return
    this.#negotiated.add(client)
    this.logger.debug(`client ${client.getId()} has negotiated ${info}`)
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
    this.#failed.refuse(request, exchange, { status: 417 }, 'BUSBAR_EXPECTATION')
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
      case Notice.RawReady:
        return this.rawConnections.get(id)?.onReady(words[at + 7]!)
      case Notice.RawRead:
        return this.rawConnections.get(id)?.onRead(words[at + 7]!)
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
      case Notice.Unparsed:
        return this.#unparsed?.answer(words[at + 1]!, id, words[at + 4]!, parseUnparsed(this.#bytesAt(kind, at)).text)
      case Notice.Refused:
        return this.#takeRefusal(kind, at)
      case Notice.Rejected:
        return this.#rejections.note(words[at + 4]!, this.#bytesAt(kind, at).toString('latin1'))
    }
    this.pending.notify(id, kind, words, at)
  }

  #askCertificate(slot: number, id: number, listener: number, name: string): void {
    const take = (answer: TlsAnswer | null): void => this.engine.answerCertificate(slot, id, answer)
    const source = this.#tlsOf?.(listener) ?? null
    if (source === null) take(null)
    else source.ask(name, take)
  }

  /** A request was refused by the engine. The end of one that was dispatched is observed with its exchange. */
  #takeRefusal(kind: number, at: number): void {
    const words = this.#words
    const { address, text } = parseRefusal(this.#bytesAt(kind, at).toString())
    if (this.options.get('debug')) this.logger.debug(text)
    if (((kind >>> 16) & Flag.Unparsed) !== 0) this.#observer.refuse(words[at + 4]!, words[at + 7]!, address)
  }

  /** Counts of this start of the server. */
  statistics(): Omit<ServerStatistics, 'refusals'> {
    const { running, waiting } = this.running.counts()
    return {
      connections: this.engine.clientCount(),
      upgradedConnections: this.rawConnections.size + this.rawConnections.openStreams,
      runningHandlers: running,
      waitingRequests: waiting,
      requests: this.#requests,
    }
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
