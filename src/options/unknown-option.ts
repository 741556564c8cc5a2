/**
 * Names that aren't options: the message for each says which option to use.
 */
import { OptionError } from '../core/errors.ts'
import { OPTION_NAMES } from './option-table.ts'

/** Settings of a server that aren't options. */
const SETTINGS = ['options', 'logger', 'errorHandler', 'observers', 'driverFactory', 'clientFactory', 'ioThreads']

const LISTEN = (key: string): string => `given in the first argument, as { ${key} }`

/** Names that other servers use, and what to write here. */
const FOREIGN: Readonly<Record<string, string>> = {
  keepAliveTimeout: 'given as http1Timeout, in seconds',
  keepAliveTimeoutBuffer: 'given as http1Timeout, in seconds',
  idleTimeout: 'given as http1Timeout, in seconds',
  connectionTimeout: 'given as http1Timeout (between requests) or writeTimeout, in seconds',
  headersTimeout: 'given as headerTimeout, in seconds',
  requestBodyTimeout: 'given as bodyTimeout, in seconds',
  connectionsCheckingInterval: 'left out: time limits are exact',
  timeout: 'given as requestTimeout (to receive it) or handlerTimeout (to answer it), in seconds',
  serverTimeout: 'given as requestTimeout (to receive it) or handlerTimeout (to answer it), in seconds',
  responseTimeout: 'given as handlerTimeout, in seconds',
  handshakeTimeout: 'given as tlsSetupTimeout, in seconds',
  sessionTimeout: 'given as http2Timeout, in seconds',
  http2SessionTimeout: 'given as http2Timeout, in seconds',
  shutdownTimeout: 'given as stopTimeout, in seconds',
  gracefulTimeout: 'given as stopTimeout, in seconds',
  gracefulShutdownTimeout: 'given as stopTimeout, in seconds',
  bodyLimit: 'given as bodySizeLimit, in bytes',
  maxBodySize: 'given as bodySizeLimit, in bytes',
  maxRequestBodySize: 'given as bodySizeLimit, in bytes',
  clientMaxBodySize: 'given as bodySizeLimit, in bytes',
  maxHeaderSize: 'given as headerSizeLimit, in bytes',
  maxHeadersCount: 'given as headerFieldLimit',
  maxConnections: 'given as connectionLimit',
  maxConnectionsPerIp: 'given as connectionsPerIpLimit',
  maxConcurrentStreams: 'given as concurrentStreamLimit',
  concurrency: 'given as requestLimit',
  highWaterMark: 'given as streamThreshold (responses) or chunkSize (drivers), in bytes',
  trustProxy: 'given as proxies, a list of networks',
  trustedProxies: 'given as proxies, a list of networks',
  development: 'given as debug',
  methods: 'given as allowedMethods',
  allowHalfOpen: 'given as allowHalfClose',
  threads: 'given as ioThreads',
  workers: 'given as ioThreads, or started as processes with node:cluster',
  error: 'given as errorHandler, an object with handleError(status, reason, request, error)',
  onError: 'given as errorHandler, an object with handleError(status, reason, request, error)',
  hostname: LISTEN('host'),
  address: LISTEN('host'),
  interface: LISTEN('host'),
  host: LISTEN('host'),
  port: LISTEN('port'),
  path: LISTEN('path'),
  unix: LISTEN('path'),
  socket: LISTEN('path'),
  backlog: LISTEN('backlog'),
  reusePort: LISTEN('reusePort'),
  exclusive: LISTEN('reusePort'),
  ipv6Only: LISTEN('ipv6Only'),
}

/** The error for a name that isn't an option. */
export function unknownOption(name: string, value: unknown): OptionError {
  const foreign = Object.hasOwn(FOREIGN, name) ? FOREIGN[name] : undefined
  const known = nearest(name, [...OPTION_NAMES, ...SETTINGS])
  // A name that shares too little is no misspelling.
  const hint = edits(name, known) <= name.length / 2 ? `; did you mean ${known}?` : ''
  return new OptionError(name, value, foreign ?? `one of the known options${hint}`)
}

/** What a message says instead of a name that other servers use, as `hostname` for `host`; null for others. */
export function ownName(name: string): string | null {
  return { hostname: 'host', address: 'host', interface: 'host', unix: 'path', socket: 'path', exclusive: 'reusePort' }[name] ?? null
}

/** The name with the fewest edits from `name`. */
export function nearest(name: string, names: readonly string[]): string {
  return names.reduce((best, other) => (edits(name, other) < edits(name, best) ? other : best))
}

/** Levenshtein distance, in any letter case. */
function edits(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution))
    }
    row = next
  }
  return row[b.length]!
}
