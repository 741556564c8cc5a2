/**
 * All options with their defaults and allowed values.
 */
import { totalmem } from '../core/builtin.ts'
import { OptionError } from '../core/errors.ts'
import type { ForwardedHeaders } from '../net/forwarded.ts'
import { isNetwork } from '../net/ip.ts'
import { TOKEN } from '../http/token.ts'

/** Options by name. Times are seconds, sizes bytes. */
export interface OptionValues {
  /** Error pages and log lines show more detail. */
  debug: boolean
  /** Open connections. A new one above the limit closes the one that has been idle longest; if none is idle, the new one is closed. */
  connectionLimit: number
  /** Open connections of one IPv4 address or IPv6 /56; local addresses and `proxies` are exempt. A new one above the limit closes the longest idle one of its address; if none is idle, the new one gets a 503. */
  connectionsPerIpLimit: number
  /** Idle time of a connection between requests. It is sent in the `keep-alive` field. */
  http1Timeout: number
  /** Idle time of an HTTP/2 connection. Takes effect with HTTP/2, in a later release. */
  http2Timeout: number
  /** Duration of a TLS handshake, from its first byte. */
  tlsSetupTimeout: number
  /** Size of one request body; `Infinity` for no limit. */
  bodySizeLimit: number
  /** Size of one header section. */
  headerSizeLimit: number
  /** Open streams of one HTTP/2 connection. Takes effect with HTTP/2, in a later release. */
  concurrentStreamLimit: number
  /** Largest piece that the parser of a driver is given. */
  chunkSize: number
  /** Bytes of a streamed body that are collected before they are sent, as long as its source gives them without a pause. */
  streamThreshold: number
  /** Methods that reach the handler, in the order of the `allow` field. */
  allowedMethods: readonly string[]
  /** The obsolete upgrade to h2c is accepted. Takes effect with HTTP/2, in a later release. */
  http2Upgrade: boolean
  /** Pushes are sent as `link` fields. Takes effect with pushes, in a later release. */
  push: boolean
  /** Responses are compressed. Takes effect with compression, in a later release. */
  compression: boolean
  /** Log lines of errors contain the request. */
  requestLogContext: boolean
  /** Duration of the PROXY header of a connection that must begin with one. */
  proxyHeaderTimeout: number
  /** Duration of one header section, from its first byte. */
  headerTimeout: number
  /** Time that a body may stay without progress. */
  bodyTimeout: number
  /** Bytes a second that a body must reach on average after its first five seconds; 0 for no minimum. */
  minimumBodyRate: number
  /** Duration of one whole request, without the time in which its handler doesn't read the body; 0 for no limit. */
  requestTimeout: number
  /** Duration of one handler; after it the response is a 503; 0 for no limit. */
  handlerTimeout: number
  /** A client that has closed its sending side still gets its response. */
  allowHalfClose: boolean
  /** Time that a response may stay without progress because its client doesn't read. */
  writeTimeout: number
  /** Fields in one header section. */
  headerFieldLimit: number
  /** Size of the request line. */
  requestLineLimit: number
  /** Size of all chunk extensions of one body. */
  chunkExtensionLimit: number
  /** Requests of one connection that run or wait at the same time. */
  pipelineLimit: number
  /** Handlers of one server that run at the same time. At the limit no further request is read. */
  requestLimit: number
  /** Memory for heads, bodies and unsent bytes together. Takes effect with admission, in a later release. */
  memoryLimit: number
  /** Networks of proxies, and `'unix'` for unix sockets. Their connections aren't counted by address, and what they tell of their clients is believed: forwarded fields and PROXY headers. */
  proxies: readonly string[]
  /** The fields that `proxies` set: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`. Those of the other kind are ignored. */
  forwardedHeaders: ForwardedHeaders
  /** HTTP/2 is offered over TLS. Takes effect with HTTP/2, in a later release. */
  http2: boolean
  /** HTTP/2 without TLS is accepted by prior knowledge. Takes effect with HTTP/2, in a later release. */
  http2Cleartext: boolean
  /** Time that `stop` waits unless it is given one. */
  stopTimeout: number
}

/** Name of an option. */
export type OptionName = keyof OptionValues

interface Rule {
  readonly allowed: string
  readonly accepts: (value: unknown) => boolean
}

const isInteger = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least

const COUNT: Rule = { allowed: 'an integer of at least 1', accepts: (value) => isInteger(value, 1) }
const SECONDS: Rule = { allowed: 'a whole number of seconds, at least 1', accepts: (value) => isInteger(value, 1) }
const FRACTION: Rule = {
  allowed: 'a number of seconds above 0, or Infinity',
  accepts: (value) => typeof value === 'number' && value > 0,
}
const FRACTION_OR_OFF: Rule = {
  allowed: 'a number of seconds, or 0 for none',
  accepts: (value) => typeof value === 'number' && value >= 0,
}
const RATE: Rule = { allowed: 'an integer of at least 0', accepts: (value) => isInteger(value, 0) }
const SIZE_OR_INFINITY: Rule = {
  allowed: 'an integer of at least 0, or Infinity',
  accepts: (value) => value === Infinity || isInteger(value, 0),
}
const SWITCH: Rule = { allowed: 'true or false', accepts: (value) => typeof value === 'boolean' }
const METHODS: Rule = {
  allowed: 'a list of methods that holds GET and HEAD',
  accepts: (value) =>
    Array.isArray(value) &&
    value.every((method) => typeof method === 'string' && TOKEN.test(method)) &&
    value.includes('GET') &&
    value.includes('HEAD'),
}
const NETWORKS: Rule = {
  allowed: "a list of networks such as '10.0.0.0/8', addresses, or 'unix'",
  accepts: (value) => Array.isArray(value) && value.every((item) => item === 'unix' || isNetwork(item)),
}

const FORWARDED: Rule = {
  allowed: "'x-forwarded' or 'forwarded'",
  accepts: (value) => value === 'x-forwarded' || value === 'forwarded',
}

const RULES: Readonly<Record<OptionName, Rule>> = {
  debug: SWITCH,
  connectionLimit: COUNT,
  connectionsPerIpLimit: COUNT,
  http1Timeout: SECONDS,
  http2Timeout: SECONDS,
  tlsSetupTimeout: SECONDS,
  bodySizeLimit: SIZE_OR_INFINITY,
  headerSizeLimit: COUNT,
  concurrentStreamLimit: COUNT,
  chunkSize: COUNT,
  streamThreshold: COUNT,
  allowedMethods: METHODS,
  http2Upgrade: SWITCH,
  push: SWITCH,
  compression: SWITCH,
  requestLogContext: SWITCH,
  proxyHeaderTimeout: FRACTION,
  headerTimeout: FRACTION,
  bodyTimeout: FRACTION,
  minimumBodyRate: RATE,
  requestTimeout: FRACTION_OR_OFF,
  handlerTimeout: FRACTION_OR_OFF,
  allowHalfClose: SWITCH,
  writeTimeout: FRACTION,
  headerFieldLimit: COUNT,
  requestLineLimit: COUNT,
  chunkExtensionLimit: RATE,
  pipelineLimit: COUNT,
  requestLimit: COUNT,
  memoryLimit: COUNT,
  proxies: NETWORKS,
  forwardedHeaders: FORWARDED,
  http2: SWITCH,
  http2Cleartext: SWITCH,
  stopTimeout: FRACTION_OR_OFF,
}

/** Bytes that this process may use: the limit of its container, or else the memory of the machine. */
function usableMemory(): number {
  const allowed = process.constrainedMemory()
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem()
}

/** The defaults. The engine has none of its own: it is given every limit. */
export const DEFAULTS: Readonly<OptionValues> = Object.freeze({
  debug: false,
  connectionLimit: 10_000,
  connectionsPerIpLimit: 30,
  http1Timeout: 15,
  http2Timeout: 60,
  tlsSetupTimeout: 5,
  bodySizeLimit: 131_072,
  headerSizeLimit: 32_768,
  concurrentStreamLimit: 256,
  chunkSize: 8192,
  streamThreshold: 8192,
  allowedMethods: Object.freeze(['GET', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE']),
  http2Upgrade: false,
  push: true,
  compression: true,
  requestLogContext: false,
  proxyHeaderTimeout: 5,
  headerTimeout: 15,
  bodyTimeout: 15,
  minimumBodyRate: 240,
  requestTimeout: 0,
  handlerTimeout: 0,
  allowHalfClose: false,
  writeTimeout: 15,
  headerFieldLimit: 256,
  requestLineLimit: 16_384,
  chunkExtensionLimit: 16_384,
  pipelineLimit: 64,
  requestLimit: 10_000,
  memoryLimit: Math.floor(usableMemory() / 4),
  proxies: Object.freeze([] as string[]),
  forwardedHeaders: 'x-forwarded',
  http2: true,
  http2Cleartext: false,
  stopTimeout: 3,
})

/** Whether there is an option of that name. */
export function isOption(name: string): name is OptionName {
  return Object.hasOwn(RULES, name)
}

/** Whether a value is allowed for an option. */
export function isAllowed(name: OptionName, value: unknown): boolean {
  return RULES[name].accepts(value)
}

/** The allowed values of an option, in words. */
export function allowedValues(name: OptionName): string {
  return RULES[name].allowed
}

/** Returns an allowed value, lists without duplicates; throws for any other. */
export function checkOption(name: OptionName, value: unknown): unknown {
  const rule = RULES[name]
  if (!rule.accepts(value)) throw new OptionError(name, value, rule.allowed)
  return Array.isArray(value) ? Object.freeze([...new Set(value)]) : value
}

/** Settings of a server that aren't options. */
const SETTINGS = ['options', 'logger', 'errorHandler', 'observers']

/** The known name with the fewest edits from `name`. */
export function nearestOption(name: string): string {
  const names = [...Object.keys(RULES), ...SETTINGS]
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
