/**
 * Listen addresses: parsed from what users give, bound by the engine, and shown as URLs.
 */
import { toAddress } from '../net/socket-address.ts'
import { ListenError, OptionError } from '../core/errors.ts'
import { ipVersion } from '../net/ip.ts'
import type { Engine, ListenOptions, TlsContext } from '../native.ts'
import { checkTls } from '../tls/tls-options.ts'
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

/** Where to listen: a port, `'localhost:8080'`, `'[::1]:8080'`, `'unix:/run/app.sock'`, or an object. */
export type Listen = number | string | ListenObject

/** The sockets for one listen address; they share a port. */
export interface ListenPlan {
  /** The address as messages show it. */
  readonly shown: string
  /** The host for URLs. */
  readonly host: string
  readonly sockets: readonly ListenOptions[]
  /** Null for plaintext. */
  readonly tls: TlsOptions | null
}

/** The bound sockets of a plan. */
export interface Bound {
  readonly plan: ListenPlan
  readonly addresses: readonly SocketAddress[]
}

const FORMS = "a port, 'host:port', '[ipv6]:port', 'unix:/path', or { host, port, path, tls }"
const KEYS = new Set(['host', 'port', 'path', 'backlog', 'reusePort', 'ipv6Only', 'mode', 'proxyProtocol', 'tls'])
const BACKLOG = 511

/** The plans for one listen address or an array of them. */
export function planListening(listen: Listen | readonly Listen[]): ListenPlan[] {
  const all = Array.isArray(listen) ? (listen as readonly Listen[]) : [listen as Listen]
  if (all.length === 0) throw new OptionError('listen', listen, `${FORMS}, or a list of at least one of them`)
  const plans = new Map<string, ListenPlan>()
  for (const one of all) {
    const planned = planOne(one)
    // With port 0, plaintext and TLS are two listeners.
    const key = `${planned.shown} ${planned.tls === null ? 'http' : 'https'}`
    if (!plans.has(key)) plans.set(key, planned)
  }
  return [...plans.values()]
}

/** The plan for one listen address. */
export function planOne(listen: Listen): ListenPlan {
  const wish = typeof listen === 'object' && listen !== null ? checkObject(listen) : parse(listen)
  const { backlog = BACKLOG, reusePort = false, ipv6Only = false, mode = null, proxyProtocol = false } = wish
  checkInteger('backlog', backlog, 1, 2 ** 31 - 1)
  if (mode !== null) checkInteger('mode', mode, 0, 0o7777)
  for (const [name, value] of Object.entries({ reusePort, ipv6Only, proxyProtocol })) {
    if (typeof value !== 'boolean') throw new OptionError(name, value, 'true or false')
  }
  const shared = { backlog, reusePort, ipv6Only, mode, proxyProtocol }
  const tls = wish.tls === undefined ? null : checkTls(wish.tls)
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
  for (const { proxyProtocol, path } of sockets) {
    if (!proxyProtocol || proxies.some((network) => (network === 'unix') === (path !== null))) continue
    const whom = path === null ? "the proxy's address" : "'unix'"
    throw new OptionError('proxyProtocol', true, `false for ${shown} unless the option proxies holds ${whom}`)
  }
}

function parse(listen: unknown): ListenObject {
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
    if (!KEYS.has(key)) throw new OptionError('listen', key, `an object with the keys ${[...KEYS].join(', ')}`)
  }
  const { path, host, port } = listen
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

/** The public error for an error of the engine. */
function listenError(plan: ListenPlan, error: unknown): ListenError {
  const message = error instanceof Error ? error.message : String(error)
  const reason = /^E[A-Z]+/.exec(message)?.[0] ?? 'EIO'
  const words: Readonly<Record<string, string>> = {
    EADDRINUSE: 'is in use by another program; stop it or choose another port',
    EACCES: "can't be used by this user: ports below 1024 need privileges, and unix sockets a writable directory",
    EADDRNOTAVAIL: "isn't an address of this machine",
    ENOENT: "can't be made: its directory doesn't exist",
  }
  return new ListenError(`${plan.shown} ${words[reason] ?? `can't be listened on: ${message}`} (${reason})`, reason)
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
  const port = addresses[0]?.getPort() ?? null
  if (port === null) return `unix:${plan.host}`
  const [scheme, usual] = plan.tls === null ? ['http', 80] : ['https', 443]
  return `${scheme}://${plan.host}${port === usual ? '' : `:${port}`}/`
}
