/**
 * Refused requests and connections: how many there were, and the log lines about them.
 */
import { SocketAddress } from '../net/socket-address.ts'
import type { OptionName } from '../options/option-table.ts'
import type { Options } from '../options/options.ts'

/** Requests that are refused here, by their code: the reason, and the option if it is a limit. The engine has further ones. */
const REASONS = {
  BUSBAR_BODY_TOO_LARGE: ['the body is too large', 'bodySizeLimit'],
  BUSBAR_EXPECTATION: ['the expectation is unknown', null],
  BUSBAR_HANDLER_TIMEOUT: ['the handler has not answered in time', 'handlerTimeout'],
  BUSBAR_METHOD_NOT_ALLOWED: ['the method is not allowed', 'allowedMethods'],
  BUSBAR_REQUEST_LIMIT: ['no handler was free in time', 'requestLimit'],
} as const satisfies Record<string, readonly [string, OptionName | null]>

/** The code of a refusal. */
export type RefusalCode = keyof typeof REASONS

/** The line about a request that was refused, in the form of the engine's lines. */
export function refusalMessage(code: RefusalCode, peer: SocketAddress, options: Options): string {
  const [reason, option] = REASONS[code]
  const limit = option === null ? '' : `; ${option} is ${String(options.get(option))}`
  return `a request of ${peer} was refused: ${reason} (${code}${limit})`
}

/** The engine's text about a refusal: the client's address, as host and port or as a path, and a log line behind it. */
export function parseRefusal(lines: string): { readonly address: SocketAddress; readonly text: string } {
  const [where = '', text = ''] = lines.split('\n')
  const [, host, port] = /^(\S+) (\d+)$/.exec(where) ?? []
  const address = host === undefined ? new SocketAddress(where) : new SocketAddress(host, Number(port))
  return { address, text }
}

/** What the engine has refused before it was a request, and for which the application is asked. */
export interface Unparsed {
  /** The client's id. */
  readonly client: number
  /** Why, with the error's code in parentheses. */
  readonly text: string
  /** The error's code. */
  readonly code: string
  /** Bytes of the packet that were parsed. */
  readonly parsed: number
  /** What came. */
  readonly packet: Buffer
}

/** The engine's words about bytes that are no request, and these bytes. */
export function parseUnparsed(bytes: Buffer): Unparsed {
  const end = bytes.indexOf('\n')
  const [, client, parsed, text = '', code = ''] = /^(\d+) (\d+) (.* \((\w+)\))$/.exec(bytes.toString('latin1', 0, end)) ?? []
  return { client: Number(client), parsed: Number(parsed), text, code, packet: bytes.subarray(end + 1) }
}

/** The sums of two counts. */
export function addCounts(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): Record<string, number> {
  const total = { ...one }
  for (const [code, count] of Object.entries(other)) total[code] = (total[code] ?? 0) + count
  return total
}

/** What has happened to connections that can't all be served. */
interface ConnectionEvent {
  /** A name: the default logger shows one line of a kind a second. */
  readonly kind: string
  /** The log line about `count` connections; `address` is that of the last one, or the peer of a unix socket. */
  message(count: number, address: string, options: Options): string
}

/** A connection was refused for this reason. */
function refused(kind: string, reason: (address: string, options: Options) => string): ConnectionEvent {
  return {
    kind,
    message: (count, address, options) =>
      `${count === 1 ? '1 connection was refused' : `${count} connections were refused`}: ${reason(address, options)}`,
  }
}

/** An idle connection was closed for a new one, for this reason. */
function evicted(kind: string, reason: (address: string, options: Options) => string): ConnectionEvent {
  return {
    kind,
    message: (count, address, options) => {
      const [connections, others] = count === 1 ? ['1 idle connection was', 'a new one'] : [`${count} idle connections were`, 'new ones']
      return `${connections} closed for ${others}: ${reason(address, options)}`
    },
  }
}

const IS_PROXY = 'If it is a proxy, name it in the option proxies'

/** By the number that the engine gives; see `Consequence` there. */
const CONNECTION_EVENTS: readonly ConnectionEvent[] = [
  refused('BUSBAR_CONNECTION_LIMIT', (_, options) =>
    `${options.get('connectionLimit')} are open and none of them is idle (connectionLimit)`),
  refused('BUSBAR_CONNECTIONS_PER_IP_LIMIT', (address, options) =>
    `${address} has ${options.get('connectionsPerIpLimit')} already (connectionsPerIpLimit). ${IS_PROXY}`),
  evicted('BUSBAR_CONNECTION_LIMIT_EVICTED', (_, options) =>
    `${options.get('connectionLimit')} were open (connectionLimit)`),
  evicted('BUSBAR_CONNECTIONS_PER_IP_LIMIT_EVICTED', (address, options) =>
    `${address} had ${options.get('connectionsPerIpLimit')} (connectionsPerIpLimit). ${IS_PROXY}`),
  refused('BUSBAR_PROXY_UNTRUSTED', (address) =>
    `PROXY headers are expected (proxyProtocol), and ${address} isn't one of the option proxies. If it is a proxy, name it there`),
  refused('BUSBAR_PROXY_HEADER_MISSING', (address) =>
    `${address} sends no PROXY header (proxyProtocol). Let it send one, or listen without`),
  refused('BUSBAR_PROXY_HEADER_TIMEOUT', (address, options) =>
    `${address} has sent no complete PROXY header within ${options.get('proxyHeaderTimeout')} s (proxyHeaderTimeout)`),
  refused('BUSBAR_PROXY_HEADER_V1', (address) => `${address} sends a PROXY line that breaks the grammar (proxyProtocol)`),
  refused('BUSBAR_PROXY_HEADER_V2', (address) =>
    `${address} sends a PROXY header of version 2 that is malformed (proxyProtocol)`),
  refused('BUSBAR_PROXY_HEADER_TOO_LARGE', (address) => `${address} sends a PROXY header that is too large (proxyProtocol)`),
  refused('BUSBAR_PROXY_HEADER_CHECKSUM', (address) =>
    `${address} sends a PROXY header with a wrong checksum (proxyProtocol)`),
]

function eventOf(number: number): ConnectionEvent {
  return CONNECTION_EVENTS[number] ?? refused(`BUSBAR_CONNECTION_${number}`, () => `reason ${number}`)
}

/** A name for what has happened to connections: the default logger shows one line of a kind a second. */
export function rejectionKind(consequence: number): string {
  return eventOf(consequence).kind
}

/** One line for `count` connections; `address` is the peer of the last new one, empty for a unix socket. */
export function rejectionMessage(consequence: number, count: number, address: string, options: Options): string {
  return eventOf(consequence).message(count, address === '' ? 'the peer of a unix socket' : address, options)
}
