/**
 * What `server.listen` was given, read as Node reads it.
 */

/** An address that the engine can listen on. */
export interface ListenWish {
  readonly port: number
  /** A name or an IP address; undefined for all interfaces. */
  readonly host: string | undefined
  /** The path of a unix socket. */
  readonly path: string | undefined
  readonly fd: number | undefined
  readonly backlog: number | undefined
  readonly ipv6Only: boolean
  readonly reusePort: boolean
  readonly signal: AbortSignal | undefined
}

const BACKLOG = 511

/** The wish and the callback; null when it is something that only Node can do, or that Node refuses. */
export function readListen(given: readonly unknown[]): { wish: ListenWish | null; callback: (() => void) | undefined } {
  const last = given.findLast((one) => typeof one === 'function')
  const values = given.filter((one) => typeof one !== 'function')
  return { wish: wishOf(values), callback: last as (() => void) | undefined }
}

function wishOf([first, second, third]: readonly unknown[]): ListenWish | null {
  if (typeof first === 'object' && first !== null) return wishOfObject(first as Record<string, unknown>)
  if (typeof first === 'string' && isPath(first)) return made({ path: first, backlog: backlogOf(second) })
  const host = typeof second === 'string' ? second : undefined
  const backlog = backlogOf(typeof second === 'number' ? second : third)
  if (first === undefined || first === null) return made({ port: 0, host, backlog })
  return isPort(first) ? made({ port: Number(first), host, backlog }) : null
}

function wishOfObject(given: Record<string, unknown>): ListenWish | null {
  // A handle, or a server whose handle is shared.
  if ('_handle' in given || 'handle' in given) return null
  const { port, host, path, fd, backlog, ipv6Only, reusePort, signal, readableAll, writableAll } = given
  if (readableAll === true || writableAll === true) return null
  if (signal !== undefined && !(signal instanceof AbortSignal)) return null
  const rest = { backlog: backlogOf(backlog), ipv6Only: ipv6Only === true, reusePort: reusePort === true, signal }
  if (typeof fd === 'number' && fd >= 0) return made({ ...rest, fd })
  if (port !== undefined && port !== null) {
    if (!isPort(port) || (host !== undefined && host !== null && typeof host !== 'string')) return null
    return made({ ...rest, port: Number(port), host: (host as string | null) ?? undefined })
  }
  if (typeof path === 'string' && isPath(path)) return made({ ...rest, path })
  return 'port' in given && !('path' in given) ? made({ ...rest, port: 0, host: host as string | undefined }) : null
}

function made(wish: Partial<ListenWish>): ListenWish {
  return {
    port: 0, host: undefined, path: undefined, fd: undefined, backlog: undefined, ipv6Only: false, reusePort: false,
    signal: undefined, ...wish,
  }
}

/** As Node has it, what is a number names no path: `''` is 0. */
function isPath(value: string): boolean {
  return !(Number(value) >= 0)
}

function isPort(value: unknown): boolean {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return false
  return Number.isInteger(Number(value)) && Number(value) >= 0 && Number(value) <= 65535
}

function backlogOf(value: unknown): number {
  const count = Number(value)
  return Number.isInteger(count) && count > 0 ? count : BACKLOG
}
