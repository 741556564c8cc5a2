/**
 * Applications that answer the web's `Request` with the web's `Response`: what they are, and how they become handlers.
 *
 * What serves them is loaded by the server that has one, since few servers do: `web/` provides it by `provideFetch`.
 */
import type { Client } from '../connection/client.ts'
import { StateError } from '../core/errors.ts'
import type { FieldsInit } from '../http/fields.ts'
import type { Request } from '../message/request.ts'
import type { UpgradeHandler } from '../message/takeover.ts'
import type { Response } from '../message/response.ts'

/** One end of a connection. */
export interface FetchAddress {
  /** The IP address, or the path of a unix socket. */
  readonly address: string
  /** The port; 0 for unix sockets. */
  readonly port: number
  readonly family: 'IPv4' | 'IPv6' | 'unix'
}

/** What an application gets beside the request. The names are those of WinterTC's draft of an HTTP server. */
export interface FetchContext {
  /** The address of the peer. Behind proxies that is the proxy; `request.getRemoteAddress()` believes trusted ones. */
  readonly remoteAddress: FetchAddress
  /** The address that the connection arrived on. */
  readonly localAddress: FetchAddress
  /** Whether the connection has TLS. */
  readonly encrypted: boolean
  /** The protocol that ALPN has negotiated, such as `h2`; null without one. */
  readonly alpnProtocol: string | null
  /** The server name that the client has asked for in TLS; null without one. */
  readonly serverName: string | null
  /** Resolves when the response is sent, and rejects when it can't be. Ask for it before the application answers. */
  readonly completed: Promise<void>
  /** The connection. */
  readonly client: Client
  /** The request as handlers of busbar see it. */
  readonly request: Request
  /** Bindings of a worker; there are none. */
  readonly props: Readonly<Record<string, unknown>>
  /** Sends an informational response (1xx) ahead of the final one. */
  sendInformational(status: number, headers?: FieldsInit | Headers): void
  /** A stop of the server waits for this work, within its time. A rejection is logged. */
  waitUntil(work: PromiseLike<unknown>): void
  /** Does nothing: an exception is always answered with an error page. For applications written for workers. */
  passThroughOnException(): void
  /**
   * Hands the connection over after this request, as `Response.detach` does it; the headers open a stream of HTTP/2. What the
   * application answers is ignored.
   */
  detach(callback: UpgradeHandler, protocol?: string, headers?: FieldsInit): void
}

/** What an application answers; a `Response` of busbar is sent as it is. */
export type FetchResult = globalThis.Response | Response

/** Answers a request of the web. The context is given twice, since workers expect their bindings between the two. */
export type FetchFunction = (request: globalThis.Request, context: FetchContext, execution: FetchContext) => FetchResult | Promise<FetchResult>

/**
 * An application of Hono, h3, Elysia and others, or the default export of a module for Bun or Deno.
 *
 * @example await serve(8080, { fetch: (request) => new Response(`You asked for ${request.url}`) })
 */
export interface FetchApplication {
  fetch(request: globalThis.Request, context: FetchContext, execution: FetchContext): FetchResult | Promise<FetchResult>
}

/** Makes the handler of an application. */
export type Adapt = (application: FetchApplication) => (request: Request) => Response | Promise<Response>

let load: (() => Promise<Adapt>) | null = null
let loading: Promise<Adapt> | null = null
let adapt: Adapt | null = null
/** Applications became handlers before what serves them was loaded. */
let isWanted = false

/** Says where `Adapt` is loaded from. */
export function provideFetch(loader: () => Promise<Adapt>): void {
  load = loader
}

/** Loads what serves the applications, if there are any. */
export async function fetchLoaded(): Promise<void> {
  if (isWanted) await adaptation()
}

function adaptation(): Promise<Adapt> {
  if (load === null) throw new StateError("a web-standard fetch(request) is served by a server: import 'busbar'")
  return (loading ??= load().then((loaded) => (adapt = loaded)))
}

/** The handler of an application. */
export function fetchHandler(application: FetchApplication): (request: Request) => Response | Promise<Response> {
  if (adapt !== null) return adapt(application)
  isWanted = true
  let handler: ReturnType<Adapt> | null = null
  return (request) => {
    if (handler !== null) return handler(request)
    if (adapt !== null) return (handler = adapt(application))(request)
    return adaptation().then((loaded) => (handler ??= loaded(application))(request))
  }
}

/** Whether a value is such an application. */
export function isFetchApplication(value: unknown): value is FetchApplication {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { fetch?: unknown }).fetch === 'function'
}
