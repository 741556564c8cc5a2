/**
 * The fields of a response that mean something to the server, and the cookies.
 */
import { ResponseCookie, byName } from '../http/cookie.ts'
import { cookieName } from '../http/cookie-field.ts'
import { InvalidCookieException, OptionError, show } from '../core/errors.ts'
import { Role, nameOf, valueOf } from '../http/fields.ts'
import type { FieldName, FieldValue } from '../http/fields.ts'
import { FIELDS, HttpMessage } from '../http/http-message.ts'

/** Key of the method that gives the `content-length`; -1 when there is none. */
export const CONTENT_LENGTH: unique symbol = Symbol('contentLength')

/** Key of the method that sets a field which the server writes itself, or removes it by null. */
export const SET_SPECIAL: unique symbol = Symbol('setSpecial')

/**
 * What is read from the fields of a response, with the content-length of its body among them. `Response` keeps the
 * parts: this class has no `#` members, so that V8 skips its constructor, which would add 15 ns to each response.
 */
export abstract class ResponseHead extends HttpMessage {
  /** @internal */
  abstract [CONTENT_LENGTH](): number
  /** @internal */
  abstract [SET_SPECIAL](role: number, text: string | null): void

  override getHeaders(): Record<string, string[]> {
    const headers = super.getHeaders()
    const length = lengthOf(this)
    if (length !== null) headers['content-length'] = [length]
    return headers
  }

  override getRawHeaders(): [string, string][] {
    const pairs = super.getRawHeaders()
    const length = lengthOf(this)
    return length === null ? pairs : [...pairs, ['content-length', length]]
  }

  override getHeader(name: FieldName): string | null {
    const lower = name.toLowerCase()
    return lower === 'content-length' ? lengthOf(this) : this[FIELDS]().get(lower)
  }

  override getHeaderArray(name: FieldName): string[] {
    const lower = name.toLowerCase()
    if (lower !== 'content-length') return this[FIELDS]().all(lower)
    const length = lengthOf(this)
    return length === null ? [] : [length]
  }

  override setHeader(name: FieldName, value: FieldValue): void {
    const { role } = nameOf(name)
    if (role === Role.Ordinary) return super.setHeader(name, value)
    const values = listOf(value).map((item) => valueOf(name, item))
    if (role === Role.Connection || values.length === 0) this.removeHeader(name)
    for (const item of values) this[SET_SPECIAL](role, item)
  }

  override addHeader(name: FieldName, value: FieldValue): void {
    const { role } = nameOf(name)
    if (role === Role.Ordinary) return super.addHeader(name, value)
    for (const item of listOf(value)) this[SET_SPECIAL](role, valueOf(name, item))
  }

  override removeHeader(name: FieldName): void {
    const { role } = nameOf(name)
    if (role === Role.Ordinary) super.removeHeader(name)
    else this[SET_SPECIAL](role, null)
  }

  /**
   * The cookies that are set, by name, in an object without a prototype.
   *
   * @example response.getCookies()['session']?.getMaxAge()
   */
  getCookies(): Record<string, ResponseCookie> {
    const cookies = this.getHeaderArray('set-cookie').map((line) => ResponseCookie.fromHeader(line))
    return byName(cookies.filter((cookie) => cookie !== null))
  }

  /**
   * The cookie of that name; null when it isn't set.
   *
   * @example response.getCookie('session')
   */
  getCookie(name: string): ResponseCookie | null {
    return this.getCookies()[name] ?? null
  }

  /**
   * Sets a cookie, in place of one with the same name. Each is a `set-cookie` line of its own.
   *
   * @example response.setCookie(new ResponseCookie('theme', 'dark'))
   */
  setCookie(cookie: ResponseCookie): void {
    if (!(cookie instanceof ResponseCookie)) {
      throw new InvalidCookieException(`response.setCookie takes a ResponseCookie; got ${show(cookie)}`)
    }
    this.removeCookie(cookie.getName())
    this.addHeader('set-cookie', cookie.toString())
  }

  /**
   * Removes a cookie from this response. The client keeps a cookie that it has: set it with a max-age of 0 to
   * delete it there.
   *
   * @example response.removeCookie('theme')
   */
  removeCookie(name: string): void {
    const lines = this.getHeaderArray('set-cookie')
    this.setHeader('set-cookie', lines.filter((line) => cookieName(line) !== name))
  }
}

/** The value of a `content-length` field as a number. RFC 9110 §8.6. */
export function lengthFrom(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new OptionError('content-length', text, 'a plain number of bytes')
  return Number(text)
}

/** Whether a `connection` field has the option `close`. RFC 9110 §7.6.1. */
export function hasClose(text: string): boolean {
  return text.split(',').some((option) => option.trim().toLowerCase() === 'close')
}

function lengthOf(head: ResponseHead): string | null {
  const length = head[CONTENT_LENGTH]()
  return length < 0 ? null : String(length)
}

function listOf(value: FieldValue): readonly (string | number)[] {
  return Array.isArray(value) ? (value as readonly (string | number)[]) : [value as string | number]
}
