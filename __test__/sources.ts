/**
 * Sources of streamed responses for the specs, and the responses as the client receives them.
 */
import type { ExecutionContext } from 'ava'
import { silentLogger } from '../src/index.ts'
import type { Response } from '../src/index.ts'
import { LAST_GET, open } from './support.ts'

/** A HEAD with connection: close. */
export const LAST_HEAD = 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** A GET in HTTP/1.0. */
export const OLD_GET = 'GET / HTTP/1.0\r\n\r\n'

/** A source of the pieces it is given. */
export async function* yielding<T>(...pieces: T[]): AsyncGenerator<T, void, undefined> {
  yield* pieces
}

/** The same as a web stream. */
export function webStream(...pieces: string[]): ReadableStream<string> {
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(piece)
    },
  })
}

/** A source that is fed by the test and counts its reads and cancellations. */
export class Tap implements AsyncIterableIterator<string> {
  cancelled = 0
  asked = 0
  #waiting: ((item: IteratorResult<string>) => void) | null = null
  #pieces: IteratorResult<string>[] = []

  give(value: string): void {
    this.#put({ done: false, value })
  }

  end(): void {
    this.#put({ done: true, value: undefined })
  }

  #put(item: IteratorResult<string>): void {
    if (this.#waiting === null) this.#pieces.push(item)
    else this.#waiting(item)
    this.#waiting = null
  }

  next(): Promise<IteratorResult<string>> {
    this.asked++
    const piece = this.#pieces.shift()
    return piece === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(piece)
  }

  return(): Promise<IteratorResult<string>> {
    this.cancelled++
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Counts how often responses are disposed of. */
export class Disposals {
  count = 0

  of(response: Response): Response {
    response.onDispose(() => this.count++)
    return response
  }
}

/** The body of a whole chunked response. */
export function unchunked(received: string): string {
  let rest = received.slice(received.indexOf('\r\n\r\n') + 4)
  let body = ''
  for (;;) {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.slice(0, end), 16)
    if (length === 0) return body
    body += rest.slice(end + 2, end + 2 + length)
    rest = rest.slice(end + 2 + length + 2)
  }
}

/** The bytes of the response to one request. */
export async function answered(t: ExecutionContext, response: () => Response, request = LAST_GET, logger = silentLogger): Promise<string> {
  const { connect } = await open(t, response, { logger })
  return (await connect()).send(request).end()
}
