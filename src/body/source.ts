/**
 * Bodies that come piece by piece, whatever an application makes them of: one way to read them and one
 * way to say that no more is wanted.
 */
import { HandlerError, show } from '../core/errors.ts'
import { attempt } from '../core/outcome.ts'

/** A body that comes piece by piece: a Node `Readable` is one, too. */
export type Streamed = AsyncIterable<Uint8Array | string> | ReadableStream<Uint8Array | string> | Blob

/** What a body is read from. */
export interface PieceSource {
  /** The next piece, as an iterator gives it. */
  next(): Promise<IteratorResult<unknown>>
  /** No more is wanted. May be called while a piece is awaited; called at most once, never behind the end. */
  cancel(report: (error: unknown) => void): void
}

/** A stream of Node's, as far as it matters. */
interface NodeStream extends AsyncIterable<unknown> {
  readonly readableEnded: boolean
  readonly destroyed: boolean
  readonly errored: Error | null
  destroy(): void
  on(event: 'error', listener: () => void): void
}

/** Whether a value can be read piece by piece. */
export function isStreamed(value: unknown): value is Streamed {
  if (typeof value !== 'object' || value === null) return false
  return Symbol.asyncIterator in value || isWebStream(value) || value instanceof Blob
}

/** The source behind a body. Nothing is read yet. */
export function sourceOf(body: Streamed): PieceSource {
  if (body instanceof Blob) return new WebSource(body.stream())
  if (isWebStream(body)) return new WebSource(body)
  if (isNodeStream(body)) return new NodeSource(body)
  return new IteratorSource(body)
}

/** A piece as bytes. */
export function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece
  if (typeof piece === 'string') return Buffer.from(piece)
  throw new HandlerError(`a body must yield strings and Uint8Arrays; got ${show(piece)}`)
}

function isWebStream(value: object): value is ReadableStream<Uint8Array | string> {
  return typeof (value as ReadableStream).getReader === 'function'
}

function isNodeStream(value: object): value is NodeStream {
  return typeof (value as NodeStream).destroy === 'function' && typeof (value as NodeStream).on === 'function'
}

/** Whole content that is sent like a stream, because it is long or has trailers behind it. */
export class WholeSource implements PieceSource {
  #content: Uint8Array | string | null

  constructor(content: Uint8Array | string) {
    this.#content = content
  }

  next(): Promise<IteratorResult<unknown>> {
    const value = this.#content
    this.#content = null
    return Promise.resolve(value === null ? { done: true, value } : { done: false, value })
  }

  cancel(): void {
    this.#content = null
  }
}

class IteratorSource implements PieceSource {
  readonly #body: AsyncIterable<unknown>
  #iterator: AsyncIterator<unknown> | null = null

  constructor(body: AsyncIterable<unknown>) {
    this.#body = body
  }

  next(): Promise<IteratorResult<unknown>> {
    return (this.#iterator ??= this.#body[Symbol.asyncIterator]()).next()
  }

  cancel(report: (error: unknown) => void): void {
    // A generator is its own iterator and can be told so before it was begun; others aren't begun for that.
    const iterator = this.#iterator ?? ('next' in this.#body ? (this.#body as unknown as AsyncIterator<unknown>) : null)
    attempt(() => iterator?.return?.(), report)
  }
}

class NodeSource implements PieceSource {
  readonly #stream: NodeStream
  #iterator: AsyncIterator<unknown> | null = null

  constructor(stream: NodeStream) {
    this.#stream = stream
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#iterator === null) {
      checkFresh(this.#stream)
      // What goes wrong after we are done with it concerns nobody, and must not be uncaught.
      this.#stream.on('error', () => {})
      this.#iterator = this.#stream[Symbol.asyncIterator]()
    }
    return this.#iterator.next()
  }

  cancel(report: (error: unknown) => void): void {
    // Its iterator would wait for the piece under way.
    attempt(() => {
      this.#stream.on('error', () => {})
      this.#stream.destroy()
    }, report)
  }
}

/** Throws for a stream of which nothing is left: its iterator would end as if it were empty, or say less. */
function checkFresh({ readableEnded, destroyed, errored }: NodeStream): void {
  if (readableEnded) throw new HandlerError('the stream was read to its end before it was sent; make a new one for each response')
  if (destroyed && !errored) throw new HandlerError('the stream was destroyed before it was sent')
}

class WebSource implements PieceSource {
  readonly #stream: ReadableStream<unknown>
  #reader: ReadableStreamDefaultReader<unknown> | null = null

  constructor(stream: ReadableStream<unknown>) {
    this.#stream = stream
  }

  async next(): Promise<IteratorResult<unknown>> {
    const { done, value } = await (this.#reader ??= this.#stream.getReader()).read()
    return done ? { done, value: undefined } : { done, value }
  }

  cancel(report: (error: unknown) => void): void {
    attempt(() => (this.#reader ?? this.#stream).cancel(), report)
  }
}
