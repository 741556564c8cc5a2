/**
 * The query and the cookies of a request, which are parts of its target and its fields.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { RequestCookie, byName } from '../http/cookie.ts'
import { withPair, withoutPairs } from '../http/cookie-field.ts'
import { InvalidCookieException, show } from '../core/errors.ts'
import { HttpMessage } from '../http/http-message.ts'
import { nodeHeadersOf } from '../http/node-headers.ts'
import { queryFrom, withParameter, withParameterAdded } from '../http/query.ts'
import type { QueryValue } from '../http/query.ts'
import { pathOf, queryOf } from '../http/target.ts'

/** Key of the method that replaces the query. */
export const SET_QUERY: unique symbol = Symbol('setQuery')

const SAFE_AND_IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * What is read from the target and the fields of a request. `Request` keeps the parts: this class has no `#` members,
 * so that V8 skips its constructor, which would add 15 ns to each request.
 */
export abstract class RequestHead extends HttpMessage {
  abstract getMethod(): string
  abstract getTarget(): string
  /** @internal */
  abstract [SET_QUERY](parameters: URLSearchParams): void

  /**
   * The path as received, without decoding; empty for `OPTIONS *` and CONNECT.
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
   * Whether a repetition of the request has the same effect as the request alone. RFC 9110 §9.2.2.
   *
   * @example request.isIdempotent()
   */
  isIdempotent(): boolean {
    return SAFE_AND_IDEMPOTENT.has(this.getMethod())
  }

  /**
   * All fields as `headers` of a request of Node has them: one string for each lower-case name, in an object without
   * a prototype. For libraries that expect this.
   *
   * @example propagation.extract(context.active(), request.getNodeHeaders())
   */
  getNodeHeaders(): IncomingHttpHeaders {
    return nodeHeadersOf(this.getHeaders())
  }

  /**
   * The cookies by name, in an object without a prototype; of equal names the first counts. Pairs that can't be read
   * are skipped.
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
   * Sets a cookie for later handlers, in the `cookie` field. The other cookies keep their bytes.
   *
   * @example request.setCookie(new RequestCookie('session', id))
   */
  setCookie(cookie: RequestCookie): void {
    if (!(cookie instanceof RequestCookie)) {
      throw new InvalidCookieException(`request.setCookie takes a RequestCookie; got ${show(cookie)}`)
    }
    this.setHeader('cookie', withPair(this.getHeaderArray('cookie'), cookie.getName(), cookie.toString()))
  }

  /**
   * Removes a cookie for later handlers, and the `cookie` field with the last one. The other cookies keep their bytes.
   *
   * @example request.removeCookie('session')
   */
  removeCookie(name: string): void {
    this.setHeader('cookie', withoutPairs(this.getHeaderArray('cookie'), name))
  }

  /**
   * The first value of a query parameter, decoded; null when it is missing.
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
   * Whether a query parameter is present.
   *
   * @example request.hasQueryParameter('debug')
   */
  hasQueryParameter(name: string): boolean {
    return new URLSearchParams(this.getQuery()).has(name)
  }

  /**
   * Replaces a query parameter for later handlers, in target and URI; an empty list removes it.
   *
   * @example request.setQueryParameter('page', 2)
   */
  setQueryParameter(name: string, value: QueryValue): void {
    this[SET_QUERY](withParameter(this.getQuery(), name, value))
  }

  /**
   * Adds one or several values to a query parameter for later handlers.
   *
   * @example request.addQueryParameter('tag', ['a', 'b'])
   */
  addQueryParameter(name: string, value: QueryValue): void {
    this[SET_QUERY](withParameterAdded(this.getQuery(), name, value))
  }

  /**
   * Replaces the whole query for later handlers.
   *
   * @example request.setQueryParameters({ q: 'bus', tag: ['a', 'b'] })
   */
  setQueryParameters(parameters: Readonly<Record<string, QueryValue>> | URLSearchParams): void {
    this[SET_QUERY](queryFrom(parameters))
  }

  /**
   * Removes a query parameter for later handlers.
   *
   * @example request.removeQueryParameter('token')
   */
  removeQueryParameter(name: string): void {
    this[SET_QUERY](withParameter(this.getQuery(), name, []))
  }

  /**
   * Removes the whole query for later handlers.
   *
   * @example request.removeQuery()
   */
  removeQuery(): void {
    this[SET_QUERY](new URLSearchParams())
  }
}
