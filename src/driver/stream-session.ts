/**
 * A connection that a driver drives by a function over streams.
 */
import { checkDriver } from './driver-selector.ts'
import type { Acceptor } from './driver-selector.ts'
import type { Client, Driving } from '../connection/client.ts'
import type { Driver, StreamDriver } from './driver.ts'
import type { RawConnection } from '../connection/raw-connection.ts'
import { UpgradedSocket, isFarewell, releaseSocket, tellStop } from '../connection/upgraded-socket.ts'

/** One connection and its driver. */
export class StreamRun implements Driving {
  readonly #raw: RawConnection
  readonly #client: Client
  readonly #driver: StreamDriver
  readonly #acceptor: Acceptor
  readonly #socket: UpgradedSocket
  #isHandedOn = false

  constructor(raw: RawConnection, driver: StreamDriver, acceptor: Acceptor, unread: Uint8Array | null) {
    this.#raw = raw
    this.#client = raw.client
    this.#driver = driver
    this.#acceptor = acceptor
    this.#socket = new UpgradedSocket(raw, { logger: acceptor.logger, unread })
    this.#client.onClose(() => acceptor.deadlines.delete(raw.client))
  }

  async start(): Promise<void> {
    try {
      await this.#driver.handleClient(this.#client, this.#socket, this.#socket)
      if (!this.#isHandedOn) this.#socket.destroySoon()
    } catch (exception) {
      if (this.#isHandedOn) return
      // A peer that leaves in the middle is nobody's mistake here.
      const isTheirs = isFarewell(this.#socket, exception)
      if (!isTheirs) this.#acceptor.logger.error(`the driver of client ${this.#client.getId()} failed`, { exception })
      this.#client.close()
    }
  }

  pendingRequests(): number {
    return 0
  }

  pendingResponses(): number {
    return 0
  }

  runningHandlers(): number {
    return 0
  }

  expiration(): number {
    return this.#acceptor.deadlines.get(this.#client)
  }

  extendExpiration(unixSeconds: number): void {
    this.#acceptor.deadlines.extend(this.#client, unixSeconds)
  }

  async stop(): Promise<void> {
    tellStop(this.#socket)
    await this.#driver.stop?.()
  }

  switchDriver(driver: Driver, unread: Uint8Array | null): void {
    checkDriver(driver)
    const rest = releaseSocket(this.#socket)
    this.#isHandedOn = true
    this.#acceptor.deadlines.delete(this.#client)
    this.#acceptor.drive(this.#raw, driver, unread === null ? rest : Buffer.concat([unread, rest]))
  }
}
