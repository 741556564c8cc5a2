/**
 * The responses that the hot path leaves: upgrades, streams, long content, trailers, and those with dispose hooks.
 */
import type { RawConnections } from '../connection/raw-connection.ts'
import type { Logger } from '../core/logger.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { PendingExchanges } from '../exchange/pending-exchanges.ts'
import type { OpenExchanges } from '../exchange/open-exchanges.ts'
import type { Content } from '../body/source.ts'
import { HeldResponse } from '../exchange/held-response.ts'
import { ResponseStream } from '../exchange/response-stream.ts'
import type { StreamOwner } from '../exchange/response-stream.ts'
import { upgrade } from '../exchange/upgrade.ts'
import type { UpgradeOwner } from '../exchange/upgrade.ts'
import type { HandlerTimeout } from '../handler/handler-timeout.ts'
import { checkLength } from '../message/content-length.ts'
import { settleKnownFile } from '../message/file-response.ts'
import type { Request } from '../message/request.ts'
import type { Framing } from '../message/response-extras.ts'
import { markSent, openResponse, sendResponse } from '../message/response.ts'
import type { Extras } from '../message/response-delivery.ts'
import type { Response } from '../message/response.ts'
import type { Takeover } from '../message/takeover.ts'
import { unaskedProtocol } from '../message/upgrade-request.ts'
import { Result, addressAnswer } from '../native.ts'
import type { HotFunctions } from '../native.ts'
import type { Options } from '../options/options.ts'
import type { FailedRequests } from './failed-requests.ts'
import { noteAnswer } from './observer.ts'

/** What such responses need of their server. */
export interface SpecialOwner {
  readonly hot: HotFunctions
  readonly options: Options
  readonly logger: Logger
  readonly open: OpenExchanges
  readonly rawConnections: RawConnections
  readonly pending: PendingExchanges
}

/** Whether a response switches the protocol of a stream that has none to switch to. */
export function isSwitch(exchange: Exchange, response: Response): boolean {
  return exchange.isHttp2() && response.getStatus() === 101 && !exchange.isAnswered && !exchange.isExtendedConnect()
}

/** The special responses of one server. */
export class SpecialResponses implements StreamOwner, UpgradeOwner {
  readonly hot: HotFunctions
  readonly options: Options
  readonly logger: Logger
  readonly rawConnections: RawConnections
  readonly pending: PendingExchanges
  readonly #open: OpenExchanges
  readonly #failed: FailedRequests
  /** Null without a `handlerTimeout`. */
  readonly #timeout: HandlerTimeout | null
  /** The words of a response, which the engine reads. */
  readonly #words: Uint32Array

  constructor(owner: SpecialOwner, failed: FailedRequests, timeout: HandlerTimeout | null, words: Uint32Array) {
    this.hot = owner.hot
    this.options = owner.options
    this.logger = owner.logger
    this.rawConnections = owner.rawConnections
    this.pending = owner.pending
    this.#open = owner.open
    this.#failed = failed
    this.#timeout = timeout
    this.#words = words
  }

  /** Sends a response; false when it can be sent as one that has nothing special. */
  send(request: Request, exchange: Exchange, response: Response, extras: Extras): boolean {
    if (extras.writeTimeout !== null) this.hot.setWriteTimeout(exchange.slot, exchange.requestId, extras.writeTimeout)
    if (extras.takeover !== null) {
      this.#takeOver(request, exchange, response, extras, extras.takeover)
      return true
    }
    if (extras.isStreamed) settleKnownFile(request, response)
    if (extras.isStreamed || extras.trailers !== null || extras.isCut) {
      this.#stream(request, exchange, response, extras)
      return true
    }
    if (!extras.isLong && !extras.hasDisposers()) return false
    const content = extras.isLong ? bytesOf(response) : undefined
    if (content !== undefined && content.byteLength > this.hot.longest) this.#stream(request, exchange, response, extras)
    else this.#sendWhole(request, exchange, response, extras, content)
    return true
  }

  #sendWhole(request: Request, exchange: Exchange, response: Response, extras: Extras, content?: Uint8Array): void {
    const { observation } = exchange
    if (observation !== null) noteAnswer(exchange, observation, response)
    addressAnswer(this.#words, exchange.slot, exchange.requestId)
    const tellsWritten = observation !== null || extras.hasDisposers()
    const result = sendResponse(response, this.#words, this.hot, exchange, tellsWritten, content)
    this.#timeout?.delete(exchange.requestId)
    if (result === Result.Holds) return void new HeldResponse(this, request, exchange, extras)
    exchange.markAnswered()
    const dispose = tellsWritten ? (): void => this.#dispose(extras) : null
    if (dispose !== null || exchange.isListening) exchange.settle(result === undefined ? dispose : null)
    if (result !== undefined) dispose?.()
  }

  #dispose(extras: Extras): void {
    extras.dispose((exception) => this.logger.error('a dispose hook of a response failed', { exception }))
  }

  /** Takes the connection over for the application. */
  #takeOver(request: Request, exchange: Exchange, response: Response, extras: Extras, takeover: Takeover): void {
    const isStream = exchange.isExtendedConnect()
    // Any other stream of HTTP/2 is reset by the engine, with a code that has the client try HTTP/1.1.
    const unasked = exchange.isHttp2() && !isStream ? null : unaskedProtocol(exchange, response, takeover)
    if (unasked !== null) {
      this.#failed.discard(request, response)
      return this.#failed.answer(request, exchange, { status: 426, headers: [['upgrade', unasked]] })
    }
    markSent(response)
    const isTunnel = isStream || (exchange.method() === 'CONNECT' && !takeover.isDetached)
    exchange.observation?.answer(isTunnel ? 200 : response.getStatus(), 0)
    this.#timeout?.delete(exchange.requestId)
    try {
      upgrade(this, request, exchange, response, takeover, () => this.#dispose(extras))
    } catch (error) {
      this.#dispose(extras)
      throw error
    }
  }

  /** Has the client repeat the request by HTTP/1.1: the engine resets its stream. RFC 9113 §8.6. */
  refuseSwitch(exchange: Exchange): void {
    this.hot.upgrade(exchange.slot, exchange.requestId, null)
    this.#timeout?.delete(exchange.requestId)
    exchange.markAnswered()
    exchange.settle(null)
  }

  #stream(request: Request, exchange: Exchange, response: Response, extras: Extras): void {
    // With trailers the body is chunked, and its length isn't sent.
    if (extras.trailers === null) checkLength(response, exchange.method())
    markSent(response)
    this.#timeout?.delete(exchange.requestId)
    // The stream may be long: its head must not keep a whole slab.
    this.#open.add(exchange)
    new ResponseStream(this, request, exchange, response, extras).begin()
  }

  openStream(exchange: Exchange, response: Response, framing: Framing): number {
    exchange.observation?.answer(response.getStatus(), 0)
    addressAnswer(this.#words, exchange.slot, exchange.requestId)
    return openResponse(response, this.#words, this.hot, framing)
  }

  fail(request: Request, exchange: Exchange, error: unknown): void {
    this.#failed.fail(request, exchange, error)
  }

  logFailure(message: string, request: Request, error: unknown): void {
    this.#failed.log(message, request, error)
  }
}

/** The body of a response as bytes that no other thread writes to. */
function bytesOf(response: Response): Uint8Array {
  const body = response.getBody() as Content
  if (typeof body === 'string') return Buffer.from(body)
  return body.buffer instanceof SharedArrayBuffer ? new Uint8Array(body) : body
}
