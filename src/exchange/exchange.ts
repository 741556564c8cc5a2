/**
 * One request and its response on the engine: where its head lies, and where notices about it go.
 */
import { AsyncResource } from '../core/builtin.ts'
import { Client } from '../connection/client.ts'
import { toAddress } from '../net/socket-address.ts'
import { isAbortedBy } from '../connection/client-exception.ts'
import type { ClientException } from '../connection/client-exception.ts'
import { Fields } from '../http/fields.ts'
import { protocolsOf } from '../http/lists.ts'
import { authorityOf } from '../http/target.ts'
import { Flag } from '../native.ts'
import type { ClientFacts, Engine, HotFunctions } from '../native.ts'
import { RequestBody } from '../body/request-body.ts'
import type { ClientRegistry } from '../connection/client-registry.ts'
import { forwardedOf } from '../message/forwarded.ts'
import { networksOf } from '../net/networks.ts'
import type { Forwarded } from '../net/forwarded.ts'
import type { RequestSource } from '../message/request-source.ts'
import { HandoverSignal } from '../core/handover.ts'
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import type { FieldNumbers } from './field-numbers.ts'
import { NO_LISTENER, Observation } from './observation.ts'
import type { ResponseEnd } from '../message/response-end.ts'
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
  /** Whether the server has begun to stop. */
  readonly isStopping: boolean
  /** Clients may use TLS: to a listener, or to a proxy that announces it. */
  readonly mayBeEncrypted: boolean
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
  /** Its index among the running handlers; -1 when its handler isn't counted. */
  runningAt = -1
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
    const fields = Fields.fromBlock(this.#owner.hot.headerBlock(this.#slab, this.#head))
    const authority = authorityOf(this.target())
    return authority === null ? fields : fields.overrideHost(authority)
  }

  target(): string {
    return this.#owner.hot.target(this.#slab, this.#head)
  }

  method(): string {
    return this.#owner.methods[this.#method] ?? ''
  }

  version(): string {
    if (this.isHttp2()) return '2'
    return (this.#flags & Flag.Http10) === 0 ? '1.1' : '1.0'
  }

  /** Whether it is a stream of an HTTP/2 connection, which can end alone. */
  isHttp2(): boolean {
    return (this.#flags & Flag.Http2) !== 0
  }

  upgrade(): readonly string[] | null {
    if ((this.#flags & Flag.Upgrade) === 0 || this.method() === 'CONNECT') return null
    return protocolsOf(this.fields().all('upgrade'))
  }

  /** Whether it is a stream that can be taken over: an extended CONNECT. RFC 8441. */
  isExtendedConnect(): boolean {
    return this.isHttp2() && (this.#flags & Flag.Upgrade) !== 0 && this.method() !== 'CONNECT'
  }

  /** Whether the connection has TLS. */
  isSecured(): boolean {
    return this.#owner.mayBeEncrypted && this.openFacts().isSecured()
  }

  isEncrypted(): boolean {
    return this.isSecured() || (this.#owner.mayBeEncrypted && this.openFacts().isEncryptedToProxy())
  }

  base(): string {
    const address = toAddress(this.openFacts().localAddress())
    const isSecured = this.isEncrypted() || this.#isSecuredByProxy()
    return `${isSecured ? 'https' : 'http'}://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  /** Whether a proxy that is trusted says by `:scheme` that it has ended TLS. */
  #isSecuredByProxy(): boolean {
    if ((this.#flags & Flag.ClaimsHttps) === 0) return false
    return networksOf(this.#owner.options.get('proxies')).has(this.client().getRemoteAddress())
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
    const signal = (state.signal ??= new HandoverSignal())
    if (state.isExpired || state.isGone) signal.abort()
    if (this.isAnswered || state.isExpired || state.isGone) return signal.take()
    const status = this.client().getStatus()
    const isPatient = this.#owner.options.get('allowHalfClose')
    if (status === Client.CLOSED_RDWR || (status === Client.CLOSED_RD && !isPatient)) signal.abort()
    else this.listen()
    return signal.take()
  }

  stopSignal(): AbortSignal {
    const state = this.#ownState()
    if (state.stopController === null) {
      const controller = new AbortController()
      state.stopController = controller
      // Its listeners run in the context in which the signal was first asked for.
      state.stop = AsyncResource.bind(() => controller.abort())
    }
    if (this.#owner.isStopping) state.stopController.abort()
    else if (!this.isAnswered || state.stream !== null) this.listen()
    return state.stopController.signal
  }

  onStop(): void {
    this.#state?.stop?.()
  }

  /** Whether nothing of the application waits for notices about the request. */
  #hasNoListener(): boolean {
    const state = this.#state
    return this.#body?.isListening() !== true && state?.signal === null && state.stopController === null
  }

  /** The handler's time is over: the signal aborts. */
  expire(): void {
    const state = this.#ownState()
    state.isExpired = true
    state.signal?.abort()
  }

  /** Whether the handler's time is over. */
  isExpired(): boolean {
    return this.#state?.isExpired === true
  }

  /** Whether the client has disconnected or reset the stream, as far as the exchange has listened. */
  isGone(): boolean {
    return this.#state?.isGone === true
  }

  /** Whether an error says only that the client has disconnected: it comes from the signal of the request. */
  isClientGone(error: unknown): boolean {
    return isAbortedBy(this.#state?.signal ?? undefined, error)
  }

  inform(status: number, lines: string): void {
    this.#owner.hot.inform(this.slot, this.requestId, status, lines)
  }

  /** The record of the request, if it is observed. */
  get observation(): Observation | null {
    return this.#state === null ? null : this.#state.observation
  }

  /** Observes the request: notices about it are delivered to its end. */
  observe(observation: Observation): void {
    this.#ownState().observation = observation
    this.listen()
  }

  onEnd(call: (end: ResponseEnd) => void): boolean {
    if (this.isAnswered || this.isGone()) {
      // The handler runs on although its response won't be sent.
      call({ status: null, bytesSent: 0, duration: 0, outcome: this.isExpired() ? 'timeout' : 'aborted' })
      return true
    }
    if (this.observation === null) this.observe(new Observation(NO_LISTENER))
    this.observation?.onEnd(call)
    return true
  }

  /** The response is handed to the engine; `onWritten` is called when it is sent, or can't be. */
  settle(onWritten: (() => void) | null): void {
    this.#body?.onAnswered()
    if (onWritten === null) {
      this.#state?.signal?.release()
      if (this.observation === null) this.#owner.pending.delete(this.requestId)
    } else {
      this.#ownState().written = onWritten
      this.listen()
    }
  }

  /** The response is streamed; null ends that. */
  setStream(stream: AnswerStream | null): void {
    this.#ownState().stream = stream
    if (stream !== null) this.listen()
    else if (this.observation === null && this.#hasNoListener()) {
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
    this.observation?.end('upgraded')
    this.#state?.signal?.release()
    this.#state?.upgraded?.()
  }

  incoming(): BodyListener | null {
    return this.#body?.incoming() ?? null
  }

  onFailure(error: ClientException): void {
    this.#body?.onFailure(error)
  }

  onRefused(error: ClientException): void {
    if (!this.isAnswered && !this.client().isClosed()) this.observation?.refuse(error.getCode())
    this.onFailure(error)
  }

  onBodyTooLate(error: ClientException): void {
    this.onFailure(error)
  }

  onFileFailed(): void {
    this.#state?.stream?.onFileFailed()
    // A stream of HTTP/2 was reset, and no notice follows.
    if (!this.isHttp2()) return
    this.#owner.pending.delete(this.requestId)
    this.onGone(0, false)
  }

  onDrained(): void {
    this.#state?.stream?.onDrained()
  }

  onHalfClosed(): void {
    this.#state?.signal?.abort()
    this.#state?.stream?.onHalfClosed()
  }

  onGone(unsent: number, isLate: boolean): void {
    const state = this.#ownState()
    state.isGone = true
    state.signal?.abort()
    this.#endAll()
    this.observation?.end(isLate ? 'timeout' : 'aborted', unsent)
  }

  onWritten(): void {
    // The engine has refused the body with a response of its own, in place of the one that was begun.
    if (!this.isAnswered) {
      this.markAnswered()
      this.#body?.onAnswered()
      this.#endAll()
    }
    this.#state?.written?.()
    this.#release()
    this.observation?.end('sent')
  }

  onLate(): void {
    this.#body?.onAnswered()
    this.#endAll()
    this.observation?.end('aborted')
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
    this.#state.signal?.release()
  }

  isPending(): boolean {
    const state = this.#state
    // A request whose response is being sent still expects `Written` or `Late`.
    if (state !== null && (state.written !== null || state.stream !== null || state.observation?.outcome === null)) return true
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
  signal: HandoverSignal | null = null
  stopController: AbortController | null = null
  stop: (() => void) | null = null
  written: (() => void) | null = null
  upgraded: (() => void) | null = null
  observation: Observation | null = null
  isExpired = false
  isGone = false
}
