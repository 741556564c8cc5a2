/**
 * The body of a request.
 */
import type { Readable } from 'node:stream'
import type { Client } from '../connection/client.ts'
import { HandlerError, OptionError, StateError, show } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { ClientException } from '../connection/client-exception.ts'
import { Hook } from '../core/handover.ts'
import { attempt, handled } from '../core/outcome.ts'
import { ApplicationSource, rethrow } from './application-source.ts'
import { WholeSource, isStreamed, sourceOf } from './source.ts'
import type { Body, Streamed } from './source.ts'
import { webStream } from './web-stream.ts'

/** The source of a body's bytes. */
export interface BodySource {
  /** All bytes if they are in memory already; else null. */
  whole(): Uint8Array | null
  /** The whole body as text if it is in memory already; else null. */
  text(): string | null
  /** The next piece; null at the end. Rejects with a `ClientException`. */
  read(): Promise<Uint8Array | null>
  /** All unread bytes, at the end of the body. Rejects with a `ClientException`. */
  rest(): Promise<Uint8Array>
  /** Raises the limit. */
  raise(limit: number): void
  /** Gives up the rest. */
  close(): void
  /** The client that sends it; null for a body of `Request.create`. */
  client(): Client | null
  /** Calls a function when the body ends for another reason than a read. */
  onDropped(callback: () => void): void
  /** A function that ran at the end has failed. */
  report(error: unknown): void
}

const decoder = new TextDecoder()

/** The ways to read a body. */
const FRESH = 0
const PIECES = 1
const WHOLE = 2

/**
 * A body that is read once: as a whole or piece by piece. Back-pressure slows a client that sends faster than the
 * body is read; an unread rest is dropped after the response. The limit is `bodySizeLimit`, 128 KiB by default,
 * unless it is raised.
 *
 * @example const { name } = await request.getBody().json<{ name: string }>()
 */
export class RequestBody {
  readonly #source: BodySource
  #mode = FRESH
  #isReading = false
  /** The body was read to its end, has failed, or was closed. */
  #isClosed = false
  #whole: Promise<Uint8Array> | null = null
  /** Functions that run at the end; they may be async. */
  #hooks: Hook<[]>[] | null = null

  /** @internal */
  constructor(source: BodySource | null) {
    this.#source = source ?? NOTHING
  }

  /**
   * All unread bytes; further calls return the same promise. With a limit in bytes, it rejects with a
   * `ClientException` of code 413 when the body is longer.
   *
   * @example const bytes = await request.getBody().buffer()
   */
  buffer(limit: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    if (this.#isReading) return handled(Promise.reject(busy()))
    return (this.#whole ??= this.#receive(limit))
  }

  #receive(limit: number): Promise<Uint8Array> {
    const isTaken = this.#mode === PIECES || this.#isClosed
    const whole = this.#source.whole()
    this.#mode = WHOLE
    if (whole === null) return handled(this.#receiveRest(limit))
    this.#setClosed()
    if (isTaken) return Promise.resolve(EMPTY)
    return whole.length > limit ? handled(Promise.reject(this.#tooLong(limit))) : Promise.resolve(whole)
  }

  async #receiveRest(limit: number): Promise<Uint8Array> {
    try {
      return limit === Number.POSITIVE_INFINITY ? await this.#source.rest() : await this.#receiveWithin(limit)
    } finally {
      this.#setClosed()
    }
  }

  #tooLong(limit: number): ClientException {
    return new ClientException(this.#source.client(), `the body has more than ${limit} bytes`, 413)
  }

  async #receiveWithin(limit: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let length = 0
    for (let piece; (piece = await this.#source.read()) !== null; ) {
      length += piece.length
      if (length > limit) this.#source.close()
      if (length > limit) throw this.#tooLong(limit)
      pieces.push(piece)
    }
    return Buffer.concat(pieces)
  }

  /**
   * All unread bytes as text, decoded as UTF-8.
   *
   * @example const text = await request.getBody().text()
   */
  text(): Promise<string> {
    const text = this.#textAtHand()
    return text === null ? handled(this.#decode()) : Promise.resolve(text)
  }

  #textAtHand(): string | null {
    if (this.#mode === PIECES || (this.#mode === FRESH && this.#isClosed)) return null
    const text = this.#source.text()
    if (text !== null) {
      this.#mode = WHOLE
      this.#setClosed()
    }
    return text
  }

  async #decode(): Promise<string> {
    return decoder.decode(await this.buffer())
  }

  /**
   * All unread bytes as JSON. Rejects with an `HttpErrorException` of 400 when they aren't valid JSON; if the handler
   * doesn't catch it, the client gets a 400.
   *
   * @example const order = await request.getBody().json<Order>()
   */
  json<T = unknown>(): Promise<T> {
    return handled(this.#json<T>())
  }

  async #json<T>(): Promise<T> {
    const text = this.#textAtHand() ?? (await this.#decode())
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw new HttpErrorException(400, null, error)
    }
  }

  /**
   * The next piece; null at the end. Rejects with a `ClientException` when the client leaves, sends invalid bytes or
   * exceeds a limit. Only one read may be pending.
   *
   * @example for (let piece; (piece = await body.read()) !== null; ) hash.update(piece)
   */
  read(): Promise<Uint8Array | null> {
    return handled(this.#read())
  }

  async #read(): Promise<Uint8Array | null> {
    if (this.#isReading) throw busy()
    if (this.#mode === WHOLE) throw new StateError('the body is being read as a whole; it has no more pieces')
    const isTaken = this.#mode === PIECES || this.#isClosed
    const whole = this.#source.whole()
    this.#mode = PIECES
    if (whole !== null) {
      this.#setClosed()
      return isTaken || whole.length === 0 ? null : whole
    }
    this.#isReading = true
    try {
      const piece = await this.#source.read()
      if (piece === null) this.#setClosed()
      return piece
    } catch (error) {
      this.#setClosed()
      throw error
    } finally {
      this.#isReading = false
    }
  }

  /**
   * The body piece by piece. A loop that is left early gives up the rest.
   *
   * @example for await (const piece of request.getBody()) hash.update(piece)
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return {
      next: () => handled(this.#next()),
      return: (value?: unknown) => {
        this.close()
        return Promise.resolve({ done: true, value })
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array, null>> {
    const value = await this.#read()
    return value === null ? { done: true, value } : { done: false, value }
  }

  /**
   * The body as a web stream of bytes. A read fails when the client leaves or the request is answered; that needs no
   * listener.
   *
   * @example await fetch(upstream, { method: 'POST', body: request.getBody().stream(), duplex: 'half' })
   */
  stream(): ReadableStream<Uint8Array> {
    return webStream(this)
  }

  /**
   * The body as a Node stream. When the client leaves, it emits an error; that needs no listener.
   *
   * @example await pipeline(request.getBody().toReadable(), createWriteStream('upload.bin'))
   */
  toReadable(): Readable {
    const stream = process.getBuiltinModule('node:stream')
    const readable = new stream.Readable({
      read: () => {
        this.read().then(
          (piece) => readable.push(piece),
          (error: Error) => readable.destroy(error),
        )
      },
      destroy: (error, done) => {
        this.close()
        done(error)
      },
    })
    // As with requests of node:http, an error without a listener must not end the process.
    readable.on('error', () => {})
    return readable
  }

  /**
   * Raises the limit of this body above `bodySizeLimit`, in bytes. A lower limit than the present one is ignored, and so
   * is a call after the limit was exceeded.
   *
   * @example request.getBody().increaseSizeLimit(10 * 1024 * 1024)
   */
  increaseSizeLimit(bytes: number): void {
    if (typeof bytes !== 'number' || !(bytes >= 0)) throw new OptionError('bytes', bytes, 'a number of bytes, at least 0')
    if (!this.#isClosed) this.#source.raise(Math.min(bytes, Number.MAX_SAFE_INTEGER))
  }

  /**
   * Whether more may be read.
   *
   * @example while (body.isReadable()) await body.read()
   */
  isReadable(): boolean {
    return this.#mode !== WHOLE && !this.#isClosed
  }

  /**
   * Whether the body was read to its end, has failed, or was closed.
   *
   * @example body.isClosed()
   */
  isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Gives up the rest, which is dropped after the response. A pending read resolves to null.
   *
   * @example request.getBody().close()
   */
  close(): void {
    if (this.#isClosed || this.#mode === WHOLE) return
    this.#setClosed()
    this.#source.close()
  }

  /**
   * Runs a function when the body is over: it was read to its end, has failed or was closed, the client has left, or
   * the response was sent. Runs it at once when the body is over already.
   *
   * @example request.getBody().onClose(() => progress.stop())
   */
  onClose(callback: () => unknown): void {
    if (this.#hooks === null) {
      this.#hooks = []
      if (!this.#isClosed) this.#source.onDropped(() => this.#setClosed())
    }
    const hook = new Hook(callback)
    if (this.#isClosed) this.#run(hook)
    else this.#hooks.push(hook)
  }

  #setClosed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const hooks = this.#hooks ?? []
    this.#hooks = []
    for (const hook of hooks) this.#run(hook)
  }

  #run(hook: Hook<[]>): void {
    attempt(() => hook.run(), (error) => this.#source.report(error))
  }
}

const EMPTY = new Uint8Array(0)

/** The source of a request without a body. */
const NOTHING: BodySource = { ...contentSource(''), onDropped: (callback) => callback() }

/** A body for `Request.create` or `request.setBody`. */
export function bodyOf(body: string | Uint8Array | Streamed | null): RequestBody {
  if (isStreamed(body)) return new RequestBody(new ApplicationSource(sourceOf(body)))
  if (body === null) return new RequestBody(null)
  if (typeof body === 'string' || body instanceof Uint8Array) return new RequestBody(contentSource(body))
  throw new HandlerError(`a body must be a string, a Uint8Array, a stream of them, or null; got ${show(body)}`)
}

/** The body of a client's request without a socket: it can't be read beyond `limit` bytes, unless the limit is raised. */
export function limitedBody(body: Body | null, limit: number, client: Client): RequestBody {
  if (body === null || (!isStreamed(body) && Buffer.byteLength(body) <= limit)) return bodyOf(body)
  return new RequestBody(new ApplicationSource(isStreamed(body) ? sourceOf(body) : new WholeSource(body), limit, client))
}

function contentSource(content: string | Uint8Array): BodySource {
  return {
    whole: () => (typeof content === 'string' ? Buffer.from(content) : content),
    text: () => (typeof content === 'string' ? content : null),
    read: () => Promise.resolve(null),
    rest: () => Promise.resolve(EMPTY),
    raise: () => {},
    close: () => {},
    client: () => null,
    onDropped: () => {},
    report: rethrow,
  }
}

function busy(): StateError {
  return new StateError('the body is being read already; only one read may be pending')
}
