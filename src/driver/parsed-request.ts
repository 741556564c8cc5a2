/**
 * The source of a request that a driver in JavaScript has parsed.
 */
import { hasUsedTls } from '../connection/client.ts'
import type { Client } from '../connection/client.ts'
import type { HandoverSignal } from '../core/handover.ts'
import type { Fields } from '../http/fields.ts'
import { FIELDS } from '../http/http-message.ts'
import type { RequestBody } from '../body/request-body.ts'
import type { Request } from '../message/request.ts'
import { forwardedOf } from '../message/forwarded.ts'
import type { Forwarded } from '../net/forwarded.ts'
import type { RequestSource } from '../message/request-source.ts'
import { upgradeOf } from '../message/upgrade-request.ts'
import type { StopSignals } from '../connection/stop-signals.ts'
import type { Trailers } from '../http/trailers.ts'

/** Ties a request that a driver in JavaScript has parsed to its client. Its head is copied. */
export class ParsedRequestSource implements RequestSource {
  readonly #client: Client
  readonly #signal: HandoverSignal
  readonly #stops: StopSignals
  readonly #request: Request
  readonly #method: string
  readonly #target: string
  readonly #version: string
  readonly #fields: Fields

  /** `signal` aborts when the client leaves, and stands for the request among `stops`. */
  constructor(client: Client, signal: HandoverSignal, stops: StopSignals, request: Request) {
    this.#client = client
    this.#stops = stops
    this.#signal = signal
    this.#request = request
    this.#method = request.getMethod()
    this.#target = request.getTarget()
    this.#version = request.getProtocolVersion()
    this.#fields = request[FIELDS]().copy()
  }

  client(): Client {
    return this.#client
  }

  header(name: string): string | null {
    return this.#fields.get(name.toLowerCase())
  }

  fields(): Fields {
    return this.#fields
  }

  target(): string {
    return this.#target
  }

  method(): string {
    return this.#method
  }

  version(): string {
    return this.#version
  }

  upgrade(): readonly string[] | null {
    return upgradeOf(this)
  }

  body(): RequestBody {
    return this.#request.getBody()
  }

  trailers(): Trailers | null {
    return this.#request.getTrailers()
  }

  isEncrypted(): boolean {
    return hasUsedTls(this.#client)
  }

  base(): string {
    const address = this.#client.getLocalAddress()
    return `${this.isEncrypted() ? 'https' : 'http'}://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  forwarded(): Forwarded | null {
    return forwardedOf(this.#client.getOptions(), () => this.#client, () => this.#fields)
  }

  signal(): AbortSignal {
    return this.#signal.take()
  }

  stopSignal(): AbortSignal {
    return this.#stops.of(this.#signal)
  }

  abort(): void {
    this.#signal.abort()
  }

  /** Only the driver knows how its protocol sends informational responses. */
  inform(): void {}

  /** The driver limits the time of its bodies itself. */
  setRate(): void {}
}
