/**
 * Handlers that redirect.
 */
import { OptionError } from '../core/errors.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import type { RequestHandler } from './handler.ts'

const PLACE = 'a URL, or a path that begins with a slash, without query and fragment'

/**
 * A response that redirects to `uri`: the client asks there with a GET after a 303, and repeats the request after a 307
 * or 308. The same as `Response.redirect`.
 *
 * @example (request) => redirectTo('/login')
 */
export function redirectTo(uri: string | URL, status = 303): Response {
  return Response.redirect(uri, status)
}

/**
 * Redirects each request to the same path and query below another URI: another host, or another directory.
 *
 * @example new HttpServer(80, new RedirectHandler('https://example.org')) // /a?b goes to https://example.org/a?b
 */
export class RedirectHandler implements RequestHandler {
  readonly #prefix: string
  readonly #status: number

  constructor(uri: string | URL, status = 307) {
    // A path that begins with two slashes would name a host if nothing stood before it.
    this.#prefix = placeOf(uri).replace(/\/+$/, '')
    this.#status = checkRedirect(status)
  }

  /**
   * The redirect.
   *
   * @example handler.handleRequest(Request.create('GET', '/a?b')).getHeader('location')
   */
  handleRequest(request: Request): Response {
    const path = request.getPath()
    const below = this.#prefix === '' ? path.replace(/^[/\\]+/, '/') : path
    return Response.redirect(this.#prefix + (below === '' ? '/' : below) + queryPart(request), this.#status)
  }
}

/**
 * Redirects each request to one URI. The query is kept.
 *
 * @example router.addRoute('GET', '/old', new MovedResourceHandler('/new'))
 */
export class MovedResourceHandler implements RequestHandler {
  readonly #uri: string
  readonly #status: number

  constructor(uri: string | URL, status = 308) {
    this.#uri = placeOf(uri)
    this.#status = checkRedirect(status)
  }

  /**
   * The redirect.
   *
   * @example handler.handleRequest(Request.create('GET', '/old?page=2')).getHeader('location')
   */
  handleRequest(request: Request): Response {
    return Response.redirect(this.#uri + queryPart(request), this.#status)
  }
}

function queryPart(request: Request): string {
  const target = request.getTarget()
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at)
}

function placeOf(uri: string | URL): string {
  const text = String(uri)
  const isPlace = /^(\/(?![/\\])|[a-z][a-z0-9+.-]*:\/\/[^/])/i.test(text) && !/[?#]/.test(text)
  if (!isPlace || !URL.canParse(text, 'http://localhost')) throw new OptionError('uri', uri, PLACE)
  return text
}

function checkRedirect(status: number): number {
  if (Number.isInteger(status) && status >= 300 && status <= 399) return status
  throw new OptionError('status', status, 'an integer from 300 to 399')
}
