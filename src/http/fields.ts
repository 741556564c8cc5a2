/**
 * Header fields: the rules for names and values, and lists of fields. RFC 9110 §5.
 */
import { InvalidHeaderException, show } from '../core/errors.ts'

/** Names that editors complete. Any other name is allowed, too. */
export type KnownField =
  | 'accept'
  | 'accept-encoding'
  | 'accept-language'
  | 'access-control-allow-headers'
  | 'access-control-allow-methods'
  | 'access-control-allow-origin'
  | 'allow'
  | 'authorization'
  | 'cache-control'
  | 'content-disposition'
  | 'content-encoding'
  | 'content-language'
  | 'content-length'
  | 'content-range'
  | 'content-type'
  | 'cookie'
  | 'etag'
  | 'expires'
  | 'host'
  | 'if-match'
  | 'if-modified-since'
  | 'if-none-match'
  | 'last-modified'
  | 'link'
  | 'location'
  | 'origin'
  | 'range'
  | 'referer'
  | 'retry-after'
  | 'server'
  | 'set-cookie'
  | 'strict-transport-security'
  | 'user-agent'
  | 'vary'
  | 'www-authenticate'
  | 'x-forwarded-for'

/** A field's name, in any letter case. */
export type FieldName = KnownField | (string & {})

/** A field's value, or a list for several lines. */
export type FieldValue = string | number | readonly (string | number)[]

/** The forms in which fields are accepted: an object, pairs, or the web's `Headers`. */
export type FieldsInit =
  | { readonly [Name in KnownField]?: FieldValue }
  | Readonly<Record<string, FieldValue>>
  | Iterable<readonly [string, string]>

/** What the server does with a field of a response. */
export const Role = {
  /** Sent as given. */
  Ordinary: 0,
  /** Written by the server; values of the application are dropped. */
  Managed: 1,
  /** `connection`: the option `close` closes the connection after the response; further options are sent. */
  Connection: 2,
  /** `content-length`: compared with the body. */
  Length: 3,
  /** `upgrade`: sent as given, with an option of `connection`. */
  Upgrade: 4,
} as const

/** A valid name, with the last line that was made with it, and the name that followed it last. */
export interface Name {
  readonly spelling: string
  readonly lower: string
  readonly role: number
  value: string
  line: string
  next: Name | null
}

/** Stands before the first name of an object. */
export const START: Name = { spelling: '', lower: '', role: Role.Ordinary, value: '', line: '', next: null }

const ROLES: ReadonlyMap<string, number> = new Map([
  ['date', Role.Managed],
  ['keep-alive', Role.Managed],
  ['transfer-encoding', Role.Managed],
  ['connection', Role.Connection],
  ['content-length', Role.Length],
  ['upgrade', Role.Upgrade],
])

/** Valid names by their spelling: applications use few. */
const NAMES = new Map<string, Name>()
const NAMES_KEPT = 1024
/** Longest value in characters that is kept with its name. */
const VALUE_KEPT = 128

const NOT_A_NAME = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/
const NOT_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** The entry of a name; throws for an invalid one. */
export function nameOf(name: string): Name {
  return NAMES.get(name) ?? newName(name)
}

/** The same for a name behind another: most responses have the fields of the one before, so that nothing is looked up. */
export function nameAfter(before: Name, name: string): Name {
  const likely = before.next
  return likely !== null && likely.spelling === name ? likely : (before.next = nameOf(name))
}

function newName(name: string): Name {
  if (typeof name !== 'string' || name === '' || NOT_A_NAME.test(name)) {
    throw new InvalidHeaderException(`${show(name)} isn't a header name, which may contain letters, digits and !#$%&'*+-.^_\`|~`)
  }
  const lower = name.toLowerCase()
  const found = { spelling: name, lower, role: ROLES.get(lower) ?? Role.Ordinary, value: '', line: `${name}: \r\n`, next: null }
  if (NAMES.size >= NAMES_KEPT) NAMES.clear()
  NAMES.set(name, found)
  return found
}

/** Characters that a URI reference can't contain, in `location` or between the brackets of a `link`. RFC 3986 §2. */
const NOT_IN_A_URI = /[\s"<>\\^`{|}]/

/** RFC 8288 §3: `<uri>; name=token; name="quoted", <uri> …` */
const LINK = (() => {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
  const parameter = `[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|"(?:[^"\\\\]|\\\\[^])*"))?`
  const link = `<[^\\s"<>\\\\^\`{|}]*>(?:${parameter})*`
  return new RegExp(`^(?:${link}(?:[ \\t]*,[ \\t]*${link})*)?$`)
})()

/** Checks the fields that have a grammar of their own. RFC 9110 §10.2.2, RFC 8288 §3. */
function checkGrammar(name: string, text: string): void {
  const lower = name.toLowerCase()
  if (lower === 'location') checkLocation(text)
  else if (lower === 'link' && !LINK.test(text)) {
    throw new InvalidHeaderException(`header link must look like </style.css>; rel=preload; got ${show(text)}`)
  }
}

function checkLocation(text: string): void {
  const at = text.search(NOT_IN_A_URI)
  if (at >= 0) {
    throw new InvalidHeaderException(
      `header location must be a URI; ${show(text.charAt(at))} at ${at} must be percent-encoded, as Response.redirect does`,
    )
  }
}

/** A value as text; throws for an invalid one. */
export function valueOf(name: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') {
    throw new InvalidHeaderException(`the value of header ${name} must be a string or a number; got ${show(value)}`)
  }
  if (NOT_A_VALUE.test(text)) throw badValue(name, text)
  if (name.length === 4 || name.length === 8) checkGrammar(name, text)
  return text
}

/**
 * A checked line `name: value\r\n`. The last line of each name is kept, since most applications repeat the same
 * value.
 */
export function lineOf(name: string, known: Name, value: unknown): string {
  if (known.value === value) return known.line
  const text = valueOf(name, value)
  const line = `${name}: ${text}\r\n`
  if (text.length <= VALUE_KEPT) {
    known.value = text
    known.line = line
  }
  return line
}

function badValue(name: string, text: string): InvalidHeaderException {
  const at = text.search(NOT_A_VALUE)
  const code = text.charCodeAt(at)
  if (code > 0xff) {
    return new InvalidHeaderException(
      `header ${name} has a character above U+00FF at ${at}; encode it by RFC 8187 as ${name}*=UTF-8''..., or percent-encode it`,
    )
  }
  const shown = `0x${code.toString(16).padStart(2, '0')}`
  return new InvalidHeaderException(`header ${name} has the control character ${shown} at ${at}`)
}

/** Whether fields are given as pairs; throws when they have none of the accepted forms. */
export function arePairs(init: FieldsInit): init is Iterable<readonly [string, string]> {
  if (typeof init === 'object' && init !== null) return (init as { [Symbol.iterator]?: unknown })[Symbol.iterator] !== undefined
  throw new InvalidHeaderException(`headers must be an object, pairs, or the web's Headers; got ${show(init)}`)
}

/** Names whose value is an empty list, which removes the field. */
export function emptiedNames(init: FieldsInit): string[] {
  if (arePairs(init)) return []
  const values = init as Readonly<Record<string, unknown>>
  return Object.keys(values).filter((name) => Array.isArray(values[name]) && (values[name] as unknown[]).length === 0)
}

/** Calls `use` for each line. */
export function eachField(init: FieldsInit, use: (name: string, value: unknown) => void): void {
  if (arePairs(init)) {
    for (const [name, value] of init) use(name, value)
    return
  }
  const values = init as Readonly<Record<string, unknown>>
  for (const name of Object.keys(values)) {
    const value = values[name]
    if (Array.isArray(value)) for (const item of value) use(name, item)
    else use(name, value)
  }
}

/**
 * A list of fields in order. Names keep their letter case and are found in any.
 */
export class Fields {
  #names: string[] = []
  #lower: string[] = []
  #values: string[] = []
  /** The value of `host` in place of the received one, which the pairs alone show. */
  #host: string | null = null

  /** From the engine's form, `name\nvalue\n…`. */
  static fromBlock(block: string): Fields {
    const fields = new Fields()
    const parts = block.split('\n')
    for (let at = 0; at + 1 < parts.length; at += 2) fields.#push(parts[at]!, parts[at]!.toLowerCase(), parts[at + 1]!)
    return fields
  }

  /** From the form in which they are sent, `name: value\r\n…`. */
  static fromLines(lines: string): Fields {
    const fields = new Fields()
    for (const line of lines.split('\r\n')) {
      const colon = line.indexOf(':')
      if (colon > 0) fields.#push(line.slice(0, colon), line.slice(0, colon).toLowerCase(), line.slice(colon + 2))
    }
    return fields
  }

  #push(name: string, lower: string, value: string): void {
    this.#names.push(name)
    this.#lower.push(lower)
    this.#values.push(value)
  }

  /** A copy that changes independently. */
  copy(): Fields {
    const fields = new Fields()
    fields.#names = [...this.#names]
    fields.#lower = [...this.#lower]
    fields.#values = [...this.#values]
    fields.#host = this.#host
    return fields
  }

  /** Has another value count as `host`, until that is changed. */
  overrideHost(host: string): this {
    this.#host = host
    return this
  }

  /** A change of `host` begins with the value that counts. */
  #settleHost(lower: string): void {
    const host = this.#host
    if (host === null || lower !== 'host') return
    this.#host = null
    this.delete(lower)
    this.#push(lower, lower, host)
  }

  get(lower: string): string | null {
    if (lower === 'host' && this.#host !== null) return this.#host
    const at = this.#lower.indexOf(lower)
    return at < 0 ? null : this.#values[at]!
  }

  /** All values joined; null without any. */
  joined(lower: string, separator: string): string | null {
    const first = this.get(lower)
    if (first === null || this.#lower.indexOf(lower, this.#lower.indexOf(lower) + 1) < 0) return first
    return this.all(lower).join(separator)
  }

  all(lower: string): string[] {
    if (lower === 'host' && this.#host !== null) return [this.#host]
    return this.#values.filter((_, at) => this.#lower[at] === lower)
  }

  has(lower: string): boolean {
    return this.get(lower) !== null
  }

  add(name: string, value: FieldValue): void {
    const values = (Array.isArray(value) ? value : [value]).map((item) => valueOf(name, item))
    const { lower } = nameOf(name)
    this.#settleHost(lower)
    for (const item of values) this.#push(name, lower, item)
  }

  /** Adds a line whose name and value are checked already. */
  append(lower: string, value: string): void {
    this.#settleHost(lower)
    this.#push(lower, lower, value)
  }

  set(name: string, value: FieldValue): void {
    const values = (Array.isArray(value) ? value : [value]).map((item) => valueOf(name, item))
    const { lower } = nameOf(name)
    this.delete(lower)
    for (const item of values) this.#push(name, lower, item)
  }

  /** Sets several fields; if one is invalid, nothing changes. */
  setAll(init: FieldsInit): void {
    const checked = new Fields()
    const cleared = new Set<string>()
    eachField(init, (name, value) => {
      cleared.add(nameOf(name).lower)
      checked.add(name, value as FieldValue)
    })
    for (const name of emptiedNames(init)) cleared.add(nameOf(name).lower)
    for (const lower of cleared) this.delete(lower)
    for (const [at, name] of checked.#names.entries()) this.#push(name, checked.#lower[at]!, checked.#values[at]!)
  }

  delete(lower: string): void {
    this.#settleHost(lower)
    if (!this.#lower.includes(lower)) return
    const keep = (_: unknown, at: number): boolean => this.#lower[at] !== lower
    const names = this.#names.filter(keep)
    const values = this.#values.filter(keep)
    this.#lower = this.#lower.filter((name) => name !== lower)
    this.#names = names
    this.#values = values
  }

  /** All values by lower-case name, in an object without a prototype. */
  toRecord(): Record<string, string[]> {
    const record: Record<string, string[]> = Object.create(null) as Record<string, string[]>
    for (const [at, lower] of this.#lower.entries()) (record[lower] ??= []).push(this.#values[at]!)
    if (this.#host !== null) record['host'] = [this.#host]
    return record
  }

  /** Pairs in order, with names in their letter case. */
  toPairs(): [string, string][] {
    return this.#names.map((name, at) => [name, this.#values[at]!])
  }

  /** The form in which they are sent, `name: value\r\n…`. */
  toLines(): string {
    let lines = ''
    for (const [at, name] of this.#names.entries()) lines += `${name}: ${this.#values[at]!}\r\n`
    return lines
  }
}
