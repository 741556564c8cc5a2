/**
 * Requests whose answer may take long, as long as their heads lie in the slab that is being filled: one of them
 * must not keep a whole slab, so they take their heads along when another slab takes its place. What is answered
 * is let go at once, with all that hangs on it.
 */

/** What has its head in a slab. */
export interface SlabUser {
  /** Its place in the list; -1 while it isn't listed. */
  openAt: number
  /** Copies out of the slab what still lies in it. */
  leaveSlab(slab: Buffer): void
}

/** The requests of one server. */
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

  /** The slab is used up. */
  leave(slab: Buffer): void {
    for (const exchange of this.#list) {
      exchange.openAt = -1
      exchange.leaveSlab(slab)
    }
    this.#list = []
  }
}
