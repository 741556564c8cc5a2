/**
 * Networks by prefix, as in `10.0.0.0/8`: which of them an address lies in.
 */
import { SocketAddress } from './socket-address.ts'

/** One network: its first bytes, of which `bits` count. */
interface Network {
  readonly bytes: Uint8Array
  readonly bits: number
}

/**
 * Addresses that don't identify a client, or belong to the server's operator: loopback, private (RFC 1918, RFC 4193),
 * shared by a carrier's customers (RFC 6598), and link-local (RFC 3927, RFC 4291). The engine has the same list.
 */
export const LOCAL_NETWORKS: readonly string[] = [
  '127.0.0.0/8',
  '::1',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fe80::/10',
  'fc00::/7',
]

/** A list of networks, and perhaps `'unix'`, which stands for every peer of a unix socket. */
export class Networks {
  readonly #networks: readonly Network[]
  readonly #hasUnix: boolean

  /** Takes what the option `proxies` allows: addresses, `address/length`, and `'unix'`. */
  constructor(list: readonly string[]) {
    this.#hasUnix = list.includes('unix')
    this.#networks = list.filter((text) => text !== 'unix').map(parse)
  }

  /** Whether the list is empty, so that no address lies in it. */
  isEmpty(): boolean {
    return this.#networks.length === 0 && !this.#hasUnix
  }

  /** Whether an address lies in one of the networks. */
  has(address: SocketAddress): boolean {
    if (address.getType() === 'unix') return this.#hasUnix
    const bytes = address.getBytes()
    return this.#networks.some((network) => contains(network, bytes))
  }
}

const known = new WeakMap<readonly string[], Networks>()

/** The networks of a list that doesn't change, such as the value of an option; the same object each time. */
export function networksOf(list: readonly string[]): Networks {
  let networks = known.get(list)
  if (networks === undefined) known.set(list, (networks = new Networks(list)))
  return networks
}

function parse(text: string): Network {
  const [host = '', length] = text.split('/')
  const address = new SocketAddress(host, 0)
  const bytes = address.getBytes()
  // An IPv4-mapped network is an IPv4 one whose prefix counts from the mapped part on. RFC 4291 §2.5.5.2.
  const isMapped = bytes.length === 4 && host.includes(':')
  const bits = length === undefined ? bytes.length * 8 : Number(length) - (isMapped ? 96 : 0)
  return { bytes, bits: Math.max(bits, 0) }
}

function contains({ bytes, bits }: Network, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false
  const whole = bits >> 3
  for (let at = 0; at < whole; at++) if (bytes[at] !== address[at]) return false
  const mask = 0xff00 >> (bits & 7)
  return (bits & 7) === 0 || (bytes[whole]! & mask & 0xff) === (address[whole]! & mask & 0xff)
}
