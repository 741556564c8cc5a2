/**
 * Which connections of a server are taken, and whether they keep the process alive: as Node decides it where it accepts them.
 *
 * The engine announces connections only where something asks for that. Those from before are known once they have sent a
 * request.
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
  #isReferenced = true

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
    if (!this.#isReferenced) this.#engine.ref()
  }

  closed(connection: Connection): void {
    if (this.#open.delete(connection)) this.#mayLetGo()
  }

  ref(): void {
    this.#isReferenced = true
    this.#engine.ref()
  }

  /** Lets the process end when no connection is open. */
  unref(known: Iterable<Connection>): void {
    this.#isReferenced = false
    this.announce()
    for (const connection of known) this.admit(connection)
    this.#mayLetGo()
  }

  /** Whether connections that become known later have to be counted as well. */
  get countsAll(): boolean {
    return !this.#isReferenced
  }

  #mayLetGo(): void {
    if (!this.#isReferenced && this.#open.size === 0) this.#engine.unref()
  }
}
