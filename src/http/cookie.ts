/**
 * Cookies: as clients send them and as responses set them. RFC 6265.
 */
import { CookieAttributes } from './cookie-attributes.ts'
import type { CookieInit, SameSite } from './cookie-attributes.ts'
import { readPair, readPairs } from './cookie-field.ts'
import { InvalidCookieException, show } from '../core/errors.ts'
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

/** Throws for a cookie that browsers would drop. RFC 6265bis §4.1.3, §5.6. */
function checkConditions(name: string, attributes: CookieAttributes): void {
  const broken = brokenCondition(name.toLowerCase(), attributes)
  if (broken !== null) throw new InvalidCookieException(`browsers drop the cookie ${name}: ${broken}`)
}

function brokenCondition(name: string, attributes: CookieAttributes): string | null {
  const isHost = name.startsWith('__host-')
  if (!attributes.isSecure()) {
    if (isHost || name.startsWith('__secure-')) return 'its prefix needs Secure; make it with secure: true'
    if (attributes.getSameSite() === 'None') return 'SameSite=None needs Secure; make it with secure: true, or call withSecure() before'
    if (attributes.isPartitioned()) return 'Partitioned needs Secure; make it with secure: true, or call withSecure() before'
  }
  if (isHost && attributes.getPath() !== '/') return "its prefix needs the path /; make it with path: '/'"
  if (isHost && attributes.getDomain() !== null) return 'its prefix allows no domain; make it without one'
  return null
}

/**
 * A cookie that a client sends; immutable.
 *
 * @example new RequestCookie('session', id)
 */
export class RequestCookie {
  #name: string
  #value: string

  /** Throws for a name or value that RFC 6265 §4.1.1 doesn't allow. */
  constructor(name: string, value = '') {
    this.#name = checkName(name)
    this.#value = checkValue(name, value)
  }

  /**
   * The cookies of a `cookie` field. A value is taken unchanged, without the quotes around it, even if a server couldn't
   * set it; a pair without a name is skipped.
   *
   * @example RequestCookie.fromHeader('a=1; flag; b={"c": 2}').length // 2
   */
  static fromHeader(line: string): RequestCookie[] {
    return readPairs(line).map(([name, value]) => RequestCookie.#received(name, value))
  }

  static #received(name: string, value: string): RequestCookie {
    const cookie = new RequestCookie('received')
    cookie.#name = name
    cookie.#value = value
    return cookie
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
}

/**
 * A cookie that a response sets; immutable. HttpOnly unless its attributes say otherwise.
 *
 * @example response.setCookie(new ResponseCookie('session', id, { path: '/', secure: true }))
 */
export class ResponseCookie {
  readonly #name: string
  readonly #value: string
  readonly #attributes: CookieAttributes

  /**
   * Throws for a cookie that can't be sent or that browsers would drop: SameSite=None or Partitioned without
   * Secure, a name with the prefix `__Secure-` without Secure, one with `__Host-` without Secure and the
   * path `/`, or with a domain.
   *
   * @example new ResponseCookie('session', id, { path: '/', maxAge: 3600, secure: true, sameSite: 'Lax' })
   */
  constructor(name: string, value = '', attributes: CookieAttributes | CookieInit = CookieAttributes.default()) {
    this.#name = checkName(name)
    this.#value = checkValue(name, value)
    this.#attributes = attributes instanceof CookieAttributes ? attributes : CookieAttributes.from(attributes)
    checkConditions(name, this.#attributes)
  }

  /**
   * The cookie of a `set-cookie` field; null when it is invalid. Unknown attributes are kept.
   *
   * @example ResponseCookie.fromHeader('a=1; Path=/')?.getPath() // '/'
   */
  static fromHeader(line: string): ResponseCookie | null {
    const [first = '', ...rest] = line.split(';')
    const pair = readPair(first)
    if (pair === null) return null
    try {
      const attributes = CookieAttributes.parse(rest)
      return attributes === null ? null : new ResponseCookie(...pair, attributes)
    } catch (error) {
      if (error instanceof InvalidCookieException) return null
      throw error
    }
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
  withAttributes(attributes: CookieAttributes | CookieInit): ResponseCookie {
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
}

/** Cookies by name; the object has no prototype. Of equal names the first counts in a request, the last in a response. */
export function byName<Cookie extends RequestCookie | ResponseCookie>(cookies: readonly Cookie[]): Record<string, Cookie> {
  const record = Object.create(null) as Record<string, Cookie>
  for (const cookie of cookies) {
    const name = cookie.getName()
    if (cookie instanceof ResponseCookie || !(name in record)) record[name] = cookie
  }
  return record
}
