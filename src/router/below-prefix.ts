/**
 * Handlers below a prefix, which see the path without it.
 */
import type { HandlerFunction } from '../handler/handler.ts'
import { retarget } from '../message/request.ts'
import type { Response } from '../message/response.ts'

/** A handler that sees the path without its first segments, as many as a prefix has. Afterwards the path is whole again. */
export function belowPrefix(prefix: string, handler: HandlerFunction): HandlerFunction {
  const segments = prefix.split('/').length - 1
  return (request) => {
    const query = request.getQuery()
    const rest = behind(request.getPath(), segments)
    const whole = retarget(request, query === '' ? rest : `${rest}?${query}`)
    const restore = (): void => void retarget(request, whole)
    let result: Response | Promise<Response>
    try {
      result = handler(request)
    } catch (error) {
      restore()
      throw error
    }
    if (typeof (result as Promise<Response> | undefined)?.then !== 'function') {
      restore()
      return result
    }
    return Promise.resolve(result).finally(restore)
  }
}

/** The path behind so many segments. Segments are counted, since a prefix may be written with escapes. */
function behind(path: string, segments: number): string {
  let at = 0
  for (let count = 0; count < segments && at >= 0; count++) at = path.indexOf('/', at + 1)
  return at < 0 ? '/' : path.slice(at)
}
