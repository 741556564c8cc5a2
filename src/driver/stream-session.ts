/**
 * A connection that is driven by a function over streams.
 */
import { checkDriver } from './driver.ts'
import type { DriverHost } from './driver-host.ts'
import type { Client, ActiveDriver } from '../connection/client.ts'
import type { Driver } from './driver.ts'
import type { StreamDriver } from '../connection/driver-kinds.ts'
import type { RawConnection } from '../connection/raw-connection.ts'
import { UpgradedSocket, isClientGone, releaseSocket, notifyStop } from '../connection/upgraded-socket.ts'

/** One connection and its driver. */
export class StreamSession implements ActiveDriver {
  readonly #raw: RawConnection
  readonly #client: Client
  readonly #driver: StreamDriver
  readonly #selector: DriverHost
  readonly #socket: UpgradedSocket
  #hasNewDriver = false

  constructor(raw: RawConnection, driver: StreamDriver, selector: DriverHost, unread: Uint8Array | null) {
    this.#raw = raw
    this.#client = raw.client
    this.#driver = driver
    this.#selector = selector
    this.#socket = new UpgradedSocket(raw, { logger: selector.logger, unread })
    this.#client.onClose(() => selector.deadlines.delete(raw.client))
  }

  async start(): Promise<void> {
    try {
      await this.#driver.handleClient(this.#client, this.#socket, this.#socket)
      if (!this.#hasNewDriver) this.#socket.destroySoon()
    } catch (exception) {
      if (this.#hasNewDriver) return
      // A peer that disconnects in the middle is no error of the driver.
      const isGone = isClientGone(this.#socket, exception)
      if (!isGone) this.#selector.logger.error(`the driver of client ${this.#client.getId()} failed`, { exception })
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
    return this.#selector.deadlines.get(this.#client)
  }

  extendExpiration(unixSeconds: number): void {
    this.#selector.deadlines.extend(this.#client, unixSeconds)
  }

  async stop(): Promise<void> {
    notifyStop(this.#socket)
    await this.#driver.stop?.()
  }

  switchDriver(driver: Driver, unread: Uint8Array | null): void {
    checkDriver(driver)
    const rest = releaseSocket(this.#socket)
    this.#hasNewDriver = true
    this.#selector.deadlines.delete(this.#client)
    this.#selector.drive(this.#raw, driver, unread === null ? rest : Buffer.concat([unread, rest]))
  }
}
