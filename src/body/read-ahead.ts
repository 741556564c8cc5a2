/**
 * Async iterables that give their pieces away.
 */
import { IteratorSource, PIECES } from './source.ts'
import type { PieceSource } from './source.ts'

/**
 * A body whose source is asked for further pieces while earlier ones wait to be sent, up to 256 KiB or 16 pieces: then
 * several leave in one system call. Without it the source is asked for the next piece when the one before is sent or
 * copied, so that it may use the same memory for each.
 *
 * The source must not change a piece that it has given. Node's `Readable` and web streams are read ahead in any case.
 *
 * @example
 * async function* rows() {
 *   for (const row of table) yield encode(row)
 * }
 * new Response(200, { 'content-type': 'application/octet-stream' }, readAhead(rows()))
 */
export function readAhead<Piece extends Uint8Array | string>(source: AsyncIterable<Piece>): AsyncIterable<Piece> {
  return new ReadAhead(source)
}

class ReadAhead<Piece> implements AsyncIterable<Piece> {
  readonly #source: AsyncIterable<Piece>

  constructor(source: AsyncIterable<Piece>) {
    this.#source = source
  }

  [PIECES](): PieceSource {
    return new IteratorSource(this.#source, true)
  }

  [Symbol.asyncIterator](): AsyncIterator<Piece> {
    return this.#source[Symbol.asyncIterator]()
  }
}
