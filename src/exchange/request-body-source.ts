/**
 * The body of one request on the engine: where `RequestBody` gets its bytes, and how `IncomingBody` asks for them.
 *
 *   came with its head ──► a place in the slab, or memory of its own
 *   still arriving     ──► `IncomingBody`, to which notices go directly
 *
 * Only requests with a body have one.
 */
import { IncomingBody, trailersOf } from '../body/incoming-body.ts'
import type { BodyTransport } from '../body/incoming-body.ts'
import type { BodySource } from '../body/request-body.ts'
import { ClientException } from '../connection/client-exception.ts'
import type { Client } from '../connection/client.ts'
import type { Logger } from '../core/logger.ts'
import type { Trailers } from '../http/trailers.ts'
import type { HotFunctions } from '../native.ts'
import { goneError } from './pending-exchanges.ts'

const BYTE_ORDER_MARK = 0xfeff

/** What a body needs of its server. */
export interface BodyOwner {
  readonly hot: HotFunctions
  readonly logger: Logger
}

/** What a body needs of its request. */
export interface BodyExchange {
  readonly slot: number
  readonly requestId: number
  readonly isAnswered: boolean
  client(): Client
  header(name: string): string | null
  /** Registers the request for notices. */
  listen(): void
}

/** The body of one request. */
export class RequestBodySource implements BodySource, BodyTransport {
  readonly #owner: BodyOwner
  readonly #exchange: BodyExchange
  /** The slab with a body that came with its head, until the body is copied out. */
  #slab: Buffer | null = null
  #at = 0
  /** Length of a body that came with its head; -1 for one that is still arriving. */
  #length = -1
  #whole: Buffer | null = null
  #incoming: IncomingBody | null = null
  /** Called when no more of the body can be read. */
  #onDropped: (() => void) | null = null

  constructor(owner: BodyOwner, exchange: BodyExchange) {
    this.#owner = owner
    this.#exchange = exchange
  }

  /** The whole body lies in a slab. */
  setPlace(slab: Buffer, at: number, length: number): void {
    this.#slab = slab
    this.#at = at
    this.#length = length
  }

  /** The whole body, in memory of its own. */
  setWhole(bytes: Buffer): void {
    this.#length = bytes.length
    this.#whole = bytes
  }

  /** Copies a body that came with its head out of the slab. */
  leaveSlab(): void {
    this.whole()
  }

  /** Whether the body arrives after its head. */
  isArriving(): boolean {
    return this.#length < 0
  }

  /** Whether the handler has requested neither bytes nor a higher limit. */
  isUnread(): boolean {
    return this.#incoming === null
  }

  /** Whether notices about the body are expected. */
  isListening(): boolean {
    return this.#incoming !== null || this.#onDropped !== null
  }

  /** What takes the notices about arriving bytes; null before the first read. */
  incoming(): IncomingBody | null {
    return this.#incoming
  }

  #arriving(): IncomingBody {
    return (this.#incoming ??= new IncomingBody(this))
  }

  client(): Client {
    return this.#exchange.client()
  }

  whole(): Uint8Array | null {
    if (this.#length < 0) return null
    if (this.#whole === null) {
      // A copy: a view of the slab would show the application the bytes of other requests.
      this.#whole = Buffer.allocUnsafe(this.#length)
      this.#slab!.copy(this.#whole, 0, this.#at, this.#at + this.#length)
      this.#slab = null
    }
    return this.#whole
  }

  text(): string | null {
    if (this.#length < 0) return null
    const text =
      this.#whole === null ? this.#slab!.toString('utf8', this.#at, this.#at + this.#length) : this.#whole.toString('utf8')
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text
  }

  read(): Promise<Uint8Array | null> {
    return this.#arriving().read()
  }

  rest(): Promise<Uint8Array> {
    return this.#arriving().rest()
  }

  close(): void {
    if (this.#length < 0) this.#arriving().close()
  }

  raise(limit: number): void {
    if (this.#length < 0) this.#arriving().raise(limit)
  }

  /** Reads the rest of the body and drops it. */
  drain(): Promise<void> {
    return this.#arriving().drain()
  }

  /** The fields behind the body. */
  trailers(): Trailers {
    // A body that came with its head has none.
    if (this.#length >= 0) return trailersOf({}, null)
    const incoming = this.#arriving()
    if (this.#exchange.isAnswered) incoming.onAnswered()
    else if (this.client().isClosed()) incoming.onFailure(this.gone())
    else this.#exchange.listen()
    return incoming.trailers(this.#exchange.header('trailer'))
  }

  onDropped(callback: () => void): void {
    if (this.#exchange.isAnswered || this.client().isClosed()) return callback()
    this.#onDropped = callback
    this.#exchange.listen()
  }

  report(error: unknown): void {
    this.#owner.logger.error('a close hook of a request body failed', { exception: error })
  }

  declaredLength(): number {
    return Number(this.#exchange.header('content-length') ?? Number.NaN)
  }

  awaitBytes(isWhole: boolean): boolean {
    const { slot, requestId } = this.#exchange
    return this.#listenIf(this.#owner.hot.awaitBody(slot, requestId, isWhole ? 1 : 0) === 0)
  }

  receive(memory: Buffer, isWhole: boolean): boolean {
    const { slot, requestId } = this.#exchange
    return this.#listenIf(this.#owner.hot.receiveBody(slot, requestId, memory, isWhole ? 1 : 0) === 0)
  }

  #listenIf(isTaken: boolean): boolean {
    if (isTaken) this.#exchange.listen()
    return isTaken
  }

  release(): void {
    this.#owner.hot.releaseBody(this.#exchange.slot, this.#exchange.requestId)
  }

  raiseLimit(limit: number): void {
    this.#owner.hot.raiseBodyLimit(this.#exchange.slot, this.#exchange.requestId, limit)
  }

  gone(): ClientException {
    return goneError(this.client())
  }

  limitHit(): ClientException {
    return new ClientException(this.client(), 'the body is larger than its limit', 413)
  }

  outOfMemory(): ClientException {
    return new ClientException(this.client(), 'the body is larger than there is memory for', 413)
  }

  /** The request is answered: the engine drops the rest of its body. */
  onAnswered(): void {
    this.#incoming?.onAnswered()
    this.#onDropped?.()
  }

  /** No more of the body can be read. */
  onFailure(error: ClientException): void {
    this.#incoming?.onFailure(error)
    this.#onDropped?.()
  }
}
