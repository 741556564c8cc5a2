/**
 * Log lines about refused connections.
 */
import type { Options } from '../options/options.ts'

/** The limit that has refused them: `connectionsPerIpLimit`. */
const PER_IP = 1

/** One line for `count` connections; `address` is the peer of the last one, empty for a unix socket. */
export function rejectionMessage(limit: number, count: number, address: string, options: Options): string {
  const connections = count === 1 ? '1 connection was refused' : `${count} connections were refused`
  if (limit === PER_IP) {
    const most = options.get('connectionsPerIpLimit')
    return `${connections}: ${address} has ${most} already (connectionsPerIpLimit). If it is a proxy, name it in the option proxies`
  }
  return `${connections}: ${options.get('connectionLimit')} are open and none of them is idle (connectionLimit)`
}
