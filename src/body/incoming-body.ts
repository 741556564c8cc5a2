/**
 * The body of a request that arrives after its head. When bytes are ready, memory is provided to the engine, which
 * writes them there. One piece is provided at a time, so that a paused reader holds at most one window.
 *
 *   idle ── read ──► piecewise ──┐
 *     └──── rest ──► as a whole ─┴──► ended, failed or closed
 */
import type { ClientException } from '../connection/client-exception.ts'
import { StateError } from '../core/errors.ts'
import { Fields } from '../http/fields.ts'
import type { FieldsInit } from '../http/fields.ts'
import { Message } from '../http/message.ts'
import { Trailers, isTrailer } from '../http/trailers.ts'

/** For at most this many bytes, memory is provided before they arrive. */
const SMALL_READ = 16 * 1024
/** Bytes in the longest piece. */
const LARGE_READ = 256 * 1024
/** With this many unread bytes, no more are requested. */
const AHEAD = 128 * 1024
/** Bytes of memory that are allocated by the declared length alone. */
const TRUSTED = 1024 * 1024
/** A whole body without a declared length is guessed to be so many times as long as what has arrived first. */
const LENGTH_GUESS = 64
/** Bytes of memory that are provided at once for a whole body; the engine counts in 32 bits. */
const MAX_PROVIDED = 64 * 1024 * 1024
/** A JavaScript engine may move arrays of at most this many bytes, unless they are made from an ArrayBuffer. */
const MOVABLE = 1024

/** What a body needs from its request. */
export interface BodyTransport {
  /** The content-length; NaN when there is none. */
  declaredLength(): number
  /** Requests a notice when bytes are ready, or all of the rest if `isWhole`; false when the body is gone. */
  awaitBytes(isWhole: boolean): boolean
  /** Provides memory for the next bytes, or for all of the rest if `isWhole`; false when the body is gone. */
  receive(memory: Buffer, isWhole: boolean): boolean
  /** Withdraws the last request. */
  release(): void
  raiseLimit(limit: number): void
  /** The error for a body that is gone. */
  gone(): Error
  limitHit(): ClientException
  /** The error for a body that needs more memory than there is. */
  outOfMemory(): ClientException
}

/** A pending read. */
interface Reader {
  resolve(piece: Uint8Array | null): void
  reject(error: unknown): void
}

/** The body of one request. */
export class IncomingBody {
  readonly #transport: BodyTransport
  /** The content-length; NaN when there is none. */
  readonly #declared: number
  #received = 0
  #queue: Uint8Array[] = []
  /** Bytes in the queue. */
  #queued = 0
  /** A notice or bytes are requested. */
  #isWaiting = false
  /** The memory that is provided to the engine. */
  #memory: Buffer | null = null
  /** The rest of the body is read as a whole. */
  #isWhole = false
  /** Bytes that were read before. */
  #taken = 0
  /** Memory for the whole rest, allocated once much has arrived. */
  #whole: Buffer | null = null
  #wasAsked = false
  #reader: Reader | null = null
  #hasEnded = false
  #isAtLimit = false
  /** How often the limit was raised. */
  #raises = 0
  #isClosed = false
  #failure: unknown = null
  #trailers: Trailers | null = null
  #settleTrailers: { resolve(fields: Message): void; reject(error: unknown): void } | null = null
  #trailerFields: Message | null = null

  constructor(transport: BodyTransport) {
    this.#transport = transport
    this.#declared = transport.declaredLength()
  }

  /** The next piece; null at the end. */
  read(): Promise<Uint8Array | null> {
    const piece = this.#queue.shift()
    if (piece !== undefined) {
      this.#queued -= piece.length
      this.#askAhead()
      return Promise.resolve(piece)
    }
    if (this.#hasEnded || this.#isClosed) return Promise.resolve(null)
    return this.#next()
  }

  /** All unread bytes. */
  async rest(): Promise<Uint8Array> {
    const pieces = this.#queue
    this.#taken = this.#received - this.#queued
    this.#queue = []
    this.#queued = 0
    this.#isWhole = true
    while (!this.#hasEnded && !this.#isClosed) {
      const piece = await this.#next()
      if (piece !== null) pieces.push(piece)
    }
    return this.#whole === null ? joined(pieces) : completed(this.#whole, pieces)
  }

  #next(): Promise<Uint8Array | null> {
    if (this.#isAtLimit) this.#fail(this.#transport.limitHit())
    if (this.#failure !== null) return Promise.reject(this.#failure as Error)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
      const isFirst = !this.#wasAsked
      // After a first request a notice reports why the body ended; it may be under way.
      if (!this.#ask() && isFirst && this.#failure === null) this.#fail(this.#transport.gone())
    })
  }

  /** Requests the next bytes, unless they are requested already. */
  #ask(): boolean {
    if (this.#isWaiting) return true
    this.#wasAsked = true
    const left = this.#declared - this.#received
    this.#isWaiting = left <= SMALL_READ ? this.#provide(left) : this.#transport.awaitBytes(this.#isWhole)
    return this.#isWaiting
  }

  /** Provides memory to the engine. */
  #provide(count: number): boolean {
    try {
      this.#memory = this.#newMemory(count)
    } catch {
      // The declared length may exceed free memory or the size of a buffer.
      this.#fail(this.#transport.outOfMemory())
      return false
    }
    const isTaken = this.#transport.receive(this.#memory, this.#isWhole)
    if (!isTaken) this.#memory = null
    return isTaken
  }

  /** Requests more bytes before they are read, as long as few are unread. */
  #askAhead(): void {
    const isOver = this.#hasEnded || this.#isClosed || this.#isWhole || this.#failure !== null || this.#isAtLimit
    if (!isOver && this.#queued < AHEAD) this.#ask()
  }

  #newMemory(count: number): Buffer {
    const left = this.#declared - this.#received
    if (!this.#isWhole) return memoryOf(Math.min(count, left >= 0 ? left : LARGE_READ, LARGE_READ))
    // The declared length alone must not make the server allocate all of it.
    if (this.#whole !== null || (left > TRUSTED && this.#received >= TRUSTED)) {
      this.#whole ??= memoryOf(this.#declared - this.#taken)
      const at = this.#received - this.#taken
      return this.#whole.subarray(at, at + MAX_PROVIDED)
    }
    if (left >= 0) return memoryOf(Math.min(left, TRUSTED))
    // With room behind a body of a whole MiB, so that its end needs no other memory.
    const guess = this.#received === 0 ? Math.max(SMALL_READ, count * LENGTH_GUESS) : Math.max(LARGE_READ, this.#received)
    return memoryOf(Math.min(guess, TRUSTED + SMALL_READ))
  }

  raise(limit: number): void {
    this.#isAtLimit = false
    this.#raises++
    this.#transport.raiseLimit(limit)
  }

  /** Gives up the rest, which is dropped after the response. */
  close(): void {
    if (this.#hasEnded || this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#queued = 0
    if (this.#isWaiting && this.#memory === null) this.#release()
    this.#take()?.resolve(null)
  }

  /** Reads and drops the rest, even after `close`. Resolves at the end of the body. */
  async drain(): Promise<void> {
    if (this.#reader !== null) throw new StateError('the body is still being read')
    this.#isClosed = false
    while ((await this.read()) !== null);
  }

  /** The response is sent: the rest of the body will be dropped. */
  onAnswered(): void {
    if (this.#hasEnded || this.#failure !== null) return
    this.#fail(new StateError('the request was answered; the rest of its body is dropped'))
  }

  /** About `count` bytes are ready; 0 when the client has closed its sending side. */
  onReady(count: number): void {
    if (this.#isClosed || this.#failure !== null) return this.#release()
    this.#isWaiting = this.#provide(count === 0 ? SMALL_READ : count)
  }

  /** Withdraws the request; a later read makes a new one. */
  #release(): void {
    this.#isWaiting = false
    this.#transport.release()
  }

  /** The engine has written `count` bytes to the memory that was provided. */
  onPiece(count: number, isLast: boolean, trailers: string | null): void {
    const memory = this.#memory
    this.#memory = null
    this.#isWaiting = false
    this.#received += count
    this.#hasEnded ||= isLast
    if (isLast) this.#endTrailers(trailers)
    if (this.#isClosed || this.#failure !== null) return
    const piece = memory === null || count === 0 ? null : this.#pieceOf(memory, count)
    const reader = piece !== null || isLast ? this.#take() : null
    if (reader !== null) reader.resolve(piece)
    else if (piece !== null) {
      this.#queue.push(piece)
      this.#queued += count
    }
    this.#askAhead()
  }

  /** The bytes that were written; few bytes are copied, so that they don't retain all of the memory. */
  #pieceOf(memory: Buffer, count: number): Uint8Array {
    if (count === memory.length) return memory
    const piece = memory.subarray(0, count)
    return this.#isWhole || count * 2 >= memory.length ? piece : Buffer.from(piece)
  }

  /** The body exceeds its limit. It continues if the limit is raised before the next read. */
  onLimit(raises: number): void {
    // The notice is older than the present limit, for which the engine would send another one.
    if (raises < this.#raises) return
    if (this.#reader === null) this.#isAtLimit = true
    else this.#fail(this.#transport.limitHit())
  }

  /** The body ends with an error. */
  onFailure(error: unknown): void {
    if (!this.#hasEnded && this.#failure === null) this.#fail(error)
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#queue = []
    this.#queued = 0
    this.#settleTrailers?.reject(error)
    this.#take()?.reject(error)
  }

  #take(): Reader | null {
    const reader = this.#reader
    this.#reader = null
    return reader
  }

  /** The trailers behind the body; `announced` is the `trailer` field. */
  trailers(announced: string | null): Trailers {
    if (this.#trailers !== null) return this.#trailers
    const message = new Promise<Message>((resolve, reject) => {
      if (this.#trailerFields !== null) resolve(this.#trailerFields)
      else if (this.#failure !== null) reject(this.#failure as Error)
      else this.#settleTrailers = { resolve, reject }
    })
    this.#trailers = trailersOf(message, announced)
    return this.#trailers
  }

  #endTrailers(block: string | null): void {
    this.#trailerFields = new Message(Fields.fromBlock(block ?? ''))
    this.#settleTrailers?.resolve(this.#trailerFields)
  }
}

/** Memory that the JavaScript engine doesn't move. */
function memoryOf(length: number): Buffer {
  return length <= MOVABLE ? Buffer.from(new ArrayBuffer(length)) : Buffer.allocUnsafeSlow(length)
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces
  if (pieces.length !== 1 || first === undefined) return Buffer.concat(pieces)
  // A body that is shorter than was guessed must not retain all of the memory.
  return first.length * 2 < first.buffer.byteLength ? Buffer.from(first) : first
}

/** Copies the pieces that arrived before `whole` was allocated to their places in it. */
function completed(whole: Buffer, pieces: readonly Uint8Array[]): Uint8Array {
  let at = 0
  for (const piece of pieces) {
    if (piece.buffer !== whole.buffer) whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Trailers with the announced names that are valid ones. */
export function trailersOf(message: Promise<Message | FieldsInit> | FieldsInit, announced: string | null): Trailers {
  const names = (announced ?? '').toLowerCase().split(',').map((name) => name.trim())
  return new Trailers(message, names.filter((name) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && isTrailer(name)))
}
