/**
 * Where a request comes from: the interface between a `Request` and the engine, a driver or a test.
 */
import type { InjectedConnection } from '../connection/injected-client.ts'
import type { Client } from '../connection/client.ts'
import type { Fields } from '../http/fields.ts'
import type { Forwarded } from '../net/forwarded.ts'
import type { RequestBody } from '../body/request-body.ts'
import type { ResponseEnd } from './response-end.ts'
import type { Trailers } from '../http/trailers.ts'

/** What a request reads from its source, each value when it is first asked for. */
export interface RequestSource {
  /** The connection it came on; throws when there is none. */
  client(): Client
  /** The first value of a field, by its name in any letter case; null when it is missing. */
  header(name: string): string | null
  fields(): Fields
  target(): string
  method(): string
  version(): string
  /** The protocols that the client asks to switch to; null when it asks for none. */
  upgrade(): readonly string[] | null
  body(): RequestBody
  /** The trailers behind the body; null for a request without a body. */
  trailers(): Trailers | null
  /** Whether the client has used TLS: on the connection, or to a proxy that announces it. */
  isEncrypted(): boolean
  /** `scheme://authority` of the server as the connection sees it, for requests without Host. */
  base(): string
  /** What trusted proxies tell of the client; null when it isn't one of them. */
  forwarded(): Forwarded | null
  signal(): AbortSignal
  /** Fires when the server begins to stop. */
  stopSignal(): AbortSignal
  /** Fires the signal. Only sources in JavaScript have it: the engine's fire theirs when the client leaves. */
  abort?(): void
  /** Gives the request a client. Only requests of `Request.create` have none of their own. */
  connect?(client: Client): void
  /** What a test says about the connection. */
  connection?(): InjectedConnection
  /** Whether the body wasn't asked for; true where that is unknown. */
  isBodyUnread?(): boolean
  /** Calls a function at the true end of the response. False, without a call, where that isn't known. */
  onEnd?(call: (end: ResponseEnd) => void): boolean
  /** Sends an informational response. */
  inform(status: number, lines: string): void
  /** Seconds without progress and bytes a second that the body may take; null keeps the present value. */
  setRate(timeout: number | null, minimumRate: number | null): void
}
