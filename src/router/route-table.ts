/**
 * All routes of a router, ready to be matched.
 *
 * The matching is find-my-way's, whose rules hold: a static segment goes before a parameter, a parameter before a
 * wildcard. An escaped slash is part of a parameter, and doesn't separate segments.
 */
import findMyWay from 'find-my-way'
import { OptionError } from '../core/errors.ts'
import { TOKEN } from '../http/token.ts'
import { withMiddleware } from './route.ts'
import type { Route, RouteCall } from './route.ts'

/** How the patterns of a router are matched. */
export interface MatchingRules {
  readonly ignoresTrailingSlash: boolean
  readonly isCaseSensitive: boolean
}

/** A route for one method. */
export interface Entry {
  readonly pattern: string
  readonly call: RouteCall
}

/** What find-my-way finds for a path. */
export interface Found {
  /** The route; null when the escapes of the path are invalid. */
  readonly store: Entry | null
  readonly params: Readonly<Record<string, string | undefined>>
}

/** What stands for each method without a route of its own. These are the methods that find-my-way knows. */
const ANY_METHOD =
  'GET HEAD POST PUT PATCH DELETE OPTIONS QUERY PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH MKACTIVITY CHECKOUT MERGE ACL BIND REBIND UNBIND LINK UNLINK PURGE NOTIFY SUBSCRIBE UNSUBSCRIBE MKCALENDAR M-SEARCH SOURCE TRACE'.split(' ')

type Tree = ReturnType<typeof findMyWay>
const nothing = (): void => {}

/** The longest parameter in characters: the request line has a limit itself. */
const LONGEST = 1024 * 1024

function makeTree({ ignoresTrailingSlash, isCaseSensitive }: MatchingRules): Tree {
  return findMyWay({
    ignoreTrailingSlash: ignoresTrailingSlash,
    caseSensitive: isCaseSensitive,
    maxParamLength: LONGEST,
    querystringParser: () => NO_QUERY,
    onBadUrl: nothing,
  })
}

const NO_QUERY: Record<string, string> = {}

/** Checks routes where they are declared. */
export class RouteCheck {
  readonly #tree: Tree

  constructor(rules: MatchingRules) {
    this.#tree = makeTree(rules)
  }

  /** Throws for an invalid pattern or method, and for a route that was declared before. */
  add(method: string, pattern: string): void {
    if (typeof method !== 'string' || !TOKEN.test(method)) throw new OptionError('method', method, "a method such as 'GET', or '*' for all")
    if (typeof pattern !== 'string' || !pattern.startsWith('/')) throw new OptionError('pattern', pattern, 'a path that begins with a slash')
    // A tree of its own: a route of all methods and one of a single method may have the same pattern.
    const known = method === '*' ? 'CHECKOUT' : method
    try {
      this.#tree.on(known as 'GET', pattern, nothing)
    } catch (cause) {
      const { message } = cause as Error
      if (/already declared/.test(message)) throw new OptionError('each route', `${method} ${pattern}`, 'declared once')
      throw new OptionError('a route', `${method} ${pattern}`, `valid (${message})`)
    }
  }
}

/** The routes of a router and of those that are mounted in it. */
export class RouteTable {
  readonly #tree: Tree
  /** Methods that have routes, the usual ones first. */
  readonly #methods: readonly string[]

  constructor(routes: readonly Route[], rules: MatchingRules) {
    this.#tree = makeTree(rules)
    const declared = routes.flatMap((route) => {
      const entry: Entry = { pattern: route.pattern, call: withMiddleware(route) }
      return route.methods.map((method) => ({ method, entry }))
    })
    const single = declared.filter(({ method }) => method !== '*')
    for (const { method, entry } of single) this.#add(method, entry)
    // HEAD is answered by GET where it has no route of its own, and '*' stands for what is left.
    for (const { method, entry } of single) if (method === 'GET') this.#addUnlessDeclared('HEAD', entry)
    for (const { method, entry } of declared) {
      if (method === '*') for (const each of ANY_METHOD) this.#addUnlessDeclared(each, entry)
    }
    const used = new Set(declared.flatMap(({ method }) => (method === '*' ? ANY_METHOD : method === 'GET' ? ['GET', 'HEAD'] : [method])))
    this.#methods = [...ANY_METHOD.filter((method) => used.has(method)), ...[...used].filter((method) => !ANY_METHOD.includes(method))]
  }

  #add(method: string, entry: Entry): void {
    try {
      this.#tree.on(method as 'GET', entry.pattern, nothing, entry)
    } catch (cause) {
      throw new OptionError('each route', `${method} ${entry.pattern}`, `declared once (${(cause as Error).message})`)
    }
  }

  /** The pattern is known to be valid, so an error says that there is a route. */
  #addUnlessDeclared(method: string, entry: Entry): void {
    try {
      this.#tree.on(method as 'GET', entry.pattern, nothing, entry)
    } catch {
      // The route that was declared for this method counts.
    }
  }

  find(method: string, path: string): Found | null {
    return this.#tree.find(method as 'GET', path) as Found | null
  }

  /** The methods that have a route for a path. */
  methodsOf(path: string): string[] {
    return this.#methods.filter((method) => (this.find(method, path)?.store ?? null) !== null)
  }
}

