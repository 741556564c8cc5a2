/**
 * What code that is written for Node's sockets expects of a socket, beside a stream: its addresses and its timers.
 *
 * Loaded with the sockets.
 */
import { Duplex } from 'node:stream'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Client } from './client.ts'

/** The longest time that a timer takes, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

/** Key of the method that begins the idle time anew. */
export const TOUCH: unique symbol = Symbol('touch')
/** Key of the method that clears the timers. */
export const CLEAR_TIMERS: unique symbol = Symbol('clearTimers')

/** The members of `UpgradedSocket` that sockets of Node have. */
export abstract class NodeSocket extends Duplex {
  #idleTimer: NodeJS.Timeout | null = null
  /** Keeps the process alive. */
  #reference: NodeJS.Timeout | null = null

  abstract isClosed(): boolean
  abstract getClient(): Client
  abstract getLocalAddress(): SocketAddress
  abstract getRemoteAddress(): SocketAddress

  /**
   * Keeps the process alive while the socket is open, even if its server doesn't (`server.unref()`).
   *
   * @example socket.ref()
   */
  ref(): this {
    if (!this.isClosed()) this.#reference ??= setInterval(() => {}, LONGEST_TIMER)
    return this
  }

  /**
   * Undoes `ref`; a started server still keeps the process alive.
   *
   * @example socket.unref()
   */
  unref(): this {
    if (this.#reference !== null) clearInterval(this.#reference)
    this.#reference = null
    return this
  }

  /** @internal */
  [TOUCH](): void {
    this.#idleTimer?.refresh()
  }

  /** @internal */
  [CLEAR_TIMERS](): void {
    for (const timer of [this.#idleTimer, this.#reference]) if (timer !== null) clearTimeout(timer)
    this.#idleTimer = null
    this.#reference = null
  }

  /** The same as `ref`. @example socket.reference() */
  reference(): void {
    this.ref()
  }

  /** The same as `unref`. @example socket.unreference() */
  unreference(): void {
    this.unref()
  }

  /**
   * Emits 'timeout' when nothing was received or written for `millis` milliseconds; 0 is never. As with Node's
   * sockets, closing is up to the listeners.
   *
   * @example socket.setTimeout(30_000, () => socket.destroy())
   */
  setTimeout(millis: number, callback?: () => void): this {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#idleTimer = null
    if (millis > 0 && !this.isClosed()) {
      this.#idleTimer = setTimeout(() => this.emit('timeout'), Math.min(millis, LONGEST_TIMER)).unref()
    }
    if (callback !== undefined && millis > 0) this.once('timeout', callback)
    else if (callback !== undefined) this.off('timeout', callback)
    return this
  }

  /**
   * Does nothing: small writes are always sent at once. For code that is written for Node's sockets.
   *
   * @example socket.setNoDelay(true)
   */
  setNoDelay(_isOn?: boolean): this {
    return this
  }

  /**
   * Does nothing: the system probes each connection once a minute. For code that is written for Node's sockets.
   *
   * @example socket.setKeepAlive(true, 60_000)
   */
  setKeepAlive(_isOn?: boolean, _initialDelay?: number): this {
    return this
  }

  /** The peer's IP address; undefined for a unix socket. @example socket.remoteAddress // '192.0.2.1' */
  get remoteAddress(): string | undefined {
    return hostOf(this.getRemoteAddress())
  }

  /** The peer's port; undefined for a unix socket. @example socket.remotePort */
  get remotePort(): number | undefined {
    return this.getRemoteAddress().getPort() ?? undefined
  }

  /** `'IPv4'` or `'IPv6'`; undefined for a unix socket. @example socket.remoteFamily */
  get remoteFamily(): string | undefined {
    const version = this.getRemoteAddress().getVersion()
    return version === null ? undefined : `IPv${version}`
  }

  /** The IP address the connection arrived on; undefined for a unix socket. @example socket.localAddress */
  get localAddress(): string | undefined {
    return hostOf(this.getLocalAddress())
  }

  /** The port the connection arrived on; undefined for a unix socket. @example socket.localPort */
  get localPort(): number | undefined {
    return this.getLocalAddress().getPort() ?? undefined
  }

  /** Whether the connection is encrypted. @example socket.encrypted */
  get encrypted(): boolean {
    return this.getClient().isEncrypted()
  }
}

function hostOf(address: SocketAddress): string | undefined {
  return address.getType() === 'unix' ? undefined : address.getHost()
}
