/**
 * A body of the application that has a limit, as the bodies of clients have: for requests that are answered without
 * a socket.
 */
import type { Client } from '../connection/client.ts'
import { ClientException } from '../connection/client-exception.ts'
import { RequestBody, bodyOf } from './request-body.ts'
import type { BodySource } from './request-body.ts'
import { WholeSource, bytesOf, isStreamed, sourceOf } from './source.ts'
import type { Body, PieceSource } from './source.ts'

/** A body that can't be read beyond `limit` bytes, unless the limit is raised. */
export function limitedBody(body: Body | null, limit: number, client: Client): RequestBody {
  if (body === null || (!isStreamed(body) && Buffer.byteLength(body) <= limit)) return bodyOf(body)
  return new RequestBody(new LimitedSource(isStreamed(body) ? sourceOf(body) : new WholeSource(body), limit, client))
}

class LimitedSource implements BodySource {
  readonly #source: PieceSource
  readonly #client: Client
  #limit: number
  #received = 0
  #hasEnded = false

  constructor(source: PieceSource, limit: number, client: Client) {
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

  client(): Client {
    return this.#client
  }

  onDropped(): void {}

  report(error: unknown): void {
    queueMicrotask(() => {
      throw error
    })
  }

  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#source.cancel(() => {})
  }
}
