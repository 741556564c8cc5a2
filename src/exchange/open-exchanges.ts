/**
 * Open requests whose heads lie in the current slab. One long request must not keep a whole slab in memory, so
 * their heads are copied out when the slab is full. An answered request is removed at once.
 */

/** A request whose head lies in a slab. */
export interface SlabUser {
  /** Its index in the list; -1 while it isn't listed. */
  openAt: number
  /** Copies its head and its body out of the slab. */
  leaveSlab(slab: Buffer): void
}

/** The open requests of one server. */
export class OpenExchanges {
  #list: SlabUser[] = []

  add(exchange: SlabUser): void {
    if (exchange.openAt >= 0) return
    exchange.openAt = this.#list.length
    this.#list.push(exchange)
  }

  delete(exchange: SlabUser): void {
    const at = exchange.openAt
    if (at < 0) return
    exchange.openAt = -1
    const last = this.#list.pop()!
    if (last === exchange) return
    last.openAt = at
    this.#list[at] = last
  }

  /** The slab is full: everything in use is copied out. */
  leave(slab: Buffer): void {
    for (const exchange of this.#list) {
      exchange.openAt = -1
      exchange.leaveSlab(slab)
    }
    this.#list = []
  }
}
