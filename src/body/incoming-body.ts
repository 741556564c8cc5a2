/**
 * The body of a client's request that didn't come together with its head. When some of it has come, memory is
 * provided to the engine, which writes it there; a piece at a time, so that a consumer who pauses holds at most one
 * window.
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

/** Memory for so few bytes is provided before they have come. */
const SMALL_READ = 16 * 1024
/** The longest piece. */
const LARGE_READ = 256 * 1024
/** Bytes that may wait to be read before no more are asked for. */
const AHEAD = 128 * 1024
/** Memory that is reserved for a body on its client's word alone, in bytes. */
const TRUSTED = 1024 * 1024
/** The longest part of a whole body that is provided at once; the engine counts it in 32 bits. */
const MAX_PROVIDED = 64 * 1024 * 1024
/** Arrays of up to so many bytes may lie where engines of JavaScript move things about, unless they are made of a buffer. */
const MOVABLE = 1024

/** What a body needs of the engine and its request. */
export interface BodyTransport {
  /** Its length, if the head says one; else NaN. */
  declaredLength(): number
  /** Asks to be told when something has come, of all that is left if that is wanted; false when nothing is to be had. */
  awaitBytes(isWhole: boolean): boolean
  /** Lends memory for what comes next, or for all that is left; false when nothing is to be had. */
  receive(memory: Buffer, isWhole: boolean): boolean
  /** What was asked for isn't wanted after all. */
  release(): void
  raiseLimit(limit: number): void
  /** Why it isn't to be had. */
  gone(): Error
  limitHit(): ClientException
  /** There isn't as much memory as it needs. */
  outOfMemory(): ClientException
}

/** Somebody who waits for a piece. */
interface Reader {
  resolve(piece: Uint8Array | null): void
  reject(error: unknown): void
}

/** One body. */
export class IncomingBody {
  readonly #transport: BodyTransport
  /** Its length by the head's word; NaN when that says nothing. */
  readonly #declared: number
  #received = 0
  #queue: Uint8Array[] = []
  /** Bytes in the queue. */
  #queued = 0
  /** More is asked for. */
  #isWaiting = false
  /** Provided to the engine, which writes to it. */
  #memory: Buffer | null = null
  /** All that is left is wanted at once. */
  #isWhole = false
  /** Bytes that had been read before. */
  #taken = 0
  /** Memory for all that was left then, once much has come. */
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

  /** Everything that hasn't been read. */
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
      // Once it was asked for, why no more is to be had is told by a notice, which may be under way.
      if (!this.#ask() && isFirst && this.#failure === null) this.#fail(this.#transport.gone())
    })
  }

  /** Asks for what comes next, unless that is asked for already. */
  #ask(): boolean {
    if (this.#isWaiting) return true
    this.#wasAsked = true
    const left = this.#declared - this.#received
    this.#isWaiting = left <= SMALL_READ ? this.#provide(left) : this.#transport.awaitBytes(this.#isWhole)
    return this.#isWaiting
  }

  /** Lends memory, of which nobody knows before the engine has given it back. */
  #provide(count: number): boolean {
    try {
      this.#memory = this.#newMemory(count)
    } catch {
      // A client may declare more than there is, or than one buffer can hold.
      this.#fail(this.#transport.outOfMemory())
      return false
    }
    const isTaken = this.#transport.receive(this.#memory, this.#isWhole)
    if (!isTaken) this.#memory = null
    return isTaken
  }

  /** Asks for more before it is read, as long as little waits to be. */
  #askAhead(): void {
    const isOver = this.#hasEnded || this.#isClosed || this.#isWhole || this.#failure !== null || this.#isAtLimit
    if (!isOver && this.#queued < AHEAD) this.#ask()
  }

  #newMemory(count: number): Buffer {
    const left = this.#declared - this.#received
    if (!this.#isWhole) return memoryOf(Math.min(count, left >= 0 ? left : LARGE_READ, LARGE_READ))
    // For what a client merely declares not everything is reserved at once.
    if (this.#whole !== null || (left > TRUSTED && this.#received >= TRUSTED)) {
      this.#whole ??= memoryOf(this.#declared - this.#taken)
      const at = this.#received - this.#taken
      return this.#whole.subarray(at, at + MAX_PROVIDED)
    }
    const known = Number.isNaN(left) ? Math.max(LARGE_READ, this.#received) : left
    return memoryOf(Math.min(known, TRUSTED))
  }

  raise(limit: number): void {
    this.#isAtLimit = false
    this.#raises++
    this.#transport.raiseLimit(limit)
  }

  /** The rest isn't wanted: it is dropped behind the answer. */
  close(): void {
    if (this.#hasEnded || this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#queued = 0
    if (this.#isWaiting && this.#memory === null) this.#release()
    this.#take()?.resolve(null)
  }

  /** All that is left is read and dropped, also if it wasn't wanted. Resolves when it has come. */
  async drain(): Promise<void> {
    if (this.#reader !== null) throw new StateError('the body is still being read')
    this.#isClosed = false
    while ((await this.read()) !== null);
  }

  /** The request is answered, and what is left of its body will be dropped. */
  onAnswered(): void {
    if (this.#hasEnded || this.#failure !== null) return
    this.#fail(new StateError('the request was answered; what was left of its body is dropped'))
  }

  /** About so many bytes have come; none when the client has closed its side. */
  onReady(count: number): void {
    if (this.#isClosed || this.#failure !== null) return this.#release()
    this.#isWaiting = this.#provide(count === 0 ? SMALL_READ : count)
  }

  /** Whoever wants the rest after all asks anew. */
  #release(): void {
    this.#isWaiting = false
    this.#transport.release()
  }

  /** So many bytes have come into the memory that was provided. */
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

  /** What was written to memory; if it is little it doesn't keep all of that. */
  #pieceOf(memory: Buffer, count: number): Uint8Array {
    if (count === memory.length) return memory
    const piece = memory.subarray(0, count)
    return this.#isWhole || count * 2 >= memory.length ? piece : Buffer.from(piece)
  }

  /** It is larger than its limit; it goes on if that is raised before anybody has to know. */
  onLimit(raises: number): void {
    // It was said before the engine heard of a higher limit, after which it says so again if it must.
    if (raises < this.#raises) return
    if (this.#reader === null) this.#isAtLimit = true
    else this.#fail(this.#transport.limitHit())
  }

  /** No more will come. */
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

  /** What follows the body; `announced` is the `trailer` field. */
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

/** Memory that stays where it is. */
function memoryOf(length: number): Buffer {
  return length <= MOVABLE ? Buffer.from(new ArrayBuffer(length)) : Buffer.allocUnsafeSlow(length)
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}

/** Puts what had come before there was memory for all of it in its place. */
function completed(whole: Buffer, pieces: readonly Uint8Array[]): Uint8Array {
  let at = 0
  for (const piece of pieces) {
    if (piece.buffer !== whole.buffer) whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Trailers under the names that a client has announced, as far as those may be any. */
export function trailersOf(message: Promise<Message | FieldsInit> | FieldsInit, announced: string | null): Trailers {
  const names = (announced ?? '').toLowerCase().split(',').map((name) => name.trim())
  return new Trailers(message, names.filter((name) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && isTrailer(name)))
}
