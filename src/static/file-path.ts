/**
 * The path of a file in a URL.
 */
import { HttpErrorException } from '../http/http-error.ts'

/** What no name of a file has: separators of any system, and what ends a name for C. */
const NOT_IN_A_NAME = /[/\\\0]/

/** The one directory with a dot that is for clients. RFC 8615. */
const WELL_KNOWN = '.well-known'

/**
 * The path of a file, decoded once. Throws a 400 for invalid escapes, and a 404 for what names no file, or one that isn't
 * served: segments with separators, dots alone, and names that begin with a dot.
 */
export function filePath(path: string, servesDotfiles: boolean): string {
  if (!path.startsWith('/')) throw new HttpErrorException(404)
  const segments = path.includes('%') ? path.split('/').map(decoded) : path.split('/')
  for (const [at, segment] of segments.entries()) {
    if (NOT_IN_A_NAME.test(segment)) throw new HttpErrorException(404)
    if (!segment.startsWith('.')) continue
    const isServed = servesDotfiles ? !/^\.\.?$/.test(segment) : at === 1 && segment === WELL_KNOWN
    if (!isServed) throw new HttpErrorException(404)
  }
  return segments.join('/')
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new HttpErrorException(400, { cause })
  }
}
