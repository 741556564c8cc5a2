/**
 * Log lines about refused connections.
 */
import type { Options } from '../options/options.ts'

/** Why they were refused, by the number that the engine gives: one line for one or several connections. */
const REASONS: readonly ((options: Options, address: string) => string)[] = [
  (options) => `${options.get('connectionLimit')} are open and none of them is idle (connectionLimit)`,
  (options, address) =>
    `${address} has ${options.get('connectionsPerIpLimit')} already (connectionsPerIpLimit). If it is a proxy, name it in the option proxies`,
  (_, address) =>
    `PROXY headers are expected (proxyProtocol), and ${shown(address)} isn't one of the option proxies. If it is a proxy, name it there`,
  (_, address) => `${shown(address)} sends no PROXY header (proxyProtocol). Let it send one, or listen without`,
  (options, address) =>
    `${shown(address)} has sent no complete PROXY header within ${options.get('proxyHeaderTimeout')} s (proxyHeaderTimeout)`,
  (_, address) => `${shown(address)} sends a PROXY line that breaks the grammar (proxyProtocol)`,
  (_, address) => `${shown(address)} sends a PROXY header of version 2 that is malformed (proxyProtocol)`,
  (_, address) => `${shown(address)} sends a PROXY header that is too large (proxyProtocol)`,
  (_, address) => `${shown(address)} sends a PROXY header with a wrong checksum (proxyProtocol)`,
]

/** The peer of a unix socket has no address. */
function shown(address: string): string {
  return address === '' ? 'the peer of a unix socket' : address
}

/** One line for `count` connections; `address` is the peer of the last one, empty for a unix socket. */
export function rejectionMessage(reason: number, count: number, address: string, options: Options): string {
  const connections = count === 1 ? '1 connection was refused' : `${count} connections were refused`
  return `${connections}: ${REASONS[reason]?.(options, address) ?? `reason ${reason}`}`
}
