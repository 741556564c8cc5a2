/**
 * Requests: what clients ask for.
 */
import { keyName } from './attribute.ts'
import type { Attribute, AttributeKey } from './attribute.ts'
import type { Client } from '../connection/client.ts'
import { RequestCookie, byName } from '../http/cookie.ts'
import { InvalidCookieException, MissingAttributeError, OptionError, StateError, show } from '../core/errors.ts'
import { Fields, Role, eachField, nameOf, valueOf } from '../http/fields.ts'
import type { FieldName, FieldValue, FieldsInit } from '../http/fields.ts'
import { queryFrom, withParameter, withParameterAdded } from '../http/query.ts'
import type { QueryValue } from '../http/query.ts'
import { RequestBody, bodyOf } from '../body/request-body.ts'
import type { Streamed } from '../body/source.ts'
import { pathOf, queryOf, uriOf, withQuery } from '../http/target.ts'
import { TOKEN } from '../http/token.ts'
import { Trailers } from '../http/trailers.ts'

/** What a request can ask of the connection it came on. */
export interface RequestSource {
  client(): Client
  /** The first value of a field, by its name in whatever letter case. */
  header(name: string): string | null
  fields(): Fields
  target(): string
  method(): string
  version(): string
  body(): RequestBody
  /** What follows the body; null where there is none. */
  trailers(): Trailers | null
  /** `scheme://authority` of the server as the connection sees it, for requests without Host. */
  base(): string
  signal(): AbortSignal
  inform(status: number, lines: string): void
  /** How slowly the body may come; null leaves what is. */
  setRate(timeout: number | null, minimumRate: number | null): void
}

/**
 * A copy, for a handler, of a request that a driver has made by hand: it has a client, which `source` knows, and
 * changes to it don't reach the driver.
 */
export let adoptRequest: (request: Request, source: RequestSource) => Request
/** Fires the signal of a request that was made by hand. */
export let abortRequest: (request: Request) => void

const SAFE_AND_IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * One request.
 *
 * @example (request) => Response.text(`You asked for ${request.getPath()}`)
 */
export class Request {
  readonly #source: RequestSource | null
  #method: string | null = null
  #target: string | null = null
  #uri: URL | null = null
  #version: string | null = null
  #fields: Fields | null = null
  #body: RequestBody | null = null
  #trailers: Trailers | null | undefined = undefined
  #attributes: Map<AttributeKey, unknown> | null = null
  /** Of a request made by hand. */
  #controller: AbortController | null = null

  /** @internal Requests of clients are made by the server; see `Request.create` for your own. */
  constructor(source: RequestSource | null) {
    this.#source = source
  }

  /**
   * A request made by hand, for tests and `server.inject`.
   *
   * @example await server.inject(Request.create('POST', '/orders', { 'content-type': 'application/json' }, '{}'))
   */
  static create(
    method: string,
    uri: string | URL,
    headers: FieldsInit = {},
    body: string | Uint8Array | Streamed | null = null,
    protocol: '1.0' | '1.1' | '2' = '1.1',
    trailers: Trailers | null = null,
  ): Request {
    const request = new Request(null)
    request.#method = checkMethod(method)
    let host = 'localhost'
    if (typeof uri === 'string' && /^(\/|\*$)/.test(uri)) {
      request.#target = uri.replace(/#.*/, '')
    } else {
      request.setUri(new URL(uri, `http://${host}`))
      host = request.getUri().host
    }
    request.#version = protocol
    const fields = new Fields()
    fields.add('host', host)
    eachField(headers, (name, value) => {
      if (nameOf(name).lower === 'host') fields.delete('host')
      fields.add(name, value as FieldValue)
    })
    const length = lengthOf(body)
    if (body !== null && length >= 0 && !fields.has('content-length')) fields.add('content-length', length)
    request.#fields = fields
    request.#body = bodyOf(body)
    request.#trailers = trailers ?? (body === null ? null : new Trailers({}))
    return request
  }

  /**
   * The connection the request came on. Throws for a request made by hand.
   *
   * @example request.getClient().getRemoteAddress()
   */
  getClient(): Client {
    if (this.#source === null) throw new StateError('this request was made by hand; it has no client')
    return this.#source.client()
  }

  /**
   * The method, in the letter case sent.
   *
   * @example request.getMethod() // 'GET'
   */
  getMethod(): string {
    return (this.#method ??= this.#source?.method() ?? 'GET')
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
   * The request target exactly as received.
   *
   * @example request.getTarget() // '/search?q=a%20b'
   */
  getTarget(): string {
    return (this.#target ??= this.#source?.target() ?? '/')
  }

  /**
   * The path as received, nothing decoded; empty for `OPTIONS *` and CONNECT.
   *
   * @example request.getPath() // '/search'
   */
  getPath(): string {
    return pathOf(this.getTarget())
  }

  /**
   * The query as received, without the question mark; empty when there is none.
   *
   * @example request.getQuery() // 'q=a%20b'
   */
  getQuery(): string {
    return queryOf(this.getTarget())
  }

  /**
   * Scheme, authority and target put together; the same object each time. Never resolved relatively:
   * `//evil.example/x` is a path.
   *
   * @example request.getUri().searchParams.get('q')
   */
  getUri(): URL {
    return (this.#uri ??= this.#makeUri())
  }

  /**
   * Changes the URI, and with it target, path and query, that later handlers see. A path with or without
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
    const base = this.#source?.base() ?? 'http://localhost'
    const [scheme = '', own = ''] = base.split('://')
    return uriOf(scheme, this.getHeader('host') || own, this.getTarget())
  }

  /**
   * `'1.0'`, `'1.1'` or `'2'`.
   *
   * @example request.getProtocolVersion() // '1.1'
   */
  getProtocolVersion(): string {
    return (this.#version ??= this.#source?.version() ?? '1.1')
  }

  /**
   * Changes the version that later handlers see; the wire keeps its own.
   *
   * @example request.setProtocolVersion('1.0')
   */
  setProtocolVersion(version: '1.0' | '1.1' | '2'): void {
    this.#version = version
  }

  /**
   * The first value of a field; null when it isn't there.
   *
   * @example request.getHeader('user-agent')
   */
  getHeader(name: FieldName): string | null {
    if (this.#fields !== null) return this.#fields.get(name.toLowerCase())
    return this.#source === null ? null : this.#source.header(name)
  }

  /**
   * All values of a field.
   *
   * @example request.getHeaderArray('accept')
   */
  getHeaderArray(name: FieldName): string[] {
    return this.#materialise().all(name.toLowerCase())
  }

  /**
   * All values of a field joined by commas; null when it isn't there.
   *
   * @example request.getHeaderLine('accept') // 'text/html, * /*'
   */
  getHeaderLine(name: FieldName): string | null {
    const values = this.getHeaderArray(name)
    return values.length === 0 ? null : values.join(', ')
  }

  /**
   * Whether a field is there.
   *
   * @example request.hasHeader('authorization')
   */
  hasHeader(name: FieldName): boolean {
    return this.getHeader(name) !== null
  }

  /**
   * All fields by lower-case name, in an object without a prototype.
   *
   * @example request.getHeaders()['accept'] // ['text/html']
   */
  getHeaders(): Record<string, string[]> {
    return this.#materialise().toRecord()
  }

  /**
   * All fields in the order and letter case received.
   *
   * @example for (const [name, value] of request.getRawHeaders()) console.log(name, value)
   */
  getRawHeaders(): [string, string][] {
    return this.#materialise().toPairs()
  }

  /**
   * Replaces a field for later handlers; an empty list removes it.
   *
   * @example request.setHeader('x-request-id', id)
   */
  setHeader(name: FieldName, value: FieldValue): void {
    this.#materialise().set(name, value)
  }

  /**
   * Adds a line to a field for later handlers.
   *
   * @example request.addHeader('x-trace', id)
   */
  addHeader(name: FieldName, value: FieldValue): void {
    this.#materialise().add(name, value)
  }

  /**
   * Removes a field for later handlers.
   *
   * @example request.removeHeader('authorization')
   */
  removeHeader(name: FieldName): void {
    this.#materialise().delete(nameOf(name).lower)
  }

  /**
   * Sets several fields and keeps the others. If one is invalid, nothing changes.
   *
   * @example request.setHeaders({ 'x-a': '1', 'x-b': ['2', '3'] })
   */
  setHeaders(headers: FieldsInit): void {
    this.#materialise().setAll(headers)
  }

  /**
   * The same as `setHeaders`.
   *
   * @example request.replaceHeaders({ 'x-a': '2' })
   */
  replaceHeaders(headers: FieldsInit): void {
    this.setHeaders(headers)
  }

  /**
   * The cookies by name, in an object without a prototype; of equal names the last counts.
   *
   * @example request.getCookies()['session']?.getValue()
   */
  getCookies(): Record<string, RequestCookie> {
    return byName(this.getHeaderArray('cookie').flatMap((line) => RequestCookie.fromHeader(line)))
  }

  /**
   * The cookie of that name; null when the client sent none.
   *
   * @example request.getCookie('session')?.getValue()
   */
  getCookie(name: string): RequestCookie | null {
    return this.hasHeader('cookie') ? (this.getCookies()[name] ?? null) : null
  }

  /**
   * Sets a cookie for later handlers, and the `cookie` field with it.
   *
   * @example request.setCookie(new RequestCookie('session', id))
   */
  setCookie(cookie: RequestCookie): void {
    if (!(cookie instanceof RequestCookie)) {
      throw new InvalidCookieException(`request.setCookie takes a RequestCookie; got ${show(cookie)}`)
    }
    const cookies = this.getCookies()
    cookies[cookie.getName()] = cookie
    this.#setCookies(cookies)
  }

  /**
   * Removes a cookie for later handlers, and the `cookie` field with the last one.
   *
   * @example request.removeCookie('session')
   */
  removeCookie(name: string): void {
    const cookies = this.getCookies()
    delete cookies[name]
    this.#setCookies(cookies)
  }

  #setCookies(cookies: Record<string, RequestCookie>): void {
    const line = Object.values(cookies).join('; ')
    this.setHeader('cookie', line === '' ? [] : line)
  }

  #materialise(): Fields {
    return (this.#fields ??= this.#source?.fields() ?? new Fields())
  }

  /**
   * The first value of a query parameter, decoded; null when it isn't there.
   *
   * @example request.getQueryParameter('q')
   */
  getQueryParameter(name: string): string | null {
    return new URLSearchParams(this.getQuery()).get(name)
  }

  /**
   * All values of a query parameter, decoded.
   *
   * @example request.getQueryParameterArray('tag')
   */
  getQueryParameterArray(name: string): string[] {
    return new URLSearchParams(this.getQuery()).getAll(name)
  }

  /**
   * All query parameters, decoded.
   *
   * @example Object.fromEntries(request.getQueryParameters())
   */
  getQueryParameters(): URLSearchParams {
    return new URLSearchParams(this.getQuery())
  }

  /**
   * Whether a query parameter is there.
   *
   * @example request.hasQueryParameter('debug')
   */
  hasQueryParameter(name: string): boolean {
    return new URLSearchParams(this.getQuery()).has(name)
  }

  /**
   * Replaces a query parameter that later handlers see, and with it target and URI; an empty list removes it.
   *
   * @example request.setQueryParameter('page', 2)
   */
  setQueryParameter(name: string, value: QueryValue): void {
    this.#setQuery(withParameter(this.getQuery(), name, value))
  }

  /**
   * Adds a value, or several, to a query parameter that later handlers see.
   *
   * @example request.addQueryParameter('tag', ['a', 'b'])
   */
  addQueryParameter(name: string, value: QueryValue): void {
    this.#setQuery(withParameterAdded(this.getQuery(), name, value))
  }

  /**
   * Replaces the whole query that later handlers see.
   *
   * @example request.setQueryParameters({ q: 'bus', tag: ['a', 'b'] })
   */
  setQueryParameters(parameters: Readonly<Record<string, QueryValue>> | URLSearchParams): void {
    this.#setQuery(queryFrom(parameters))
  }

  /**
   * Removes a query parameter for later handlers.
   *
   * @example request.removeQueryParameter('token')
   */
  removeQueryParameter(name: string): void {
    this.#setQuery(withParameter(this.getQuery(), name, []))
  }

  /**
   * Removes the whole query for later handlers.
   *
   * @example request.removeQuery()
   */
  removeQuery(): void {
    this.#setQuery(new URLSearchParams())
  }

  #setQuery(parameters: URLSearchParams): void {
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
  getBody(): RequestBody {
    return (this.#body ??= this.#source?.body() ?? new RequestBody(null))
  }

  /**
   * Replaces the body that later handlers see. Content sets its length; a body that comes piece by piece
   * removes it.
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
   * What follows the body; null for a request that has none. Its fields come with the end of the body, so
   * they are there once that was read.
   *
   * @example const checksum = (await request.getTrailers()?.getMessage())?.getHeader('x-checksum')
   */
  getTrailers(): Trailers | null {
    if (this.#trailers === undefined) this.#trailers = this.#source?.trailers() ?? null
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
   * Takes the trailers away from later handlers.
   *
   * @example request.removeTrailers()
   */
  removeTrailers(): void {
    this.#trailers = null
  }

  /**
   * The whole body as bytes; limited to 128 KiB unless `bodySizeLimit` says otherwise.
   *
   * @example const bytes = await request.buffer()
   */
  buffer(): Promise<Uint8Array> {
    return this.getBody().buffer()
  }

  /**
   * The whole body as text.
   *
   * @example const text = await request.text()
   */
  text(): Promise<string> {
    return this.getBody().text()
  }

  /**
   * The whole body as JSON.
   *
   * @example const order = await request.json<Order>()
   */
  json<T = unknown>(): Promise<T> {
    return this.getBody().json<T>()
  }

  /**
   * How long the body of this request may stand still, in seconds, instead of `bodyTimeout`; `Infinity` for as
   * long as its client likes.
   *
   * @example request.setBodyTimeout(60)
   */
  setBodyTimeout(seconds: number): void {
    if (!(seconds > 0)) throw new OptionError('the body timeout', seconds, 'a number of seconds above 0')
    this.#source?.setRate(seconds, null)
  }

  /**
   * How many bytes a second the body of this request must bring on average, instead of `minimumBodyRate`; 0 for
   * no minimum.
   *
   * @example request.setMinimumBodyRate(0)
   */
  setMinimumBodyRate(bytes: number): void {
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new OptionError('the minimum body rate', bytes, 'a whole number of bytes a second, 0 for none')
    }
    this.#source?.setRate(null, bytes)
  }

  /**
   * Fires when the client leaves before the response is done.
   *
   * @example await fetch(upstream, { signal: request.getSignal() })
   */
  getSignal(): AbortSignal {
    return this.#source?.signal() ?? (this.#controller ??= new AbortController()).signal
  }

  /**
   * Sends an informational answer (1xx) ahead of the final one; nothing happens where the client
   * doesn't understand them.
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
      // What the server manages, a length among it, has no place in an informational answer.
      if (nameOf(name).role === Role.Ordinary) lines += `${name}: ${text}\r\n`
    })
    this.#source?.inform(status, lines)
  }

  /**
   * Whether repeating the request changes nothing more. RFC 9110 §9.2.2.
   *
   * @example request.isIdempotent()
   */
  isIdempotent(): boolean {
    return SAFE_AND_IDEMPOTENT.has(this.getMethod())
  }

  /**
   * The value somebody noted under a key; throws `MissingAttributeError` when nobody did.
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
   * The value noted under a key; undefined when there is none.
   *
   * @example const user = request.findAttribute(User)
   */
  findAttribute<T>(key: Attribute<T> | (abstract new (...args: never[]) => T)): T | undefined
  findAttribute(key: string | symbol): unknown
  findAttribute(key: AttributeKey): unknown {
    return this.#attributes?.get(key)
  }

  /**
   * Whether something is noted under a key; a stored null counts.
   *
   * @example request.hasAttribute(User)
   */
  hasAttribute(key: AttributeKey): boolean {
    return this.#attributes?.has(key) === true
  }

  /**
   * Notes a value under a key.
   *
   * @example request.setAttribute(User, user)
   */
  setAttribute<T>(key: Attribute<T> | (abstract new (...args: never[]) => T), value: T): void
  setAttribute(key: string | symbol, value: unknown): void
  setAttribute(key: AttributeKey, value: unknown): void {
    ;(this.#attributes ??= new Map()).set(key, value)
  }

  /**
   * Removes what is noted under a key; throws `MissingAttributeError` when nothing is.
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
   * All attributes by key.
   *
   * @example for (const [key, value] of request.getAttributes()) console.log(key, value)
   */
  getAttributes(): ReadonlyMap<AttributeKey, unknown> {
    return new Map(this.#attributes)
  }

  static {
    adoptRequest = (request, source) => {
      const copy = new Request(source)
      copy.#method = request.#method
      copy.#target = request.#target
      copy.#version = request.#version
      copy.#fields = Fields.fromLines(request.#materialise().toLines())
      copy.#attributes = request.#attributes === null ? null : new Map(request.#attributes)
      return copy
    }
    abortRequest = (request) => (request.#controller ??= new AbortController()).abort()
  }
}

function checkMethod(method: string): string {
  if (typeof method !== 'string' || !TOKEN.test(method)) {
    throw new OptionError('method', method, 'a token such as GET')
  }
  return method
}

/** Length of a body in bytes; -1 when it isn't known. */
function lengthOf(body: string | Uint8Array | Streamed | RequestBody | null): number {
  if (body === null) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.byteLength
  return body instanceof Blob ? body.size : -1
}
