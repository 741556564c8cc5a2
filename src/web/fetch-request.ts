/**
 * A request as the web's `Request`. It passes as one of the platform's, but each part is made when it is first asked
 * for: one of the platform's own takes longer to make than the rest of a short request. Where only that will do, as for
 * `new Request(request)`, one is made, and from then on it has the body.
 */
import { INSPECT } from '../core/inspection.ts'
import type { Request as ServerRequest } from '../message/request.ts'
import { hrefOf } from '../message/request.ts'
import { bodyErrors } from './body-errors.ts'
import { isDisturbed } from './disturbed.ts'
import type { RequestContext } from './fetch-context.ts'
import { FetchHeaders } from './fetch-headers.ts'
import { NativeRequest, REQUEST_STATE, standsIn } from './platform.ts'

/** Methods whose requests have no body in the web's model. */
const BODILESS = new Set(['GET', 'HEAD'])

/** One of the platform's with the same content; the same each time. */
export let nativeRequestOf: (request: FetchRequest) => globalThis.Request

/** The context of a request that came to a server; undefined for others. */
export let contextOf: (request: unknown) => RequestContext | undefined

/** The request of a client, for an application. */
export class FetchRequest {
  readonly #request: ServerRequest
  readonly #context: RequestContext
  #headers: FetchHeaders | null = null
  #url: string | null = null
  #body: ReadableStream<Uint8Array> | null = null
  #native: globalThis.Request | null = null
  /** The body was read as a whole. */
  #isUsed = false

  constructor(request: ServerRequest, context: RequestContext) {
    this.#request = request
    this.#context = context
  }

  get method(): string {
    return this.#request.getMethod()
  }

  get url(): string {
    return (this.#url ??= hrefOf(this.#request))
  }

  get headers(): FetchHeaders {
    return (this.#headers ??= new FetchHeaders(this.#request))
  }

  get signal(): AbortSignal {
    return this.#request.getSignal()
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#native !== null) return this.#native.body
    if (this.#body === null && this.#hasBody()) this.#body = this.#request.getBody().stream()
    return this.#body
  }

  get bodyUsed(): boolean {
    if (this.#native !== null) return this.#native.bodyUsed
    return this.#isUsed || (this.#body !== null && isDisturbed(this.#body))
  }

  #hasBody(): boolean {
    return !BODILESS.has(this.method) && this.#request.getTrailers() !== null
  }

  async text(): Promise<string> {
    if (this.#native !== null) return this.#native.text()
    return bodyErrors(this.#take().getBody().text())
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#native !== null) return new Uint8Array(await this.#native.arrayBuffer())
    // Memory of its own: that of the engine is used again.
    return Uint8Array.from(await bodyErrors(this.#take().buffer()))
  }

  async blob(): Promise<Blob> {
    const type = this.headers.get('content-type') ?? ''
    return new Blob([await this.bytes()], { type })
  }

  async formData(): Promise<FormData> {
    if (this.#native !== null) return this.#native.formData()
    return bodyErrors(this.#take().formData())
  }

  /** The server's request, whose body is about to be read. */
  #take(): ServerRequest {
    if (this.bodyUsed || this.#body?.locked === true) throw new TypeError('Body is unusable: it has been read, or is being read')
    // A body that isn't there can be read again and again.
    this.#isUsed = this.#hasBody()
    return this.#request
  }

  clone(): globalThis.Request {
    return this.#ownNative().clone()
  }

  #ownNative(): globalThis.Request {
    if (this.#native === null) {
      if (this.bodyUsed) throw new TypeError('Body is unusable: it has been read already')
      const { method, headers, signal, body } = this
      const init = { method, headers: [...headers] as [string, string][], signal, body, duplex: 'half' }
      this.#native = new NativeRequest(this.url, init as RequestInit)
    }
    return this.#native
  }

  /** The address of the one who asked, as servers made with srvx give it. */
  get ip(): string {
    return this.#request.getRemoteAddress().getHost()
  }

  /** As servers made with srvx give it. */
  get waitUntil(): (work: PromiseLike<unknown>) => void {
    return (work) => this.#context.waitUntil(work)
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): string {
    const shown = { method: this.method, url: this.url, headers: this.headers }
    return `Request ${inspect === undefined ? JSON.stringify(shown) : inspect(shown, options)}`
  }

  static {
    nativeRequestOf = (request) => request.#ownNative()
    contextOf = (request) => (typeof request === 'object' && request !== null && #context in request ? request.#context : undefined)
  }
}
standsIn(FetchRequest, NativeRequest)

/** What a request of a client has that scripts of a page could set. https://fetch.spec.whatwg.org/#request-class */
const CONSTANTS = {
  cache: 'default',
  credentials: 'same-origin',
  destination: '',
  duplex: 'half',
  integrity: '',
  isHistoryNavigation: false,
  isReloadNavigation: false,
  keepalive: false,
  mode: 'cors',
  redirect: 'follow',
  referrer: 'about:client',
  referrerPolicy: '',
}
for (const [name, value] of Object.entries(CONSTANTS)) {
  Object.defineProperty(FetchRequest.prototype, name, { get: () => value, configurable: true, enumerable: true })
}
for (const key of REQUEST_STATE) {
  Object.defineProperty(FetchRequest.prototype, key, {
    get(this: FetchRequest): unknown {
      return (nativeRequestOf(this) as unknown as Record<symbol, unknown>)[key]
    },
    configurable: true,
  })
}
