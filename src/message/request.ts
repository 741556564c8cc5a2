/**
 * Requests: what clients ask for.
 */
import { keyName } from './attribute.ts'
import type { Attribute, AttributeKey } from './attribute.ts'
import { CreatedRequestSource, createdFields, lengthOf } from './created-request.ts'
import { requestParts } from './request-settings.ts'
import type { RequestParts, RequestSettings } from './request-settings.ts'
import type { InjectedConnection } from '../connection/injected-client.ts'
import type { Client } from '../connection/client.ts'
import { MissingAttributeError, OptionError, StateError } from '../core/errors.ts'
import { Fields, Role, eachField, nameOf, valueOf } from '../http/fields.ts'
import type { FieldName, FieldsInit } from '../http/fields.ts'
import { FIELDS } from '../http/http-message.ts'
import { checkMethod } from '../http/methods.ts'
import { RequestBody, bodyOf } from '../body/request-body.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Streamed } from '../body/source.ts'
import { RequestContent } from './request-content.ts'
import { SET_QUERY } from './request-head.ts'
import type { RequestSource } from './request-source.ts'
import type { ResponseEnd } from './response-end.ts'
import type { Response } from './response.ts'
import { plainUrl, uriOf, withQuery } from '../http/target.ts'
import { Trailers } from '../http/trailers.ts'

/**
 * A copy of a request that a driver in JavaScript has parsed, for the handler: `source` ties it to its client, and
 * changes to the copy don't reach the driver.
 */
export let adoptRequest: (request: Request, source: RequestSource) => Request
/** The URI of a request as text, as `URL` writes it. */
export let hrefOf: (request: Request) => string
/** Changes the target as it is written, and returns the one before. */
export let retarget: (request: Request, target: string) => string
/** Fires the signal of a request whose source is in JavaScript. */
export let abortRequest: (request: Request) => void

/** Keeps the response that a handler or middleware has given for a request, or null; returns the one that was kept. */
export let keepResponse: (request: Request, response: Response | null) => Response | null
/** Keeps the promise of such a response. */
export let keepPromise: (request: Request, promise: Promise<Response>) => void
/** Whether a promise is the one that was kept last. */
export let isKept: (request: Request, promise: unknown) => boolean
/** Calls a function at the true end of the response. False, without a call, where that isn't known. */
export let onResponseEnd: (request: Request, call: (end: ResponseEnd) => void) => boolean
/** Gives a request of `Request.create` a client. */
export let connectRequest: (request: Request, client: Client) => void
/** What a test has said about the connection of a request. */
export let connectionOf: (request: Request) => InjectedConnection
/** Whether the body of a request of `Request.create` wasn't asked for. */
export let isBodyUnread: (request: Request) => boolean

const UNKNOWN: InjectedConnection = { remoteAddress: null, isEncrypted: false }

/**
 * One request.
 *
 * @example (request) => Response.text(`You asked for ${request.getPath()}`)
 */
export class Request extends RequestContent {
  readonly #source: RequestSource
  #method: string | null = null
  #target: string | null = null
  #uri: URL | null = null
  #version: string | null = null
  #fields: Fields | null = null
  #body: RequestBody | null = null
  #trailers: Trailers | null | undefined = undefined
  #attributes: Map<AttributeKey, unknown> | null = null
  /** The response that was given last, behind middleware. */
  #response: Response | null = null
  #promise: Promise<Response> | null = null

  /** @internal The server makes the requests of clients; see `Request.create` for your own. */
  constructor(source: RequestSource) {
    super()
    this.#source = source
  }

  /**
   * A request without a connection, for tests and `server.inject`, which gives it a client.
   *
   * @example await server.inject(Request.create('POST', '/orders', { body: '{}', remoteAddress: '203.0.113.9' }))
   */
  static create(method: string, uri: string | URL, settings: RequestSettings): Request
  static create(
    method: string,
    uri: string | URL,
    headers?: FieldsInit,
    body?: string | Uint8Array | Streamed | null,
    protocol?: '1.0' | '1.1' | '2',
    trailers?: Trailers | null,
  ): Request
  static create(method: string, uri: string | URL, given: FieldsInit | RequestSettings = {}, ...rest: RequestParts): Request {
    checkMethod(method)
    const { headers, body, protocol, trailers, connection } = requestParts(given, rest)
    const path = typeof uri === 'string' && /^(\/|\*$)/.test(uri) ? uri.replace(/#.*/, '') : null
    const url = path === null ? new URL(uri, 'http://localhost') : null
    const fields = createdFields(headers, url?.host ?? 'localhost', body)
    const source = new CreatedRequestSource({ method, target: path ?? '/', version: protocol, fields, body, trailers, connection })
    const request = new Request(source)
    if (url !== null) request.setUri(url)
    return request
  }

  /**
   * The connection the request came on. Throws a `StateError` for a request of `Request.create` that isn't
   * injected.
   *
   * @example request.getClient().getRemoteAddress()
   */
  getClient(): Client {
    return this.#source.client()
  }

  /**
   * The address of the one who asked: what trusted `proxies` forwarded or announced, else the address of the connection.
   * Its port is 0 when no proxy told it. Throws a `StateError` for a request of `Request.create`.
   *
   * @example request.getRemoteAddress().getHost() // '203.0.113.9'
   */
  getRemoteAddress(): SocketAddress {
    return this.#source.forwarded()?.remoteAddress ?? this.getClient().getRemoteAddress()
  }

  /**
   * The method, in the letter case received.
   *
   * @example request.getMethod() // 'GET'
   */
  override getMethod(): string {
    return (this.#method ??= this.#source.method())
  }

  /**
   * Changes the method that later handlers see.
   *
   * @example request.setMethod('PUT')
   */
  setMethod(method: string): void {
    this.#method = checkMethod(method)
  }

  /**
   * The protocols that the client asks to switch to, in its order of preference; null when it asks for none. Only an
   * HTTP/1.1 request with the `connection` option `upgrade` asks: a proxy may forward `upgrade` by itself.
   *
   * @example const isWebSocket = request.getUpgrade()?.includes('websocket') === true
   */
  getUpgrade(): readonly string[] | null {
    return this.#source.upgrade()
  }

  /**
   * The request target exactly as received.
   *
   * @example request.getTarget() // '/search?q=a%20b'
   */
  override getTarget(): string {
    return (this.#target ??= this.#source.target())
  }

  /**
   * Scheme, authority and target put together; the same object each time. The target isn't resolved:
   * `//evil.example/x` is a path. Behind trusted `proxies` scheme and authority are those that the client used, as
   * forwarded fields or a PROXY header tell.
   *
   * @example request.getUri().searchParams.get('q')
   */
  getUri(): URL {
    return (this.#uri ??= this.#makeUri())
  }

  /**
   * Changes the URI that later handlers see, and with it target, path and query. A path with or without
   * a query keeps scheme and authority.
   *
   * @example request.setUri('/v2' + request.getTarget())
   */
  setUri(uri: URL | string): void {
    const text = typeof uri === 'string' && uri.startsWith('/') ? this.getUri().origin + uri : String(uri)
    if (!URL.canParse(text)) throw new OptionError('uri', uri, 'a URL, or a path that begins with a slash')
    const changed = new URL(text)
    changed.hash = ''
    this.#uri = changed
    this.#target = changed.pathname + changed.search
  }

  #makeUri(): URL {
    const [scheme = '', own = ''] = this.#source.base().split('://')
    const forwarded = this.#source.forwarded()
    const authority = forwarded?.host ?? (this.getHeader('host') || own)
    return uriOf(forwarded?.scheme ?? scheme, authority, this.getTarget())
  }

  /** Most URIs are written as `URL` would write them, and don't need one. */
  #href(): string {
    const forwarded = this.#uri === null ? this.#source.forwarded() : null
    const authority = forwarded?.host ?? this.getHeader('host')
    if (this.#uri !== null || authority === null) return this.getUri().href
    const scheme = forwarded?.scheme ?? (this.#source.isEncrypted() ? 'https' : 'http')
    return plainUrl(scheme, authority, this.getTarget()) ?? this.getUri().href
  }

  /**
   * `'1.0'`, `'1.1'` or `'2'`.
   *
   * @example request.getProtocolVersion() // '1.1'
   */
  getProtocolVersion(): string {
    return (this.#version ??= this.#source.version())
  }

  /**
   * Changes the version that later handlers see; the version of the response stays.
   *
   * @example request.setProtocolVersion('1.0')
   */
  setProtocolVersion(version: '1.0' | '1.1' | '2'): void {
    this.#version = version
  }

  override getHeader(name: FieldName): string | null {
    if (this.#fields !== null) return this.#fields.get(name.toLowerCase())
    // The engine finds a single field faster than all fields can be made.
    return this.#source.header(name)
  }

  /** @internal */
  override [FIELDS](): Fields {
    return (this.#fields ??= this.#source.fields())
  }

  /** @internal */
  override [SET_QUERY](parameters: URLSearchParams): void {
    this.#target = withQuery(this.getTarget(), parameters.toString())
    if (this.#uri === null) return
    const changed = new URL(this.#uri)
    changed.search = parameters.toString()
    this.#uri = changed
  }

  /**
   * The body; never null, always the same object.
   *
   * @example for await (const piece of request.getBody()) hash.update(piece)
   */
  override getBody(): RequestBody {
    return (this.#body ??= this.#source.body())
  }

  /**
   * Replaces the body that later handlers see. A string or bytes set `content-length`; a stream removes it.
   *
   * @example request.setBody(request.getBody().stream().pipeThrough(new DecompressionStream('gzip')))
   */
  setBody(body: string | Uint8Array | Streamed | RequestBody | null): void {
    this.#body = body instanceof RequestBody ? body : bodyOf(body)
    const length = lengthOf(body)
    const isBare = length === 0 && /^(GET|HEAD|OPTIONS|TRACE)$/.test(this.getMethod())
    if (length < 0 || isBare) this.removeHeader('content-length')
    else this.setHeader('content-length', length)
  }

  /**
   * The trailers behind the body; null for a request without a body. Their fields arrive at the end of the body:
   * read that first.
   *
   * @example const checksum = (await request.getTrailers()?.getMessage())?.getHeader('x-checksum')
   */
  getTrailers(): Trailers | null {
    if (this.#trailers === undefined) this.#trailers = this.#source.trailers()
    return this.#trailers
  }

  /**
   * Replaces the trailers that later handlers see.
   *
   * @example request.setTrailers(new Trailers({ 'x-checksum': digest }))
   */
  setTrailers(trailers: Trailers): void {
    if (!(trailers instanceof Trailers)) throw new StateError('request.setTrailers takes Trailers')
    this.#trailers = trailers
  }

  /**
   * Removes the trailers for later handlers.
   *
   * @example request.removeTrailers()
   */
  removeTrailers(): void {
    this.#trailers = null
  }

  /**
   * Sets how many seconds the body of this request may take without progress, in place of `bodyTimeout`; `Infinity`
   * for no limit.
   *
   * @example request.setBodyTimeout(60)
   */
  setBodyTimeout(seconds: number): void {
    if (!(seconds > 0)) throw new OptionError('the body timeout', seconds, 'a number of seconds above 0')
    this.#source.setRate(seconds, null)
  }

  /**
   * Sets how many bytes a second the body of this request must bring on average, in place of `minimumBodyRate`; 0 for
   * no minimum.
   *
   * @example request.setMinimumBodyRate(0)
   */
  setMinimumBodyRate(bytes: number): void {
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new OptionError('the minimum body rate', bytes, 'a whole number of bytes a second, 0 for none')
    }
    this.#source.setRate(null, bytes)
  }

  /**
   * Fires when the client leaves before its response is complete.
   *
   * @example await fetch(upstream, { signal: request.getSignal() })
   */
  getSignal(): AbortSignal {
    return this.#source.signal()
  }

  /**
   * Fires when the server begins to stop, or at once when it has begun. The response still has the time of the stop: an
   * event stream ends cleanly, so that clients connect elsewhere.
   *
   * @example request.getStopSignal().addEventListener('abort', () => events.end())
   */
  getStopSignal(): AbortSignal {
    return this.#source.stopSignal()
  }

  /**
   * Sends an informational response (1xx) ahead of the final one. Ignored for clients of HTTP/1.0, which has none.
   *
   * @example request.inform(103, { link: '</style.css>; rel=preload' })
   */
  inform(status: number, headers: FieldsInit = {}): void {
    if (!Number.isInteger(status) || status < 102 || status > 199) {
      throw new StateError(`request.inform takes a status from 102 to 199; got ${status}`)
    }
    let lines = ''
    eachField(headers, (name, value) => {
      const text = valueOf(name, value)
      // The fields that the server writes, such as content-length, are wrong in an informational response.
      if (nameOf(name).role === Role.Ordinary) lines += `${name}: ${text}\r\n`
    })
    this.#source.inform(status, lines)
  }

  /**
   * The value of an attribute; throws a `MissingAttributeError` when it isn't set.
   *
   * @example const user = request.getAttribute(User)
   */
  getAttribute<T>(key: Attribute<T> | (abstract new (...args: never[]) => T)): T
  getAttribute(key: string | symbol): unknown
  getAttribute(key: AttributeKey): unknown {
    if (this.#attributes?.has(key) !== true) {
      throw new MissingAttributeError(`the request has no attribute ${keyName(key)}; has it been set?`)
    }
    return this.#attributes.get(key)
  }

  /**
   * The value of an attribute; undefined when it isn't set.
   *
   * @example const user = request.findAttribute(User)
   */
  findAttribute<T>(key: Attribute<T> | (abstract new (...args: never[]) => T)): T | undefined
  findAttribute(key: string | symbol): unknown
  findAttribute(key: AttributeKey): unknown {
    return this.#attributes?.get(key)
  }

  /**
   * Whether an attribute is set; null is a value.
   *
   * @example request.hasAttribute(User)
   */
  hasAttribute(key: AttributeKey): boolean {
    return this.#attributes?.has(key) === true
  }

  /**
   * Sets an attribute for later handlers.
   *
   * @example request.setAttribute(User, user)
   */
  setAttribute<T>(key: Attribute<T> | (abstract new (...args: never[]) => T), value: T): void
  setAttribute(key: string | symbol, value: unknown): void
  setAttribute(key: AttributeKey, value: unknown): void {
    ;(this.#attributes ??= new Map()).set(key, value)
  }

  /**
   * Removes an attribute; throws a `MissingAttributeError` when it isn't set.
   *
   * @example request.removeAttribute(User)
   */
  removeAttribute(key: AttributeKey): void {
    if (this.#attributes?.delete(key) !== true) {
      throw new MissingAttributeError(`the request has no attribute ${keyName(key)} to remove`)
    }
  }

  /**
   * Removes all attributes.
   *
   * @example request.removeAttributes()
   */
  removeAttributes(): void {
    this.#attributes = null
  }

  /**
   * A copy of all attributes, by key.
   *
   * @example for (const [key, value] of request.getAttributes()) console.log(key, value)
   */
  getAttributes(): ReadonlyMap<AttributeKey, unknown> {
    return new Map(this.#attributes)
  }

  override toJSON(): Record<string, unknown> {
    const head = { method: this.getMethod(), target: this.getTarget(), version: this.getProtocolVersion() }
    return { ...head, ...super.toJSON(), client: clientOf(this.#source) }
  }

  static {
    adoptRequest = (request, source) => {
      const copy = new Request(source)
      copy.#attributes = request.#attributes === null ? null : new Map(request.#attributes)
      return copy
    }
    hrefOf = (request) => request.#href()
    retarget = (request, target) => {
      const before = request.getTarget()
      request.#target = target
      request.#uri = null
      return before
    }
    abortRequest = (request) => request.#source.abort?.()
    onResponseEnd = (request, call) => request.#source.onEnd?.(call) === true
    keepPromise = (request, promise) => void (request.#promise = promise)
    isKept = (request, promise) => request.#promise === promise
    keepResponse = (request, response) => {
      const kept = request.#response
      request.#response = response
      return kept
    }
    connectRequest = (request, client) => request.#source.connect?.(client)
    connectionOf = (request) => request.#source.connection?.() ?? UNKNOWN
    isBodyUnread = (request) => request.#source.isBodyUnread?.() !== false
  }
}

/** The client of a request; null for a request of `Request.create`. */
function clientOf(source: RequestSource): Client | null {
  try {
    return source.client()
  } catch {
    return null
  }
}
