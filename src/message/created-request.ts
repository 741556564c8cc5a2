/**
 * The source of a request that `Request.create` has made, for tests and `server.inject`.
 */
import type { InjectedConnection } from '../connection/injected-client.ts'
import type { Client } from '../connection/client.ts'
import { StateError } from '../core/errors.ts'
import { HandoverSignal } from '../core/handover.ts'
import { Fields, eachField, nameOf } from '../http/fields.ts'
import type { FieldValue, FieldsInit } from '../http/fields.ts'
import { RequestBody, bodyOf, limitedBody } from '../body/request-body.ts'
import type { Streamed } from '../body/source.ts'
import type { Forwarded } from '../net/forwarded.ts'
import { forwardedOf } from './forwarded.ts'
import { Trailers } from '../http/trailers.ts'
import type { RequestSource } from './request-source.ts'
import { upgradeOf } from './upgrade-request.ts'

/** What `Request.create` is given, once it is checked. */
export interface CreatedRequest {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly fields: Fields
  readonly body: string | Uint8Array | Streamed | null
  readonly trailers: Trailers | null
  readonly connection: InjectedConnection
}

/** A request without a connection. */
export class CreatedRequestSource implements RequestSource {
  readonly #request: CreatedRequest
  #body: RequestBody
  #wasBodyTaken = false
  #client: Client | null = null
  readonly #signal = new HandoverSignal()
  #stopSignal: AbortSignal | null = null

  constructor(request: CreatedRequest) {
    this.#request = request
    this.#body = bodyOf(request.body)
  }

  client(): Client {
    if (this.#client === null) throw new StateError('a request of Request.create has no client until it is injected')
    return this.#client
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

  upgrade(): readonly string[] | null {
    return upgradeOf(this)
  }

  body(): RequestBody {
    this.#wasBodyTaken = true
    return this.#body
  }

  trailers(): Trailers | null {
    const { body, trailers } = this.#request
    return trailers ?? (body === null ? null : new Trailers({}))
  }

  isEncrypted(): boolean {
    return this.connection().isEncrypted
  }

  base(): string {
    return `${this.isEncrypted() ? 'https' : 'http'}://localhost`
  }

  forwarded(): Forwarded | null {
    const client = this.#client
    return client === null ? null : forwardedOf(client.getOptions(), () => client, () => this.fields())
  }

  connection(): InjectedConnection {
    return this.#request.connection
  }

  /** The request is injected: it has a client, and its body a limit, unless it is being read already. */
  connect(client: Client): void {
    this.#client = client
    if (!this.#wasBodyTaken) this.#body = limitedBody(this.#request.body, client.getOptions().get('bodySizeLimit'), client)
  }

  isBodyUnread(): boolean {
    return !this.#wasBodyTaken
  }

  signal(): AbortSignal {
    return this.#signal.take()
  }

  /** No server that stops serves it. */
  stopSignal(): AbortSignal {
    return (this.#stopSignal ??= new AbortController().signal)
  }

  abort(): void {
    this.#signal.abort()
  }

  /** No client is there to receive it. */
  inform(): void {}

  /** The body is complete already. */
  setRate(): void {}
}

/** The fields of a created request: those that are given, with `host` and the length of the body if they are missing. */
export function createdFields(headers: FieldsInit, host: string, body: CreatedRequest['body']): Fields {
  const fields = new Fields()
  fields.add('host', host)
  let hasHost = false
  eachField(headers, (name, value) => {
    if (nameOf(name).lower === 'host' && !hasHost) fields.delete('host')
    hasHost ||= nameOf(name).lower === 'host'
    fields.add(name, value as FieldValue)
  })
  const length = lengthOf(body)
  if (body !== null && length >= 0 && !fields.has('content-length')) fields.add('content-length', length)
  return fields
}

/** Length of a body in bytes; -1 when it is unknown. */
export function lengthOf(body: string | Uint8Array | Streamed | RequestBody | null): number {
  if (body === null) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.byteLength
  return body instanceof Blob ? body.size : -1
}
