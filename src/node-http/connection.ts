/**
 * One connection of a server: its requests in their order, and its bytes once they belong to the application.
 *
 * ```text
 *   HTTP ──(upgrade, CONNECT)──► AWAITED ──► RAW ──► closed
 *     └──────────────────────────────────────────────►┘
 * ```
 * It is made with its first request. Its close is announced once its facts are opened, which happens when the
 * application touches the socket.
 */
import { memoryForPiece } from '../connection/raw-connection.ts'
import type { BoundAddress, ClientFacts, Engine, HotFunctions } from '../native.ts'
import { GIVEN, OPEN, SENDING_LOOK } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import type { NodeSocket } from './node-socket.ts'

/** Unsent bytes above which a writer should pause; the engine reports when they are sent. */
export const HIGH_WATER = 64 * 1024
/** The longest piece that is read at once, in bytes. */
const PIECE = 64 * 1024
const NONE: readonly Exchange[] = []
/** Seconds for which an application may leave a connection whose time is over. */
const LEFT_SECONDS = 10
/** What `hot.upgrade` answers when the request can't give its connection away. */
const OCCUPIED = 2

/** What a connection needs of its server. */
export interface ConnectionOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  /** A socket has been without a sign of life for the time of its `setTimeout`. */
  onTimeout(connection: Connection): void
  /** Milliseconds for `setTimeout` of a socket that the application hasn't set, or that has been without a request; 0 for none. */
  readonly timeout: number
  /** Milliseconds for `setTimeout` of a socket that is without a request; 0: it stays as it is. */
  readonly restTime: number
  /** Whether the application would hear of such a timeout; the engine counts the others. */
  hearsTimeout(connection: Connection): boolean
}

/** Takes what happens to a raw connection. */
export interface RawReceiver {
  receive(bytes: Buffer): void
  receiveEnd(): void
  drained(): void
}

/** The engine's HTTP serves the connection. */
const HTTP = 0
/** It is taken over when the earlier responses are sent. */
const AWAITED = 1
/** Its bytes belong to the application. */
const RAW = 2

/** One connection. */
export class Connection {
  readonly owner: ConnectionOwner
  readonly slot: number
  readonly id: number
  socket: NodeSocket = null as never
  /** The oldest request whose response isn't wholly given. */
  current: Exchange | null = null
  /** The exchange of HTTP/1 whose response was given before the body of its request has come whole. */
  early: Exchange | null = null
  /** Streams of HTTP/2 whose response was given before the body of its request has come whole. */
  #earlyStreams = 0
  /** Requests so far. */
  requests = 0
  isClosed = false
  /** Its requests are streams of HTTP/2. */
  isHttp2 = false
  /** The response behind which the connection closes is given. */
  hasLastAnswer = false
  /** The peer has closed its sending side. */
  hasPeerEnded = false
  bytesWritten = 0
  bytesRead = 0
  /** The loop's waits when the application last got a request or the end of a body that it hasn't answered at once. */
  fedAt = -1
  #waiting: Exchange[] | null = null
  #mode: typeof HTTP | typeof AWAITED | typeof RAW = HTTP
  #facts: ClientFacts | null = null
  #wasOpened = false
  #hasGone = false
  #isAsked = false
  /** The engine receives bytes into it. */
  #memory: Buffer | null = null
  /** Bytes that came behind the request, until they are given with its event. */
  #head: Buffer[] | null = null
  /** The exchange whose response the application writes itself. */
  taken: Exchange | null = null
  #lost: readonly Exchange[] = NONE
  #onRaw: (() => void) | null = null
  #idleTimer: NodeJS.Timeout | null = null
  #idleMillis = 0
  /** The next request sets the timeout of the server. */
  #isTimeoutDue = true
  #timerMillis = 0
  #seenDeadline = 0

  constructor(owner: ConnectionOwner, slot: number, id: number) {
    this.owner = owner
    this.slot = slot
    this.id = id
  }

  get isRaw(): boolean {
    return this.#mode === RAW
  }

  get isHttp(): boolean {
    return this.#mode === HTTP
  }

  /** A request has come. Returns whether its response is the next one on the connection. */
  begin(exchange: Exchange): boolean {
    this.requests++
    if (exchange.isHttp2) this.isHttp2 = true
    if (this.#isTimeoutDue) this.startTimeout()
    else if (this.#idleMillis > 0) this.#startIdleTimer(this.#idleMillis)
    if (this.current === null) {
      this.current = exchange
      return true
    }
    ;(this.#waiting ??= []).push(exchange)
    return exchange.isHttp2
  }

  /** Those whose responses aren't wholly given, and those behind them, in order. */
  get due(): Exchange[] {
    return [...(this.current === null ? [] : [this.current]), ...(this.#waiting ?? [])]
  }

  /** The exchange whose request has come last, while something of it is due. */
  get newest(): Exchange | null {
    return this.#waiting?.at(-1) ?? this.current ?? this.early
  }

  /**
   * What came is no request, or malformed in the body of the newest one: responses that haven't begun, and that to the
   * newest one then, can't be sent. The engine announces nothing more about them.
   */
  lose(isOfBody: boolean): void {
    const { due } = this
    this.#lost = due.filter((exchange, at) => exchange.stage === OPEN || (isOfBody && at === due.length - 1))
    for (const exchange of this.#lost) if (exchange.isRegistered) exchange.unregister()
  }

  /** A response was given before the body of its request has come whole. */
  beginEarly(exchange: Exchange): void {
    if (exchange.isHttp2) this.#earlyStreams++
    else this.early = exchange
  }

  /** The body behind a response has come whole, or no more of it comes. */
  endEarly(exchange: Exchange): void {
    if (exchange.isHttp2) this.#earlyStreams--
    else if (this.early === exchange) this.early = null
  }

  get #hasEarly(): boolean {
    return this.early !== null || this.#earlyStreams > 0
  }

  /** The connection has closed: tells the exchanges of which the engine announces nothing more. */
  leave(): void {
    const { taken, early } = this
    if (early?.isRegistered === true) early.unregister()
    taken?.response.clientLeft()
    for (const exchange of this.#lost) exchange.response.clientLeft()
    early?.request.clientLeft()
  }

  /** Nothing more happens to the response: the next one has its turn. */
  settled(exchange: Exchange): void {
    if (this.current === exchange) return this.#advance()
    const at = this.#waiting?.indexOf(exchange) ?? -1
    if (at >= 0) this.#waiting!.splice(at, 1)
  }

  /** Whether an exchange waits behind others. */
  isQueued(exchange: Exchange): boolean {
    return this.#waiting?.includes(exchange) === true
  }

  #advance(): void {
    const next = this.#waiting?.shift() ?? null
    this.current = next
    if (next === null) {
      if (this.isHttp2) this.touch()
      else this.#rest()
    }
    if (next === null || this.isClosed || next.isHttp2) return
    // It may have been given before its turn.
    if (next.stage === GIVEN && !next.isTold) next.owner.finishLater(next)
    next.response.haveTurn(this.socket)
  }

  /** Whether the end of no response is due. */
  get isAnswered(): boolean {
    if (this.#waiting !== null && this.#waiting.length > 0) return false
    return this.current === null || this.current.response.finished
  }

  /**
   * Whether neither a response nor the rest of a request is due, and no handler runs. That of a client that has sent nothing
   * is due.
   */
  get isIdle(): boolean {
    return this.requests > 0 && this.isAnswered && !this.#hasEarly && this.current?.hasReturned !== false
  }

  /** A sign of life, for the timeout of the socket. */
  touch(): void {
    this.#idleTimer?.refresh()
  }

  /** Calls `onTimeout` of the server after so many milliseconds without a sign of life; 0 is never. */
  setTimeout(millis: number): void {
    this.#stopIdleTimer()
    this.#idleMillis = millis
    // The close is announced, which ends the time.
    if (millis > 0 && this.facts() !== null) this.#startIdleTimer(millis)
  }

  #startIdleTimer(millis: number): void {
    if (this.#idleTimer !== null && this.#timerMillis === millis) {
      this.#idleTimer.refresh()
      return
    }
    this.#stopIdleTimer()
    this.#timerMillis = millis
    this.#idleTimer = setTimeout(() => this.#timeIsOver(), millis).unref()
  }

  /**
   * Between requests the application hears of the time that the connection is kept for, or the engine counts it. What the
   * application has set counts for the requests so far, unless a connection is kept without a limit.
   */
  #rest(): void {
    // Of a connection that has closed nothing is heard any more; an upgraded one has no rest.
    if (this.isClosed || this.hasLastAnswer) return this.#stopIdleTimer()
    if (!this.isHttp) return
    const millis = this.owner.restTime
    if (millis === 0) return this.touch()
    this.#isTimeoutDue = true
    if (this.owner.hearsTimeout(this)) {
      this.socket.setTimeout(millis)
      // What the application does then is its own matter; the engine closes what it has left.
      this.facts()?.extendExpiration(Math.ceil((Date.now() + millis) / 1000) + LEFT_SECONDS)
    } else if (this.#idleTimer !== null) {
      this.#stopIdleTimer()
      this.socket.timeout = millis
    }
  }

  /** The timeout of the server counts from now on. */
  startTimeout(): void {
    this.#isTimeoutDue = false
    const { timeout } = this.owner
    if (timeout > 0 || this.socket.timeout > 0) this.socket.setTimeout(timeout)
  }

  #timeIsOver(): void {
    const { deadline } = this
    const isSending = this.isHttp ? this.current?.isSending === true : this.socket.writableLength > 0
    const hasSent = isSending && deadline > this.#seenDeadline
    this.#seenDeadline = deadline
    if (hasSent) this.#startIdleTimer(Math.max(this.#timerMillis, SENDING_LOOK))
    else this.owner.onTimeout(this)
  }

  /** The second at which the engine gives the connection up. It moves the deadline of a client that takes bytes. */
  get deadline(): number {
    return this.facts()?.expiration() ?? 0
  }

  #stopIdleTimer(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#idleTimer = null
  }

  /** The engine's facts of the connection; null when it has closed before it was touched. */
  facts(): ClientFacts | null {
    if (!this.#wasOpened) {
      this.#wasOpened = true
      this.#facts = this.isClosed ? null : this.owner.engine.openAccepted(this.slot, this.id)
      if (this.#facts === null) this.isClosed = true
    }
    return this.#facts
  }

  /** Whether the connection was touched, so that its close is announced. */
  get isWatched(): boolean {
    return this.#wasOpened
  }

  remoteAddress(): BoundAddress | null {
    return this.facts()?.remoteAddress() ?? null
  }

  localAddress(): BoundAddress | null {
    return this.facts()?.localAddress() ?? null
  }

  /** Closes the connection at once. */
  close(): void {
    const facts = this.isClosed ? null : this.facts()
    if (facts === null) return
    // What was written is sent when the running code has returned, and a client gets that of Node's servers, but for a
    // response that has only just begun.
    const isBegun = this.current?.isFresh === true && !this.current.response.finished
    if (this.#mode === HTTP && this.requests > 0 && !isBegun) setImmediate(() => facts.close())
    else facts.close()
  }

  /** Closes the connection when its responses are sent. */
  stop(): void {
    if (this.isClosed) return
    // The rest of a body may never come. The response is read by a client that still sends, unless a reset overtakes it.
    this.facts()?.stop(this.#hasEarly)
  }

  /** The connection has closed. False when that was known. */
  closed(): boolean {
    if (this.#hasGone) return false
    this.#hasGone = true
    this.isClosed = true
    this.setTimeout(0)
    return true
  }

  /**
   * Takes the connection over behind all earlier responses; `onRaw` is called when its bytes are the application's.
   * False when further requests or a rest of the body are in the way.
   */
  takeOver({ requestId }: { readonly requestId: number }, onRaw: () => void): boolean {
    if (this.owner.hot.upgrade(this.slot, requestId, null) === OCCUPIED) return false
    this.#mode = AWAITED
    this.#onRaw = onRaw
    return true
  }

  /** The bytes are the application's from now on. */
  becomeRaw(): void {
    this.#mode = RAW
    const onRaw = this.#onRaw
    this.#onRaw = null
    onRaw?.()
    // Reads ahead, and so notices the peer's end before the application reads.
    if (this.#head === null) this.socket.read(0)
  }

  /** Reads what has come behind the request that has taken the connection over, without waiting for more. */
  readHead(take: (head: Buffer) => void): void {
    this.#head = []
    this.ask()
    setImmediate(() => {
      const pieces = this.#head ?? []
      this.#head = null
      take(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
      if (this.hasPeerEnded) this.socket.receiveEnd()
      else this.socket.read(0)
    })
  }

  /** Asks for one piece, unless one is asked for. */
  ask(): void {
    if (this.#isAsked || this.hasPeerEnded || this.#mode !== RAW || this.isClosed) return
    this.#isAsked = true
    this.owner.hot.askRaw(this.slot, this.id, PIECE)
  }

  /** Many bytes have arrived, for which the engine has no memory. */
  ready(count: number): void {
    if (this.isClosed) return
    this.#memory = memoryForPiece(count)
    this.owner.hot.receiveRaw(this.slot, this.id, this.#memory)
  }

  /** So many of them are in the memory. */
  read(count: number): void {
    if (this.#memory !== null) this.received(this.#memory.subarray(0, count), false)
  }

  /** Bytes, or the end of the peer's side, have arrived. */
  received(bytes: Buffer, isEnd: boolean): void {
    if (this.isClosed && bytes.length === 0) return
    this.#isAsked = false
    this.#memory = null
    this.#idleTimer?.refresh()
    this.bytesRead += bytes.length
    if (isEnd) {
      this.hasPeerEnded = true
      if (this.#head === null) this.socket.receiveEnd()
    } else if (this.#head === null) this.socket.receive(bytes)
    else this.#head.push(bytes)
  }

  /** Writes bytes. Returns how many wait unsent; -1 when the connection takes no more. */
  write(chunk: string | Uint8Array): number {
    this.#idleTimer?.refresh()
    this.bytesWritten += chunk.length
    return this.owner.hot.writeRaw(this.slot, this.id, chunk)
  }

  /** Ends our sending side behind what was written. False when it is closed. */
  end(): boolean {
    return this.owner.hot.endRaw(this.slot, this.id) === 0
  }
}
