/**
 * How objects show themselves to `util.inspect` and `JSON.stringify`: what a developer wants to see, without secrets.
 */

/** The key of the method that `util.inspect` and `console.log` call. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** The options that `util.inspect` passes on. */
export interface InspectOptions {
  readonly depth?: number | null
  stylize(text: string, styleType: string): string
}

/** `util.inspect` as it is passed to the method. */
export type Inspect = (value: unknown, options?: object) => string

/** The text for `util.inspect`: the name of the class, and the fields that `toJSON` gives. */
export function inspectAs(name: string, fields: object | string, depth: number, options: InspectOptions, inspect?: Inspect): string {
  if (depth < 0 || inspect === undefined) return options.stylize?.(`[${name}]`, 'special') ?? `[${name}]`
  const nested = { ...options, depth: options.depth === undefined || options.depth === null ? options.depth : options.depth - 1 }
  return `${name} ${inspect(fields, nested)}`
}

/** Names of fields with secrets. */
const SECRET = /^(proxy-)?authorization$|^(set-)?cookie$|api-?key|token|secret|password|credential/

/** Fields by lower-case name; a single value stands without a list. Secrets are shortened. */
export function shownFields(fields: Readonly<Record<string, readonly string[]>>): Record<string, string | string[]> {
  const shown: Record<string, string | string[]> = {}
  for (const [name, values] of Object.entries(fields)) {
    const each = SECRET.test(name) ? values.map((value) => shortenedField(name, value)) : [...values]
    // `__proto__` is a valid field name.
    Object.defineProperty(shown, name, { value: each.length === 1 ? each[0] : each, enumerable: true, configurable: true, writable: true })
  }
  return shown
}

function shortenedField(name: string, value: string): string {
  if (name.endsWith('cookie')) return value.replace(/^[^=;]+$|(?<=^|; ?)([^=;]*)=([^;]*)/g, shortenedPair)
  const scheme = /^[A-Za-z][\w-]*(?= )/.exec(value)?.[0]
  return scheme === undefined ? shortened(value) : `${scheme} ${shortened(value.slice(scheme.length + 1))}`
}

/** Attributes of `set-cookie`, which are no secrets. */
const ATTRIBUTE = /^\s*(expires|max-age|domain|path|samesite|secure|httponly|partitioned|priority)\s*$/i

function shortenedPair(pair: string, name?: string, value?: string): string {
  if (name === undefined || value === undefined) return ATTRIBUTE.test(pair) ? pair : shortened(pair)
  return ATTRIBUTE.test(name) ? pair : `${name}=${shortened(value)}`
}

/** The first characters of a secret, at most a quarter of it and three. */
export function shortened(secret: string): string {
  return secret === '' ? '' : `${secret.slice(0, Math.min(3, Math.floor(secret.length / 4)))}\u2026`
}

/** A body as text: its kind and size, never all of it. */
export function shownBody(body: unknown): string | null {
  if (body === null || body === undefined) return null
  if (typeof body === 'string') return body.length > 100 ? `${body.slice(0, 100)}\u2026 (${body.length} characters)` : body
  if (body instanceof Uint8Array) return `${body.byteLength} bytes`
  const name: unknown = (body as object).constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'a stream'
}
