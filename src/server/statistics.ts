/**
 * Counts of a server.
 */

/**
 * What a server does now, and has done since it was made.
 *
 * @example const { runningHandlers, requests } = server.getStatistics()
 */
export interface ServerStatistics {
  /** Open connections, upgraded ones among them. */
  readonly connections: number
  /** Open connections, and streams of HTTP/2, that were upgraded or detached, and connections that are driven in JavaScript. */
  readonly upgradedConnections: number
  /** Handlers whose promise isn't settled. */
  readonly runningHandlers: number
  /** Requests that wait because `requestLimit` handlers run. */
  readonly waitingRequests: number
  /** Requests that were dispatched, since the server was made. */
  readonly requests: number
  /** Requests and connections that were refused, since the server was made; `getRefusals` has the reasons. */
  readonly refusals: number
}
