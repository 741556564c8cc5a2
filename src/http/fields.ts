/**
 * Header fields: what may stand in one, and a list of them. RFC 9110 §5.
 */
import { InvalidHeaderException, show } from '../core/errors.ts'

/** Fields that are known by name, so that an editor can complete them; any other string will do as well. */
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

/** A field's name. Letter case doesn't matter. */
export type FieldName = KnownField | (string & {})

/** A field's value, or several of them for several lines. */
export type FieldValue = string | number | readonly (string | number)[]

/** Fields as they can be given: an object, pairs, or the web's `Headers`. */
export type FieldsInit =
  | { readonly [Name in KnownField]?: FieldValue }
  | Readonly<Record<string, FieldValue>>
  | Iterable<readonly [string, string]>

/** What a name means to the server. */
export const Role = {
  /** It is sent as given. */
  Ordinary: 0,
  /** The server writes it itself; what the application sets is dropped. */
  Managed: 1,
  /** `connection`: `close` in it is obeyed. */
  Connection: 2,
  /** `content-length`: checked against the body. */
  Length: 3,
} as const

/** A name that was checked, with the last line it stood in. */
interface Name {
  readonly lower: string
  readonly role: number
  value: string
  line: string
}

const ROLES: ReadonlyMap<string, number> = new Map([
  ['date', Role.Managed],
  ['keep-alive', Role.Managed],
  ['transfer-encoding', Role.Managed],
  ['connection', Role.Connection],
  ['content-length', Role.Length],
])

/** Names seen before, as they were written: applications use few. */
const NAMES = new Map<string, Name>()
const NAMES_KEPT = 1024
/** Longest value that is kept with its name. */
const VALUE_KEPT = 128

const NOT_A_NAME = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/
const NOT_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** Checks a name; the same object for the same spelling, nearly always. */
export function nameOf(name: string): Name {
  return NAMES.get(name) ?? newName(name)
}

function newName(name: string): Name {
  if (typeof name !== 'string' || name === '' || NOT_A_NAME.test(name)) {
    throw new InvalidHeaderException(`${show(name)} is no header name: it may hold letters, digits and !#$%&'*+-.^_\`|~`)
  }
  const lower = name.toLowerCase()
  const found = { lower, role: ROLES.get(lower) ?? Role.Ordinary, value: '', line: `${name}: \r\n` }
  if (NAMES.size >= NAMES_KEPT) NAMES.clear()
  NAMES.set(name, found)
  return found
}

/** A URI reference is wanted in `location`, and between the brackets of a `link`. RFC 9110 §10.2.2, RFC 3986. */
const NOT_IN_A_URI = /[\s"<>\\^`{|}]/

/** RFC 8288 §3: `<uri>; name=token; name="quoted", <uri> …` */
const LINK = (() => {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
  const parameter = `[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|"(?:[^"\\\\]|\\\\[^])*"))?`
  const link = `<[^\\s"<>\\\\^\`{|}]*>(?:${parameter})*`
  return new RegExp(`^(?:${link}(?:[ \\t]*,[ \\t]*${link})*)?$`)
})()

/** Fields whose own grammar is checked, too. */
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
      `header location must be a URI; ${show(text.charAt(at))} at ${at} has to be percent-encoded, as Response.redirect does`,
    )
  }
}

/** Checks one value; numbers become strings. */
export function valueOf(name: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') {
    throw new InvalidHeaderException(`header ${name} must have a string or a number as value; got ${show(value)}`)
  }
  if (NOT_A_VALUE.test(text)) throw badValue(name, text)
  if (name.length === 4 || name.length === 8) checkGrammar(name, text)
  return text
}

/**
 * `name: value\r\n`, checked. The last line of each name is kept: most applications send the same value
 * again and again.
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
      `header ${name} has a character above U+00FF at ${at}; send it as RFC 8187 says, ${name}*=UTF-8''..., or percent-encode it`,
    )
  }
  const shown = `0x${code.toString(16).padStart(2, '0')}`
  return new InvalidHeaderException(`header ${name} has the control character ${shown} at ${at}, which can't be sent`)
}

/** Whether fields are given as pairs; throws for what holds none at all. */
export function arePairs(init: FieldsInit): init is Iterable<readonly [string, string]> {
  if (typeof init === 'object' && init !== null) return Symbol.iterator in init
  throw new InvalidHeaderException(`headers must be an object, pairs, or the web's Headers; got ${show(init)}`)
}

/** Names that are given an empty list, which removes them. */
export function emptiedNames(init: FieldsInit): string[] {
  if (arePairs(init)) return []
  const values = init as Readonly<Record<string, unknown>>
  return Object.keys(values).filter((name) => Array.isArray(values[name]) && (values[name] as unknown[]).length === 0)
}

/** Calls `use` for each line of `init`. */
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
 * Fields in order, with their names as written and looked up in any letter case.
 */
export class Fields {
  #names: string[] = []
  #lower: string[] = []
  #values: string[] = []

  /** From `name\nvalue\n…` as the native half gives it. */
  static fromBlock(block: string): Fields {
    const fields = new Fields()
    const parts = block.split('\n')
    for (let at = 0; at + 1 < parts.length; at += 2) fields.#push(parts[at]!, parts[at]!.toLowerCase(), parts[at + 1]!)
    return fields
  }

  /** From `name: value\r\n…` as it is sent. */
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

  get(lower: string): string | null {
    const at = this.#lower.indexOf(lower)
    return at < 0 ? null : this.#values[at]!
  }

  all(lower: string): string[] {
    return this.#values.filter((_, at) => this.#lower[at] === lower)
  }

  has(lower: string): boolean {
    return this.#lower.includes(lower)
  }

  add(name: string, value: FieldValue): void {
    const values = (Array.isArray(value) ? value : [value]).map((item) => valueOf(name, item))
    const { lower } = nameOf(name)
    for (const item of values) this.#push(name, lower, item)
  }

  set(name: string, value: FieldValue): void {
    const values = (Array.isArray(value) ? value : [value]).map((item) => valueOf(name, item))
    const { lower } = nameOf(name)
    this.delete(lower)
    for (const item of values) this.#push(name, lower, item)
  }

  /** Sets several at once; an invalid one leaves everything as it was. */
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
    return record
  }

  /** Pairs as written, in order. */
  toPairs(): [string, string][] {
    return this.#names.map((name, at) => [name, this.#values[at]!])
  }

  /** `name: value\r\n…` */
  toLines(): string {
    let lines = ''
    for (const [at, name] of this.#names.entries()) lines += `${name}: ${this.#values[at]!}\r\n`
    return lines
  }
}
