/**
 * Log lines about connections that were refused, or closed while they were idle, because of a limit.
 */
import type { Options } from '../options/options.ts'

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
