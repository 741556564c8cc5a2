/**
 * All options with their defaults and allowed values.
 */
import { OptionError } from '../core/errors.ts'
import { DEFAULT_METHODS } from '../http/methods.ts'
import type { ForwardedHeaders } from '../net/forwarded.ts'
import { isNetwork } from '../net/ip.ts'
import { Engine } from '../native.ts'

/** Options by name. Times are seconds, sizes bytes. */
export interface OptionValues {
  /** Error pages and log lines show more detail. */
  debug: boolean
  /** Open connections. A new one above the limit closes the one that has been idle longest; if none is idle, the new one gets a 503. */
  connectionLimit: number
  /** Open connections of one IPv4 address or IPv6 /56; local addresses and `proxies` are exempt. A new one above the limit closes the longest idle one of its address; if none is idle, the new one gets a 503. */
  connectionsPerIpLimit: number
  /** Idle time of a connection between requests. It is sent in the `keep-alive` field; the connection closes a second later. A value that is set counts for all clients, unless `localHttp1Timeout` is set with it. */
  http1Timeout: number
  /** The same for clients that aren't counted by address: local networks, unix sockets and `proxies`. The idle time of a load balancer must be shorter. */
  localHttp1Timeout: number
  /** Time that an HTTP/2 connection may be without an open stream. */
  http2Timeout: number
  /** The same for clients that aren't counted by address, such as proxies. `http2Timeout` sets both, unless this is set with it. */
  localHttp2Timeout: number
  /** Silence of an HTTP/2 client after which it is sent a PING, and again after which its connection is closed; 0 for none. */
  http2PingInterval: number
  /** Duration of a TLS handshake, from its first byte. */
  tlsSetupTimeout: number
  /** Size of one request body; `Infinity` for no limit. */
  bodySizeLimit: number
  /** Size of one header section. */
  headerSizeLimit: number
  /** Open streams of one HTTP/2 connection. Further ones are refused, and the connection lives on. */
  concurrentStreamLimit: number
  /** Largest piece that the parser of a driver is given. */
  chunkSize: number
  /** Bytes of a streamed body that are collected before they are sent, as long as its source gives them without a pause. */
  streamThreshold: number
  /** Methods that reach the handler, in the order of the `allow` field. */
  allowedMethods: readonly string[]
  /** The obsolete upgrade to h2c. Only `false` is accepted: RFC 9113 has removed it. */
  http2Upgrade: boolean
  /** HTTP/2's own pushes. Only `false` is accepted: browsers have given them up, and `response.push` sends `link` fields. */
  push: boolean
  /** Responses are compressed, as by a `CompressionMiddleware` outside of all others. */
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
  /** Time in which a client must read some of a response, and as much as `minimumBodyRate` says on average. */
  writeTimeout: number
  /** Fields in one header section. */
  headerFieldLimit: number
  /** Size of the request line. */
  requestLineLimit: number
  /** Size of all chunk extensions of one body. */
  chunkExtensionLimit: number
  /** Requests of one connection that run or wait at the same time. */
  pipelineLimit: number
  /** Handlers of one server that run at the same time. At the limit no further request is read; one that has waited for 5 seconds gets a 503. An address that isn't local or in `proxies` gets a quarter of them. */
  requestLimit: number
  /** Memory for heads, bodies and unsent bytes together. Only `Infinity` is accepted: this release has no such limit. */
  memoryLimit: number
  /** Networks of proxies, and `'unix'` for unix sockets. Their connections aren't counted by address, and what they tell of their clients is believed: forwarded fields and PROXY headers. */
  proxies: readonly string[]
  /** The fields that `proxies` set: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`. Those of the other kind are ignored. */
  forwardedHeaders: ForwardedHeaders
  /** HTTP/2 is offered over TLS, unless a driver factory of the application says what is. */
  http2: boolean
  /** HTTP/2 without TLS is accepted, from clients that begin with its preface. */
  http2Cleartext: boolean
  /** A client may open WebSockets on streams of an HTTP/2 connection (extended CONNECT, RFC 8441). */
  extendedConnect: boolean
  /** Bytes of an HTTP/2 upload that may always be under way while its handler keeps up, from 64 KiB on. The receive window is up to twice as large. */
  http2WindowLimit: number
  /** Origins that clients may use an HTTP/2 connection over TLS for, sent as an ORIGIN frame (RFC 8336). */
  origins: readonly string[]
  /** Requests of one connection, the last of which is announced as that; 0 for no limit. */
  requestsPerConnection: number
  /** Time, longer by up to a tenth, after which a connection takes no more requests; 0 for no limit. */
  connectionAge: number
  /** Time that the requests of such a connection may still take; 0 for no limit. */
  connectionAgeGrace: number
  /** Time that `stop` waits unless it is given one. */
  stopTimeout: number
}

/** Name of an option. */
export type OptionName = keyof OptionValues

interface Rule {
  readonly allowed: string
  readonly accepts: (value: unknown) => boolean
  /** The part of a value that isn't allowed; the whole value without it. */
  readonly refused?: (value: unknown) => unknown
}

const isInteger = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least

const COUNT: Rule = { allowed: 'an integer of at least 1', accepts: (value) => isInteger(value, 1) }
const COUNT_OR_INFINITY: Rule = {
  allowed: 'an integer of at least 1, or Infinity',
  accepts: (value) => value === Infinity || isInteger(value, 1),
}
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
const WINDOW: Rule = {
  allowed: 'an integer from 65536 to 2147483647',
  accepts: (value) => isInteger(value, 65_536) && (value as number) < 2 ** 31,
}
const STREAMS: Rule = {
  allowed: 'an integer from 1 to 65536',
  accepts: (value) => isInteger(value, 1) && (value as number) <= 65_536,
}
const unknownMethods = (value: readonly unknown[]): unknown[] => {
  const known: readonly unknown[] = Engine.methods()
  return value.filter((method) => method === '' || !known.includes(method))
}
const METHODS: Rule = {
  allowed: 'a list of methods that the HTTP/1 parser knows, with GET and HEAD',
  accepts: (value) =>
    Array.isArray(value) && unknownMethods(value).length === 0 && value.includes('GET') && value.includes('HEAD'),
  refused: (value) => {
    const unknown = Array.isArray(value) ? unknownMethods(value) : []
    return unknown.length === 0 ? value : unknown
  },
}
const NETWORKS: Rule = {
  allowed: "a list of networks such as '10.0.0.0/8', addresses, or 'unix'",
  accepts: (value) => Array.isArray(value) && value.every((item) => item === 'unix' || isNetwork(item)),
}

/** `https://example.org`, as `URL` writes it: RFC 6454 §6.2. */
const isOrigin = (item: unknown): boolean =>
  typeof item === 'string' && URL.canParse(item) && new URL(item).origin === item && item.startsWith('https://')
const ORIGINS: Rule = {
  allowed: "a list of origins such as 'https://example.org'",
  accepts: (value) => Array.isArray(value) && value.every(isOrigin),
  refused: (value) => (Array.isArray(value) ? value.filter((item) => !isOrigin(item)) : value),
}

/** The rule of an option that has no effect yet: a value other than today's behaviour is refused, and never ignored. */
function only<Value>(today: Value, why: string): Rule {
  return { allowed: `${String(today)}, because ${why}`, accepts: (value) => value === today }
}

/** Options without effect. They have no line in docs/options.md. */
const WITHOUT_EFFECT = {
  http2Upgrade: only(false, 'the upgrade to h2c is obsolete (RFC 9113); see http2Cleartext'),
  push: only(false, 'browsers have given up the pushes of HTTP/2; response.push sends link fields'),
  memoryLimit: only(Infinity, 'this release has no limit for all memory together'),
} satisfies Partial<Record<OptionName, Rule>>

const FORWARDED: Rule = {
  allowed: "'x-forwarded' or 'forwarded'",
  accepts: (value) => value === 'x-forwarded' || value === 'forwarded',
}

const RULES: Readonly<Record<OptionName, Rule>> = {
  debug: SWITCH,
  connectionLimit: COUNT_OR_INFINITY,
  connectionsPerIpLimit: COUNT_OR_INFINITY,
  http1Timeout: SECONDS,
  localHttp1Timeout: SECONDS,
  http2Timeout: SECONDS,
  localHttp2Timeout: SECONDS,
  http2PingInterval: FRACTION_OR_OFF,
  tlsSetupTimeout: SECONDS,
  bodySizeLimit: SIZE_OR_INFINITY,
  headerSizeLimit: COUNT,
  concurrentStreamLimit: STREAMS,
  chunkSize: COUNT,
  streamThreshold: COUNT,
  allowedMethods: METHODS,
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
  proxies: NETWORKS,
  forwardedHeaders: FORWARDED,
  http2: SWITCH,
  http2Cleartext: SWITCH,
  extendedConnect: SWITCH,
  http2WindowLimit: WINDOW,
  origins: ORIGINS,
  requestsPerConnection: RATE,
  connectionAge: FRACTION_OR_OFF,
  connectionAgeGrace: FRACTION_OR_OFF,
  stopTimeout: FRACTION_OR_OFF,
  ...WITHOUT_EFFECT,
}

/** The defaults. The engine has none of its own: it is given every limit. */
export const DEFAULTS: Readonly<OptionValues> = Object.freeze({
  debug: false,
  connectionLimit: 10_000,
  connectionsPerIpLimit: 1000,
  http1Timeout: 15,
  localHttp1Timeout: 75,
  http2Timeout: 60,
  localHttp2Timeout: 75,
  http2PingInterval: 0,
  tlsSetupTimeout: 5,
  bodySizeLimit: 131_072,
  headerSizeLimit: 32_768,
  concurrentStreamLimit: 100,
  chunkSize: 8192,
  streamThreshold: 8192,
  allowedMethods: DEFAULT_METHODS,
  http2Upgrade: false,
  push: false,
  compression: false,
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
  memoryLimit: Infinity,
  proxies: Object.freeze([] as string[]),
  forwardedHeaders: 'x-forwarded',
  http2: true,
  http2Cleartext: false,
  extendedConnect: false,
  http2WindowLimit: 4_194_304,
  origins: Object.freeze([] as string[]),
  requestsPerConnection: 0,
  connectionAge: 0,
  connectionAgeGrace: 0,
  stopTimeout: 3,
})

/** All names. */
export const OPTION_NAMES = Object.keys(RULES) as OptionName[]

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
  if (!rule.accepts(value)) throw new OptionError(name, rule.refused?.(value) ?? value, rule.allowed)
  return Array.isArray(value) ? Object.freeze([...new Set(value)]) : value
}

/** Whether an option changes what a server does. */
export function hasEffect(name: string): boolean {
  return !Object.hasOwn(WITHOUT_EFFECT, name)
}
