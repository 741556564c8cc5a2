/**
 * What proxies tell of a request's client: `Forwarded` (RFC 7239), or `X-Forwarded-For` and its kin.
 *
 * Each proxy adds the address of its own peer at the right end of the list. So the list is read from the right:
 * as long as an entry was added by a trusted proxy it is true, and the first address that isn't a trusted proxy's
 * is the client's. What stands further left may be forged. An entry that can't be parsed ends the walk.
 *
 * ```text
 *   X-Forwarded-For: 203.0.113.9,  198.51.100.7,  10.0.0.2        peer 10.0.0.1
 *                    forged?       the client     a trusted proxy  a trusted proxy
 * ```
 */
import type { Networks } from './networks.ts'
import { ipVersion } from './ip.ts'
import { SocketAddress } from './socket-address.ts'

/** Which fields the proxies set. The other kind is never read, since a client could forge it. */
export type ForwardedHeaders = 'x-forwarded' | 'forwarded'

/** What the proxies tell. */
export interface Forwarded {
  /** The address of the client; its port is 0 when no proxy named it. */
  readonly remoteAddress: SocketAddress
  /** The scheme that the client used; null when no proxy named it. */
  readonly scheme: 'http' | 'https' | null
  /** The authority that the client asked for; null when no proxy named it. */
  readonly host: string | null
}

/** One proxy's entry. What it doesn't say, or says in a form that can't be read, is null. */
interface Hop {
  readonly address: SocketAddress | null
  readonly scheme: string | null
  readonly host: string | null
}

/**
 * Reads what was forwarded to us by `peer`. Null when the peer isn't a trusted proxy, so that nothing it sent counts.
 *
 * `lineOf` gives all values of a field, joined by commas, or null.
 */
export function readForwarded(
  kind: ForwardedHeaders,
  peer: SocketAddress,
  trusted: Networks,
  lineOf: (name: string) => string | null,
): Forwarded | null {
  if (trusted.isEmpty() || !trusted.has(peer)) return null
  const hops = kind === 'forwarded' ? forwardedHops(lineOf('forwarded')) : xForwardedHops(lineOf)
  const { addresses } = hops
  let at = addresses.length
  let remoteAddress = peer
  while (at > 0 && trusted.has(remoteAddress)) {
    const hop = addresses[at - 1]
    if (hop == null) break
    remoteAddress = hop
    at -= 1
  }
  const [scheme, host] = hops.of(at)
  const name = scheme?.toLowerCase()
  return {
    remoteAddress,
    scheme: name === 'http' || name === 'https' ? name : null,
    host: host !== null && isAuthority(host) ? host : null,
  }
}

/** The hops of one request, from the left. */
interface Hops {
  readonly addresses: readonly (SocketAddress | null)[]
  /** Scheme and host that the hop at a place tells; behind the last one, what the peer itself tells. */
  of(at: number): readonly [string | null, string | null]
}

function xForwardedHops(lineOf: (name: string) => string | null): Hops {
  const list = (name: string): string[] => splitList(lineOf(name) ?? '')
  const addresses = list('x-forwarded-for').map((node) => parseNode(node, true))
  // A list as long as that of the addresses has one value for each; of any other the rightmost counts, which was
  // added by the proxy that is nearest.
  const pick = (values: readonly string[], at: number): string | null =>
    (values.length === addresses.length ? values[at] : undefined) ?? values.at(-1) ?? null
  const schemes = list('x-forwarded-proto')
  const hosts = list('x-forwarded-host')
  return { addresses, of: (at) => [pick(schemes, at), pick(hosts, at)] }
}

function forwardedHops(line: string | null): Hops {
  const hops = splitList(line ?? '').map(parseElement)
  // Each proxy tells what it saw itself. A value that the chosen entry lacks is taken from the entries to its right,
  // which trusted proxies added.
  const nearest = (key: 'scheme' | 'host', at: number): string | null => {
    for (let next = at; next < hops.length; next++) {
      const value = hops[next]![key]
      if (value !== null) return value
    }
    return at === hops.length ? (hops.at(-1)?.[key] ?? null) : null
  }
  return { addresses: hops.map(({ address }) => address), of: (at) => [nearest('scheme', at), nearest('host', at)] }
}

/** `for=192.0.2.1;proto=https;host=example.org`. One that breaks the grammar tells nothing. RFC 7239 §4. */
function parseElement(element: string): Hop {
  const pairs = new Map<string, string>()
  for (const pair of split(element, ';')) {
    const found = PAIR.exec(pair)
    const name = found?.[1]?.toLowerCase()
    if (name === undefined || pairs.has(name)) return { address: null, scheme: null, host: null }
    pairs.set(name, unquote(found![2]!))
  }
  const node = pairs.get('for')
  return {
    address: node === undefined ? null : parseNode(node),
    scheme: pairs.get('proto') ?? null,
    host: pairs.get('host') ?? null,
  }
}

const PAIR = /^([!#$%&'*+\-.^_`|~\w]+)=([!#$%&'*+\-.^_`|~\w:[\]]+|"(?:[^"\\]|\\.)*")$/

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
}

/**
 * An address as `ip`, `ip:port`, `[v6]` or `[v6]:port`; null for anything else, such as `unknown`. RFC 7239 §6. In the
 * X fields IPv6 may come without brackets.
 */
function parseNode(node: string, isBare = false): SocketAddress | null {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(node)
  const [, bracketed, plain, port = '0'] = found ?? []
  const host = found === null ? node : (bracketed ?? plain ?? '')
  const version = ipVersion(host)
  // Bare IPv6 has no port: its last group can't be told from one.
  const isRight = bracketed === undefined ? (found === null ? isBare && version === 6 : version === 4) : version === 6
  return isRight && Number(port) <= 65535 ? new SocketAddress(host, Number(port)) : null
}

/** A host name or address, perhaps with a port: nothing else may come into a URL by it. RFC 9110 §7.2. */
function isAuthority(text: string): boolean {
  return /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(text) && URL.canParse(`http://${text}`)
}

function splitList(line: string): string[] {
  return split(line, ',')
}

/** Splits where the separator stands outside of quotes; white space around and empty parts are dropped. */
function split(line: string, separator: string): string[] {
  if (!line.includes('"')) return line.split(separator).map(trim).filter(Boolean)
  const parts: string[] = []
  let begin = 0
  let isQuoted = false
  for (let at = 0; at < line.length; at++) {
    const character = line[at]
    if (character === '"') isQuoted = !isQuoted
    else if (character === '\\' && isQuoted) at += 1
    else if (character === separator && !isQuoted) {
      parts.push(line.slice(begin, at))
      begin = at + 1
    }
  }
  parts.push(line.slice(begin))
  return parts.map(trim).filter(Boolean)
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}
