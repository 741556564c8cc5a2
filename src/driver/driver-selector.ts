/**
 * Gives each accepted connection its client and its driver, for servers with factories of their own. The connections
 * of all other servers belong to the engine's HTTP from the first byte.
 */
import type { Handover } from '../core/handover.ts'
import { Client, setActiveDriver } from '../connection/client.ts'
import type { ClientOwner, ActiveDriver } from '../connection/client.ts'
import type { ClientRegistry } from '../connection/client-registry.ts'
import { ClientDeadlines } from '../connection/client-deadlines.ts'
import { Http1Driver, Http2Driver } from '../connection/driver-kinds.ts'
import { checkDriver, isStreamDriver } from './driver.ts'
import type { ClientFactory, Driver, HttpDriver, HttpDriverFactory } from './driver.ts'
import type { DriverHost } from './driver-host.ts'
import { OptionError } from '../core/errors.ts'
import { runUpgrade } from '../connection/run-upgrade.ts'
import type { InjectSettings } from '../handler/inject.ts'
import type { Logger } from '../core/logger.ts'
import type { Engine, HotFunctions } from '../native.ts'
import type { ParsedOwner } from './parsed-exchange.ts'
import { ParserSession } from './parser-session.ts'
import { RawConnection } from '../connection/raw-connection.ts'
import type { RawConnections } from '../connection/raw-connection.ts'
import { ServerSocket, knownClientOf } from '../connection/server-socket.ts'
import { StreamSession } from './stream-session.ts'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'

/** What the selector needs of its server. */
export interface SelectorOwner extends ClientOwner, ParsedOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly rawConnections: RawConnections
  readonly clients: ClientRegistry
}

/** The factories, and what answers requests. */
export interface SelectorSettings extends InjectSettings {
  readonly driverFactory: HttpDriverFactory
  readonly clientFactory: ClientFactory
}

/** The selector of one server. */
export class DriverSelector implements DriverHost {
  readonly deadlines = new ClientDeadlines()
  /** What answers the requests that a driver has parsed. */
  readonly answering: InjectSettings
  readonly requests: ParsedOwner
  readonly logger: Logger
  readonly #host: SelectorOwner
  readonly #settings: SelectorSettings
  /** The drivers written in JavaScript, by client. */
  readonly #drivings = new WeakMap<Client, ActiveDriver>()
  /** Clients whose TLS handshake isn't done, by id. */
  readonly #handshaking = new Map<number, Client>()

  constructor(host: SelectorOwner, settings: SelectorSettings) {
    this.#host = host
    this.#settings = settings
    this.answering = settings
    this.requests = host
    this.logger = settings.logger
  }

  /** A connection was accepted. */
  accept(slot: number, id: number): void {
    const facts = this.#host.engine.openAccepted(slot, id)
    if (facts === null) return
    const socket = new ServerSocket(facts, this.#host)
    try {
      const client = this.#createClient(socket)
      if (client === null) return socket.close()
      this.#host.clients.adopt(client)
      if (!facts.isSecured()) return this.#select(client, slot)
      this.#handshaking.set(id, client)
      client.onClose(() => void this.#handshaking.delete(id))
    } catch (exception) {
      this.logger.critical(`no driver could be selected for client ${id}`, { exception })
      socket.close()
    }
  }

  /** The TLS handshake of an accepted connection is done: what it has negotiated can decide its driver. */
  established(slot: number, id: number): void {
    const client = this.#handshaking.get(id)
    if (client === undefined) return
    this.#handshaking.delete(id)
    try {
      this.#select(client, slot)
    } catch (exception) {
      this.logger.critical(`no driver could be selected for client ${id}`, { exception })
      client.close()
    }
  }

  #createClient(socket: ServerSocket): Client | null {
    const { clientFactory, handler, errorHandler, logger, options } = this.#settings
    const requestHandler = { handleRequest: handler }
    const client: unknown = clientFactory.createClient(socket, requestHandler, errorHandler, logger, options)
    if (client === null || (client instanceof Client && client === knownClientOf(socket))) return client
    throw new OptionError('clientFactory.createClient', client, 'giving what DefaultClientFactory gives, or null')
  }

  #select(client: Client, slot: number): void {
    const { driverFactory, errorHandler, logger, options } = this.#settings
    const driver = driverFactory.selectDriver(client, errorHandler, logger, options)
    if (client.isClosed()) return
    checkDriver(driver)
    const { hot, rawConnections } = this.#host
    if (driver instanceof Http1Driver || driver instanceof Http2Driver) {
      return void hot.serve(slot, client.getId(), null, driver instanceof Http2Driver ? 1 : 0)
    }
    if (hot.takeRaw(slot, client.getId()) !== 0) return
    this.drive(new RawConnection(client, slot, hot, rawConnections), driver, null)
  }

  /** Hands a raw connection to a driver, with the bytes that were read and belong to it. */
  drive(raw: RawConnection, driver: Driver, unread: Uint8Array | null): void {
    const { client } = raw
    if (driver instanceof Http1Driver || driver instanceof Http2Driver) {
      return raw.serve(unread ?? new Uint8Array(0), driver instanceof Http2Driver, () => this.#setActiveDriver(client, null))
    }
    if (isStreamDriver(driver)) {
      const run = new StreamSession(raw, driver, this, unread)
      this.#setActiveDriver(client, run)
      return void run.start()
    }
    const run = new ParserSession(raw, driver as HttpDriver, this)
    this.#setActiveDriver(client, run)
    run.start(unread)
  }

  #setActiveDriver(client: Client, activeDriver: ActiveDriver | null): void {
    if (activeDriver === null) this.#drivings.delete(client)
    else this.#drivings.set(client, activeDriver)
    setActiveDriver(client, activeDriver)
  }

  /** Whether a driver has not been replaced. */
  isDrivenBy(client: Client, activeDriver: ActiveDriver): boolean {
    return this.#drivings.get(client) === activeDriver
  }

  /** Hands a connection to the callback of an upgraded response, whose head is written. */
  export(
    raw: RawConnection,
    unread: Uint8Array,
    callback: (socket: UpgradedSocket) => void | Promise<void>,
    context: Handover,
  ): void {
    this.#drivings.delete(raw.client)
    void runUpgrade(raw, unread, callback, context, this.logger)
  }

  /** The server is stopped. */
  close(): void {
    this.deadlines.close()
  }
}
