/**
 * A stream of the application as the source of a body, with a limit where it stands for the body of a client.
 */
import type { Client } from '../connection/client.ts'
import { ClientException } from '../connection/client-exception.ts'
import type { BodySource } from './request-body.ts'
import { bytesOf } from './source.ts'
import type { PieceSource } from './source.ts'

/** A source whose pieces a stream of the application gives. */
export class ApplicationSource implements BodySource {
  readonly #source: PieceSource
  readonly #client: Client | null
  #limit: number
  #received = 0
  #hasEnded = false

  /** The limit is in bytes. */
  constructor(source: PieceSource, limit = Infinity, client: Client | null = null) {
    this.#source = source
    this.#limit = limit
    this.#client = client
  }

  whole(): null {
    return null
  }

  text(): null {
    return null
  }

  async read(): Promise<Uint8Array | null> {
    while (!this.#hasEnded) {
      const item = await this.#next()
      if (item.done === true) break
      const piece = bytesOf(item.value)
      this.#received += piece.length
      if (this.#received > this.#limit) {
        this.close()
        throw new ClientException(this.#client, 'the body is larger than its limit', 413)
      }
      if (piece.length > 0) return piece
    }
    this.#hasEnded = true
    return null
  }

  async #next(): Promise<IteratorResult<unknown>> {
    try {
      return await this.#source.next()
    } catch (error) {
      this.#hasEnded = true
      throw error
    }
  }

  async rest(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for (let piece; (piece = await this.read()) !== null; ) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  raise(limit: number): void {
    this.#limit = Math.max(this.#limit, limit)
  }

  client(): Client | null {
    return this.#client
  }

  onDropped(): void {}

  report(error: unknown): void {
    rethrow(error)
  }

  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    // A failure of the clean-up is the application's own.
    this.#source.cancel(() => {})
  }
}

/** Bodies of the application have no logger: the error is thrown as an uncaught one. */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
