/**
 * Header fields as the web's `Headers`, over the fields of a message. https://fetch.spec.whatwg.org/#headers-class
 */
import { INSPECT } from '../core/inspection.ts'
import { Fields, Role, nameOf } from '../http/fields.ts'
import { FIELDS } from '../http/http-message.ts'
import { encodeLocation } from '../http/target.ts'
import { NativeHeaders, standsIn } from './platform.ts'

/** What the web accepts as headers. */
export type WebHeadersInit = HeadersInit | Iterable<readonly [string, string]> | Readonly<Record<string, unknown>>

/** Whitespace around a value isn't part of it. */
const AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g
/** Longest value in characters that is kept with its name. */
const VALUE_KEPT = 128
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** The name in lower case; a `TypeError` for an invalid one. */
export function lowerName(name: unknown): string {
  return entryOf(String(name)).lower
}

function entryOf(name: string): ReturnType<typeof nameOf> {
  try {
    return nameOf(name)
  } catch (cause) {
    throw new TypeError((cause as Error).message, { cause })
  }
}

/** The value as text; a `TypeError` for an invalid one. */
export function valueText(name: string, value: unknown): string {
  const text = String(value).replace(AROUND, '')
  const at = text.search(NOT_IN_A_VALUE)
  if (at < 0) return text
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')
  throw new TypeError(`the value of header ${name} has the character U+${code} at ${at}, which no header can hold`)
}

/** The lines of fields as they are sent, and what else is to know of them. */
export interface FieldLines {
  /** `name: value\r\n…` */
  readonly lines: string
  readonly hasContentType: boolean
  /** They have fields that the server handles itself. */
  readonly isSpecial: boolean
}

const NONE: FieldLines = { lines: '', hasContentType: false, isSpecial: false }
const { hasOwnProperty } = Object.prototype

/** Checks headers in any form, and writes them as lines. */
export function linesOf(init: WebHeadersInit | null | undefined): FieldLines {
  if (init === undefined) return NONE
  const taken = new Lines()
  if (init instanceof FetchHeaders) for (const [name, value] of init.fields().toPairs()) taken.add(name, value)
  else if (typeof init !== 'object' || init === null) throw new TypeError('headers must be an object, pairs, or Headers')
  else if (Symbol.iterator in init) {
    for (const pair of init as Iterable<readonly unknown[]>) {
      const [name, value, ...more] = pair
      if (value === undefined || more.length > 0) throw new TypeError('each header must be a pair of name and value')
      taken.add(String(name), value)
    }
  } else {
    const values = init as Readonly<Record<string, unknown>>
    for (const name in values) if (hasOwnProperty.call(values, name)) taken.add(name, values[name])
  }
  return taken
}

class Lines implements FieldLines {
  lines = ''
  hasContentType = false
  isSpecial = false

  add(name: string, given: unknown): void {
    const known = entryOf(name)
    const { lower, role } = known
    if (role !== Role.Ordinary) this.isSpecial = true
    else if (lower === 'content-type') this.hasContentType = true
    if (known.value === given) return void (this.lines += known.line)
    const text = valueText(name, given)
    const line = `${name}: ${lower === 'location' ? encodeLocation(text) : text}\r\n`
    this.lines += line
    // Most applications repeat the same value. The core has rules of its own for the values of these two.
    if (text !== given || text.length > VALUE_KEPT || lower === 'location' || lower === 'link') return
    known.value = text
    known.line = line
  }
}

/** Fields with one line; of more the first counts, as with node:http. The engine finds it without the others. */
const SINGLE = new Set(
  'age authorization content-length content-type from host if-modified-since if-unmodified-since max-forwards proxy-authorization referer user-agent'.split(' '),
)

/** The fields of a message of the server. */
interface FieldSource {
  getHeader(name: string): string | null
  [FIELDS](): Fields
}

/** `Headers` over fields: those of a request, or those of a response before it is sent. */
export class FetchHeaders {
  /** The request of the server whose fields these are, until one is changed. */
  #source: FieldSource | null
  #fields: Fields | null

  constructor(of: FieldSource | Fields) {
    this.#source = of instanceof Fields ? null : of
    this.#fields = of instanceof Fields ? of : null
  }

  /** The fields, with all changes. */
  fields(): Fields {
    return (this.#fields ??= this.#source![FIELDS]())
  }

  /** The fields, to change them. */
  #own(): Fields {
    if (this.#source !== null) this.#fields = this.fields().copy()
    this.#source = null
    return this.fields()
  }

  get(name: string): string | null {
    const lower = lowerName(name)
    if (this.#fields === null && SINGLE.has(lower)) return this.#source!.getHeader(lower)
    // HTTP/2 may split cookies (RFC 9113 §8.2.3).
    return this.fields().joined(lower, lower === 'cookie' ? '; ' : ', ')
  }

  has(name: string): boolean {
    const lower = lowerName(name)
    return this.#fields === null ? this.#source!.getHeader(lower) !== null : this.#fields.has(lower)
  }

  getSetCookie(): string[] {
    return this.fields().all('set-cookie')
  }

  append(name: string, value: string): void {
    const lower = lowerName(name)
    const text = valueText(name, value)
    this.#own().append(lower, text)
  }

  set(name: string, value: string): void {
    const lower = lowerName(name)
    const text = valueText(name, value)
    this.#own().delete(lower)
    this.#own().append(lower, text)
  }

  delete(name: string): void {
    this.#own().delete(lowerName(name))
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, receiver?: unknown): void {
    for (const [name, value] of this.entries()) callback.call(receiver, value, name, this as unknown as Headers)
  }

  /** Sorted by name, values of equal names joined, but for `set-cookie`. */
  *entries(): IterableIterator<[string, string]> {
    const record = this.fields().toRecord()
    for (const name of Object.keys(record).sort()) {
      const values = record[name]!
      if (name === 'set-cookie') for (const value of values) yield [name, value]
      else yield [name, values.join(name === 'cookie' ? '; ' : ', ')]
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): string {
    const shown = Object.fromEntries(this.entries())
    return `Headers ${inspect === undefined ? JSON.stringify(shown) : inspect(shown, options)}`
  }
}
standsIn(FetchHeaders, NativeHeaders)
