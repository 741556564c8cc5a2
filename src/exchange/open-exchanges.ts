/**
 * Requests whose answer may take long, as long as their heads lie in the slab that is being filled: one of them
 * must not keep a whole slab, so they take their heads along when another slab takes its place. What is answered
 * is let go at once, with all that hangs on it.
 */
import type { Exchange } from './exchange.ts'

/** The requests of one server. */
export class OpenExchanges {
  #list: Exchange[] = []

  add(exchange: Exchange): void {
    if (exchange.openAt >= 0) return
    exchange.openAt = this.#list.length
    this.#list.push(exchange)
  }

  delete(exchange: Exchange): void {
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
