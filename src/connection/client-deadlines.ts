/**
 * Deadlines of clients that are served by a driver in JavaScript; the engine keeps the deadlines of all others.
 */
import type { Client } from './client.ts'
import { withoutContext } from '../core/no-context.ts'

/** Milliseconds between two checks. */
const INTERVAL = 1000

/** Closes clients whose deadline has passed, unless they wait for a handler. */
export class ClientDeadlines {
  /** Unix time in seconds. */
  readonly #deadlines = new Map<Client, number>()
  #timer: NodeJS.Timeout | null = null

  /** Unix time in whole seconds; 0 when there is none. */
  get(client: Client): number {
    return Math.ceil(this.#deadlines.get(client) ?? 0)
  }

  /** Moves a deadline to a later time; an earlier one is ignored. */
  extend(client: Client, unixSeconds: number): void {
    if (unixSeconds <= (this.#deadlines.get(client) ?? 0)) return
    this.#deadlines.set(client, unixSeconds)
    this.#timer ??= withoutContext(() => setInterval(() => this.#check(), INTERVAL).unref())
  }

  delete(client: Client): void {
    this.#deadlines.delete(client)
    if (this.#deadlines.size === 0) this.close()
  }

  /** Removes all deadlines and stops the timer. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#deadlines.clear()
  }

  #check(): void {
    const now = Date.now() / 1000
    for (const [client, deadline] of this.#deadlines) {
      if (deadline > now) continue
      // The handler is still running: check again after one interval.
      if (client.isWaitingOnResponse()) this.#deadlines.set(client, now + INTERVAL / 1000)
      else client.close()
    }
  }
}
