/**
 * Streamed bodies: one interface to read and to cancel async iterators, Node streams, web streams and Blobs.
 */
import { HandlerError, show } from '../core/errors.ts'
import { attempt } from '../core/outcome.ts'

/** A streamed body. A Node `Readable` is an async iterable, too. */
export type Streamed = AsyncIterable<Uint8Array | string> | ReadableStream<Uint8Array | string> | Blob

/** A body that is complete in memory. */
export type Content = string | Uint8Array
/** A body of either kind: complete, or a stream. */
export type Body = Content | Streamed

/** The source of a streamed body. */
export interface PieceSource {
  /** Whether it gives its pieces away: it never uses their memory again, so that several may wait to be sent. */
  readonly givesAway: boolean
  /** The next piece, as the result of an iterator. */
  next(): Promise<IteratorResult<unknown>>
  /** Ends the source early; called at most once and never after its end. A `next` may be pending. */
  cancel(report: (error: unknown) => void): void
}

/** Key of the method by which a body of ours gives its source. */
export const PIECES: unique symbol = Symbol('pieces')

/** The members of a Node stream that are used. */
interface NodeStream extends AsyncIterable<unknown> {
  readonly readableEnded: boolean
  readonly destroyed: boolean
  readonly errored: Error | null
  destroy(): void
  on(event: 'error', listener: () => void): void
}

/** Whether a value is a streamed body. */
export function isStreamed(value: unknown): value is Streamed {
  if (typeof value !== 'object' || value === null) return false
  return Symbol.asyncIterator in value || isWebStream(value) || value instanceof Blob
}

/** The source of a body, before its first read. */
export function sourceOf(body: Streamed): PieceSource {
  if (body instanceof Blob) return new WebSource(body.stream())
  if (isWebStream(body)) return new WebSource(body)
  if (isNodeStream(body)) return new NodeSource(body)
  if (PIECES in body) return (body as { [PIECES](): PieceSource })[PIECES]()
  return new IteratorSource(body)
}

/** A piece as bytes; throws for a piece that is neither bytes nor text. */
export function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece
  if (typeof piece === 'string') return Buffer.from(piece)
  throw new HandlerError(`a body must yield strings and Uint8Arrays; got ${show(piece)}`)
}

/** All pieces of a source. */
export async function collected(source: PieceSource): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (let item; (item = await source.next()).done !== true; ) pieces.push(bytesOf(item.value))
  return Buffer.concat(pieces)
}

function isWebStream(value: object): value is ReadableStream<Uint8Array | string> {
  return typeof (value as ReadableStream).getReader === 'function'
}

function isNodeStream(value: object): value is NodeStream {
  return typeof (value as NodeStream).destroy === 'function' && typeof (value as NodeStream).on === 'function'
}

/** Content in memory that is sent like a stream, because it is long or has trailers. */
export class WholeSource implements PieceSource {
  readonly givesAway = true
  #content: Uint8Array | string | null

  constructor(content: Uint8Array | string) {
    this.#content = content
  }

  /** The content, once; then null. */
  take(): Uint8Array | string | null {
    const content = this.#content
    this.#content = null
    return content
  }

  next(): Promise<IteratorResult<unknown>> {
    const value = this.take()
    return Promise.resolve(value === null ? { done: true, value } : { done: false, value })
  }

  cancel(): void {
    this.#content = null
  }
}

/** An async iterable as a source. */
export class IteratorSource implements PieceSource {
  readonly givesAway: boolean
  readonly #body: AsyncIterable<unknown>
  #iterator: AsyncIterator<unknown> | null = null

  /** A generator may fill the same memory again for its next piece, unless it is known to give its pieces away. */
  constructor(body: AsyncIterable<unknown>, givesAway = false) {
    this.#body = body
    this.givesAway = givesAway
  }

  next(): Promise<IteratorResult<unknown>> {
    return (this.#iterator ??= this.#body[Symbol.asyncIterator]()).next()
  }

  cancel(report: (error: unknown) => void): void {
    // A generator is its own iterator and can be ended before it begins. Other sources aren't begun only to end them.
    const iterator = this.#iterator ?? ('next' in this.#body ? (this.#body as unknown as AsyncIterator<unknown>) : null)
    attempt(() => iterator?.return?.(), report)
  }
}

class NodeSource implements PieceSource {
  // Node streams read ahead by themselves.
  readonly givesAway = true
  readonly #stream: NodeStream
  #iterator: AsyncIterator<unknown> | null = null

  constructor(stream: NodeStream) {
    this.#stream = stream
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#iterator === null) {
      checkFresh(this.#stream)
      // An error after the last read must not become an uncaught one.
      this.#stream.on('error', () => {})
      this.#iterator = this.#stream[Symbol.asyncIterator]()
    }
    return this.#iterator.next()
  }

  cancel(report: (error: unknown) => void): void {
    // The iterator's return would wait for the pending piece.
    attempt(() => {
      this.#stream.on('error', () => {})
      this.#stream.destroy()
    }, report)
  }
}

/** Throws for a stream that has ended: its iterator would look like that of an empty one. */
function checkFresh({ readableEnded, destroyed, errored }: NodeStream): void {
  if (readableEnded) throw new HandlerError('the stream was read to its end before it was sent; make a new one for each response')
  if (destroyed && !errored) throw new HandlerError('the stream was destroyed before it was sent')
}

class WebSource implements PieceSource {
  readonly givesAway = true
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
