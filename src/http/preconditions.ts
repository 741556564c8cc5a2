/**
 * Conditional requests: whether the version that a client has is current. RFC 9110 §13.
 *
 *   If-Match ─── else If-Unmodified-Since ──► false: 412
 *   If-None-Match ─── else If-Modified-Since ──► false: 304
 *   If-Range ──► false: the range is ignored
 *
 * For GET and HEAD of a representation that exists.
 */
import { isStrong, listsStrongly, listsWeakly } from './entity-tag.ts'
import { parseHttpDate } from './http-date.ts'

/** The fields of a request. */
export interface ConditionalRequest {
  /** The first line of a field; null without any. */
  getHeader(name: string): string | null
  /** All lines of a field; null without any. */
  getHeaderLine(name: string): string | null
}

/** The validators of a representation. RFC 9110 §8.8. */
export interface Validators {
  /** Its entity tag; null without one. */
  readonly etag: string | null
  /** When it was last modified, Unix time in milliseconds, whole seconds; null when it isn't known. */
  readonly lastModified: number | null
}

/** The result: the usual response, a 304, or a 412. */
export type Verdict = 'proceed' | 'not-modified' | 'failed'

/** The verdict by the precedence of RFC 9110 §13.2.2. */
export function judge(request: ConditionalRequest, current: Validators): Verdict {
  if (!isStillThere(request, current)) return 'failed'
  return isNews(request, current) ? 'proceed' : 'not-modified'
}

/** If-Match, or else If-Unmodified-Since. */
function isStillThere(request: ConditionalRequest, { etag, lastModified }: Validators): boolean {
  if (request.getHeader('if-match') !== null) {
    const list = request.getHeaderLine('if-match') ?? ''
    return etag === null ? list.trim() === '*' : listsStrongly(list, etag)
  }
  const since = dateIn(request, 'if-unmodified-since')
  return since === null || lastModified === null || lastModified <= since
}

/** If-None-Match, or else If-Modified-Since. */
function isNews(request: ConditionalRequest, { etag, lastModified }: Validators): boolean {
  const first = request.getHeader('if-none-match')
  if (first === null) {
    const since = dateIn(request, 'if-modified-since')
    return since === null || lastModified === null || lastModified > since
  }
  if (etag === null) return first.trim() !== '*'
  // All lines are read only when the first has no match.
  return !listsWeakly(first, etag) && !listsWeakly(request.getHeaderLine('if-none-match') ?? '', etag)
}

/** Whether a range may be given: If-Range is absent, or names the current version. RFC 9110 §13.1.5. */
export function isRangeCurrent(request: ConditionalRequest, { etag, lastModified }: Validators): boolean {
  const condition = request.getHeader('if-range')
  if (condition === null) return true
  if (/^(?:W\/)?"/.test(condition)) return etag !== null && isStrong(etag) && condition === etag
  return lastModified !== null && parseHttpDate(condition) === lastModified
}

function dateIn(request: ConditionalRequest, name: string): number | null {
  const text = request.getHeader(name)
  return text === null ? null : parseHttpDate(text)
}
