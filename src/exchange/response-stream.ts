/**
 * Responses whose body is written in pieces: streams, files, long content, and responses with trailers. Their states
 * are in stream-states.ts.
 *
 * The head is held until the first bytes, so that both leave in one write, for 100 ms at most. Pieces shorter than
 * `streamThreshold`, and longer ones that their source has given away, are gathered for as long as the source gives them
 * without a pause, for 100 ms at most. While more than the high-water mark is unsent the source isn't asked for more. A
 * source that fails while the head is held gives an error page, and aborts the response later. Whatever ends a response
 * before its source has ended cancels the source, once.
 */
import { Client } from '../connection/client.ts'
import { HandlerError, show } from '../core/errors.ts'
import { clientExceptionIn } from '../connection/client-exception.ts'
import type { Exchange } from './exchange.ts'
import { FINISHED, HELD, IDLE, OPEN, OVER, READING, SENDING_FILE } from './stream-states.ts'
import type { AnswerState, SourceState } from './stream-states.ts'
import { Gathered } from './gathered.ts'
import { framingOf, lostBuffer } from './stream-framing.ts'
import { resumeLater, tickAtPause } from './stream-turns.ts'
import { lengthOf, writeContent } from './stream-writing.ts'
import type { Written } from './stream-writing.ts'
import { answerWithFile } from '../body/file-answer.ts'
import { FileBody } from '../body/file-body.ts'
import { Result } from '../native.ts'
import type { HotFunctions } from '../native.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Framing } from '../message/response-extras.ts'
import type { Extras } from '../message/response-delivery.ts'
import type { Response } from '../message/response.ts'
import { WholeSource, sourceOf } from '../body/source.ts'
import type { PieceSource } from '../body/source.ts'
import { isBodiless } from '../http/status.ts'
import { trailerLines } from '../http/trailers.ts'

/** Unsent bytes above which the source isn't read; the engine reports when they are sent (`Drained`). */
const HIGH_WATER = 64 * 1024
/** Long pieces are written in portions of this many bytes where the engine copies them. */
const WRITE_SIZE = 256 * 1024
/** Bytes that one response may write before it yields to the event loop. */
const TURN = 1024 * 1024
/** Milliseconds after which a response yields to the event loop, although its source never pauses. */
const TURN_TIME = 100
/** Milliseconds that the head is held for the first bytes. */
const HEAD_WAIT = 100
/**
 * Milliseconds that a silent source is kept after the client has closed its sending side. Most such clients have
 * disconnected, which only a write would show.
 */
const SILENCE = 1000

/** What a stream needs of its server. */
export interface StreamOwner {
  readonly hot: HotFunctions
  readonly options: Options
  /** Begins the response: 0 or 4 as `startStream`; 1 when its request is no longer open. */
  openStream(exchange: Exchange, response: Response, framing: Framing): number
  /** Answers the request as one whose handler has failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void
  /** Logs an error about one request. */
  logFailure(message: string, request: Request, error: unknown): void
}

/** One streamed response. */
export class ResponseStream {
  // What each piece needs comes first, on few cache lines: thousands of streams are open at once.
  readonly #owner: StreamOwner
  readonly #slot: number
  readonly #requestId: number
  readonly #source: PieceSource
  readonly #gathered: Gathered
  readonly #onPiece = (item: IteratorResult<unknown>): void => this.#handle(item)
  readonly #onFailure = (error: unknown): void => this.#fail(error)
  readonly #onRoom = (): void => this.#readOn()
  /** Bytes still to come from the source; -1 when unknown. */
  #missing = -1
  #answer: AnswerState = HELD
  #reading: SourceState = IDLE
  /** The engine sends long pieces from where they are. */
  #holds = false
  /** Too much is unsent, or the response has yielded: the source isn't read. */
  #isBlocked = false
  /** Bytes and pieces since it last yielded, and the time of the first piece. */
  #sinceTurn = 0
  #turnPieces = 0
  #turnBegan = 0
  #isTickPlanned = false
  /** The client has closed its sending side. */
  #isPeerDone = false
  #timer: NodeJS.Timeout | null = null
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
    this.#gathered = new Gathered(owner.options.get('streamThreshold'))
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
    if (this.#source instanceof WholeSource) return this.#sendWhole(this.#source)
    this.#scheduleFlush()
    void this.#extras.inBodyContext(() => this.#run())
  }

  /** Writes content that is complete. Nothing of it has to be waited for, except for the client. */
  #sendWhole(source: WholeSource): void {
    try {
      if (!this.#hasBody()) return this.#endUnread()
      this.#reading = OVER
      const room = this.#take(source.take() ?? '')
      if (room === undefined) this.#end()
      else room.then(() => (this.#isWriting() ? this.#end() : undefined)).catch(this.#onFailure)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Whether the body is sent; sets its length. */
  #hasBody(): boolean {
    this.#missing = Number(this.#response.getHeader('content-length') ?? -1)
    return this.#exchange.method() !== 'HEAD' && !isBodiless(this.#response.getStatus())
  }

  async #run(): Promise<void> {
    try {
      if (this.#source instanceof FileBody) await answerWithFile(this.#request, this.#response, this.#source)
      if (!this.#isWriting()) return
      if (!this.#hasBody()) return this.#endUnread()
      if (this.#source instanceof FileBody && this.#sendFile(this.#source)) return
      this.#read()
    } catch (error) {
      this.#fail(error)
    }
  }

  #isWriting(): boolean {
    return this.#answer < SENDING_FILE
  }

  /** Reads a piece. The callbacks are made once: an `await` would allocate some for each piece. */
  #read(): void {
    this.#reading = READING
    Promise.resolve(this.#source.next()).then(this.#onPiece, this.#onFailure)
  }

  #handle(item: IteratorResult<unknown>): void {
    if (!this.#isWriting()) return
    this.#reading = IDLE
    this.#stopTimer()
    try {
      if (item.done === true) {
        this.#reading = OVER
        return this.#end()
      }
      const room = this.#take(item.value)
      if (room === undefined) this.#readOn()
      else room.then(this.#onRoom).catch(this.#onFailure)
    } catch (error) {
      this.#fail(error)
    }
  }

  #readOn(): void {
    if (!this.#isWriting()) return
    if (this.#isPeerDone) this.#scheduleFlush()
    this.#read()
  }

  /** Lets the engine send a file, where the system can do that: by the kernel, and under TLS by reading it. */
  #sendFile(file: FileBody): boolean {
    const part = file.wholePart()
    if (part === null || part.size !== this.#missing || this.#extras.trailers !== null) return false
    // The engine doesn't put files into frames.
    if (this.#exchange.isHttp2()) return false
    if (!this.#open()) return true
    const { slot, requestId } = this.#exchange
    const result = this.#owner.hot.sendFile(slot, requestId, part.descriptor, part.start, part.size)
    if (result === Result.Unsupported) return false
    if (result === 0) {
      this.#exchange.observation?.count(part.size)
      this.#close('', SENDING_FILE)
    }
    else this.#leave()
    return true
  }

  /** The file has ended before its length was sent, or the memory of a piece is gone. */
  onFileFailed(): void {
    if (this.#answer === SENDING_FILE) {
      return this.#logFailure(new HandlerError('the file ended early: it has shrunk while it was being sent, or could not be read'))
    }
    this.#fail(lostBuffer())
  }

  /** Takes a piece. The result, if any, resolves when the next one may be read. */
  #take(given: unknown): Promise<void> | undefined {
    if (typeof given !== 'string' && !(given instanceof Uint8Array)) {
      throw new HandlerError(`a body must yield strings and Uint8Arrays; got ${show(given)}`)
    }
    const piece = typeof given === 'string' && given.length > WRITE_SIZE ? Buffer.from(given) : given
    if (this.#missing >= 0) this.#count(typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength)
    if (typeof piece === 'string') this.#gatherText(piece)
    else if (piece.length > WRITE_SIZE && !this.#opensToHold()) return this.#takeLong(piece)
    else if (piece.length >= this.#gathered.threshold) this.#takeWhole(piece)
    else if (piece.length > 0) this.#gatherBytes(piece)
    // Every eighth piece: reading the clock costs a third of what a short piece costs.
    if ((++this.#turnPieces & 7) === 1) this.#yieldIfLong()
    return this.#isBlocked ? this.#drained() : undefined
  }

  /** Opens the response for a long piece; whether that is written whole, because the engine doesn't copy it. */
  #opensToHold(): boolean {
    return this.#open() && this.#holds
  }

  /** Writes a long piece in portions. */
  async #takeLong(bytes: Uint8Array): Promise<void> {
    const { length } = bytes
    for (let at = 0; at < length && this.#isWriting(); at += WRITE_SIZE) {
      // The application may have transferred or shrunk its buffer between two portions.
      if (bytes.length < length) throw lostBuffer()
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

  /** Takes a piece that isn't worth a copy: it is written at once, or with others where its memory stays as it is. */
  #takeWhole(piece: Uint8Array): void {
    // With HTTP/2 the engine frames content from one place alone.
    if (!this.#source.givesAway || this.#exchange.isHttp2()) return this.#writeBehind(piece)
    if (this.#gathered.hasText) this.#flush()
    this.#gathered.addLong(piece)
    this.#flushIfEnough()
  }

  #gatherText(piece: string): void {
    if (piece === '') return
    if (this.#gathered.hasBytes) this.#flush()
    this.#gathered.addText(piece)
    this.#flushIfEnough()
  }

  #gatherBytes(piece: Uint8Array): void {
    if (this.#gathered.hasText) this.#flush()
    this.#gathered.addCopy(piece)
    this.#flushIfEnough()
  }

  #flushIfEnough(): void {
    if (this.#gathered.isEnough) this.#flush()
    else this.#scheduleFlush()
  }

  /** Writes what is gathered. */
  #flush(): void {
    if (this.#gathered.isEmpty) return
    const content = this.#gathered.take()
    if (content === null) this.#fail(lostBuffer())
    else this.#write(content)
  }

  #writeBehind(bytes: Uint8Array): void {
    this.#flush()
    if (this.#isWriting()) this.#write(bytes)
  }

  #write(content: Written): void {
    if (!this.#open()) return
    const length = lengthOf(content)
    this.#exchange.observation?.count(typeof content === 'string' ? content : length)
    const waiting = writeContent(this.#owner.hot, this.#slot, this.#requestId, content)
    if (waiting < 0) return this.#leave()
    this.#isBlocked = waiting > HIGH_WATER
    this.#sinceTurn += length
    if (this.#isBlocked || this.#sinceTurn > TURN) this.#endTurn()
  }

  /** Writes and yields after a while although the source never pauses. */
  #yieldIfLong(): void {
    const now = Date.now()
    if (this.#turnPieces === 1) this.#turnBegan = now
    else if (now - this.#turnBegan >= TURN_TIME) {
      this.#flush()
      this.#endTurn()
    }
  }

  /** Yields to the event loop: a client that reads fast must not keep it busy with one response. */
  #endTurn(): void {
    this.#sinceTurn = 0
    this.#turnPieces = 0
    if (this.#isBlocked) return
    this.#isBlocked = true
    resumeLater(this)
  }

  /** Hands over the head unless that is done; false when nothing more can be written. */
  #open(): boolean {
    if (this.#answer !== HELD) return this.#answer === OPEN
    this.#answer = OPEN
    const framing = framingOf(this.#exchange, this.#response, this.#extras.trailers)
    const result = this.#owner.openStream(this.#exchange, this.#response, framing)
    this.#holds = result === Result.Holds
    if (result === 0 || this.#holds) return true
    // No notice follows: the client had disconnected, or the request was answered.
    this.#exchange.setStream(null)
    this.#leave()
    return false
  }

  /** Resolves when the engine has sent everything, or nothing more is written. */
  #drained(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve))
  }

  /** Calls `onTick` when the source pauses, which shows when no other callback runs before the event loop continues. */
  #scheduleFlush(): void {
    if (this.#isTickPlanned) return
    this.#isTickPlanned = true
    tickAtPause(this)
  }

  /** The source pauses. */
  onTick(): void {
    this.#isTickPlanned = false
    this.#turnPieces = 0
    this.#flush()
    if (this.#reading !== READING || this.#timer !== null) return
    if (this.#answer === HELD) this.#timer = setTimeout(() => this.#stopHolding(), HEAD_WAIT)
    else if (this.#isPeerDone) this.#timer = setTimeout(() => this.#giveUp(), SILENCE)
  }

  /** The client has closed its sending side, and nothing shows that it still reads. */
  #giveUp(): void {
    this.#exchange.observation?.mark('aborted')
    this.cut()
  }

  #stopHolding(): void {
    this.#timer = null
    if (!this.#open()) return
    const hasPeerLeft = this.#exchange.client().getStatus() === Client.CLOSED_RD
    if (hasPeerLeft && !this.#owner.options.get('allowHalfClose')) this.onHalfClosed()
  }

  /** Everything written so far is sent, or the response continues after it has yielded. */
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

  /** The client has disconnected. */
  onGone(): void {
    this.#leave()
  }

  /** The whole response is sent. */
  onWritten(): void {
    this.#leave()
  }

  #end(): void {
    this.#flush()
    if (this.#missing > 0) {
      this.#logFailure(new HandlerError(`the body is ${this.#missing} bytes shorter than its content-length`))
    }
    const { trailers } = this.#extras
    if (trailers === null) return this.#close('')
    this.#open()
    trailerLines(trailers).then((lines) => this.#close(lines)).catch(this.#onFailure)
  }

  /** The response has no body: its source isn't read. */
  #endUnread(): void {
    this.#cancelSource()
    this.#close('')
  }

  #close(lines: string, state: typeof SENDING_FILE | typeof FINISHED = FINISHED): void {
    if (!this.#open()) return
    this.#stop(state)
    this.#exchange.endStream()
    if (this.#owner.hot.end(this.#slot, this.#requestId, lines) !== 0) this.#leave()
  }

  #fail(error: unknown): void {
    if (!this.#isWriting()) return
    // A source that has failed isn't cancelled.
    if (this.#reading === READING) this.#reading = OVER
    // Bytes that were gathered make the response begin, after which there is no error page.
    this.#flush()
    if (this.#answer === HELD) {
      this.#stop(FINISHED)
      this.#exchange.setStream(null)
      this.#dispose()
      this.#owner.fail(this.#request, this.#exchange, error)
    } else if (this.#answer === OPEN) {
      const isGone = clientExceptionIn(error) !== undefined || this.#exchange.isClientGone(error)
      if (isGone) this.#exchange.observation?.mark('aborted')
      else this.#logFailure(error)
      this.#abort()
    }
  }

  /** Aborts the response; false when its end was sent already. */
  cut(): boolean {
    if (this.#answer === SENDING_FILE) {
      const isCut = this.#owner.hot.abort(this.#slot, this.#requestId) === 0
      if (isCut) this.#exchange.observation?.mark('failed')
      return isCut
    }
    if (this.#answer === FINISHED) return false
    this.#abort()
    return true
  }

  #abort(): void {
    this.#exchange.observation?.mark('failed')
    this.#stop(FINISHED)
    this.#owner.hot.abort(this.#slot, this.#requestId)
    this.#dispose()
  }

  #leave(): void {
    // A stream of HTTP/2 that was reset counts against the limits until its response is given or aborted.
    if (this.#answer === HELD && !this.#exchange.isAnswered) this.#owner.hot.abort(this.#slot, this.#requestId)
    this.#stop(FINISHED)
    this.#dispose()
  }

  /** Nothing more is read or written from here. */
  #stop(state: typeof SENDING_FILE | typeof FINISHED): void {
    const wasWriting = this.#isWriting()
    this.#answer = state
    if (state === FINISHED) this.#extras.sender = null
    if (!wasWriting) return
    this.#stopTimer()
    this.#gathered.clear()
    this.onDrained()
    this.#cancelSource()
  }

  #cancelSource(): void {
    if (this.#reading === OVER) return
    this.#reading = OVER
    const report = (error: unknown): void =>
      this.#owner.logFailure('the body of a response could not be cancelled', this.#request, error)
    this.#extras.inBodyContext(() => this.#source.cancel(report))
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
    this.#exchange.observation?.mark('failed')
    this.#exchange.observation?.fail(error)
    this.#owner.logFailure('the body of a response failed', this.#request, error)
  }
}
