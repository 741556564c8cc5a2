/**
 * Answers whose body is written by and by: streams, files, long content, and all that has trailers.
 *
 *   held ── first bytes, 100 ms, or the end ──► open ── end ──► written
 *     └── the source fails: an error page        └── the source fails: the connection is cut
 *
 * The head waits for the first bytes, so that both leave in one write. Pieces shorter than
 * `streamThreshold` are gathered for as long as the source gives them without a pause, for 100 ms at most. With more
 * than the high-water mark unsent the source isn't asked for more until all has left. Whatever ends an answer
 * before its source has ended cancels the source, once.
 */
import { Client } from '../connection/client.ts'
import { HandlerError, show } from '../core/errors.ts'
import { ClientException } from '../connection/client-exception.ts'
import type { Exchange } from './exchange.ts'
import { FileBody } from '../body/file-body.ts'
import type { HotFunctions } from '../native.ts'
import { withoutContext } from '../core/no-context.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Framing } from '../message/response-extras.ts'
import type { Extras, Response } from '../message/response.ts'
import { WholeSource, sourceOf } from '../body/source.ts'
import type { PieceSource } from '../body/source.ts'
import { trailerLines } from '../http/trailers.ts'

/** Bytes that may wait unsent before the source is left alone; the engine announces from here on when they have left. */
const HIGH_WATER = 64 * 1024
/** Long pieces are handed to the engine in portions of this size, in bytes. */
const WRITE_SIZE = 256 * 1024
/** Bytes that one answer may write before others have their turn. */
const TURN = 1024 * 1024
/** How long an answer keeps the event loop, with a source that takes its time and never pauses, in milliseconds. */
const TURN_TIME = 100
/** How long the head waits for the first bytes, in milliseconds. */
const HEAD_WAIT = 100
/** What the engine says where the system has no way to send files, or no descriptor left for one. */
const UNSUPPORTED = 2
/**
 * How long a silent source is kept for a client that has closed its sending side, in milliseconds. Most of
 * them have left, and only a write would tell.
 */
const SILENCE = 1000

/** What a stream needs of its dispatcher. */
export interface StreamOwner {
  readonly hot: HotFunctions
  readonly options: Options
  /** Begins the answer; 1 when its request isn't open any more. */
  openStream(exchange: Exchange, response: Response, framing: Framing): number
  /** Answers as if the handler had failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void
  /** A line in the log. */
  logFailure(message: string, request: Request, error: unknown): void
}

/** One such answer. */
export class ResponseStream {
  // What every piece needs stands together at the front: thousands of streams don't fit into the cache.
  readonly #owner: StreamOwner
  readonly #slot: number
  readonly #requestId: number
  readonly #source: PieceSource
  readonly #threshold: number
  readonly #onPiece = (item: IteratorResult<unknown>): void => this.#handle(item)
  readonly #onFailure = (error: unknown): void => this.#fail(error)
  readonly #onRoom = (): void => this.#readOn()
  /** Bytes that are still to come; -1 when that isn't known. */
  #missing = -1
  #isOpen = false
  /** Nothing more is written. */
  #isFinished = false
  /** The source is asked for a piece. */
  #isReading = false
  #hasEnded = false
  #isBlocked = false
  /** Bytes and pieces since it last let others have their turn, and when the first piece came. */
  #sinceTurn = 0
  #turnPieces = 0
  #turnBegan = 0
  #isTickPlanned = false
  #isPeerDone = false
  /** The engine sends the rest by itself. */
  #isFile = false
  #timer: NodeJS.Timeout | null = null
  /** What is gathered; never text and pieces at once. */
  #text = ''
  #pieces: Uint8Array[] = []
  #gathered = 0
  #resume: (() => void) | null = null
  readonly #request: Request
  readonly #exchange: Exchange
  readonly #response: Response
  readonly #extras: Extras

  constructor(owner: StreamOwner, request: Request, exchange: Exchange, response: Response, extras: Extras) {
    this.#owner = owner
    this.#request = request
    this.#exchange = exchange
    this.#slot = exchange.slot
    this.#requestId = exchange.requestId
    this.#response = response
    this.#extras = extras
    this.#threshold = owner.options.get('streamThreshold')
    const body = response.getBody() ?? ''
    const isContent = typeof body === 'string' || body instanceof Uint8Array
    this.#source = isContent ? new WholeSource(body) : body instanceof FileBody ? body : sourceOf(body)
  }

  /** Begins to read the source. */
  begin(): void {
    if (this.#exchange.isAnswered) return this.#leave()
    this.#extras.sender = this
    this.#exchange.setStream(this)
    if (this.#extras.isCut) return void this.cut()
    this.#scheduleFlush()
    void this.#run()
  }

  async #run(): Promise<void> {
    try {
      if (this.#source instanceof FileBody) await this.#source.describe(this.#response)
      if (this.#isFinished) return
      this.#missing = Number(this.#response.getHeader('content-length') ?? -1)
      if (this.#exchange.method() === 'HEAD' || [204, 304].includes(this.#response.getStatus())) return this.#endUnread()
      if (this.#source instanceof FileBody && this.#sendFile(this.#source)) return
      this.#read()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Asks the source for a piece. Its callbacks are made once: an `await` would make some for every piece. */
  #read(): void {
    this.#isReading = true
    Promise.resolve(this.#source.next()).then(this.#onPiece, this.#onFailure)
  }

  #handle(item: IteratorResult<unknown>): void {
    this.#isReading = false
    if (this.#isFinished) return
    this.#stopTimer()
    try {
      if (item.done === true) {
        this.#hasEnded = true
        this.#end().catch(this.#onFailure)
        return
      }
      const room = this.#take(item.value)
      if (room === undefined) this.#readOn()
      else room.then(this.#onRoom).catch(this.#onFailure)
    } catch (error) {
      this.#fail(error)
    }
  }

  #readOn(): void {
    if (this.#isFinished) return
    if (this.#isPeerDone) this.#scheduleFlush()
    this.#read()
  }

  /** Has the engine send a file, past our memory, where it can. */
  #sendFile(file: FileBody): boolean {
    const { descriptor, size } = file.opened()
    if (size === 0 || size !== this.#missing || this.#extras.trailers !== null) return false
    if (!this.#open()) return true
    const { slot, requestId } = this.#exchange
    const result = this.#owner.hot.sendFile(slot, requestId, descriptor, 0, size)
    if (result === UNSUPPORTED) return false
    if (result !== 0) this.#leave()
    else {
      this.#close('')
      // Until the last byte is sent the answer can still be cut.
      this.#isFile = true
      this.#extras.sender = this
    }
    return true
  }

  /** The engine has come to the end of a file before it came to the end of the answer. */
  onFileFailed(): void {
    this.#logFailure(new HandlerError('the file ended early: it has shrunk while it was being sent, or could not be read'))
  }

  /** Takes a piece; the result is there when the next one may come. */
  #take(piece: unknown): Promise<void> | undefined {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) {
      throw new HandlerError(`a body must yield strings and Uint8Arrays; got ${show(piece)}`)
    }
    if (piece.length > WRITE_SIZE) return this.#takeLong(typeof piece === 'string' ? Buffer.from(piece) : piece)
    if (this.#missing >= 0) this.#count(typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength)
    if (typeof piece === 'string') this.#gatherText(piece)
    else if (piece.length >= this.#threshold) this.#writeBehind(piece)
    else if (piece.length > 0) this.#gatherBytes(piece)
    // To look at the clock for each would cost a third of what a short piece does.
    if ((++this.#turnPieces & 7) === 1) this.#yieldIfLong()
    return this.#isBlocked ? this.#drained() : undefined
  }

  async #takeLong(bytes: Uint8Array): Promise<void> {
    const { length } = bytes
    if (this.#missing >= 0) this.#count(length)
    for (let at = 0; at < length && !this.#isFinished; at += WRITE_SIZE) {
      // Between two portions the application may have transferred or shrunk its buffer.
      if (bytes.length < length) throw new HandlerError('the buffer of a body was transferred or has shrunk while it was being sent')
      this.#writeBehind(bytes.subarray(at, Math.min(at + WRITE_SIZE, length)))
      if (this.#isBlocked) await this.#drained()
    }
  }

  #count(length: number): void {
    if (length > this.#missing) {
      throw new HandlerError(`the body is longer than its content-length of ${this.#response.getHeader('content-length')}`)
    }
    this.#missing -= length
  }

  #gatherText(piece: string): void {
    if (piece === '') return
    if (this.#pieces.length > 0) this.#flush()
    this.#text += piece
    this.#gather(piece.length)
  }

  #gatherBytes(piece: Uint8Array): void {
    if (this.#text !== '') this.#flush()
    // A copy: sources may fill the same memory again once they are asked for more.
    this.#pieces.push(Buffer.from(piece))
    this.#gather(piece.length)
  }

  #gather(length: number): void {
    this.#gathered += length
    if (this.#gathered >= this.#threshold) this.#flush()
    else this.#scheduleFlush()
  }

  /** Hands over what is gathered. */
  #flush(): void {
    const gathered = this.#text === '' ? joined(this.#pieces) : this.#text
    this.#text = ''
    if (this.#pieces.length > 0) this.#pieces = []
    this.#gathered = 0
    if (gathered.length > 0) this.#write(gathered)
  }

  #writeBehind(bytes: Uint8Array): void {
    this.#flush()
    if (!this.#isFinished) this.#write(bytes)
  }

  #write(data: string | Uint8Array): void {
    if (!this.#open()) return
    // Memory that another thread may be writing to is copied by JavaScript, which allows for that.
    const isShared = typeof data !== 'string' && data.buffer instanceof SharedArrayBuffer
    const waiting = this.#owner.hot.write(this.#slot, this.#requestId, isShared ? new Uint8Array(data) : data)
    if (waiting < 0) return this.#leave()
    this.#isBlocked = waiting > HIGH_WATER
    this.#sinceTurn += data.length
    if (this.#isBlocked || this.#sinceTurn > TURN) this.#endTurn()
  }

  /** What is gathered mustn't wait for a source that never pauses, nor must anybody else. */
  #yieldIfLong(): void {
    const now = Date.now()
    if (this.#turnPieces === 1) this.#turnBegan = now
    else if (now - this.#turnBegan >= TURN_TIME) {
      this.#flush()
      this.#endTurn()
    }
  }

  /** A client that takes everything at once must not keep the event loop busy with one answer. */
  #endTurn(): void {
    this.#sinceTurn = 0
    this.#turnPieces = 0
    if (this.#isBlocked) return
    this.#isBlocked = true
    setImmediate(resume, this)
  }

  /** Sees to it that the head has been handed over; false when nobody is there for it. */
  #open(): boolean {
    if (this.#isOpen || this.#isFinished) return this.#isOpen
    this.#isOpen = true
    const { trailers } = this.#extras
    let length = Number(this.#response.getHeader('content-length') ?? -1)
    let lines = ''
    if (trailers !== null && this.#exchange.version() !== '1.0') {
      length = -1
      const names = trailers.getFields().join(', ')
      if (names !== '' && !this.#response.hasHeader('trailer')) lines = `trailer: ${names}\r\n`
    }
    if (this.#owner.openStream(this.#exchange, this.#response, { length, lines }) === 0) return true
    // Nothing will be heard of it: its client had gone, or it was answered.
    this.#exchange.setStream(null)
    this.#leave()
    return false
  }

  /** Resolves when the engine has handed everything to the kernel, or nothing more is written. */
  #drained(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve))
  }

  /** Has `onTick` called when the source pauses: when nothing else is left to run before the event loop goes on. */
  #scheduleFlush(): void {
    if (this.#isTickPlanned) return
    this.#isTickPlanned = true
    if (pausing.push(this) === 1) withoutContext(scheduleFlush)
  }

  /** The source pauses. */
  onTick(): void {
    this.#isTickPlanned = false
    this.#turnPieces = 0
    if (this.#isFinished) return
    if (this.#gathered > 0) this.#flush()
    if (this.#isFinished || this.#timer !== null || !this.#isReading) return
    if (!this.#isOpen) this.#timer = setTimeout(() => this.#stopHolding(), HEAD_WAIT)
    else if (this.#isPeerDone) this.#timer = setTimeout(() => this.cut(), SILENCE)
  }

  #stopHolding(): void {
    this.#timer = null
    if (!this.#open()) return
    const hasPeerLeft = this.#exchange.client().getStatus() === Client.CLOSED_RD
    if (hasPeerLeft && !this.#owner.options.get('allowHalfClose')) this.onHalfClosed()
  }

  /** All that was written has left. */
  onDrained(): void {
    this.#isBlocked = false
    const resume = this.#resume
    this.#resume = null
    resume?.()
  }

  /** The client has closed its sending side. */
  onHalfClosed(): void {
    this.#isPeerDone = true
    this.#scheduleFlush()
  }

  /** The client has left. */
  onGone(): void {
    this.#leave()
  }

  /** The end is on its way. */
  onWritten(): void {
    this.#extras.sender = null
    this.#dispose()
  }

  async #end(): Promise<void> {
    this.#flush()
    if (this.#missing > 0) {
      this.#logFailure(new HandlerError(`the body is ${this.#missing} bytes shorter than its content-length`))
    }
    const { trailers } = this.#extras
    if (trailers === null) return this.#close('')
    this.#open()
    const lines = await trailerLines(trailers)
    if (!this.#isFinished) this.#close(lines)
  }

  /** The answer has no body: its source is not for anybody. */
  #endUnread(): void {
    this.#stop()
    this.#isFinished = false
    this.#close('')
  }

  #close(lines: string): void {
    if (!this.#open()) return
    this.#stop()
    this.#exchange.endStream()
    if (this.#owner.hot.end(this.#exchange.slot, this.#exchange.requestId, lines) !== 0) this.#dispose()
  }

  #fail(error: unknown): void {
    if (this.#isFinished) return
    // A source that has failed needs no telling that nobody wants more of it.
    this.#hasEnded ||= this.#isReading
    // Once the source has given something there is no other answer.
    if (this.#gathered > 0) this.#flush()
    if (this.#isFinished) return
    this.#stop()
    if (this.#isOpen) {
      if (!(error instanceof ClientException) && !this.#exchange.isClientGone(error)) this.#logFailure(error)
      this.#owner.hot.abort(this.#exchange.slot, this.#exchange.requestId)
      this.#dispose()
    } else {
      this.#exchange.setStream(null)
      this.#dispose()
      this.#owner.fail(this.#request, this.#exchange, error)
    }
  }

  /** Cuts the answer off; false when there is nothing left to cut. */
  cut(): boolean {
    if (this.#isFile) return this.#owner.hot.abort(this.#slot, this.#requestId) === 0
    if (this.#isFinished) return false
    this.#stop()
    this.#owner.hot.abort(this.#exchange.slot, this.#exchange.requestId)
    this.#dispose()
    return true
  }

  #leave(): void {
    this.#stop()
    this.#dispose()
  }

  /** Nothing more is read or written. */
  #stop(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#extras.sender = null
    this.#stopTimer()
    this.#text = ''
    this.#pieces = []
    this.onDrained()
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#source.cancel((error) => this.#owner.logFailure('the body of a response could not be cancelled', this.#request, error))
  }

  #stopTimer(): void {
    if (this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
  }

  #dispose(): void {
    this.#extras.dispose((error) => this.#owner.logFailure('a dispose hook of a response failed', this.#request, error))
  }

  #logFailure(error: unknown): void {
    this.#owner.logFailure('the body of a response failed', this.#request, error)
  }
}

/** Streams whose source may have paused. One tick serves all, however many were written to. */
let pausing: ResponseStream[] = []

function resume(stream: ResponseStream): void {
  stream.onDrained()
}

function scheduleFlush(): void {
  process.nextTick(tick)
}

function tick(): void {
  const streams = pausing
  pausing = []
  for (const stream of streams) stream.onTick()
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}
