/**
 * A body that is compressed while it is sent.
 *
 * ```text
 *   source ──► piece ──► compressor ──► output ──► client
 *                        the source pauses: flush
 * ```
 * The source is read when the client has taken what was compressed before, so a slow client slows it down. A source that
 * gives pieces without a pause isn't flushed, which would make the result larger. The compressor works in threads of Node's
 * pool, and ends with the body: at its end, or when the client leaves.
 */
import { PIECES, bytesOf } from '../body/source.ts'
import type { PieceSource } from '../body/source.ts'
import { createCompressor, flushOf } from './codings.ts'
import type { BodyKind, Coding, Compressor } from './codings.ts'
import { brotliPadding, hasGzipHead, padGzip, paddingLength } from './padding.ts'

/** How a body is compressed. */
export interface CompressionPlan extends BodyKind {
  readonly coding: Coding
  /** Whether what was compressed is flushed when the source pauses. */
  readonly isFlushed: boolean
  /** Most random bytes that are added; 0 for none. */
  readonly padding: number
}

/** What was read of a source before its body is compressed. */
export interface Begun {
  readonly pieces: readonly Uint8Array[]
  /** A piece that was asked for and hasn't come. */
  readonly pending: Promise<IteratorResult<unknown>> | null
}

/** Bytes that are given to the compressor at once: its output is kept until the client takes it. */
const PORTION = 64 * 1024
const PAUSED = Symbol('paused')

/** A body in a coding. */
export class CompressedBody implements PieceSource, AsyncIterable<Uint8Array> {
  readonly givesAway = true
  readonly #source: PieceSource
  readonly #plan: CompressionPlan
  /** Read and not compressed. */
  #input: Uint8Array[]
  #pending: Promise<IteratorResult<unknown>> | null
  #compressor: Compressor | null = null
  #output: Uint8Array[] = []
  /** Something was compressed since the last flush. */
  #isDirty = false
  #isSourceOver = false
  /** It isn't cancelled then. */
  #hasSourceFailed = false
  #isOver = false
  #failure: Error | null = null
  /** Continues what waits for the compressor. */
  #resume: (() => void) | null = null

  constructor(source: PieceSource, plan: CompressionPlan, begun: Begun = { pieces: [], pending: null }) {
    this.#source = source
    this.#plan = plan
    this.#input = [...begun.pieces]
    this.#pending = begun.pending
  }

  [PIECES](): PieceSource {
    return this
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const next = (): Promise<IteratorResult<Uint8Array>> => this.next()
    const end = async (): Promise<IteratorResult<Uint8Array>> => {
      this.cancel(() => {})
      return { done: true, value: undefined }
    }
    return { next, return: end }
  }

  /** The next compressed bytes. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      for (;;) {
        if (this.#output.length > 0) return { done: false, value: this.#take() }
        if (this.#isOver) return { done: true, value: undefined }
        await this.#advance()
      }
    } catch (error) {
      // A compressor that has failed leaves a source that continues.
      this.cancel(() => {})
      throw error
    }
  }

  /** Ends source and compressor; a `next` may be pending. */
  cancel(report: (error: unknown) => void): void {
    const wasSourceOver = this.#isSourceOver || this.#hasSourceFailed
    this.#end()
    if (!wasSourceOver) this.#source.cancel(report)
  }

  #end(): void {
    this.#isOver = true
    this.#isSourceOver = true
    this.#input = []
    this.#output = []
    this.#compressor?.destroy()
    this.#compressor = null
    this.#continue()
  }

  /** Reads, compresses, flushes or ends. */
  async #advance(): Promise<void> {
    if (this.#compressor === null) return this.#begin()
    const piece = this.#input.shift()
    if (piece !== undefined) return this.#compress(piece)
    if (this.#isSourceOver) return this.#finish()
    const item = await this.#read()
    if (this.#isOver) return
    if (item === PAUSED) return this.#flush()
    this.#pending = null
    if (item.done === true) this.#isSourceOver = true
    else this.#input.push(bytesOf(item.value))
  }

  /** The next item of the source, or that it pauses while compressed bytes wait for a flush. */
  #read(): Promise<IteratorResult<unknown> | typeof PAUSED> {
    this.#pending ??= this.#ask()
    if (!this.#isDirty || !this.#plan.isFlushed) return this.#pending
    return Promise.race([this.#pending, new Promise<typeof PAUSED>((resolve) => setImmediate(resolve, PAUSED))])
  }

  async #ask(): Promise<IteratorResult<unknown>> {
    try {
      return await this.#source.next()
    } catch (error) {
      this.#hasSourceFailed = true
      throw error
    }
  }

  async #begin(): Promise<void> {
    const { coding, padding } = this.#plan
    const compressor = createCompressor(coding, this.#plan)
    this.#compressor = compressor
    compressor.on('data', (bytes: Uint8Array) => this.#output.push(bytes))
    compressor.on('error', (error) => {
      this.#failure = error
      this.#continue()
    })
    if (padding > 0) await this.#pad(paddingLength(padding))
  }

  async #pad(length: number): Promise<void> {
    await this.#flush()
    if (this.#isOver) return
    const start = this.#take()
    if (this.#plan.coding === 'br') this.#output.push(start, brotliPadding(length))
    else this.#output.push(hasGzipHead(start.length) ? padGzip(start, length) : start)
  }

  async #compress(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length && !this.#isOver; at += PORTION) {
      const portion = piece.subarray(at, at + PORTION)
      await this.#waitFor((done) => this.#compressor?.write(portion, done))
      this.#isDirty = true
      if (this.#output.length > 0 && at + PORTION < piece.length) {
        this.#input.unshift(piece.subarray(at + PORTION))
        return
      }
    }
  }

  async #flush(): Promise<void> {
    this.#isDirty = false
    await this.#waitFor((done) => this.#compressor?.flush(flushOf(this.#plan.coding), done))
  }

  async #finish(): Promise<void> {
    await this.#waitFor((done) => void this.#compressor?.once('end', done).end())
    if (this.#isOver) return
    this.#isOver = true
    this.#compressor = null
  }

  /** Resolves when the compressor has done something, or the body has ended. Rejects when it has failed. */
  async #waitFor(start: (done: () => void) => unknown): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#resume = resolve
      start(() => this.#continue())
    })
    if (this.#failure !== null && !this.#isOver) throw this.#failure
  }

  #continue(): void {
    const resume = this.#resume
    this.#resume = null
    resume?.()
  }

  #take(): Uint8Array {
    const [first = new Uint8Array(0), ...others] = this.#output
    this.#output = []
    return others.length === 0 ? first : Buffer.concat([first, ...others])
  }
}

/** Pieces of a source, read until there are more than `enough` bytes, it has ended, or some milliseconds are over. */
export async function readBeginning(
  source: PieceSource,
  enough: number,
  milliseconds: number,
  run: <Result>(call: () => Result) => Result,
): Promise<Begun & { readonly hasEnded: boolean }> {
  const pieces: Uint8Array[] = []
  let length = 0
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<typeof PAUSED>((resolve) => (timer = setTimeout(resolve, milliseconds, PAUSED)))
  try {
    while (length <= enough) {
      const pending = run(() => Promise.resolve(source.next()))
      const item = await Promise.race([pending, late])
      if (item === PAUSED) return { pieces, pending, hasEnded: false }
      if (item.done === true) return { pieces, pending: null, hasEnded: true }
      // A copy: a source may use its memory again.
      const piece = Buffer.from(bytesOf(item.value))
      length += piece.length
      pieces.push(piece)
    }
    return { pieces, pending: null, hasEnded: false }
  } finally {
    clearTimeout(timer)
  }
}
