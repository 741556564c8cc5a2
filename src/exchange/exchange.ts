/**
 * One request and its response on the engine: where its head lies, and where notices about it go.
 */
import { Client } from '../connection/client.ts'
import { toAddress } from '../net/socket-address.ts'
import type { ClientException } from '../connection/client-exception.ts'
import { Fields } from '../http/fields.ts'
import { Flag } from '../native.ts'
import type { ClientFacts, Engine, HotFunctions } from '../native.ts'
import { RequestBody } from '../body/request-body.ts'
import type { ClientRegistry } from '../connection/client-registry.ts'
import { forwardedOf } from '../message/forwarded.ts'
import type { Forwarded } from '../net/forwarded.ts'
import type { RequestSource } from '../message/request-source.ts'
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import type { FieldNumbers } from './field-numbers.ts'
import type { OpenExchanges, SlabUser } from './open-exchanges.ts'
import type { Trailers } from '../http/trailers.ts'
import type { BodyListener, NoticeListener, PendingExchanges } from './pending-exchanges.ts'
import { RequestBodySource } from './request-body-source.ts'
import type { BodyExchange } from './request-body-source.ts'

/** What an exchange needs of its server. */
export interface ExchangeOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly fieldNumbers: FieldNumbers
  /** Methods by number. */
  readonly methods: readonly string[]
  readonly options: Options
  readonly logger: Logger
  readonly pending: PendingExchanges
  readonly open: OpenExchanges
  readonly clients: ClientRegistry
  /** A listener speaks TLS. */
  readonly hasTls: boolean
}

/** Takes the notices about a streamed response. */
export interface AnswerStream {
  /** Everything written so far is sent. */
  onDrained(): void
  /** The file that is the body has ended early. */
  onFileFailed(): void
  /** The client has closed its sending side. */
  onHalfClosed(): void
  /** The connection has closed, or the response came too late. */
  onGone(): void
  /** The whole response is sent. */
  onWritten(): void
}

/** A request and its response. */
export class Exchange implements RequestSource, NoticeListener, BodyExchange, SlabUser {
  readonly slot: number
  readonly requestId: number
  /** Notices about it are delivered, or were at an earlier time. */
  isListening = false
  /** The engine has its response. */
  isAnswered = false
  /** Its index among the open exchanges of the current slab; -1 when it isn't one of them. */
  openAt = -1
  /** Its Content-Length is larger than the body limit. */
  isOverLimit = false
  readonly #owner: ExchangeOwner
  readonly #method: number
  readonly #flags: number
  #slab: Buffer
  #head: number
  #body: RequestBodySource | null = null
  #state: ExchangeState | null = null

  constructor(
    owner: ExchangeOwner,
    slab: Buffer,
    head: number,
    slot: number,
    requestId: number,
    method: number,
    flags: number,
  ) {
    this.#owner = owner
    this.#slab = slab
    this.#head = head
    this.slot = slot
    this.requestId = requestId
    this.#method = method
    this.#flags = flags
  }

  markAnswered(): void {
    this.isAnswered = true
    if (this.openAt >= 0) this.#owner.open.delete(this)
  }

  /** The head is moved to memory of its own. */
  moveHead(block: Buffer): void {
    this.#slab = block
    this.#head = 0
  }

  /** The whole body lies where the head does. */
  setPlace(at: number, length: number): void {
    this.#ownBody().setPlace(this.#slab, at, length)
  }

  /** The whole body, in memory of its own. */
  setWhole(bytes: Buffer): void {
    this.#ownBody().setWhole(bytes)
  }

  leaveSlab(slab: Buffer): void {
    if (this.#slab !== slab) return
    this.#body?.leaveSlab()
    this.moveHead(this.#owner.hot.copyHead(this.#slab, this.#head))
  }

  client(): Client {
    const state = this.#ownState()
    return (state.client ??= this.#owner.clients.of(this.clientId(), this))
  }

  clientId(): number {
    return this.#owner.hot.clientId(this.#slab, this.#head)
  }

  openFacts(): ClientFacts {
    return this.#owner.engine.openClient(this.slot, this.#slab, this.#head)
  }

  header(name: string): string | null {
    const { hot, fieldNumbers } = this.#owner
    return hot.header(this.#slab, this.#head, fieldNumbers.of(name))
  }

  fields(): Fields {
    return Fields.fromBlock(this.#owner.hot.headerBlock(this.#slab, this.#head))
  }

  target(): string {
    return this.#owner.hot.target(this.#slab, this.#head)
  }

  method(): string {
    return this.#owner.methods[this.#method] ?? ''
  }

  version(): string {
    return (this.#flags & Flag.Http10) === 0 ? '1.1' : '1.0'
  }

  /** Whether the connection is encrypted. */
  isEncrypted(): boolean {
    return this.#owner.hasTls && this.openFacts().isSecured()
  }

  base(): string {
    const facts = this.openFacts()
    const address = toAddress(facts.localAddress())
    const scheme = facts.isSecured() || facts.isEncryptedToProxy() ? 'https' : 'http'
    return `${scheme}://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  forwarded(): Forwarded | null {
    return forwardedOf(this.#owner.options, () => this.client(), () => this.fields())
  }

  body(): RequestBody {
    return new RequestBody((this.#flags & Flag.Body) === 0 ? null : this.#ownBody())
  }

  #ownBody(): RequestBodySource {
    return (this.#body ??= new RequestBodySource(this.#owner, this))
  }

  trailers(): Trailers | null {
    return (this.#flags & Flag.Body) === 0 ? null : this.#ownBody().trailers()
  }

  /** Whether the handler has requested neither bytes of the body nor a higher limit. */
  isUnread(): boolean {
    return this.#body === null || this.#body.isUnread()
  }

  setRate(timeout: number | null, minimumRate: number | null): void {
    this.#owner.hot.setBodyRate(this.slot, this.requestId, timeout, minimumRate)
  }

  signal(): AbortSignal {
    const state = this.#ownState()
    state.controller ??= new AbortController()
    if (state.isExpired) state.controller.abort()
    if (this.isAnswered || state.isExpired) return state.controller.signal
    const status = this.client().getStatus()
    const isPatient = this.#owner.options.get('allowHalfClose')
    if (status === Client.CLOSED_RDWR || (status === Client.CLOSED_RD && !isPatient)) state.controller.abort()
    else this.listen()
    return state.controller.signal
  }

  /** The handler's time is over: the signal aborts. */
  expire(): void {
    const state = this.#ownState()
    state.isExpired = true
    state.controller?.abort()
  }

  /** Whether the handler's time is over. */
  isExpired(): boolean {
    return this.#state?.isExpired === true
  }

  /** Whether an error says only that the client has disconnected: it comes from the signal of the request. */
  isClientGone(error: unknown): boolean {
    const signal = this.#state?.controller?.signal
    if (signal?.aborted !== true) return false
    return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
  }

  inform(status: number, lines: string): void {
    this.#owner.hot.inform(this.slot, this.requestId, status, lines)
  }

  /** The response is handed to the engine; `onWritten` is called when it is sent, or can't be. */
  settle(onWritten: (() => void) | null): void {
    this.#body?.onAnswered()
    if (onWritten === null) {
      this.#owner.pending.delete(this.requestId)
    } else {
      this.#ownState().written = onWritten
      this.listen()
    }
  }

  /** The response is streamed; null ends that. */
  setStream(stream: AnswerStream | null): void {
    this.#ownState().stream = stream
    if (stream !== null) this.listen()
    else if (this.#body?.isListening() !== true && this.#state?.controller === null) {
      this.#owner.pending.delete(this.requestId)
    }
  }

  /** The end of the response is handed to the engine; the stream is notified when it is sent. */
  endStream(): void {
    const state = this.#ownState()
    this.markAnswered()
    this.settle(() => state.stream?.onWritten())
  }

  /** Whether there is a body that arrives after the head. */
  hasIncomingBody(): boolean {
    return (this.#flags & Flag.Body) !== 0 && this.#ownBody().isArriving()
  }

  /** Reads the rest of the body and drops it. */
  drain(): Promise<void> {
    return this.#ownBody().drain()
  }

  /** Copies the head to memory of its own: the request may live long and must not keep the slab. */
  ownHead(): void {
    this.leaveSlab(this.#slab)
  }

  /** The connection is requested: `onUpgraded` is called when it is raw, `onGone` when the client disconnects before. */
  awaitUpgrade(onUpgraded: () => void, onGone: () => void): void {
    this.settle(onGone)
    this.#ownState().upgraded = onUpgraded
  }

  onUpgraded(): void {
    this.#state?.upgraded?.()
  }

  incoming(): BodyListener | null {
    return this.#body?.incoming() ?? null
  }

  onFailure(error: ClientException): void {
    this.#body?.onFailure(error)
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
    // The engine has refused the body with a response of its own, in place of the one that was begun.
    if (!this.isAnswered) {
      this.markAnswered()
      this.onLate()
    }
    this.#state?.written?.()
    this.#release()
  }

  onLate(): void {
    this.#body?.onAnswered()
    this.#endAll()
  }

  #endAll(): void {
    this.#state?.stream?.onGone()
    this.#state?.written?.()
    this.#release()
  }

  /** No more notices come: a body that was sent must not live as long as its request. */
  #release(): void {
    if (this.#state === null) return
    this.#state.stream = null
    this.#state.written = null
  }

  isPending(): boolean {
    const state = this.#state
    // A request whose response is being sent still expects `Written` or `Late`.
    if (state !== null && (state.written !== null || state.stream !== null)) return true
    return !this.isAnswered && !this.client().isClosed()
  }

  listen(): void {
    this.isListening = true
    this.#owner.pending.set(this.requestId, this)
  }

  #ownState(): ExchangeState {
    return (this.#state ??= new ExchangeState())
  }
}

/** State that few requests need. */
class ExchangeState {
  client: Client | null = null
  stream: AnswerStream | null = null
  controller: AbortController | null = null
  written: (() => void) | null = null
  upgraded: (() => void) | null = null
  isExpired = false
}
