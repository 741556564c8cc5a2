/**
 * Clients that have ended their side. Node reads that end after all that came before, in a turn of its own, so the due
 * exchanges end in that turn here, too.
 *
 * ```text
 *   the client's end ──► a body is still being read ──► its end ──► two turns later ─┐
 *                   ├──► in the handler's own turn ──► one turn later ───────────────┼──► connection and due exchanges end
 *                   └──► in any other turn ──────────────────────────────────────────┘
 * ```
 */
import { LOOP_WAITS } from '../native.ts'
import { GIVEN } from './exchange.ts'
import type { Exchange } from './exchange.ts'

/** Those of one server. */
export class ClientEnds {
  readonly #words: Uint32Array
  readonly #leave: (exchange: Exchange) => void
  /** Whose client has ended its side, and whether their response was due then. */
  #ending: { exchange: Exchange; wasDue: boolean }[] = []

  /** `leave` tells an exchange, in its context, that its client has left. */
  constructor(words: Uint32Array, leave: (exchange: Exchange) => void) {
    this.#words = words
    this.#leave = leave
  }

  /** The client has ended its side. */
  note(exchange: Exchange): void {
    const { connection } = exchange
    const isDue = exchange.stage < GIVEN
    const body = connection.newest?.body ?? null
    if (isDue && body?.isOpen() === true && !body.isHeld) body.hasEndBehind = true
    else if (connection.fedAt === this.#words[LOOP_WAITS]) this.#endSoon(exchange, isDue)
    else this.#end(exchange)
  }

  /** The application has read the body that came before the client's end. */
  noteBehindBody(exchange: Exchange): void {
    // The request has its 'end' first.
    setImmediate(() => this.#endSoon(exchange, true))
  }

  /** The handler may still answer in this turn of the loop. */
  #endSoon(exchange: Exchange, wasDue: boolean): void {
    if (this.#ending.push({ exchange, wasDue }) === 1) setImmediate(this.#endThose)
  }

  readonly #endThose = (): void => {
    const ending = this.#ending
    this.#ending = []
    for (const { exchange, wasDue } of ending) {
      const isAnswered = exchange.stage >= GIVEN && exchange.body?.isOpen() !== true && !exchange.connection.isQueued(exchange)
      if (!wasDue || !isAnswered) this.#end(exchange)
    }
  }

  /** The exchanges of the connection that are due end with it, at once: further notices may come a tick later. */
  #end(exchange: Exchange): void {
    const { connection } = exchange
    const ended = connection.due.filter((each) => each === exchange || each !== connection.current || each.stage < GIVEN)
    connection.close()
    connection.isClosed = true
    if (!ended.includes(exchange)) ended.unshift(exchange)
    for (const each of ended) this.#leave(each)
  }
}
