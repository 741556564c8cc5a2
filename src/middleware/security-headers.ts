/**
 * Fields that ask browsers for protection.
 */
import { OptionError } from '../core/errors.ts'
import { valueOf } from '../http/fields.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { Middleware, Next } from './middleware.ts'

/** The fields with their defaults. */
const DEFAULTS = {
  'content-security-policy': "base-uri 'self'; frame-ancestors 'self'; object-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': null,
  'referrer-policy': 'strict-origin-when-cross-origin',
  'strict-transport-security': 'max-age=15552000',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
} as const

/** Values of the fields; null leaves a field out. */
export type SecurityHeaders = { readonly [Name in keyof typeof DEFAULTS]?: string | null | undefined }

/**
 * Sets fields that ask browsers for protection, unless the response has them: `x-content-type-options`,
 * `x-frame-options`, `referrer-policy`, `cross-origin-opener-policy`, `cross-origin-resource-policy`,
 * `strict-transport-security` (on encrypted connections, and behind proxies where the client used https), and a
 * `content-security-policy` that forbids plugins and frames of others. Write your own policy for scripts and styles. Each
 * has a default, another value, or null to leave it out.
 *
 * @example stack(handler, new SecurityHeadersMiddleware({ 'content-security-policy': "default-src 'self'" }))
 */
export class SecurityHeadersMiddleware implements Middleware {
  readonly #fields: readonly (readonly [string, string])[]
  readonly #transport: string | null

  constructor(headers: SecurityHeaders = {}) {
    for (const name of Object.keys(headers)) {
      if (!Object.hasOwn(DEFAULTS, name)) throw new OptionError('a security header', name, `one of ${Object.keys(DEFAULTS).join(', ')}`)
    }
    const chosen = Object.entries(DEFAULTS).map(([name, value]) => [name, given(headers, name) === undefined ? value : given(headers, name)] as const)
    const fields = chosen.filter((field): field is [string, string] => typeof field[1] === 'string')
    for (const [name, value] of fields) valueOf(name, value)
    this.#fields = fields.filter(([name]) => name !== 'strict-transport-security')
    this.#transport = fields.find(([name]) => name === 'strict-transport-security')?.[1] ?? null
  }

  /**
   * Passes the request on and adds the fields that the response doesn't have.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const result = next(request)
    const secured = (response: Response): Response => this.#secure(request, response)
    return result instanceof Promise ? result.then(secured) : secured(result)
  }

  #secure(request: Request, response: Response): Response {
    for (const [name, value] of this.#fields) if (!response.hasHeader(name)) response.addHeader(name, value)
    const transport = this.#transport
    // RFC 6797 §7.2: never on a connection that isn't secure.
    if (transport !== null && !response.hasHeader('strict-transport-security') && request.getUri().protocol === 'https:') {
      response.addHeader('strict-transport-security', transport)
    }
    return response
  }
}

function given(headers: SecurityHeaders, name: string): unknown {
  const value = (headers as Readonly<Record<string, unknown>>)[name]
  if (value === undefined || value === null || typeof value === 'string') return value
  throw new OptionError(name, value, 'text, or null to leave it out')
}
