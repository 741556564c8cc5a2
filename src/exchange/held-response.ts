/**
 * A whole response whose long body the engine sends from the memory of the application, as the client takes it.
 */
import type { Request } from '../message/request.ts'
import type { Extras } from '../message/response-delivery.ts'
import type { AnswerStream, Exchange } from './exchange.ts'
import type { StreamOwner } from './response-stream.ts'
import { lostBuffer } from './stream-framing.ts'

/** One such response, from when it is handed to the engine to its end. */
export class HeldResponse implements AnswerStream {
  readonly #owner: StreamOwner
  readonly #request: Request
  readonly #exchange: Exchange
  readonly #extras: Extras
  #isOver = false

  constructor(owner: StreamOwner, request: Request, exchange: Exchange, extras: Extras) {
    this.#owner = owner
    this.#request = request
    this.#exchange = exchange
    this.#extras = extras
    extras.sender = this
    exchange.setStream(this)
    exchange.endStream()
  }

  /** Nothing waits for that. */
  onDrained(): void {}

  /** The client may still read. */
  onHalfClosed(): void {}

  /** The application has taken the memory away: the engine aborts the response. */
  onFileFailed(): void {
    const error = lostBuffer()
    this.#exchange.observation?.mark('failed')
    this.#exchange.observation?.fail(error)
    this.#owner.logFailure('the body of a response failed', this.#request, error)
  }

  onGone(): void {
    this.#leave()
  }

  onWritten(): void {
    this.#leave()
  }

  /** Aborts the response; false when it is over. */
  cut(): boolean {
    const isCut = !this.#isOver && this.#owner.hot.abort(this.#exchange.slot, this.#exchange.requestId) === 0
    if (isCut) this.#exchange.observation?.mark('failed')
    return isCut
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#extras.sender = null
    this.#extras.dispose((error) => this.#owner.logFailure('a dispose hook of a response failed', this.#request, error))
  }
}
