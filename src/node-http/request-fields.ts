/**
 * The fields of a request in the shapes that Node gives them.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Of several fields of one name the first counts. */
const FIRST = 0
/** Several are joined by a comma. */
const LIST = 1
/** Several are joined by a semicolon. */
const COOKIE = 2
/** All are kept, in a list. */
const ALL = 3

const KINDS: Readonly<Record<string, number>> = Object.assign(Object.create(null) as object, {
  cookie: COOKIE,
  'set-cookie': ALL,
  ...Object.fromEntries(
    [
      'age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since',
      'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after',
      'server', 'user-agent',
    ].map((name) => [name, FIRST]),
  ),
})

interface Name {
  readonly lower: string
  readonly kind: number
}

/** Names that have come, as they were written; clients write few. */
const names = new Map<string, Name>()
const KEPT = 1024

function nameOf(written: string): Name {
  return names.get(written) ?? addName(written)
}

function addName(written: string): Name {
  const lower = written.toLowerCase()
  const name = { lower, kind: KINDS[lower] ?? LIST }
  if (names.size >= KEPT) names.clear()
  names.set(written, name)
  return name
}

/** Names and values in turn, from a block of `name\nvalue\n`. */
export function rawFields(block: string): string[] {
  const raw = block.split('\n')
  raw.pop()
  return raw
}

/** One value by lower-case name. With `joins` several values of any name are joined. */
export function joinedFields(raw: readonly string[], joins: boolean | null): IncomingHttpHeaders {
  const fields: Record<string, string | string[] | undefined> = {}
  for (let at = 0; at < raw.length; at += 2) {
    const { lower, kind } = nameOf(raw[at]!)
    const value = raw[at + 1]!
    const earlier = Object.hasOwn(fields, lower) ? fields[lower] : undefined
    if (kind === ALL) {
      if (earlier === undefined) fields[lower] = [value]
      else (earlier as string[]).push(value)
    } else if (earlier === undefined) {
      // As with Node, `__proto__` is not to be had here: the object is an ordinary one.
      if (lower !== '__proto__') fields[lower] = value
    } else if (kind !== FIRST || joins) fields[lower] = `${earlier as string}${kind === COOKIE ? '; ' : ', '}${value}`
  }
  return fields
}

/** All values by lower-case name, in an object without a prototype. */
export function distinctFields(raw: readonly string[]): NodeJS.Dict<string[]> {
  const fields = Object.create(null) as NodeJS.Dict<string[]>
  for (let at = 0; at < raw.length; at += 2) {
    const { lower } = nameOf(raw[at]!)
    const value = raw[at + 1]!
    if (fields[lower] === undefined) fields[lower] = [value]
    else fields[lower].push(value)
  }
  return fields
}
