/**
 * The source of a request that `Request.create` has made, for tests and `server.inject`.
 */
import type { Client } from '../connection/client.ts'
import { StateError } from '../core/errors.ts'
import { Fields } from '../http/fields.ts'
import { RequestBody, bodyOf } from '../body/request-body.ts'
import type { Streamed } from '../body/source.ts'
import { Trailers } from '../http/trailers.ts'
import type { RequestSource } from './request-source.ts'

/** What `Request.create` is given, once it is checked. */
export interface CreatedRequest {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly fields: Fields
  readonly body: string | Uint8Array | Streamed | null
  readonly trailers: Trailers | null
}

/** A request without a connection. */
export class CreatedRequestSource implements RequestSource {
  readonly #request: CreatedRequest
  readonly #body: RequestBody
  readonly #controller = new AbortController()
  #stopSignal: AbortSignal | null = null

  constructor(request: CreatedRequest) {
    this.#request = request
    this.#body = bodyOf(request.body)
  }

  client(): Client {
    throw new StateError('a request of Request.create has no client')
  }

  header(name: string): string | null {
    return this.#request.fields.get(name.toLowerCase())
  }

  fields(): Fields {
    return this.#request.fields
  }

  target(): string {
    return this.#request.target
  }

  method(): string {
    return this.#request.method
  }

  version(): string {
    return this.#request.version
  }

  body(): RequestBody {
    return this.#body
  }

  trailers(): Trailers | null {
    const { body, trailers } = this.#request
    return trailers ?? (body === null ? null : new Trailers({}))
  }

  base(): string {
    return 'http://localhost'
  }

  forwarded(): null {
    return null
  }

  signal(): AbortSignal {
    return this.#controller.signal
  }

  /** No server that stops serves it. */
  stopSignal(): AbortSignal {
    return (this.#stopSignal ??= new AbortController().signal)
  }

  abort(): void {
    this.#controller.abort()
  }

  /** No client is there to receive it. */
  inform(): void {}

  /** The body is complete already. */
  setRate(): void {}
}

/** Length of a body in bytes; -1 when it is unknown. */
export function lengthOf(body: string | Uint8Array | Streamed | RequestBody | null): number {
  if (body === null) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.byteLength
  return body instanceof Blob ? body.size : -1
}
