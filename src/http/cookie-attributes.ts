/**
 * Attributes of cookies that responses set. RFC 6265 §4.1, RFC 6265bis §4.1.2.
 */
import { InvalidCookieException, show } from '../core/errors.ts'

/** Which requests from other sites take the cookie along. */
export type SameSite = 'Strict' | 'Lax' | 'None'

/** Attributes as an object; what is left out, or undefined, isn't set. */
export interface CookieInit {
  /** The domain whose hosts get the cookie; left out: only the host that sets it. */
  readonly domain?: string | undefined
  /** The path below which it is sent; left out: that of the request. */
  readonly path?: string | undefined
  /** Seconds that it lives; 0 deletes it. */
  readonly maxAge?: number | undefined
  /** When it ends. Browsers prefer `maxAge`. */
  readonly expires?: Date | undefined
  /** Whether it is sent over TLS only. */
  readonly secure?: boolean | undefined
  /** Whether scripts in the page can't see it; true when left out. */
  readonly httpOnly?: boolean | undefined
  /** Which requests from other sites take it along. */
  readonly sameSite?: SameSite | undefined
  /** Whether it is kept apart for each site that embeds ours. */
  readonly partitioned?: boolean | undefined
}

/** What each attribute may be; null or false where it isn't set. */
interface Values {
  readonly expiry: Date | null
  readonly maxAge: number | null
  readonly domain: string | null
  readonly path: string | null
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: SameSite | null
  readonly partitioned: boolean
  /** Attributes that aren't known here, as they were written. */
  readonly others: readonly string[]
}

const EMPTY: Values = {
  expiry: null,
  maxAge: null,
  domain: null,
  path: null,
  secure: false,
  httpOnly: false,
  sameSite: null,
  partitioned: false,
  others: [],
}
const SAME_SITES: readonly SameSite[] = ['Strict', 'Lax', 'None']
const ATTRIBUTE_VALUE = /^[\x20-\x3a\x3c-\x7e]*$/

function checked(name: string, value: string): string {
  if (typeof value !== 'string' || !ATTRIBUTE_VALUE.test(value)) {
    throw new InvalidCookieException(`the ${name} of a cookie must be printable ASCII without semicolons; got ${show(value)}`)
  }
  return value
}

/**
 * Attributes of a cookie; immutable, each `with…` and `without…` gives a changed copy.
 *
 * @example CookieAttributes.default().withMaxAge(3600).withSameSite('Lax')
 */
export class CookieAttributes {
  readonly #values: Values

  private constructor(values: Values) {
    this.#values = values
  }

  /**
   * No attributes but HttpOnly, which keeps the cookie from scripts.
   *
   * @example CookieAttributes.default().isHttpOnly() // true
   */
  static default(): CookieAttributes {
    return new CookieAttributes({ ...EMPTY, httpOnly: true })
  }

  /**
   * No attributes at all.
   *
   * @example CookieAttributes.empty().isHttpOnly() // false
   */
  static empty(): CookieAttributes {
    return new CookieAttributes(EMPTY)
  }

  /**
   * From an object. HttpOnly unless it says `httpOnly: false`.
   *
   * @example CookieAttributes.from({ path: '/', maxAge: 3600, sameSite: 'Lax' })
   */
  static from(init: CookieInit): CookieAttributes {
    if (typeof init !== 'object' || init === null) {
      throw new InvalidCookieException(`the attributes of a cookie must be CookieAttributes or an object; got ${show(init)}`)
    }
    let attributes = CookieAttributes.empty()
    const { domain, path, maxAge, expires, secure, httpOnly = true, sameSite, partitioned, ...unknown } = init
    for (const name of Object.keys(unknown)) {
      throw new InvalidCookieException(
        `${show(name)} is no attribute of a cookie; there are domain, path, maxAge, expires, secure, httpOnly, sameSite and partitioned`,
      )
    }
    for (const [name, value] of Object.entries({ secure, httpOnly, partitioned })) {
      if (value !== undefined && typeof value !== 'boolean') {
        throw new InvalidCookieException(`the attribute ${name} of a cookie must be true or false; got ${show(value)}`)
      }
    }
    if (domain !== undefined) attributes = attributes.withDomain(domain)
    if (path !== undefined) attributes = attributes.withPath(path)
    if (maxAge !== undefined) attributes = attributes.withMaxAge(maxAge)
    if (expires !== undefined) attributes = attributes.withExpiry(expires)
    if (secure === true) attributes = attributes.withSecure()
    if (httpOnly) attributes = attributes.withHttpOnly()
    if (sameSite !== undefined) attributes = attributes.withSameSite(sameSite)
    return partitioned === true ? attributes.withPartitioned() : attributes
  }

  /** From what follows the first semicolon of a `set-cookie` value; null when one is invalid. */
  static parse(parts: readonly string[]): CookieAttributes | null {
    let attributes = CookieAttributes.empty()
    for (const part of parts) {
      const text = part.trim()
      const equals = text.indexOf('=')
      const name = (equals < 0 ? text : text.slice(0, equals)).trim().toLowerCase()
      const value = equals < 0 ? '' : text.slice(equals + 1).trim()
      const next = text === '' ? attributes : attributes.#withParsed(name, value, text)
      if (next === null) return null
      attributes = next
    }
    return attributes
  }

  #withParsed(name: string, value: string, text: string): CookieAttributes | null {
    switch (name) {
      case 'expires': {
        const expiry = new Date(value)
        return Number.isNaN(expiry.getTime()) ? null : this.withExpiry(expiry)
      }
      case 'max-age':
        return /^-?\d{1,15}$/.test(value) ? this.withMaxAge(Number(value)) : null
      case 'domain':
        return this.withDomain(value)
      case 'path':
        return this.withPath(value)
      case 'secure':
        return this.withSecure()
      case 'httponly':
        return this.withHttpOnly()
      case 'partitioned':
        return this.withPartitioned()
      case 'samesite': {
        const found = SAME_SITES.find((known) => known.toLowerCase() === value.toLowerCase())
        return found === undefined ? null : this.withSameSite(found)
      }
      default:
        return this.#with({ others: [...this.#values.others, text] })
    }
  }

  #with(changes: Partial<Values>): CookieAttributes {
    return new CookieAttributes({ ...this.#values, ...changes })
  }

  /**
   * When the cookie ends; null when that isn't set.
   *
   * @example attributes.getExpiry()?.toISOString()
   */
  getExpiry(): Date | null {
    return this.#values.expiry === null ? null : new Date(this.#values.expiry)
  }

  /**
   * Lets the cookie end at a moment; whole seconds are sent.
   *
   * @example attributes.withExpiry(new Date(Date.now() + 86_400_000))
   */
  withExpiry(expiry: Date): CookieAttributes {
    if (!(expiry instanceof Date) || Number.isNaN(expiry.getTime())) {
      throw new InvalidCookieException(`the expiry of a cookie must be a valid Date; got ${show(expiry)}`)
    }
    return this.#with({ expiry: new Date(expiry) })
  }

  /** @example attributes.withoutExpiry() */
  withoutExpiry(): CookieAttributes {
    return this.#with({ expiry: null })
  }

  /**
   * Seconds that the cookie lives; null when that isn't set. Browsers prefer it to the expiry.
   *
   * @example attributes.getMaxAge() // 3600
   */
  getMaxAge(): number | null {
    return this.#values.maxAge
  }

  /**
   * Lets the cookie live for some seconds; 0 deletes it.
   *
   * @example attributes.withMaxAge(0)
   */
  withMaxAge(seconds: number): CookieAttributes {
    if (!Number.isSafeInteger(seconds)) {
      throw new InvalidCookieException(`the max-age of a cookie must be a whole number of seconds; got ${show(seconds)}`)
    }
    return this.#with({ maxAge: seconds })
  }

  /** @example attributes.withoutMaxAge() */
  withoutMaxAge(): CookieAttributes {
    return this.#with({ maxAge: null })
  }

  /**
   * The domain whose hosts get the cookie; null: only the host that set it.
   *
   * @example attributes.getDomain() // 'example.org'
   */
  getDomain(): string | null {
    return this.#values.domain
  }

  /** @example attributes.withDomain('example.org') */
  withDomain(domain: string): CookieAttributes {
    return this.#with({ domain: checked('domain', domain) })
  }

  /** @example attributes.withoutDomain() */
  withoutDomain(): CookieAttributes {
    return this.#with({ domain: null })
  }

  /**
   * The path below which the cookie is sent; null: that of the request.
   *
   * @example attributes.getPath() // '/'
   */
  getPath(): string | null {
    return this.#values.path
  }

  /** @example attributes.withPath('/') */
  withPath(path: string): CookieAttributes {
    return this.#with({ path: checked('path', path) })
  }

  /** @example attributes.withoutPath() */
  withoutPath(): CookieAttributes {
    return this.#with({ path: null })
  }

  /**
   * Whether it is sent over TLS only.
   *
   * @example attributes.isSecure()
   */
  isSecure(): boolean {
    return this.#values.secure
  }

  /** @example attributes.withSecure() */
  withSecure(): CookieAttributes {
    return this.#with({ secure: true })
  }

  /** @example attributes.withoutSecure() */
  withoutSecure(): CookieAttributes {
    return this.#with({ secure: false })
  }

  /**
   * Whether scripts in the page can't see it.
   *
   * @example attributes.isHttpOnly()
   */
  isHttpOnly(): boolean {
    return this.#values.httpOnly
  }

  /** @example attributes.withHttpOnly() */
  withHttpOnly(): CookieAttributes {
    return this.#with({ httpOnly: true })
  }

  /** @example attributes.withoutHttpOnly() */
  withoutHttpOnly(): CookieAttributes {
    return this.#with({ httpOnly: false })
  }

  /**
   * Which requests from other sites take it along; null leaves that to the browser.
   *
   * @example attributes.getSameSite() // 'Lax'
   */
  getSameSite(): SameSite | null {
    return this.#values.sameSite
  }

  /** @example attributes.withSameSite('Strict') */
  withSameSite(sameSite: SameSite): CookieAttributes {
    if (!SAME_SITES.includes(sameSite)) {
      throw new InvalidCookieException(`the same-site of a cookie must be ${SAME_SITES.join(', ')}; got ${show(sameSite)}`)
    }
    return this.#with({ sameSite })
  }

  /** @example attributes.withoutSameSite() */
  withoutSameSite(): CookieAttributes {
    return this.#with({ sameSite: null })
  }

  /**
   * Whether it is kept apart for each site that embeds ours.
   *
   * @example attributes.isPartitioned()
   */
  isPartitioned(): boolean {
    return this.#values.partitioned
  }

  /** @example attributes.withPartitioned() */
  withPartitioned(): CookieAttributes {
    return this.#with({ partitioned: true })
  }

  /** @example attributes.withoutPartitioned() */
  withoutPartitioned(): CookieAttributes {
    return this.#with({ partitioned: false })
  }

  /**
   * As they follow the value in a `set-cookie` field; empty or beginning with `; `.
   *
   * @example `${CookieAttributes.default()}` // '; HttpOnly'
   */
  toString(): string {
    const { expiry, maxAge, domain, path, secure, httpOnly, sameSite, partitioned, others } = this.#values
    const parts = [
      expiry === null ? null : `Expires=${expiry.toUTCString()}`,
      maxAge === null ? null : `Max-Age=${maxAge}`,
      domain === null ? null : `Domain=${domain}`,
      path === null ? null : `Path=${path}`,
      secure ? 'Secure' : null,
      httpOnly ? 'HttpOnly' : null,
      sameSite === null ? null : `SameSite=${sameSite}`,
      partitioned ? 'Partitioned' : null,
      ...others,
    ]
    return parts.map((part) => (part === null ? '' : `; ${part}`)).join('')
  }
}
