/**
 * Refused requests and connections: how many there were, and the log lines about them.
 */
import type { SocketAddress } from '../net/socket-address.ts'
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

/** The sums of two counts. */
export function addCounts(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): Record<string, number> {
  const total = { ...one }
  for (const [code, count] of Object.entries(other)) total[code] = (total[code] ?? 0) + count
  return total
}

/** A name for what a limit has led to: the default logger shows one line of a kind a second. */
export function rejectionKind(consequence: number): string {
  const limit = (consequence & PER_IP) === 0 ? 'BUSBAR_CONNECTION_LIMIT' : 'BUSBAR_CONNECTIONS_PER_IP_LIMIT'
  return (consequence & EVICTED) === 0 ? limit : `${limit}_EVICTED`
}

/** What a limit has led to, as the engine counts it: the bits of a number. */
const PER_IP = 1
const EVICTED = 2

/** One line for `count` connections; `address` is the peer of the last new one, empty for a unix socket. */
export function rejectionMessage(consequence: number, count: number, address: string, options: Options): string {
  const option = (consequence & PER_IP) === 0 ? 'connectionLimit' : 'connectionsPerIpLimit'
  const most = options.get(option)
  const isProxy = option === 'connectionsPerIpLimit' ? '. If it is a proxy, name it in the option proxies' : ''
  if ((consequence & EVICTED) !== 0) {
    const connections = count === 1 ? '1 idle connection was' : `${count} idle connections were`
    const reason = option === 'connectionLimit' ? `${most} were open` : `${address} had ${most}`
    return `${connections} closed for ${count === 1 ? 'a new one' : 'new ones'}: ${reason} (${option})${isProxy}`
  }
  const connections = count === 1 ? '1 connection was refused' : `${count} connections were refused`
  const reason = option === 'connectionLimit' ? `${most} are open and none of them is idle` : `${address} has ${most} already`
  return `${connections}: ${reason} (${option})${isProxy}`
}
