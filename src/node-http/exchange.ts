/**
 * One request and its response on the engine: what both halves share, and the commands that they give.
 *
 * ```text
 *   response  OPEN ──► STREAMED ──► GIVEN ──► OVER        request body  none, in the slab, or arriving
 *               └───────────────────►┘
 * ```
 * The engine names a request by the slot of its connection and its id. A request is registered for notices once its
 * handler has returned without a whole response: those that are answered at once are never looked up.
 */
import type { AsyncResource } from '../core/builtin.ts'
import { Answer, ANSWER_WORDS, AnswerFlag, Flag, LOOP_WAITS, respond, writeAnswer } from '../native.ts'
import type { HotFunctions } from '../native.ts'
import type { Connection } from './connection.ts'
import type { NodeRequest } from './node-request.ts'
import type { NodeResponse } from './node-response.ts'
import { RequestBytes } from './request-bytes.ts'

/** Nothing of the response was handed to the engine. */
export const OPEN = 0
/** The head was, and what was written since. */
export const STREAMED = 1
/** All of it. */
export const GIVEN = 2
/** The response is sent, or can't be. */
export const OVER = 3

const HIGH = 2 ** 32
/** A body longer than this is finished when the engine reports that its last byte is sent. */
const TOLD_ABOVE = 64 * 1024
/** Milliseconds between two looks at a client that reads a long response: its progress is known by the second. */
export const SENDING_LOOK = 2000

/** A piece of a body. */
export type Chunk = string | Uint8Array

/** What the engine is given: it encodes text as UTF-8 itself. */
export function asSent(chunk: Chunk, encoding: BufferEncoding | null): Chunk {
  const isText = typeof chunk === 'string' && encoding !== null && encoding !== 'utf8' && encoding !== 'utf-8'
  return isText ? Buffer.from(chunk, encoding) : chunk
}

/** What an exchange needs of its server. */
export interface ExchangeOwner {
  readonly hot: HotFunctions
  readonly words: Uint32Array
  /** The number of the field `content-length`. */
  readonly lengthField: number
  /** From now on notices about the exchange are delivered to it. */
  register(exchange: Exchange): void
  unregister(exchange: Exchange): void
  /** The response is sent as far as the application is concerned. */
  finishLater(exchange: Exchange): void
  /** The body has ended, and behind it the client's side. */
  endBehindBody(exchange: Exchange): void
}

/** The head of a response as the engine takes it. */
export interface AnswerHead {
  readonly status: number
  /** A phrase other than the standard one. */
  readonly reason: string | undefined
  /** `name: value\r\n` for each field but those that the engine writes. */
  readonly lines: string
  /** The content-length; -1 when the application has set none. */
  readonly length: number
  /** `AnswerFlag`s. */
  readonly flags: number
}

/** A request and its response. */
export class Exchange {
  readonly owner: ExchangeOwner
  readonly connection: Connection
  readonly requestId: number
  readonly flags: number
  request: NodeRequest = null as never
  response: NodeResponse = null as never
  /** The context in which its events are emitted. */
  resource: AsyncResource = null as never
  /** `OPEN`, `STREAMED`, `GIVEN` or `OVER`. */
  stage: typeof OPEN | typeof STREAMED | typeof GIVEN | typeof OVER = OPEN
  isRegistered = false
  /** Its index among those whose heads lie in the current slab; -1 when it isn't one of them. */
  place = -1
  /** The handler has returned, so the request has its body and its end. */
  hasReturned = false
  /** A `Written` notice says when the response is sent. */
  isTold = false
  /** Null for requests without a body. */
  body: RequestBytes | null = null
  /** The head of the response once it is decided. */
  head: AnswerHead | null = null
  /** The response has begun in the running code, so nothing of it is sent yet. */
  isFresh = false
  /** Of a stream of HTTP/2 whose application has set a timeout. */
  #timer: NodeJS.Timeout | null = null
  #seenDeadline = 0
  /** Called when the unsent bytes are sent, in order. */
  #writers: (() => void)[] | null = null
  /** The response is given, and the engine delivers the body of the request on. */
  #isEarly = false
  #slab: Buffer
  #at: number

  constructor(owner: ExchangeOwner, connection: Connection, slab: Buffer, at: number, requestId: number, flags: number) {
    this.owner = owner
    this.connection = connection
    this.requestId = requestId
    this.flags = flags
    this.#slab = slab
    this.#at = at
  }

  get isHttp2(): boolean {
    return (this.flags & Flag.Http2) !== 0
  }

  /** The request target as it came. */
  target(): string {
    return this.owner.hot.target(this.#slab, this.#at)
  }

  /** All fields as `name\nvalue\n`. */
  headerBlock(): string {
    return this.owner.hot.headerBlock(this.#slab, this.#at)
  }

  /** The value of a field whose name has this number; null when there is none. */
  field(number: number): string | null {
    return this.owner.hot.header(this.#slab, this.#at, number)
  }

  /** The exchange outlives the slab: it takes what it needs to memory of its own. */
  leaveSlab(): void {
    this.body?.leaveSlab()
    this.#slab = this.owner.hot.copyHead(this.#slab, this.#at)
    this.#at = 0
  }

  /** The body lies in the slab. */
  setPlace(at: number, length: number): void {
    this.body = RequestBytes.inSlab(this, this.#slab, at, length)
  }

  /** Hands over a whole response. */
  respond(body: string | Uint8Array | undefined): void {
    const { status, reason, lines, length, flags } = this.head!
    const size = body === undefined ? 0 : body.length
    let kind = flags
    if (body !== undefined) kind |= typeof body === 'string' ? AnswerFlag.Text : AnswerFlag.Bytes
    if (size > TOLD_ABOVE) {
      this.isTold = true
      kind |= AnswerFlag.TellWritten
      this.register()
    }
    this.#address()
    writeAnswer(this.owner.words, status, kind, length)
    respond(this.owner.hot, this.owner.words, lines, body, reason)
    this.#given()
  }

  /** Hands over the head of a response whose body follows. */
  start(): void {
    const { status, reason, lines, length, flags } = this.head!
    this.stage = STREAMED
    this.isTold = true
    this.register()
    this.#address()
    writeAnswer(this.owner.words, status, flags | AnswerFlag.TellWritten, length)
    this.owner.hot.startStream(lines, undefined, reason)
    this.isFresh = true
    process.nextTick(age, this)
  }

  /** Writes the slot and the id of the request whose response follows. */
  #address(): void {
    const { words } = this.owner
    words[ANSWER_WORDS + Answer.Slot] = this.connection.slot
    words[ANSWER_WORDS + Answer.RequestIdLow] = this.requestId
    words[ANSWER_WORDS + Answer.RequestIdHigh] = this.requestId / HIGH
  }

  /** Sends more of the body. Returns the number of bytes that wait unsent; -1 when nothing can be sent any more. */
  write(chunk: string | Uint8Array): number {
    return this.owner.hot.write(this.connection.slot, this.requestId, chunk)
  }

  /** Ends the body, with trailers as lines. That of the request may still arrive, and is read on. */
  end(trailers: string): void {
    this.#isEarly = this.body?.isOpen() === true
    if (this.#isEarly) this.connection.beginEarly(this)
    // Without its 100 the body never comes, and the engine announces nothing but the close of the connection.
    if (this.body?.isHeld === true) this.connection.facts()
    this.owner.hot.end(this.connection.slot, this.requestId, trailers, this.#isEarly ? 1 : 0)
    this.#given()
  }

  /** The body of the request has ended, or no more of it comes. */
  bodyOver(): void {
    if (this.#isEarly) this.connection.endEarly(this)
    this.#isEarly = false
    this.connection.fedAt = this.owner.words[LOOP_WAITS]!
    if (this.body?.hasEndBehind === true) this.owner.endBehindBody(this)
    if (this.stage === OVER && this.isRegistered) this.unregister()
  }

  /** The rest of the body isn't wanted behind the response: the engine drops it. For HTTP/2. */
  dropBody(): void {
    if (this.#isEarly) this.owner.hot.end(this.connection.slot, this.requestId, '')
  }

  /** Sends an informational response; `lines` are its fields. */
  inform(status: number, lines: string): void {
    this.owner.hot.inform(this.connection.slot, this.requestId, status, lines)
  }

  /** Ends the exchange without the rest of the response: closes the connection, or resets the stream of HTTP/2. */
  abort(): void {
    this.owner.hot.abort(this.connection.slot, this.requestId)
  }

  #given(): void {
    this.stage = GIVEN
    const { connection } = this
    // Behind other responses it waits for its turn.
    if (connection.current !== this && !this.isHttp2) return this.register()
    if (!this.isTold) this.owner.finishLater(this)
  }

  /** Registers the exchange for notices. */
  register(): void {
    if (this.isRegistered) return
    this.isRegistered = true
    this.owner.register(this)
  }

  /** Whether bytes of the response wait to be sent. */
  get isSending(): boolean {
    return this.stage === GIVEN ? this.isTold : this.stage === STREAMED && this.response._unsent > 0
  }

  /** A sign of life, for timeouts. */
  touch(): void {
    this.#timer?.refresh()
    this.connection.touch()
  }

  /** Emits 'timeout' after so many milliseconds without a sign of life of a stream of HTTP/2; 0 is never. */
  setTimeout(millis: number): void {
    this.#stopTimer()
    if (millis > 0 && this.stage !== OVER) this.#timer = setTimeout(emitTimeout, millis, this).unref()
  }

  /** Whether the client has taken bytes of the response since the last look. Then there is another look. */
  looksAgain(): boolean {
    const { deadline } = this.connection
    const hasSent = this.isSending && deadline > this.#seenDeadline
    this.#seenDeadline = deadline
    if (hasSent) this.setTimeout(SENDING_LOOK)
    return hasSent
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Nothing more happens to the response. */
  settle(): void {
    this.stage = OVER
    this.#stopTimer()
    this.#writers = null
    this.connection.settled(this)
    if (this.isRegistered && this.body?.isOpen() !== true) this.unregister()
  }

  unregister(): void {
    this.isRegistered = false
    this.owner.unregister(this)
  }

  /** Calls a function when all that is written now is sent. */
  onDrain(callback: () => void): void {
    ;(this.#writers ??= []).push(callback)
  }

  /** The engine has sent everything. */
  drained(): void {
    const writers = this.#writers
    this.#writers = null
    if (writers !== null) for (const writer of writers) writer()
  }
}

function emitTimeout(exchange: Exchange): void {
  if (exchange.looksAgain()) return
  exchange.request.emit('timeout')
  exchange.response.emit('timeout')
}

function age(exchange: Exchange): void {
  exchange.isFresh = false
}
