/**
 * Cookies: as clients send them and as responses set them. RFC 6265.
 */
import { CookieAttributes } from './cookie-attributes.ts'
import type { SameSite } from './cookie-attributes.ts'
import { InvalidCookieException, show } from '../core/errors.ts'
import { INSPECT, inspectAs, shortened } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { TOKEN } from './token.ts'

const VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/

function checkName(name: string): string {
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new InvalidCookieException(`${show(name)} is no cookie name: it may hold letters, digits and !#$%&'*+-.^_\`|~`)
  }
  return name
}

function checkValue(name: string, value: string): string {
  if (typeof value !== 'string' || !VALUE.test(value)) {
    throw new InvalidCookieException(
      `cookie ${name} can't have the value ${show(value)}: no spaces, quotes, commas, semicolons, backslashes or characters beyond ASCII; encodeURIComponent helps`,
    )
  }
  return value
}

/** Name and value on both sides of the first `=`; null when they are invalid. */
function pairOf(text: string): [string, string] | null {
  const equals = text.indexOf('=')
  if (equals < 0) return null
  const name = text.slice(0, equals).trim()
  const value = text
    .slice(equals + 1)
    .trim()
    .replace(/^"(.*)"$/, '$1')
  return TOKEN.test(name) && VALUE.test(value) ? [name, value] : null
}

/**
 * A cookie that a client sends; immutable.
 *
 * @example new RequestCookie('session', id)
 */
export class RequestCookie {
  readonly #name: string
  readonly #value: string

  constructor(name: string, value = '') {
    this.#name = checkName(name)
    this.#value = checkValue(name, value)
  }

  /**
   * The cookies of a `cookie` field; none when a single one of them is invalid.
   *
   * @example RequestCookie.fromHeader('a=1; b=2').length // 2
   */
  static fromHeader(line: string): RequestCookie[] {
    const cookies: RequestCookie[] = []
    for (const part of line.split(';')) {
      if (part.trim() === '') continue
      const pair = pairOf(part)
      if (pair === null) return []
      cookies.push(new RequestCookie(...pair))
    }
    return cookies
  }

  /** @example cookie.getName() // 'session' */
  getName(): string {
    return this.#name
  }

  /** @example cookie.withName('id') */
  withName(name: string): RequestCookie {
    return new RequestCookie(name, this.#value)
  }

  /** @example cookie.getValue() */
  getValue(): string {
    return this.#value
  }

  /** @example cookie.withValue('') */
  withValue(value: string): RequestCookie {
    return new RequestCookie(this.#name, value)
  }

  /**
   * As it stands in a `cookie` field.
   *
   * @example `${cookie}` // 'session=1'
   */
  toString(): string {
    return `${this.#name}=${this.#value}`
  }

  /**
   * Name and shortened value, for logs.
   *
   * @example JSON.stringify(cookie) // '{"name":"session","value":"c0f…"}'
   */
  toJSON(): Record<string, unknown> {
    return { name: this.#name, value: shortened(this.#value) }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('RequestCookie', this.toJSON(), depth, options, inspect)
  }
}

/**
 * A cookie that a response sets; immutable. HttpOnly unless its attributes say otherwise.
 *
 * @example response.setCookie(new ResponseCookie('session', id, CookieAttributes.default().withSecure()))
 */
export class ResponseCookie {
  readonly #name: string
  readonly #value: string
  readonly #attributes: CookieAttributes

  constructor(name: string, value = '', attributes: CookieAttributes = CookieAttributes.default()) {
    this.#name = checkName(name)
    this.#value = checkValue(name, value)
    if (!(attributes instanceof CookieAttributes)) {
      throw new InvalidCookieException(`the attributes of a cookie must be CookieAttributes; got ${show(attributes)}`)
    }
    this.#attributes = attributes
  }

  /**
   * The cookie of a `set-cookie` field; null when it is invalid. Unknown attributes are kept.
   *
   * @example ResponseCookie.fromHeader('a=1; Path=/')?.getPath() // '/'
   */
  static fromHeader(line: string): ResponseCookie | null {
    const [first = '', ...rest] = line.split(';')
    const pair = pairOf(first)
    const attributes = CookieAttributes.parse(rest)
    return pair === null || attributes === null ? null : new ResponseCookie(...pair, attributes)
  }

  /** @example cookie.getName() // 'session' */
  getName(): string {
    return this.#name
  }

  /** @example cookie.withName('id') */
  withName(name: string): ResponseCookie {
    return new ResponseCookie(name, this.#value, this.#attributes)
  }

  /** @example cookie.getValue() */
  getValue(): string {
    return this.#value
  }

  /** @example cookie.withValue('') */
  withValue(value: string): ResponseCookie {
    return new ResponseCookie(this.#name, value, this.#attributes)
  }

  /** @example cookie.getAttributes().isSecure() */
  getAttributes(): CookieAttributes {
    return this.#attributes
  }

  /** @example cookie.withAttributes(CookieAttributes.empty()) */
  withAttributes(attributes: CookieAttributes): ResponseCookie {
    return new ResponseCookie(this.#name, this.#value, attributes)
  }

  /** @example cookie.getExpiry() */
  getExpiry(): Date | null {
    return this.#attributes.getExpiry()
  }

  /** @example cookie.withExpiry(new Date(0)) */
  withExpiry(expiry: Date): ResponseCookie {
    return this.withAttributes(this.#attributes.withExpiry(expiry))
  }

  /** @example cookie.withoutExpiry() */
  withoutExpiry(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutExpiry())
  }

  /** @example cookie.getMaxAge() */
  getMaxAge(): number | null {
    return this.#attributes.getMaxAge()
  }

  /** @example cookie.withMaxAge(3600) */
  withMaxAge(seconds: number): ResponseCookie {
    return this.withAttributes(this.#attributes.withMaxAge(seconds))
  }

  /** @example cookie.withoutMaxAge() */
  withoutMaxAge(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutMaxAge())
  }

  /** @example cookie.getDomain() */
  getDomain(): string | null {
    return this.#attributes.getDomain()
  }

  /** @example cookie.withDomain('example.org') */
  withDomain(domain: string): ResponseCookie {
    return this.withAttributes(this.#attributes.withDomain(domain))
  }

  /** @example cookie.withoutDomain() */
  withoutDomain(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutDomain())
  }

  /** @example cookie.getPath() */
  getPath(): string | null {
    return this.#attributes.getPath()
  }

  /** @example cookie.withPath('/') */
  withPath(path: string): ResponseCookie {
    return this.withAttributes(this.#attributes.withPath(path))
  }

  /** @example cookie.withoutPath() */
  withoutPath(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutPath())
  }

  /** @example cookie.isSecure() */
  isSecure(): boolean {
    return this.#attributes.isSecure()
  }

  /** @example cookie.withSecure() */
  withSecure(): ResponseCookie {
    return this.withAttributes(this.#attributes.withSecure())
  }

  /** @example cookie.withoutSecure() */
  withoutSecure(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutSecure())
  }

  /** @example cookie.isHttpOnly() */
  isHttpOnly(): boolean {
    return this.#attributes.isHttpOnly()
  }

  /** @example cookie.withHttpOnly() */
  withHttpOnly(): ResponseCookie {
    return this.withAttributes(this.#attributes.withHttpOnly())
  }

  /** @example cookie.withoutHttpOnly() */
  withoutHttpOnly(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutHttpOnly())
  }

  /** @example cookie.getSameSite() */
  getSameSite(): SameSite | null {
    return this.#attributes.getSameSite()
  }

  /** @example cookie.withSameSite('Lax') */
  withSameSite(sameSite: SameSite): ResponseCookie {
    return this.withAttributes(this.#attributes.withSameSite(sameSite))
  }

  /** @example cookie.withoutSameSite() */
  withoutSameSite(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutSameSite())
  }

  /** @example cookie.isPartitioned() */
  isPartitioned(): boolean {
    return this.#attributes.isPartitioned()
  }

  /** @example cookie.withPartitioned() */
  withPartitioned(): ResponseCookie {
    return this.withAttributes(this.#attributes.withPartitioned())
  }

  /** @example cookie.withoutPartitioned() */
  withoutPartitioned(): ResponseCookie {
    return this.withAttributes(this.#attributes.withoutPartitioned())
  }

  /**
   * As it stands in a `set-cookie` field.
   *
   * @example `${new ResponseCookie('a', '1')}` // 'a=1; HttpOnly'
   */
  toString(): string {
    return `${this.#name}=${this.#value}${this.#attributes}`
  }

  /**
   * Name, shortened value and attributes, for logs.
   *
   * @example JSON.stringify(cookie) // '{"name":"session","value":"c0f…","attributes":"HttpOnly"}'
   */
  toJSON(): Record<string, unknown> {
    return { name: this.#name, value: shortened(this.#value), attributes: this.#attributes.toJSON() }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('ResponseCookie', this.toJSON(), depth, options, inspect)
  }
}

/** Cookies by name, the last of equal names; the object has no prototype. */
export function byName<Cookie extends RequestCookie | ResponseCookie>(cookies: readonly Cookie[]): Record<string, Cookie> {
  const record = Object.create(null) as Record<string, Cookie>
  for (const cookie of cookies) record[cookie.getName()] = cookie
  return record
}
