/**
 * One request's tie to the engine: where its head lies, what answers it, who waits for it.
 */
import { Client } from '../connection/client.ts'
import { toAddress } from '../net/socket-address.ts'
import { ClientException } from '../connection/client-exception.ts'
import { Fields } from '../http/fields.ts'
import { Flag } from '../native.ts'
import type { ClientFacts, Engine, HotFunctions } from '../native.ts'
import { IncomingBody, trailersOf } from '../body/incoming-body.ts'
import type { BodyTransport } from '../body/incoming-body.ts'
import { RequestBody } from '../body/request-body.ts'
import type { BodySource } from '../body/request-body.ts'
import type { RequestSource } from '../message/request.ts'
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import type { FieldNumbers } from './field-numbers.ts'
import type { OpenExchanges } from './open-exchanges.ts'
import type { Trailers } from '../http/trailers.ts'
import { goneError } from './pending-exchanges.ts'
import type { NoticeListener, PendingExchanges } from './pending-exchanges.ts'

const BYTE_ORDER_MARK = 0xfeff

/** What an exchange needs of its server. */
export interface ExchangeOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly fieldNumbers: FieldNumbers
  /** Methods by number. */
  readonly methods: readonly string[]
  readonly options: Options
  readonly logger: Logger
  readonly waiting: PendingExchanges
  readonly open: OpenExchanges
  /** The client of an exchange: the same object until the connection closes. */
  clientOf(exchange: Exchange): Client
}

/** A streamed answer, as far as notices concern it. */
export interface AnswerStream {
  /** All that was written has been sent. */
  onDrained(): void
  /** The file that fills the answer has ended early. */
  onFileFailed(): void
  /** The client has closed its sending side. */
  onHalfClosed(): void
  /** The connection has closed, or the answer came too late. */
  onGone(): void
  /** The end of the answer is sent. */
  onWritten(): void
}

/** A request and its answer. */
export class Exchange implements RequestSource, BodySource, BodyTransport, NoticeListener {
  readonly slot: number
  readonly requestId: number
  /** Somebody waits for something: it stands in the dispatcher's map. */
  isWaiting = false
  /** The engine has its answer. */
  isAnswered = false
  /** Its place among the open ones of the present slab; -1 when it isn't there. */
  openAt = -1
  /** Its body is larger than the limit, by the head's own word. */
  isOverLimit = false
  readonly #dispatcher: ExchangeOwner
  readonly #method: number
  readonly #flags: number
  #slab: Buffer
  #head: number
  #bodyAt = 0
  #bodyLength = -1
  #state: ExchangeState | null = null

  constructor(
    dispatcher: ExchangeOwner,
    slab: Buffer,
    head: number,
    slot: number,
    requestId: number,
    method: number,
    flags: number,
  ) {
    this.#dispatcher = dispatcher
    this.#slab = slab
    this.#head = head
    this.slot = slot
    this.requestId = requestId
    this.#method = method
    this.#flags = flags
  }

  markAnswered(): void {
    this.isAnswered = true
    if (this.openAt >= 0) this.#dispatcher.open.delete(this)
  }

  /** The head lies in memory of its own. */
  moveHead(block: Buffer): void {
    this.#slab = block
    this.#head = 0
  }

  /** The whole body lies in the slab. */
  setPlace(at: number, length: number): void {
    this.#bodyAt = at
    this.#bodyLength = length
  }

  /** The whole body, in memory of its own. */
  setWhole(bytes: Buffer): void {
    this.#bodyLength = bytes.length
    this.#ownState().whole = bytes
  }

  /** The slab is used up: what lies in it is copied out. */
  leaveSlab(slab: Buffer): void {
    if (this.#slab !== slab) return
    if (this.#bodyLength >= 0) this.whole()
    this.moveHead(this.#dispatcher.hot.copyHead(this.#slab, this.#head))
  }

  client(): Client {
    const state = this.#ownState()
    return (state.client ??= this.#dispatcher.clientOf(this))
  }

  clientId(): number {
    return this.#dispatcher.hot.clientId(this.#slab, this.#head)
  }

  openFacts(): ClientFacts {
    return this.#dispatcher.engine.openClient(this.slot, this.#slab, this.#head)
  }

  header(name: string): string | null {
    const { hot, fieldNumbers } = this.#dispatcher
    return hot.header(this.#slab, this.#head, fieldNumbers.of(name))
  }

  fields(): Fields {
    return Fields.fromBlock(this.#dispatcher.hot.headerBlock(this.#slab, this.#head))
  }

  target(): string {
    return this.#dispatcher.hot.target(this.#slab, this.#head)
  }

  method(): string {
    return this.#dispatcher.methods[this.#method] ?? ''
  }

  version(): string {
    return (this.#flags & Flag.Http10) === 0 ? '1.1' : '1.0'
  }

  base(): string {
    const address = toAddress(this.openFacts().localAddress())
    return `http://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  body(): RequestBody {
    return new RequestBody((this.#flags & Flag.Body) === 0 ? null : this)
  }

  whole(): Uint8Array | null {
    if (this.#bodyLength < 0) return null
    const state = this.#ownState()
    if (state.whole === null) {
      // Small bodies come from Node's pool; what lies beside them in the slab isn't for users.
      state.whole = Buffer.allocUnsafe(this.#bodyLength)
      this.#slab.copy(state.whole, 0, this.#bodyAt, this.#bodyAt + this.#bodyLength)
    }
    return state.whole
  }

  text(): string | null {
    if (this.#bodyLength < 0) return null
    const whole = this.#state?.whole ?? null
    const text =
      whole === null
        ? this.#slab.toString('utf8', this.#bodyAt, this.#bodyAt + this.#bodyLength)
        : whole.toString('utf8')
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text
  }

  read(): Promise<Uint8Array | null> {
    return this.#incoming().read()
  }

  rest(): Promise<Uint8Array> {
    return this.#incoming().rest()
  }

  /** Whether nobody has asked for its body, or for a higher limit. */
  isUnread(): boolean {
    return (this.#state?.incoming ?? null) === null
  }

  close(): void {
    if (this.#bodyLength < 0) this.#incoming().close()
  }

  raise(limit: number): void {
    if (this.#bodyLength < 0) this.#incoming().raise(limit)
  }

  declaredLength(): number {
    return Number(this.header('content-length') ?? Number.NaN)
  }

  awaitBytes(isWhole: boolean): boolean {
    return this.#waitIf(this.#dispatcher.hot.awaitBody(this.slot, this.requestId, isWhole ? 1 : 0) === 0)
  }

  receive(memory: Buffer, isWhole: boolean): boolean {
    return this.#waitIf(this.#dispatcher.hot.receiveBody(this.slot, this.requestId, memory, isWhole ? 1 : 0) === 0)
  }

  release(): void {
    this.#dispatcher.hot.releaseBody(this.slot, this.requestId)
  }

  #waitIf(isTaken: boolean): boolean {
    if (isTaken) this.#wait()
    return isTaken
  }

  raiseLimit(limit: number): void {
    this.#dispatcher.hot.raiseBodyLimit(this.slot, this.requestId, limit)
  }

  setRate(timeout: number | null, minimumRate: number | null): void {
    this.#dispatcher.hot.setBodyRate(this.slot, this.requestId, timeout, minimumRate)
  }

  onDropped(callback: () => void): void {
    const state = this.#ownState()
    if (this.isAnswered || this.client().isClosed()) return callback()
    state.dropped = callback
    this.#wait()
  }

  report(error: unknown): void {
    this.#dispatcher.logger.error('a close hook of a request body failed', { exception: error })
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

  trailers(): Trailers | null {
    if ((this.#flags & Flag.Body) === 0) return null
    // A body that came together with its head has none.
    if (this.#bodyLength >= 0) return trailersOf({}, null)
    const incoming = this.#incoming()
    if (this.isAnswered) incoming.onAnswered()
    else if (this.client().isClosed()) incoming.onFailure(this.gone())
    else this.#wait()
    return incoming.trailers(this.header('trailer'))
  }

  #incoming(): IncomingBody {
    const state = this.#ownState()
    return (state.incoming ??= new IncomingBody(this))
  }

  signal(): AbortSignal {
    const state = this.#ownState()
    state.controller ??= new AbortController()
    if (state.isExpired) state.controller.abort()
    if (this.isAnswered || state.isExpired) return state.controller.signal
    const status = this.client().getStatus()
    const isPatient = this.#dispatcher.options.get('allowHalfClose')
    if (status === Client.CLOSED_RDWR || (status === Client.CLOSED_RD && !isPatient)) state.controller.abort()
    else this.#wait()
    return state.controller.signal
  }

  /** The handler has had its time: its signal fires. */
  expire(): void {
    const state = this.#ownState()
    state.isExpired = true
    state.controller?.abort()
  }

  /** Whether the handler has had its time. */
  isExpired(): boolean {
    return this.#state?.isExpired === true
  }

  /** Whether something failed because the client has left, and the application asked to be told by its signal. */
  isClientGone(error: unknown): boolean {
    const signal = this.#state?.controller?.signal
    if (signal?.aborted !== true) return false
    return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
  }

  inform(status: number, lines: string): void {
    this.#dispatcher.hot.inform(this.slot, this.requestId, status, lines)
  }

  /** The answer is given; `onWritten` is to be called when it is on its way. */
  settle(onWritten: (() => void) | null): void {
    const state = this.#ownState()
    state.incoming?.onAnswered()
    state.dropped?.()
    if (onWritten === null) {
      this.#dispatcher.waiting.delete(this.requestId)
    } else {
      state.written = onWritten
      this.#wait()
    }
  }

  /** The answer is given by and by; null: it won't be. */
  setStream(stream: AnswerStream | null): void {
    this.#ownState().stream = stream
    if (stream !== null) this.#wait()
    else if (this.#state?.incoming === null && this.#state.controller === null && this.#state.dropped === null) {
      this.#dispatcher.waiting.delete(this.requestId)
    }
  }

  /** The end of the answer is handed over; when it is written the stream hears of it. */
  endStream(): void {
    const state = this.#ownState()
    this.markAnswered()
    this.settle(() => state.stream?.onWritten())
  }

  /** Whether there is a body that didn't come with its head. */
  hasIncomingBody(): boolean {
    return (this.#flags & Flag.Body) !== 0 && this.#bodyLength < 0
  }

  /** Reads what is left of the body and drops it. */
  drain(): Promise<void> {
    return this.#incoming().drain()
  }

  /** The head takes memory of its own, so that it may be kept for long. */
  ownHead(): void {
    this.leaveSlab(this.#slab)
  }

  /** The connection is asked for: `onUpgraded` is called when it is there, `onGone` when its client leaves before. */
  awaitUpgrade(onUpgraded: () => void, onGone: () => void): void {
    this.settle(onGone)
    this.#ownState().upgraded = onUpgraded
  }

  onUpgraded(): void {
    this.#state?.upgraded?.()
  }

  onBody(count: number, isLast: boolean, trailers: string | null): void {
    this.#state?.incoming?.onPiece(count, isLast, trailers)
  }

  onBodyReady(count: number): void {
    this.#state?.incoming?.onReady(count)
  }

  onBodyLimit(raises: number): void {
    this.#state?.incoming?.onLimit(raises)
  }

  onFailure(error: ClientException): void {
    this.#state?.incoming?.onFailure(error)
    this.#state?.dropped?.()
  }

  onFileFailed(): void {
    this.#state?.stream?.onFileFailed()
  }

  onDrained(): void {
    this.#state?.stream?.onDrained()
  }

  onHalfClosed(): void {
    this.#state?.controller?.abort()
    this.#state?.stream?.onHalfClosed()
  }

  onGone(): void {
    this.#state?.controller?.abort()
    this.#endAll()
  }

  onWritten(): void {
    // What we had begun to send isn't sent: the engine has refused the body, which is the last answer there is.
    if (!this.isAnswered) {
      this.markAnswered()
      this.onLate()
    }
    this.#state?.written?.()
    this.#release()
  }

  onLate(): void {
    this.#state?.incoming?.onAnswered()
    this.#state?.dropped?.()
    this.#endAll()
  }

  #endAll(): void {
    this.#state?.stream?.onGone()
    this.#state?.written?.()
    this.#release()
  }

  /** Nothing more comes: a body that was sent must not live as long as the request. */
  #release(): void {
    if (this.#state === null) return
    this.#state.stream = null
    this.#state.written = null
  }

  isPending(): boolean {
    const state = this.#state
    // Whoever sends hears of the end, or that it came too late.
    if (state !== null && (state.written !== null || state.stream !== null)) return true
    return !this.isAnswered && !this.client().isClosed()
  }

  #wait(): void {
    this.isWaiting = true
    this.#dispatcher.waiting.set(this.requestId, this)
  }

  #ownState(): ExchangeState {
    return (this.#state ??= new ExchangeState())
  }
}

/** What few requests need. */
class ExchangeState {
  client: Client | null = null
  whole: Buffer | null = null
  incoming: IncomingBody | null = null
  /** To be called when the body isn't to be had any more. */
  dropped: (() => void) | null = null
  stream: AnswerStream | null = null
  controller: AbortController | null = null
  written: (() => void) | null = null
  upgraded: (() => void) | null = null
  isExpired = false
}
