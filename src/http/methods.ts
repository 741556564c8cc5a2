/**
 * Request methods.
 */
import { OptionError } from '../core/errors.ts'
import { TOKEN } from './token.ts'

/**
 * Methods that HTTP itself defines. If one of these isn't allowed, the status is 405; for any other method it is 501.
 * RFC 9110 §9.3, RFC 5789.
 */
const STANDARD_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
])

/** The status for a method that isn't allowed. */
export function refusalOf(method: string): 405 | 501 {
  return STANDARD_METHODS.has(method) ? 405 : 501
}

/** The methods that reach handlers by default, in the order of the `allow` field. */
export const DEFAULT_METHODS: readonly string[] = Object.freeze(['GET', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE'])

/** The method, if it is a token. RFC 9110 §9.1. */
export function checkMethod(method: string): string {
  if (typeof method !== 'string' || !TOKEN.test(method)) {
    throw new OptionError('method', method, 'a token such as GET')
  }
  return method
}
