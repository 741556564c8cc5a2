/**
 * Deadlines of clients that a driver in JavaScript serves; the engine keeps those of all others.
 */
import type { Client } from './client.ts'
import { withoutContext } from '../core/no-context.ts'

/** How often they are looked at, in milliseconds. */
const INTERVAL = 1000

/** Closes clients whose time is over, unless they wait for our own handler. */
export class ClientDeadlines {
  /** Unix time in seconds. */
  readonly #deadlines = new Map<Client, number>()
  #timer: NodeJS.Timeout | null = null

  /** Unix time in whole seconds; 0 when there is none. */
  get(client: Client): number {
    return Math.ceil(this.#deadlines.get(client) ?? 0)
  }

  /** Puts it off; an earlier time than the present one is ignored. */
  extend(client: Client, unixSeconds: number): void {
    if (unixSeconds <= (this.#deadlines.get(client) ?? 0)) return
    this.#deadlines.set(client, unixSeconds)
    this.#timer ??= withoutContext(() => setInterval(() => this.#check(), INTERVAL).unref())
  }

  delete(client: Client): void {
    this.#deadlines.delete(client)
    if (this.#deadlines.size === 0) this.close()
  }

  /** Forgets everything. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#deadlines.clear()
  }

  #check(): void {
    const now = Date.now() / 1000
    for (const [client, deadline] of this.#deadlines) {
      if (deadline > now) continue
      // We are late, not the client: it is looked at again.
      if (client.isWaitingOnResponse()) this.#deadlines.set(client, now + INTERVAL / 1000)
      else client.close()
    }
  }
}
