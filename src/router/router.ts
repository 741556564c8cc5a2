/**
 * The router: a handler that passes each request to the route of its method and path.
 *
 *   path ──► route ──► middleware of the router, of the route ──► handler(request, parameters)
 *     └──► no route: another method has one ──► 405, or the answer to OPTIONS
 *                    the other form of the last slash has one ──► 308
 *                    ──► fallback, else 404
 */
import { TAKES_STREAMS, notifyObservers, takesStreams } from '../core/observing.ts'
import { OptionError, StateError } from '../core/errors.ts'
import type { FetchApplication } from '../handler/fetch-application.ts'
import { toFunction } from '../handler/handler.ts'
import type { Handler, HandlerFunction, RequestHandler } from '../handler/handler.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { middlewareFunction } from '../middleware/middleware.ts'
import type { AnyMiddleware } from '../middleware/middleware.ts'
import { stack } from '../middleware/stack.ts'
import { belowPrefix } from './below-prefix.ts'
import { MatchedRoute, callOf } from './route.ts'
import type { Route, RouteFunction, RouteMethod } from './route.ts'
import { RouteCheck, RouteTable } from './route-table.ts'
import type { MatchingRules } from './route-table.ts'
import { checkRouterSettings } from './router-settings.ts'
import type { RouterSettings } from './router-settings.ts'

/** A handler below a prefix. */
interface Mount {
  readonly prefix: string
  readonly handler: Router | RequestHandler | HandlerFunction | FetchApplication
  readonly middleware: readonly AnyMiddleware[]
}

/** What answers below a prefix where no route does. */
interface Fallback {
  readonly prefix: string
  readonly call: HandlerFunction
}

/** A router once its routes are complete. */
interface Compiled {
  readonly table: RouteTable
  /** Those of mounted routers; longest prefix first. */
  readonly fallbacks: readonly Fallback[]
  readonly options: HandlerFunction
}

/**
 * Routes requests by method and path. It is a handler: pass it to a server, a stack or another router.
 *
 * @example const router = new Router().route('GET', '/notes/:id', (request, { id }) => Response.json(notes.get(id)))
 */
export class Router implements RequestHandler {
  readonly #rules: MatchingRules
  readonly #redirects: boolean
  readonly #check: RouteCheck
  readonly #routes: Route[] = []
  readonly #mounts: Mount[] = []
  readonly #middleware: AnyMiddleware[] = []
  #fallback: { readonly given: Handler; readonly call: HandlerFunction } | null = null
  #prefix = ''
  #compiled: Compiled | null = null

  constructor(settings: RouterSettings = {}) {
    const { trailingSlash, caseSensitive } = checkRouterSettings(settings)
    this.#rules = { ignoresTrailingSlash: trailingSlash === 'ignore', isCaseSensitive: caseSensitive }
    this.#redirects = trailingSlash === 'redirect'
    this.#check = new RouteCheck(this.#rules)
  }

  /**
   * Adds a route. A pattern has segments as they are, parameters (`/notes/:id`, `/:from-:to`, `/:id(^\\d+)`, `/:id?` at its
   * end) and `*` for the rest; `/?` at its end redirects the form with a slash. The function gets the parameters, decoded,
   * as its second argument; they are also in the attribute `MatchedRoute`. Further arguments are middleware of this
   * route. HEAD is answered by the route of GET, and `'*'` stands for each method without a route of its own.
   *
   * @example router.route('GET', '/notes/:id', async (request, { id }) => Response.json(await notes.get(id)))
   */
  route<const Pattern extends string>(
    method: RouteMethod | readonly RouteMethod[],
    pattern: Pattern,
    handler: RouteFunction<Pattern> | RequestHandler | FetchApplication,
    ...middleware: AnyMiddleware[]
  ): this {
    this.#onlyOpen('route')
    const methods = [...new Set(typeof method === 'string' ? [method] : method)]
    if (methods.length === 0) throw new OptionError('method', method, "a method such as 'GET', or a list of at least one")
    const call = callOf(handler as RouteFunction)
    for (const each of middleware) middlewareFunction(each)
    const isOpen = typeof pattern === 'string' && pattern.length > 2 && pattern.endsWith('/?')
    const own = isOpen ? pattern.slice(0, -2) : pattern
    for (const each of methods) this.#check.add(each, own)
    this.#routes.push({ methods, pattern: own, handler, call, middleware })
    if (isOpen && !this.#rules.ignoresTrailingSlash) {
      this.#routes.push({ methods, pattern: `${own}/`, handler: null, call: withoutSlash, middleware: [] })
    }
    return this
  }

  /**
   * Adds middleware around all routes, also those that were added before, and around the answers to OPTIONS. The first is
   * the outermost. The fallback has none: for middleware around everything use `stack(router, ...)`.
   *
   * @example router.addMiddleware(new CorsMiddleware({ origins: ['https://app.example'] }))
   */
  addMiddleware(...middleware: AnyMiddleware[]): this {
    this.#onlyOpen('addMiddleware')
    for (const each of middleware) middlewareFunction(each)
    this.#middleware.push(...middleware)
    return this
  }

  /**
   * Sets what answers requests without a route; without it that is a 404 of the error handler.
   *
   * @example router.setFallback(new DocumentRoot('public', { fallback: 'index.html' }))
   */
  setFallback(handler: Handler): this {
    this.#onlyOpen('setFallback')
    this.#fallback = { given: handler, call: toFunction(handler) }
    return this
  }

  /**
   * Puts a path in front of all routes of this router. A further call goes in front of that.
   *
   * @example router.prefix('/v1').prefix('/api') // routes are below /api/v1
   */
  prefix(path: string): this {
    this.#onlyOpen('prefix')
    this.#prefix = checkPrefix(path) + this.#prefix
    return this
  }

  /**
   * Adds the routes of another router below a path, with its middleware inside of this one's. Any other handler gets all
   * requests below the path, of every method, and sees their path without it. Further arguments are middleware.
   *
   * @example router.mount('/admin', adminRouter).mount('/assets', new DocumentRoot('assets'))
   */
  mount(path: string, handler: Router | Handler, ...middleware: AnyMiddleware[]): this {
    this.#onlyOpen('mount')
    const prefix = checkPrefix(path)
    if (handler === this) throw new OptionError('handler', handler, 'another router')
    if (!(handler instanceof Router)) toFunction(handler)
    for (const each of middleware) middlewareFunction(each)
    this.#mounts.push({ prefix, handler, middleware })
    return this
  }

  /**
   * The routes with their whole patterns, also those of mounted routers.
   *
   * @example for (const { methods, pattern } of router.getRoutes()) console.log(methods.join(), pattern)
   */
  getRoutes(): { readonly methods: readonly string[]; readonly pattern: string }[] {
    return this.#all('', []).map(({ methods, pattern }) => ({ methods, pattern }))
  }

  /**
   * Answers a request.
   *
   * @example await router.handleRequest(Request.create('GET', '/notes/5'))
   */
  handleRequest(request: Request): Response | Promise<Response> {
    const compiled = (this.#compiled ??= this.#compile())
    const path = request.getPath()
    const found = path.startsWith('/') ? compiled.table.find(request.getMethod(), path) : null
    if (found === null) return this.#answerWithoutRoute(request, path, compiled)
    const { store: entry, params } = found
    if (entry === null) throw new HttpErrorException(400)
    request.setAttribute(MatchedRoute, { pattern: entry.pattern, parameters: params })
    return entry.call(request, params)
  }

  #answerWithoutRoute(request: Request, path: string, compiled: Compiled): Response | Promise<Response> {
    const methods = path.startsWith('/') ? compiled.table.methodsOf(path) : []
    if (methods.length > 0) {
      const allow = [...methods, ...(methods.includes('OPTIONS') ? [] : ['OPTIONS'])].join(', ')
      if (request.getMethod() !== 'OPTIONS') throw new HttpErrorException(405, { headers: { allow } })
      request.setAttribute(Allowed, allow)
      return compiled.options(request)
    }
    if (this.#redirects && hasRoute(compiled.table, request.getMethod(), otherForm(path))) return redirectTo(request, otherForm(path))
    const mounted = compiled.fallbacks.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
    const fallback = mounted?.call ?? this.#fallback?.call
    if (fallback === undefined) throw new HttpErrorException(404)
    return fallback(request)
  }

  #compile(): Compiled {
    const fallbacks = this.#fallbacks('').toSorted((a, b) => b.prefix.length - a.prefix.length)
    const options = (request: Request): Response => new Response(204, { allow: request.getAttribute(Allowed) as string })
    return {
      table: new RouteTable(this.#all('', []), this.#rules),
      fallbacks,
      options: toFunction(stack(options, ...this.#middleware)),
    }
  }

  /** All routes below a prefix, with the middleware around them. */
  #all(before: string, around: readonly AnyMiddleware[]): Route[] {
    const prefix = before + this.#prefix
    const outer = [...around, ...this.#middleware]
    const own = this.#routes.map((route) => ({ ...route, pattern: joined(prefix, route.pattern), middleware: [...outer, ...route.middleware] }))
    const mounted = this.#mounts.flatMap(({ prefix: below, handler, middleware }) => {
      const inner = [...outer, ...middleware]
      if (handler instanceof Router) return handler.#all(prefix + below, inner)
      const call = belowPrefix(prefix + below, toFunction(handler))
      return [`${prefix}${below}` || null, `${prefix}${below}/*`]
        .filter((pattern) => pattern !== null)
        .map((pattern) => ({ methods: ['*'], pattern, handler, call, middleware: inner }))
    })
    return [...own, ...mounted]
  }

  /** The fallbacks of mounted routers. */
  #fallbacks(before: string): Fallback[] {
    return this.#mounts.flatMap(({ prefix, handler }) => {
      if (!(handler instanceof Router)) return []
      const below = before + this.#prefix + prefix
      const own = handler.#fallback === null ? [] : [{ prefix: below + handler.#prefix, call: handler.#fallback.call }]
      return [...own, ...handler.#fallbacks(below)]
    })
  }

  /**
   * Completes the routes, and calls the handlers and middleware that observe the start of a server. The server calls it.
   *
   * @example await router.onStart(server)
   */
  async onStart(server: unknown): Promise<void> {
    this.#compiled ??= this.#compile()
    await this.#notify('onStart', server)
  }

  /**
   * Calls the handlers and middleware that observe the stop of a server. The server calls it.
   *
   * @example await router.onStop(server)
   */
  async onStop(server: unknown): Promise<void> {
    await this.#notify('onStop', server)
  }

  /** @internal Whether a route takes over streams of HTTP/2. */
  [TAKES_STREAMS](): boolean {
    return takesStreams(this.#parts())
  }

  /** All that may observe the server. */
  #parts(): unknown[] {
    return [
      ...this.#middleware,
      ...this.#routes.flatMap(({ handler, middleware }) => [handler, ...middleware]),
      ...this.#mounts.flatMap(({ handler, middleware }) => [handler, ...middleware]),
      this.#fallback?.given,
    ]
  }

  async #notify(moment: 'onStart' | 'onStop', server: unknown): Promise<void> {
    const failures = await notifyObservers(this.#parts(), moment, server)
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, `parts of a router failed in ${moment}`)
  }

  #onlyOpen(method: string): void {
    if (this.#compiled !== null) throw new StateError(`${method} comes before the first request, and before the server starts`)
  }
}

/** The value of `allow` for the answer to OPTIONS. */
const Allowed = Symbol('allowed')

function hasRoute(table: RouteTable, method: string, path: string): boolean {
  return (table.find(method, path)?.store ?? null) !== null
}

/** The path with a slash at its end, or without it. */
function otherForm(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) || '/' : `${path}/`
}

/** The handler of a pattern with `/?`: its form with a slash. */
function withoutSlash(request: Request): Response {
  return redirectTo(request, otherForm(request.getPath()))
}

/** Redirects to a path, with the query. Two slashes at its beginning would name another host. */
function redirectTo(request: Request, path: string): Response {
  const query = request.getQuery()
  const own = path.replace(/^[/\\]+/, '/')
  return Response.redirect(query === '' ? own : `${own}?${query}`, 308)
}

/** Checks a prefix, which has no slash at its end. */
function checkPrefix(path: string): string {
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('*') || path.includes('?')) {
    throw new OptionError('path', path, 'a path that begins with a slash, without wildcards')
  }
  return path.replace(/\/+$/, '')
}

/** A pattern below a prefix; the root of the router is the prefix itself. */
function joined(prefix: string, pattern: string): string {
  return pattern === '/' && prefix !== '' ? prefix : prefix + pattern
}
