/**
 * What the log says of connections that were refused.
 */
import type { Options } from '../options/options.ts'

/** Which limit has refused them. */
const PER_IP = 1

/** One line for all of them since the last one; `address` is whose the last of them was, empty for a unix socket. */
export function rejectionMessage(limit: number, count: number, address: string, options: Options): string {
  const connections = count === 1 ? '1 connection was refused' : `${count} connections were refused`
  if (limit === PER_IP) {
    const most = options.get('connectionsPerIpLimit')
    return `${connections}: ${address} has ${most} already (connectionsPerIpLimit). If it is a proxy, name it in the option proxies`
  }
  return `${connections}: ${options.get('connectionLimit')} are open and none of them is idle (connectionLimit)`
}
