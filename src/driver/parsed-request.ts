/**
 * What a request can ask of its connection where a driver in JavaScript has parsed it.
 */
import type { Client } from '../connection/client.ts'
import { Fields } from '../http/fields.ts'
import type { RequestBody } from '../body/request-body.ts'
import type { Request, RequestSource } from '../message/request.ts'
import type { Trailers } from '../http/trailers.ts'

/** Ties a request that a driver in JavaScript has parsed to its client. */
export class ParsedRequestSource implements RequestSource {
  readonly #client: Client
  readonly #signal: AbortSignal
  readonly #request: Request

  constructor(client: Client, signal: AbortSignal, request: Request) {
    this.#client = client
    this.#signal = signal
    this.#request = request
  }

  client(): Client {
    return this.#client
  }

  header(name: string): string | null {
    return this.#request.getHeader(name)
  }

  fields(): Fields {
    return new Fields()
  }

  target(): string {
    return this.#request.getTarget()
  }

  method(): string {
    return this.#request.getMethod()
  }

  version(): string {
    return this.#request.getProtocolVersion()
  }

  body(): RequestBody {
    return this.#request.getBody()
  }

  trailers(): Trailers | null {
    return this.#request.getTrailers()
  }

  base(): string {
    const address = this.#client.getLocalAddress()
    return `http://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  signal(): AbortSignal {
    return this.#signal
  }

  /** How to say something ahead is the driver's own business. */
  inform(): void {}

  /** So is how long it waits for a body. */
  setRate(): void {}
}
