/**
 * Cross-origin requests: which other sites' scripts may use an application. Fetch Standard §3.3.
 *
 *   preflight (OPTIONS with origin and access-control-request-method) ──► 204, answered here
 *   other requests ──► the handler, and the response says whether the script may read it
 */
import { OptionError, show } from '../core/errors.ts'
import { addVary } from '../http/vary.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import type { Middleware, Next } from './middleware.ts'

/** Says whether an origin, such as `https://example.org`, is allowed. */
export type IsOriginAllowed = (origin: string, request: Request) => boolean | Promise<boolean>

/** Settings of `CorsMiddleware`. */
export interface CorsSettings {
  /** Origins that are allowed: `'*'` for all, one, a list of them and of expressions, or a function. Default: all. */
  readonly origin?: string | RegExp | readonly (string | RegExp)[] | IsOriginAllowed | undefined
  /** Methods that are allowed. Default: GET, HEAD, PUT, PATCH, POST, DELETE. */
  readonly methods?: readonly string[] | undefined
  /** Fields that requests may have. Default: those that the preflight asks for. */
  readonly allowedHeaders?: readonly string[] | undefined
  /** Fields of responses that scripts may read, beside those that every script may. Default: none. */
  readonly exposedHeaders?: readonly string[] | undefined
  /** Whether requests may carry cookies and credentials. Needs origins other than `'*'`. Default: false. */
  readonly credentials?: boolean | undefined
  /** Seconds for which a browser may keep the answer to a preflight. Default: not sent, which means 5. */
  readonly maxAge?: number | undefined
}

const DEFAULT_METHODS: readonly string[] = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']
const NAMES: ReadonlySet<string> = new Set(['origin', 'methods', 'allowedHeaders', 'exposedHeaders', 'credentials', 'maxAge'])

/** Whether an origin is allowed; null: all are, without a look at it. */
type Rule = IsOriginAllowed | null

/**
 * Allows scripts of other origins to use what is behind it. An origin that isn't allowed gets the response without the
 * fields, so that its browser keeps it from the script; refuse such requests yourself where they change something.
 *
 * Errors that go through it have no CORS fields: place `ErrorPagesMiddleware`, and `ExceptionMiddleware`, behind it.
 *
 * @example stack(handler, new CorsMiddleware({ origin: 'https://example.org', credentials: true }), new ErrorPagesMiddleware())
 */
export class CorsMiddleware implements Middleware {
  readonly #rule: Rule
  readonly #methods: string
  readonly #allowed: string | null
  readonly #exposed: string | null
  readonly #credentials: boolean
  readonly #maxAge: number | null

  constructor(settings: CorsSettings = {}) {
    checkSettings(settings)
    const { origin = '*', methods = DEFAULT_METHODS, allowedHeaders, exposedHeaders, credentials = false, maxAge } = settings
    this.#rule = ruleOf(origin)
    if (credentials && this.#rule === null) {
      throw new OptionError('origin', origin, "other than '*' with credentials: any site could act as the user")
    }
    this.#methods = methods.join(', ')
    this.#allowed = allowedHeaders === undefined ? null : allowedHeaders.join(', ')
    this.#exposed = exposedHeaders === undefined || exposedHeaders.length === 0 ? null : exposedHeaders.join(', ')
    this.#credentials = credentials
    this.#maxAge = maxAge ?? null
  }

  /**
   * Answers a preflight, or passes the request on and adds the fields to the response.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const origin = request.getHeader('origin')
    const isPreflight = origin !== null && request.getMethod() === 'OPTIONS' && request.hasHeader('access-control-request-method')
    const allowed = origin === null || this.#rule === null ? this.#rule === null : this.#rule(origin, request)
    if (allowed instanceof Promise) return allowed.then((isAllowed) => this.#handle(request, next, origin, isPreflight, isAllowed))
    return this.#handle(request, next, origin, isPreflight, allowed)
  }

  #handle(request: Request, next: Next, origin: string | null, isPreflight: boolean, isAllowed: boolean): Response | Promise<Response> {
    if (isPreflight) return this.#preflight(request, isAllowed ? origin : null)
    const result = next(request)
    const permitted = (response: Response): Response => this.#permit(response, isAllowed ? origin : null)
    return result instanceof Promise ? result.then(permitted) : permitted(result)
  }

  #preflight(request: Request, origin: string | null): Response {
    const response = this.#permit(new Response(204), origin)
    // A cache, or a browser, must not use the answer for another method or other fields.
    addVary(response, 'access-control-request-method')
    addVary(response, 'access-control-request-headers')
    if (origin === null) return response
    response.setHeader('access-control-allow-methods', this.#methods)
    const allowed = this.#allowed ?? request.getHeaderLine('access-control-request-headers')
    if (allowed !== null && allowed !== '') response.setHeader('access-control-allow-headers', allowed)
    if (this.#maxAge !== null) response.setHeader('access-control-max-age', this.#maxAge)
    return response
  }

  /** Adds the fields for an origin that is allowed; null for others. */
  #permit(response: Response, origin: string | null): Response {
    if (this.#rule !== null) addVary(response, 'origin')
    else {
      response.setHeader('access-control-allow-origin', '*')
      if (this.#exposed !== null) response.setHeader('access-control-expose-headers', this.#exposed)
      return response
    }
    if (origin === null) return response
    response.setHeader('access-control-allow-origin', origin)
    if (this.#credentials) response.setHeader('access-control-allow-credentials', 'true')
    if (this.#exposed !== null) response.setHeader('access-control-expose-headers', this.#exposed)
    return response
  }
}

function checkSettings(settings: CorsSettings): void {
  if (typeof settings !== 'object' || settings === null) throw new OptionError('CorsMiddleware', settings, 'given settings such as { origin }')
  const unknown = Object.keys(settings).find((name) => !NAMES.has(name))
  if (unknown !== undefined) throw new OptionError('a setting of CorsMiddleware', unknown, `one of ${[...NAMES].join(', ')}`)
  for (const name of ['methods', 'allowedHeaders', 'exposedHeaders'] as const) {
    const list = settings[name] as unknown
    const isList = list === undefined || (Array.isArray(list) && list.every((each) => typeof each === 'string'))
    if (!isList) throw new OptionError(name, list, 'a list of names')
  }
  const { maxAge } = settings
  if (maxAge !== undefined && (!Number.isSafeInteger(maxAge) || maxAge < 0)) throw new OptionError('maxAge', maxAge, 'a whole number of seconds')
}

function ruleOf(origin: NonNullable<CorsSettings['origin']>): Rule {
  if (origin === '*') return null
  if (typeof origin === 'function') return origin
  const list: readonly unknown[] = Array.isArray(origin) ? origin : [origin]
  for (const each of list) checkOrigin(each)
  return (given) => list.some((each) => (each instanceof RegExp ? matches(each, given) : each === given))
}

/** A pattern with the flag `g` begins where the last match ended. */
function matches(pattern: RegExp, origin: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(origin)
}

/** Browsers send a scheme, a host and perhaps a port: what has a path or a default port never matches. */
function checkOrigin(origin: unknown): void {
  if (origin instanceof RegExp || origin === 'null') return
  const isOrigin = typeof origin === 'string' && URL.canParse(origin) && (new URL(origin).origin === origin || new URL(origin).origin === 'null')
  if (!isOrigin || origin.endsWith('/')) {
    throw new OptionError('origin', origin, `an origin as browsers send it, such as 'https://example.org', or an expression; not ${show(origin)}`)
  }
}
