/**
 * Fields in the shape of Node's own requests, which libraries of its ecosystem expect.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Fields of which Node takes the first line and drops further ones. */
const SINGLE: ReadonlySet<string> = new Set([
  'age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since',
  'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent',
])

/** One string for each name, in an object without a prototype; a list for `set-cookie`. */
export function nodeHeadersOf(fields: Readonly<Record<string, readonly string[]>>): IncomingHttpHeaders {
  const headers = Object.create(null) as IncomingHttpHeaders
  for (const name of Object.keys(fields)) {
    const values = fields[name]!
    if (name === 'set-cookie') headers[name] = [...values]
    else if (values.length === 1 || SINGLE.has(name)) headers[name] = values[0]
    else headers[name] = values.join(name === 'cookie' ? '; ' : ', ')
  }
  return headers
}
