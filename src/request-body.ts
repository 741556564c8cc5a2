/**
 * The body of a request.
 */
import { HttpErrorException, StateError } from './errors.ts'

/** Where the bytes of a body come from. */
export interface BodySource {
  /** All of them, when they are there already. */
  whole(): Uint8Array | null
  /** All of them, once they have come. Rejects with a `ClientException`. */
  receive(): Promise<Uint8Array>
  /** Raises the limit. */
  raise(limit: number): void
}

const decoder = new TextDecoder()

/**
 * A body, read at most once: whole, or piece by piece. What isn't read is dropped behind the answer.
 * Bodies are limited to 128 KiB (`bodySizeLimit`) unless the limit is raised.
 *
 * @example const { name } = await request.getBody().json<{ name: string }>()
 */
export class RequestBody {
  readonly #source: BodySource | null
  #whole: Promise<Uint8Array> | null = null
  #isRead = false

  /** @internal */
  constructor(source: BodySource | null) {
    this.#source = source
  }

  /**
   * Everything that hasn't been read yet. A further call gives the same promise.
   *
   * @example const bytes = await request.getBody().buffer()
   */
  buffer(): Promise<Uint8Array> {
    this.#whole ??= this.#isRead ? Promise.resolve(new Uint8Array(0)) : this.#receive()
    return this.#whole
  }

  /**
   * Everything as text, which is UTF-8.
   *
   * @example const text = await request.getBody().text()
   */
  async text(): Promise<string> {
    return decoder.decode(await this.buffer())
  }

  /**
   * Everything as JSON. Rejects with an `HttpErrorException` of 400 when it isn't: let it escape, and the
   * client is told that it has sent nonsense.
   *
   * @example const order = await request.getBody().json<Order>()
   */
  async json<T = unknown>(): Promise<T> {
    const text = await this.text()
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw new HttpErrorException(400, null, error)
    }
  }

  /**
   * The next piece; null at the end.
   *
   * @example for (let piece; (piece = await body.read()) !== null; ) hash.update(piece)
   */
  async read(): Promise<Uint8Array | null> {
    if (this.#whole !== null) throw new StateError('the body is being read as a whole; it has no pieces left')
    if (this.#isRead) return null
    this.#isRead = true
    const bytes = await this.#receive()
    return bytes.length === 0 ? null : bytes
  }

  /**
   * The body piece by piece.
   *
   * @example for await (const piece of request.getBody()) hash.update(piece)
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let piece; (piece = await this.read()) !== null; ) yield piece
  }

  /**
   * Lets this body be larger than `bodySizeLimit`, in bytes. A smaller limit than the present one
   * changes nothing, nor does a call after the limit was hit.
   *
   * @example request.getBody().increaseSizeLimit(10 * 1024 * 1024)
   */
  increaseSizeLimit(bytes: number): void {
    this.#source?.raise(bytes)
  }

  #receive(): Promise<Uint8Array> {
    if (this.#source === null) return Promise.resolve(new Uint8Array(0))
    const whole = this.#source.whole()
    return whole === null ? this.#source.receive() : Promise.resolve(whole)
  }
}

/** A body that was made by hand. */
export function bodyOf(content: string | Uint8Array | null): RequestBody {
  if (content === null) return new RequestBody(null)
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  return new RequestBody({ whole: () => bytes, receive: () => Promise.resolve(bytes), raise: () => {} })
}
