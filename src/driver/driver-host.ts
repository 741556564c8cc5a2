/**
 * What a session needs of its server.
 */
import type { Handover } from '../core/handover.ts'
import type { ActiveDriver, Client } from '../connection/client.ts'
import type { ClientDeadlines } from '../connection/client-deadlines.ts'
import type { RawConnection } from '../connection/raw-connection.ts'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'
import type { Logger } from '../core/logger.ts'
import type { InjectSettings } from '../handler/inject.ts'
import type { Driver } from './driver.ts'
import type { ParsedOwner } from './parsed-exchange.ts'

/** What the sessions of drivers in JavaScript need. */
export interface DriverHost {
  readonly deadlines: ClientDeadlines
  readonly logger: Logger
  /** What answers the requests that a driver has parsed. */
  readonly answering: InjectSettings
  /** What counts and observes them. */
  readonly requests: ParsedOwner
  /** Hands a raw connection to another driver, with the bytes that were read and belong to it. */
  drive(raw: RawConnection, driver: Driver, unread: Uint8Array | null): void
  /** Whether a driver has not been replaced. */
  isDrivenBy(client: Client, activeDriver: ActiveDriver): boolean
  /** Hands a connection to the callback of an upgraded response, whose head is written. */
  export(
    raw: RawConnection,
    unread: Uint8Array,
    callback: (socket: UpgradedSocket) => void | Promise<void>,
    context: Handover,
  ): void
}
