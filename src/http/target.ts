/**
 * Request targets as text, without decoding or resolution. RFC 9112 §3.2.
 */

/** Index at which the path begins; the length of a target without a path. */
function pathStart(target: string): number {
  if (target.startsWith('/')) return 0
  const scheme = target.indexOf('://')
  if (scheme < 0) return target.length
  const slash = target.indexOf('/', scheme + 3)
  const question = target.indexOf('?', scheme + 3)
  if (slash < 0 || (question >= 0 && question < slash)) return question < 0 ? target.length : question
  return slash
}

/** A segment that is a dot or two, escaped or not. For `URL` a backslash ends a segment, too. */
const DOT_SEGMENT = /[/\\](?:\.|%2e){1,2}(?:[/\\]|$)/i

/** The path; empty for `*` and for the authority of a CONNECT. Dot segments are resolved as `URL` does it. */
export function pathOf(target: string): string {
  const start = pathStart(target)
  const end = target.indexOf('?')
  const path = end < 0 ? target.slice(start) : target.slice(start, end)
  if (path === '') return target.includes('://') ? '/' : path
  // Few paths have either character, and a search for one is faster than the expression.
  const mayHaveDots = path.includes('.') || path.includes('%')
  return mayHaveDots && DOT_SEGMENT.test(path) ? new URL(`http://localhost${path}`).pathname : path
}

/**
 * The authority of an absolute target, or of the target of a CONNECT, which counts in place of the `host` field
 * (RFC 9112 §3.2.2); else null.
 */
export function authorityOf(target: string): string | null {
  if (target.startsWith('/') || target === '*') return null
  return /^https?:\/\/([^/?]*)/i.exec(target)?.[1] ?? target
}

/** The query without its question mark; empty when there is none. */
export function queryOf(target: string): string {
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at + 1)
}

/** The target with another query; an empty query removes the question mark. */
export function withQuery(target: string, query: string): string {
  const at = target.indexOf('?')
  return (at < 0 ? target : target.slice(0, at)) + (query === '' ? '' : `?${query}`)
}

/**
 * Scheme, authority and target put together, without resolution. An absolute target has an authority of its own
 * (RFC 9112 §3.2.2). Its scheme is replaced, because only the server knows whether the connection has TLS; `https`
 * stays, because it is served only where TLS has ended, here or at a proxy that is trusted.
 */
export function uriOf(scheme: string, authority: string, target: string): URL {
  if (target.startsWith('/')) return new URL(`${scheme}://${authority}${target}`)
  const at = target.indexOf('://')
  if (at >= 0) return new URL((/^https:/i.test(target) ? 'https' : scheme) + target.slice(at))
  return new URL(`${scheme}://${target === '*' ? authority : target}`)
}

/** What a target has that `URL` writes in the same way, unless dot segments are in it. */
const PLAIN_TARGET = /^\/[\w~!$&()*+,;=:@%/?.-]*$/

/** By `scheme://authority`, whether `URL` writes it in the same way. Few are in use at a time. */
const origins = new Map<string, boolean>()
const ORIGINS_KEPT = 256

/** Scheme, authority and target put together where that is what `URL` would write; else null. */
export function plainUrl(scheme: string, authority: string, target: string): string | null {
  if (!PLAIN_TARGET.test(target)) return null
  if ((target.includes('.') || target.includes('%')) && DOT_SEGMENT.test(target)) return null
  const origin = `${scheme}://${authority}`
  return (origins.get(origin) ?? learnOrigin(origin)) ? origin + target : null
}

function learnOrigin(origin: string): boolean {
  const isPlain = URL.canParse(origin) && new URL(origin).href === `${origin}/`
  if (origins.size >= ORIGINS_KEPT) origins.clear()
  origins.set(origin, isPlain)
  return isPlain
}

/** Characters to percent-encode in a URI; existing escapes stay. RFC 3986 §2. */
const NOT_IN_A_LOCATION = /[^!#-;=?-[\]_a-z~]+/g

/** A `location` with every invalid character percent-encoded. */
export function encodeLocation(location: string): string {
  // As bytes, half a surrogate pair becomes U+FFFD; encodeURIComponent would throw for it.
  return Buffer.from(location).toString().replace(NOT_IN_A_LOCATION, encodeURIComponent)
}
