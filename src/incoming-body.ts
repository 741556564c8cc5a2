/**
 * The body of a client's request that didn't come together with its head. It is asked for by credit: so
 * many bytes, and more as they are consumed, so that a consumer who pauses holds at most one window.
 *
 *   idle ── read ──► piecewise ──┐
 *     └──── rest ──► as a whole ─┴──► ended, failed or closed
 */
import type { ClientException } from './errors.ts'
import { StateError } from './errors.ts'
import { Fields } from './fields.ts'
import type { FieldsInit } from './fields.ts'
import { Message } from './message.ts'
import { Trailers, isTrailer } from './trailers.ts'

/** Bytes that may be under way to a consumer. */
const WINDOW = 256 * 1024

/** What a body needs of the engine and its request. */
export interface BodyPort {
  /** Asks for so many more bytes; false when they aren't to be had. */
  grant(bytes: number): boolean
  /** Asks for all that is left, in one piece; false when it isn't to be had. */
  wantWhole(): boolean
  raiseLimit(limit: number): void
  /** Why it isn't to be had. */
  gone(): Error
  limitHit(): ClientException
}

/** Somebody who waits for a piece. */
interface Reader {
  resolve(piece: Uint8Array | null): void
  reject(error: unknown): void
}

/** One body. */
export class IncomingBody {
  readonly #port: BodyPort
  #queue: Uint8Array[] = []
  /** Bytes in the queue. */
  #queued = 0
  /** Bytes asked for that haven't come. */
  #granted = 0
  #isAsked = false
  #reader: Reader | null = null
  /** All that is left is wanted at once. */
  #isWhole = false
  #hasEnded = false
  #isAtLimit = false
  /** How often the limit was raised. */
  #raises = 0
  #isClosed = false
  #failure: unknown = null
  #trailers: Trailers | null = null
  #settleTrailers: { resolve(fields: Message): void; reject(error: unknown): void } | null = null
  #trailerFields: Message | null = null

  constructor(port: BodyPort) {
    this.#port = port
  }

  /** The next piece; null at the end. */
  read(): Promise<Uint8Array | null> {
    const piece = this.#queue.shift()
    if (piece !== undefined) {
      this.#queued -= piece.length
      if (!this.#hasEnded && this.#failure === null && !this.#isAtLimit) this.#topUp()
      return Promise.resolve(piece)
    }
    if (this.#hasEnded || this.#isClosed) return Promise.resolve(null)
    return this.#wait(() => this.#topUp())
  }

  /** Everything that hasn't been read. */
  async rest(): Promise<Uint8Array> {
    const pieces = this.#queue
    this.#queue = []
    this.#queued = 0
    if (!this.#hasEnded && !this.#isClosed) {
      this.#isWhole = true
      const rest = await this.#wait(() => this.#port.wantWhole())
      pieces.push(...this.#queue)
      if (rest !== null) pieces.push(rest)
      this.#queue = []
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  #wait(ask: () => boolean): Promise<Uint8Array | null> {
    if (this.#isAtLimit) this.#fail(this.#port.limitHit())
    if (this.#failure !== null) return Promise.reject(this.#failure as Error)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
      const isFirst = !this.#isAsked
      this.#isAsked = true
      // Once it was asked for, why no more is to be had is told by a notice, which may be under way.
      if (!ask() && isFirst) this.#fail(this.#port.gone())
    })
  }

  #topUp(): boolean {
    const known = this.#granted + this.#queued
    if (known > WINDOW / 2) return true
    const more = WINDOW - known
    this.#granted += more
    return this.#port.grant(more)
  }

  raise(limit: number): void {
    this.#isAtLimit = false
    this.#raises++
    this.#port.raiseLimit(limit)
  }

  /** The rest isn't wanted: it is dropped behind the answer. */
  close(): void {
    if (this.#hasEnded || this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#queued = 0
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

  /** More has come. */
  onPiece(bytes: Uint8Array, isLast: boolean, trailers: string | null): void {
    this.#granted = Math.max(0, this.#granted - bytes.length)
    this.#hasEnded ||= isLast
    if (isLast) this.#endTrailers(trailers)
    if (this.#isClosed) return
    // Pieces that were under way when the whole was asked for come ahead of it.
    const reader = isLast || (bytes.length > 0 && !this.#isWhole) ? this.#take() : null
    if (reader !== null) reader.resolve(bytes.length > 0 ? bytes : null)
    else if (bytes.length > 0) {
      this.#queue.push(bytes)
      this.#queued += bytes.length
    }
  }

  /** It is larger than its limit; it goes on if that is raised before anybody has to know. */
  onLimit(raises: number): void {
    // It was said before the engine heard of a higher limit, after which it says so again if it must.
    if (raises < this.#raises) return
    if (this.#reader === null) this.#isAtLimit = true
    else this.#fail(this.#port.limitHit())
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

/** Trailers under the names that a client has announced, as far as those may be any. */
export function trailersOf(message: Promise<Message | FieldsInit> | FieldsInit, announced: string | null): Trailers {
  const names = (announced ?? '').toLowerCase().split(',').map((name) => name.trim())
  return new Trailers(message, names.filter((name) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && isTrailer(name)))
}
