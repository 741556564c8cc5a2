/**
 * Entries of Node's performance observers for requests: of the type `http`, with the name `HttpRequest`.
 *
 * Node has no function that makes one: its own responses begin theirs in the constructor, and end them in `_finish`. A
 * response of ours begins its entry where Node keeps it, and has Node's `_finish` called for a stand-in of it.
 */
import { channel } from 'node:diagnostics_channel'
import { STATUS_CODES, ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { PerformanceObserver, performance } from 'node:perf_hooks'
import type { NodeRequest } from './node-request.ts'
import type { NodeResponse } from './node-response.ts'

const created = channel('http.server.response.created')
const { observe } = PerformanceObserver.prototype
const nodeFinish = (ServerResponse.prototype as unknown as { _finish: () => void })._finish

/** Where a response keeps its entry, once something observes them; null before. */
let key: symbol | null = null

/** Whether entries are observed, or were. */
export function areObserved(): boolean {
  return key !== null
}

/** Begins the entry of a request. */
export function beginEntry({ method, url, headers }: NodeRequest, response: NodeResponse): void {
  put(response, { type: 'http', name: 'HttpRequest', startTime: performance.now(), detail: { req: { method, url, headers } } })
}

/** Ends it: the observers get it, if there still are any. */
export function endEntry(response: NodeResponse): void {
  const begun = (response as unknown as Record<symbol, unknown>)[key!]
  if (begun === undefined) return
  const { statusCode, statusMessage = STATUS_CODES[statusCode] ?? 'unknown' } = response
  const standIn = Object.create(ServerResponse.prototype) as object
  Object.assign(standIn, { socket: {}, emit: () => false, statusCode, statusMessage, getHeaders: () => ServerResponse.prototype.getHeaders.call(response) })
  put(standIn, begun)
  nodeFinish.call(standIn)
}

function put(response: object, entry: unknown): void {
  Object.defineProperty(response, key!, { value: entry, configurable: true })
}

/** The symbol that responses of Node's have while entries are observed; null otherwise. */
function findKey(): symbol | null {
  // The subscribers would take a response that is made here for one of a request.
  if (created.hasSubscribers) return null
  const response = new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 } as IncomingMessage)
  return Object.getOwnPropertySymbols(response).find(({ description }) => description === 'ServerResponseStatistics') ?? null
}

PerformanceObserver.prototype.observe = function (this: PerformanceObserver, ...given: Parameters<typeof observe>): void {
  observe.apply(this, given)
  key ??= findKey()
} as typeof observe
