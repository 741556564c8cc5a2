/**
 * Clients: the connections of a server.
 */
import type { ConnectionDriver } from './driver-kinds.ts'
import { OptionError, StateError, TimeoutError, show } from '../core/errors.ts'
import { Hook } from '../core/handover.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import type { Logger } from '../core/logger.ts'
import type { ClientFacts } from '../native.ts'
import type { Options } from '../options/options.ts'
import { attempt, handled } from '../core/outcome.ts'
import { toAddress } from '../net/socket-address.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import { tlsInfoOf } from '../tls/tls-info.ts'
import type { TlsInfo } from '../tls/tls-info.ts'

/** What a client needs of its server. */
export interface ClientOwner {
  readonly options: Options
  readonly logger: Logger
}

/** What serves a connection: the engine's HTTP, a driver in JavaScript, or the callback of an upgrade. */
export interface ActiveDriver {
  /** Requests whose body is being read. */
  pendingRequests(): number
  /** Requests handed to the handler whose response is not wholly written. */
  pendingResponses(): number
  /** Whether a handler is running for a request that has arrived completely. */
  isWaitingOnResponse(): boolean
  /** Unix time in whole seconds; 0 for never. */
  expiration(): number
  extendExpiration(unixSeconds: number): void
  /** Ends the connection when no response is pending. Rejects when that fails. */
  stop(): void | Promise<void>
  /** Hands the connection to another driver; only drivers in JavaScript can. */
  switchDriver?(driver: ConnectionDriver, unread: Uint8Array | null): void
}

type CloseHook = Hook<[Client]>

/** Makes a client for a connection. */
export let createClient: (facts: ClientFacts, owner: ClientOwner) => Client
/** The engine has closed the connection. */
export let markClosed: (client: Client) => void
/** The peer has closed its sending side. */
export let markHalfClosed: (client: Client) => void
/** Our sending side is ended. */
export let markEnded: (client: Client) => void
/** The connection belongs to the callback of an upgrade, or is about to. */
export let markExported: (client: Client) => void
/** Replaces what serves the connection; null is the engine's HTTP. */
export let setActiveDriver: (client: Client, activeDriver: ActiveDriver | null) => void
/** The scheme of URIs on a connection. Behind a PROXY header it is the one that the client has used to the proxy. */
export let hasUsedTls: (client: Client) => boolean
/** Stops what serves the connection, because the server stops. */
export let stopActiveDriver: (client: Client) => void | Promise<void>

/** `Symbol.dispose`, also for Node 20, where TypeScript's emit looks for this symbol. */
const DISPOSE: unique symbol = Symbol.for('Symbol.dispose') as never

/** The longest time that a timer takes, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

let key: symbol | null = null

/**
 * One connection. It is made on first use and stays the same object until the connection closes.
 *
 * @example request.getClient().onClose((client) => console.log(`${client.getId()} has disconnected`))
 */
export class Client {
  /** The peer has closed its sending side. */
  static readonly CLOSED_RD = 1
  /** Our sending side is closed. */
  static readonly CLOSED_WR = 2
  /** Both sides are closed. */
  static readonly CLOSED_RDWR = 3

  readonly #facts: ClientFacts
  readonly #owner: ClientOwner
  #activeDriver: ActiveDriver
  #isExported = false
  #status: number
  #hooks: CloseHook[] = []
  #tlsInfo: TlsInfo | null = null

  /** @internal Clients are made by the server. */
  constructor(facts: ClientFacts, owner: ClientOwner, permit: symbol) {
    if (permit !== key || key === null) throw new StateError('clients are made by the server; see request.getClient()')
    this.#facts = facts
    this.#activeDriver = facts
    this.#owner = owner
    this.#status = facts.status()
  }

  /**
   * Begins to serve the connection. The server does that itself before the application gets the `Client`, so a
   * call always throws.
   *
   * @example client.start() // throws: the server has started it
   */
  start(): void {
    throw new StateError('the server has started this client already')
  }

  /**
   * Ends the connection gracefully: pending responses are finished first, for at most `timeoutMs` milliseconds.
   * Then the connection is closed, and the promise rejects with a `TimeoutError` if a request was unfinished.
   * An upgraded socket is notified (`onStop`) and has that time to end its protocol.
   *
   * @example await client.stop(1000)
   */
  stop(timeoutMs: number): Promise<void> {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      return Promise.reject(new OptionError('timeoutMs', timeoutMs, 'a number of milliseconds, at least 0'))
    }
    return this.isClosed() ? Promise.resolve() : handled(this.#stop(timeoutMs))
  }

  #stop(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        unsubscribe()
        // Without pending requests it waited only for the peer to close its side, too.
        const isOwed = this.getPendingResponseCount() > 0 || this.getPendingRequestCount() > 0
        this.close()
        if (!isOwed) return resolve()
        reject(new TimeoutError(`client ${this.getId()} had unfinished requests after ${timeoutMs} ms`))
      }, Math.min(timeoutMs, LONGEST_TIMER))
      const unsubscribe = this.onClose(() => {
        clearTimeout(timer)
        resolve()
      })
      this.#activeDriver.stop()?.catch((error: unknown) => {
        unsubscribe()
        clearTimeout(timer)
        this.close()
        reject(error as Error)
      })
    })
  }

  /**
   * The options of the server; the same object for all clients.
   *
   * @example client.getOptions().getHttp1Timeout()
   */
  getOptions(): Options {
    return this.#owner.options
  }

  /**
   * Requests whose body is still being read.
   *
   * @example client.getPendingRequestCount() // 1 during an upload
   */
  getPendingRequestCount(): number {
    return this.#status === Client.CLOSED_RDWR ? 0 : this.#activeDriver.pendingRequests()
  }

  /**
   * Requests handed to the handler whose response is not wholly written.
   *
   * @example client.getPendingResponseCount()
   */
  getPendingResponseCount(): number {
    return this.#status === Client.CLOSED_RDWR ? 0 : this.#activeDriver.pendingResponses()
  }

  /**
   * Whether a handler is running for a request that has arrived completely. Such a client doesn't time out.
   *
   * @example client.isWaitingOnResponse()
   */
  isWaitingOnResponse(): boolean {
    return this.#status !== Client.CLOSED_RDWR && this.#activeDriver.isWaitingOnResponse()
  }

  /**
   * The id: unique in the process, counted from 1, never reused.
   *
   * @example client.getId() // 42
   */
  getId(): number {
    return this.#facts.id()
  }

  /**
   * The address at the other end. The peer of a unix socket has none: then it is the path of the socket. Where the
   * connection began with a PROXY header it is the client's address, as that header announces it.
   *
   * @example client.getRemoteAddress().getHost()
   */
  getRemoteAddress(): SocketAddress {
    return toAddress(this.#facts.remoteAddress())
  }

  /**
   * The address of the proxy that has sent a PROXY header; null on a connection without one. It equals
   * `getRemoteAddress()` when the proxy announces no other address, as in its health checks.
   *
   * @example client.getProxyAddress()?.getHost()
   */
  getProxyAddress(): SocketAddress | null {
    const address = this.#facts.proxyAddress()
    return address === null ? null : toAddress(address)
  }

  /**
   * The address the connection arrived on.
   *
   * @example client.getLocalAddress().getPort()
   */
  getLocalAddress(): SocketAddress {
    return toAddress(this.#facts.localAddress())
  }

  /**
   * Whether the connection is a unix socket.
   *
   * @example client.isUnix()
   */
  isUnix(): boolean {
    return (this.getProxyAddress() ?? this.getRemoteAddress()).getType() === 'unix'
  }

  /**
   * Whether the connection is encrypted: false before the TLS handshake is done.
   *
   * @example client.isEncrypted()
   */
  isEncrypted(): boolean {
    return this.#facts.isEncrypted()
  }

  /**
   * What TLS has negotiated: the same object each time, also after the close. Null on plaintext, and before the
   * handshake is done.
   *
   * @example client.getTlsInfo()?.getVersion()
   */
  getTlsInfo(): TlsInfo | null {
    if (this.#tlsInfo === null) this.#tlsInfo = tlsInfoOf(this.#facts)
    return this.#tlsInfo
  }

  /**
   * Whether the connection was handed to the callback of an upgrade, or is about to be. It never becomes false again.
   *
   * @example client.isExported()
   */
  isExported(): boolean {
    return this.#isExported
  }

  /**
   * Hands the connection to another driver, with the bytes that were read and belong to it. Only for connections
   * that are served by a driver in JavaScript; `Http1Driver` and `Http2Driver` are the engine's.
   *
   * @example client.switchDriver(new Http1Driver(), bytes)
   */
  switchDriver(driver: ConnectionDriver, unread: Uint8Array | null = null): void {
    if (unread !== null && !(unread instanceof Uint8Array)) {
      throw new OptionError('unread', unread, 'a Uint8Array, or null')
    }
    if (this.isClosed()) return
    if (this.#activeDriver.switchDriver === undefined) {
      const why = this.#isExported ? 'it was upgraded' : 'the engine serves it; see Response.detach'
      throw new StateError(`client ${this.getId()} can't be handed to ${show(driver)}: ${why}`)
    }
    this.#activeDriver.switchDriver(driver, unread)
  }

  /**
   * A bit mask of `CLOSED_RD` and `CLOSED_WR`; 0 while open.
   *
   * @example client.getStatus() === Client.CLOSED_RDWR
   */
  getStatus(): number {
    return this.#status
  }

  /**
   * Unix time in whole seconds at which the connection closes if nothing more happens on it; 0 when
   * none is set.
   *
   * @example client.updateExpirationTime(client.getExpirationTime() + 30)
   */
  getExpirationTime(): number {
    return this.#isExported || this.#status === Client.CLOSED_RDWR ? 0 : this.#activeDriver.expiration()
  }

  /**
   * Moves the expiration to a later Unix time in seconds; an earlier time than the current one is ignored. A call
   * does nothing after the connection was handed to the callback of an upgrade.
   *
   * @example client.updateExpirationTime(Date.now() / 1000 + 60)
   */
  updateExpirationTime(expiresAt: number): void {
    if (!Number.isFinite(expiresAt)) throw new OptionError('expiresAt', expiresAt, 'a Unix time in seconds')
    if (this.#status !== Client.CLOSED_RDWR && !this.#isExported) this.#activeDriver.extendExpiration(expiresAt)
  }

  /**
   * Runs a function when the connection closes, or at once when it is closed. The result removes the function.
   *
   * @example const unsubscribe = client.onClose(() => room.leave(user))
   */
  onClose(callback: (client: Client) => void | Promise<void>): (() => void) & Disposable {
    if (typeof callback !== 'function') throw new OptionError('callback', callback, 'a function')
    const hook: CloseHook = new Hook(callback)
    if (this.#status === Client.CLOSED_RDWR) this.#run(hook)
    else this.#hooks.push(hook)
    const unsubscribe = (): void => {
      const at = this.#hooks.indexOf(hook)
      if (at < 0) return
      this.#hooks.splice(at, 1)
      hook.drop()
    }
    return Object.assign(unsubscribe, { [Symbol.dispose ?? DISPOSE]: unsubscribe }) as (() => void) & Disposable
  }

  /**
   * Closes the connection at once. Returns true for the call that closed it; later calls do nothing.
   *
   * @example client.close()
   */
  close(): boolean {
    if (this.#status === Client.CLOSED_RDWR) return false
    this.#facts.close()
    this.#closed()
    return true
  }

  /**
   * Whether the connection is closed.
   *
   * @example client.isClosed()
   */
  isClosed(): boolean {
    return this.#status === Client.CLOSED_RDWR
  }

  /**
   * The connection as plain values, for logs.
   *
   * @example JSON.stringify(request.getClient())
   */
  toJSON(): Record<string, unknown> {
    return {
      id: this.getId(),
      remoteAddress: String(this.getRemoteAddress()),
      localAddress: String(this.getLocalAddress()),
      isEncrypted: this.isEncrypted(),
      state: this.isClosed() ? 'closed' : this.#isExported ? 'upgraded' : this.#status === 0 ? 'open' : 'half-closed',
      pendingRequests: this.getPendingRequestCount(),
      pendingResponses: this.getPendingResponseCount(),
    }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('Client', this.toJSON(), depth, options, inspect)
  }

  #closed(): void {
    if (this.#status === Client.CLOSED_RDWR) return
    this.#status = Client.CLOSED_RDWR
    const hooks = this.#hooks
    this.#hooks = []
    for (const hook of hooks) this.#run(hook)
  }

  #run(hook: CloseHook): void {
    attempt(
      () => hook.run(this),
      (exception) => this.#owner.logger.error(`a close hook of client ${this.getId()} failed`, { exception }),
    )
  }

  static {
    key = Symbol('client')
    const permit = key
    createClient = (facts, owner) => new Client(facts, owner, permit)
    markClosed = (client) => client.#closed()
    // Both bits mean closed, which only the engine reports.
    markHalfClosed = (client) => {
      if (client.#status === 0) client.#status = Client.CLOSED_RD
    }
    markEnded = (client) => {
      if (client.#status === 0) client.#status = Client.CLOSED_WR
    }
    markExported = (client) => {
      client.#isExported = true
    }
    setActiveDriver = (client, activeDriver) => {
      client.#activeDriver = activeDriver ?? client.#facts
    }
    hasUsedTls = (client) => client.isEncrypted() || client.#facts.isEncryptedToProxy()
    stopActiveDriver = (client) => client.#activeDriver.stop()
  }
}
