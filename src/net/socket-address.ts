/**
 * Addresses of sockets.
 */
import { OptionError } from '../core/errors.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { ipVersion } from './ip.ts'
import type { BoundAddress } from '../native.ts'

/**
 * An internet address with a port, or the path of a unix socket.
 *
 * @example request.getClient().getRemoteAddress().toString() // '192.0.2.1:4711'
 */
export class SocketAddress {
  readonly #host: string
  readonly #port: number | null

  constructor(host: string, port: number | null = null) {
    if (port !== null && (!Number.isInteger(port) || port < 0 || port > 65535)) {
      throw new OptionError('port', port, 'null or an integer from 0 to 65535')
    }
    this.#host = unmap(host)
    this.#port = port
  }

  /**
   * The IP address without brackets, or the path; empty when unknown.
   *
   * @example address.getHost() // '::1'
   */
  getHost(): string {
    return this.#host
  }

  /**
   * The port; null for unix sockets, 0 when it is unknown, as for the client of a proxy.
   *
   * @example address.getPort() // 4711
   */
  getPort(): number | null {
    return this.#port
  }

  /**
   * The kind of the address.
   *
   * @example address.getType() // 'internet'
   */
  getType(): 'internet' | 'unix' {
    return this.#port === null ? 'unix' : 'internet'
  }

  /**
   * 4 or 6; null for unix sockets.
   *
   * @example address.getVersion() // 4
   */
  getVersion(): 4 | 6 | null {
    if (this.#port === null) return null
    return ipVersion(this.#host) || null
  }

  /**
   * The 4 or 16 bytes of the address in network order; for unix sockets the bytes of the path.
   *
   * @example address.getBytes() // Uint8Array [127, 0, 0, 1]
   */
  getBytes(): Uint8Array {
    switch (this.getVersion()) {
      case 4:
        return Uint8Array.from(this.#host.split('.'), Number)
      case 6:
        return ipv6Bytes(this.#host)
      case null:
        return new TextEncoder().encode(this.#host)
    }
  }

  /**
   * `host:port` with IPv6 in brackets; the host alone when the port is unknown; the path of a unix socket.
   *
   * @example `${address}` // '[::1]:4711'
   */
  toString(): string {
    if (this.#port === null || this.#port === 0) return this.#host
    return this.#host.includes(':') ? `[${this.#host}]:${this.#port}` : `${this.#host}:${this.#port}`
  }

  /**
   * The same as `toString`.
   *
   * @example JSON.stringify({ peer: client.getRemoteAddress() })
   */
  toJSON(): string {
    return this.toString()
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('SocketAddress', this.toJSON(), depth, options, inspect)
  }
}

/** The public form of an address of the engine. */
export function toAddress(address: BoundAddress): SocketAddress {
  return new SocketAddress(address.host, address.family === 'unix' ? null : address.port)
}

/** Whether an address is local to this machine, as that of a unix socket is. */
export function isLoopback(address: SocketAddress): boolean {
  if (address.getType() === 'unix') return true
  return address.getHost().startsWith('127.') || address.getHost() === '::1'
}

/** The IPv4 address in an IPv4-mapped one; any other host unchanged. RFC 4291 §2.5.5.2. */
function unmap(host: string): string {
  if (!/ffff:/i.test(host) || ipVersion(host) !== 6) return host
  const bytes = ipv6Bytes(host)
  const isMapped = bytes.every((byte, at) => (at < 10 ? byte === 0 : at > 11 || byte === 0xff))
  return isMapped ? bytes.subarray(12).join('.') : host
}

function ipv6Bytes(host: string): Uint8Array {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)
  const text =
    dotted === null
      ? host
      : host.slice(0, dotted.index) +
        ((Number(dotted[1]) << 8) | Number(dotted[2])).toString(16) +
        ':' +
        ((Number(dotted[3]) << 8) | Number(dotted[4])).toString(16)
  const [left = '', right] = text.replace(/%.*$/, '').split('::')
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)))
  const head = groups(left)
  const tail = right === undefined ? [] : groups(right)
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => 0)
  return Uint8Array.from([...head, ...gap, ...tail].flatMap((group) => [group >> 8, group & 0xff]))
}
