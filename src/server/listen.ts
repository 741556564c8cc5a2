/**
 * Listen addresses: parsed from what users give, bound by the engine, and shown as URLs.
 */
import { toAddress } from '../net/socket-address.ts'
import { ListenError, OptionError } from '../core/errors.ts'
import { ipVersion } from '../net/ip.ts'
import { listenError } from './listen-error.ts'
import type { Engine, ListenOptions, TlsContext } from '../native.ts'
import { ownName } from '../options/unknown-option.ts'
import { areSame, checkTls } from '../tls/tls-options.ts'
import type { TlsOptions } from '../tls/tls-options.ts'
import type { SocketAddress } from '../net/socket-address.ts'

/** A listen address as an object. */
export interface ListenObject {
  /** IP address or `localhost`; all interfaces when left out. */
  readonly host?: string
  /** 0 lets the system choose. */
  readonly port?: number
  /** Path of a unix socket, instead of host and port. */
  readonly path?: string
  /** Descriptor of a socket that listens already, instead of an address. */
  readonly fd?: number
  /** Length of the queue of connections that wait to be accepted; 511 by default. */
  readonly backlog?: number
  /** Lets several processes share the port (SO_REUSEPORT). */
  readonly reusePort?: boolean
  /** An IPv6 wildcard address accepts no IPv4 connections. */
  readonly ipv6Only?: boolean
  /** Permissions of the unix socket's file. */
  readonly mode?: number
  /** Each connection begins with a PROXY header, version 1 or 2; only the option `proxies` may connect then. */
  readonly proxyProtocol?: boolean
  /** HTTPS: at least a certificate and its key, as PEM text, bytes or paths of files. */
  readonly tls?: TlsOptions
}

/**
 * Where to listen: a port, `'localhost:8080'`, `'[::1]:8080'`, `'unix:/run/app.sock'`, an object, `'systemd'` for all
 * sockets that systemd has opened, or `'systemd:name'` for those of that name.
 */
export type Listen = number | string | ListenObject

/** The sockets for one listen address; they share a port. */
export interface ListenPlan {
  /** The address as messages show it. */
  readonly shown: string
  /** The host for URLs; null for that of the address. */
  readonly host: string | null
  readonly sockets: readonly ListenOptions[]
  /** Null for plaintext. */
  readonly tls: TlsOptions | null
}

/** The bound sockets of a plan. */
export interface Bound {
  readonly plan: ListenPlan
  readonly addresses: readonly SocketAddress[]
}

const FORMS = "a port, 'host:port', '[ipv6]:port', 'unix:/path', { host, port, path, tls }, { fd }, or 'systemd'"
const KEYS = new Set(['host', 'port', 'path', 'fd', 'backlog', 'reusePort', 'ipv6Only', 'mode', 'proxyProtocol', 'tls'])
/** What may be given for a socket that listens already. */
const BESIDE_FD = new Set(['fd', 'proxyProtocol', 'tls'])
const BACKLOG = 511
/** The first of the descriptors that systemd passes. */
const FIRST_DESCRIPTOR = 3

/** The plans for one listen address or an array of them. */
export function planListening(listen: Listen | readonly Listen[]): ListenPlan[] {
  const all = Array.isArray(listen) ? (listen as readonly Listen[]) : [listen as Listen]
  if (all.length === 0) throw new OptionError('listen', listen, `${FORMS}, or a list of at least one of them`)
  const plans = new Map<string, ListenPlan>()
  for (const one of all) {
    const planned = planOne(one)
    // With port 0, plaintext and TLS are two listeners.
    const key = `${planned.shown} ${planned.tls === null ? 'http' : 'https'}`
    const same = plans.get(key)
    if (same === undefined) plans.set(key, planned)
    else if (!areSame(same.tls ?? {}, planned.tls ?? {})) {
      throw new OptionError('listen', planned.shown, 'given once; its TLS is different the second time')
    }
  }
  return [...plans.values()]
}

/** The plan for one listen address. */
export function planOne(listen: Listen): ListenPlan {
  const wish = typeof listen === 'object' && listen !== null ? checkObject(listen) : parse(listen)
  if (typeof wish === 'string') return planSystemd(wish)
  const { backlog = BACKLOG, reusePort = false, ipv6Only = false, mode = null, proxyProtocol = false } = wish
  checkInteger('backlog', backlog, 1, 2 ** 31 - 1)
  if (mode !== null) checkInteger('mode', mode, 0, 0o7777)
  for (const [name, value] of Object.entries({ reusePort, ipv6Only, proxyProtocol })) {
    if (typeof value !== 'boolean') throw new OptionError(name, value, 'true or false')
  }
  const tls = wish.tls === undefined ? null : checkTls(wish.tls)
  if (wish.fd !== undefined) return planDescriptors(`descriptor ${wish.fd}`, [wish.fd], tls, proxyProtocol)
  const shared = { backlog, reusePort, ipv6Only, mode, fd: null, proxyProtocol }
  if (wish.path !== undefined) {
    const { path } = wish
    return { shown: `unix:${path}`, host: path, sockets: [{ ...shared, host: null, port: 0, path }], tls }
  }
  const port = checkInteger('port', wish.port, 0, 65535)
  const socket = (host: string | null): ListenOptions => ({ ...shared, host, port, path: null })
  const { host } = wish
  if (host === undefined || host === '') {
    return { shown: `port ${port}`, host: 'localhost', sockets: [socket(ipv6Only ? '::' : null)], tls }
  }
  if (host === 'localhost') {
    return { shown: `localhost:${port}`, host, sockets: [socket('127.0.0.1'), socket('::1')], tls }
  }
  if (ipVersion(host) === 0) {
    throw new OptionError('host', host, "an IP address or 'localhost'; a name may have several addresses")
  }
  const shown = ipVersion(host) === 6 ? `[${host}]` : host
  return { shown: `${shown}:${port}`, host: shown, sockets: [socket(host)], tls }
}

/**
 * Throws when a plan expects PROXY headers and no proxy could connect. Without trusted proxies every connection would
 * be closed.
 */
export function checkProxies({ shown, sockets }: ListenPlan, proxies: readonly string[]): void {
  for (const { proxyProtocol, path, fd } of sockets) {
    // What kind of socket a descriptor is isn't known yet.
    const canConnect = (network: string): boolean => fd !== null || (network === 'unix') === (path !== null)
    if (!proxyProtocol || proxies.some(canConnect)) continue
    const whom = path === null ? "the proxy's address" : "'unix'"
    throw new OptionError('proxyProtocol', true, `false for ${shown} unless the option proxies holds ${whom}`)
  }
}

/** The plan for sockets that listen already. */
function planDescriptors(
  shown: string,
  descriptors: readonly number[],
  tls: TlsOptions | null,
  proxyProtocol = false,
): ListenPlan {
  const rest = { host: null, port: 0, path: null, backlog: BACKLOG, reusePort: false, ipv6Only: false, mode: null, proxyProtocol }
  return { shown, host: null, sockets: descriptors.map((fd) => ({ ...rest, fd })), tls }
}

/** The plan for sockets that systemd has opened, all of them or those of one name; see sd_listen_fds(3). */
function planSystemd(listen: string): ListenPlan {
  const { LISTEN_PID: pid, LISTEN_FDS: given, LISTEN_FDNAMES: names = '' } = process.env
  const problem = (reason: string): ListenError => new ListenError(`${listen}: ${reason}`, 'ENOTSOCK')
  if (given === undefined) throw problem('the process was given no sockets (LISTEN_FDS is not set)')
  if (pid !== String(process.pid)) throw problem(`the sockets are for process ${pid}, and this is ${process.pid}; start node without a shell or npm between`)
  const listed = names === '' ? [] : names.split(':')
  const wanted = listen.slice('systemd:'.length)
  const all = Array.from({ length: Number(given) || 0 }, (_, at) => ({ fd: FIRST_DESCRIPTOR + at, name: listed[at] ?? '' }))
  const descriptors = all.filter(({ name }) => listen === 'systemd' || name === wanted).map(({ fd }) => fd)
  if (descriptors.length === 0) throw problem(`there is no such socket; the names are ${names === '' ? 'not set' : names}`)
  return planDescriptors(listen, descriptors, null)
}

function parse(listen: unknown): ListenObject | string {
  if (typeof listen === 'string' && /^systemd(:.+)?$/.test(listen)) return listen
  if (typeof listen === 'number') return { port: listen }
  if (typeof listen !== 'string') throw new OptionError('listen', listen, FORMS)
  if (listen.startsWith('unix:') && listen.length > 5) return { path: listen.slice(5) }
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]*)):(\d{1,5})$/.exec(listen) ?? /^()()(\d{1,5})$/.exec(listen)
  if (match === null) throw new OptionError('listen', listen, FORMS)
  const [, ipv6, name, port] = match
  if (ipv6 !== undefined && ipv6 !== '' && ipVersion(ipv6) !== 6) throw new OptionError('listen', listen, FORMS)
  return { host: ipv6 || name || undefined, port: Number(port) }
}

function checkObject(listen: ListenObject): ListenObject {
  for (const key of Object.keys(listen)) {
    if (KEYS.has(key)) continue
    const own = ownName(key)
    const meant = own === null ? '' : `; ${key} is called ${own}`
    throw new OptionError('listen', key, `an object with the keys ${[...KEYS].join(', ')}${meant}`)
  }
  const { path, host, port, fd } = listen
  if (fd !== undefined) {
    checkInteger('fd', fd, 0, 2 ** 31 - 1)
    if (Object.keys(listen).some((key) => !BESIDE_FD.has(key))) {
      throw new OptionError('listen', listen, 'an fd, perhaps with tls and proxyProtocol: the socket listens already')
    }
  }
  if (path === undefined) return listen
  if (typeof path !== 'string' || path === '') throw new OptionError('path', path, 'the path of a unix socket')
  if (host !== undefined || port !== undefined) throw new OptionError('listen', listen, 'either a path or a host and port')
  return listen
}

function checkInteger(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new OptionError(name, value, `an integer from ${least} to ${most}`)
  }
  return value as number
}

/**
 * Binds the sockets of one plan, all on the port of the first. The result has no addresses when the port that the
 * system has chosen for the first socket is in use for the next: a retry gets another port.
 */
export function bind(engine: Engine, plan: ListenPlan, tls: TlsContext | null): Bound {
  const addresses: SocketAddress[] = []
  let port: number | null = null
  for (const socket of plan.sockets) {
    try {
      const bound = engine.listen(port === null ? socket : { ...socket, port }, tls)
      if (bound.family !== 'unix') port = bound.port
      addresses.push(toAddress(bound))
    } catch (error) {
      // On a system without IPv6, 'localhost' is its IPv4 address alone.
      const reason = error instanceof Error ? error.message : ''
      if (addresses.length > 0 && /^(EADDRNOTAVAIL|EAFNOSUPPORT)/.test(reason)) continue
      if (addresses.length > 0 && socket.port === 0 && reason.startsWith('EADDRINUSE')) return { plan, addresses: [] }
      throw listenError(plan, error)
    }
  }
  return { plan, addresses }
}

/** The URL of the first address, with the host as the user gave it. */
export function urlOf({ plan, addresses }: Bound): string {
  const [address] = addresses
  const port = address?.getPort() ?? null
  const host = plan.host ?? hostOf(address)
  if (port === null) return `unix:${host}`
  const [scheme, usual] = plan.tls === null ? ['http', 80] : ['https', 443]
  return `${scheme}://${host}${port === usual ? '' : `:${port}`}/`
}

/** The host of an address as a URL shows it; `localhost` for all interfaces. */
function hostOf(address: SocketAddress | undefined): string {
  const host = address?.getHost() ?? ''
  if (host === '::' || host === '0.0.0.0') return 'localhost'
  return address?.getVersion() === 6 ? `[${host}]` : host
}
