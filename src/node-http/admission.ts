/**
 * Which connections of a server are taken, as Node decides it where it accepts them.
 *
 * The engine announces connections only where something asks for that.
 */
import type { Engine } from '../native.ts'
import type { Connection } from './connection.ts'
import type { ServerParts } from './listening.ts'

/** The connections of one server that listens. */
export class Admission {
  readonly #engine: Engine
  readonly #server: ServerParts
  /** Those whose end is announced. */
  readonly #open = new Set<Connection>()
  /** So many may be open of those that had come before connections were announced. */
  #earlier = 0
  #isAnnounced = false

  constructor(engine: Engine, server: ServerParts) {
    this.#engine = engine
    this.#server = server
  }

  /** From now on connections are announced, which costs each of them a round. */
  announce(): void {
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    this.#earlier = this.#engine.clientCount()
    this.#engine.announceAccepted()
  }

  isBlocked(connection: Connection): boolean {
    const { blockList } = this.#server
    const address = blockList === undefined ? null : connection.remoteAddress()
    if (address === null || address.family === 'unix') return false
    return blockList!.check(address.host, address.family === 'IPv6' ? 'ipv6' : 'ipv4')
  }

  /** Whether there are as many connections as the server may have, without the one that has just come. */
  isFull(): boolean {
    const most = this.#server.maxConnections as number | null | undefined
    if (most === undefined || most === null) return false
    const { size } = this.#open
    this.#earlier = Math.max(0, Math.min(this.#earlier, this.#engine.clientCount() - size - 1))
    return this.#earlier + size >= most
  }

  /** Counts a connection until it has closed. */
  admit(connection: Connection): void {
    if (connection.facts() === null) return
    this.#open.add(connection)
  }

  closed(connection: Connection): void {
    this.#open.delete(connection)
  }
}
