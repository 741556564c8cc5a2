import type { Connection } from './connection.ts'

/** Bits of a slot that count the connections of one thread; above them stands the number of the thread. */
const SLOT_BITS = 24

/**
 * Connections by slot: each slot has one at a time. Each thread has an array of its own, since in one for all the
 * slots of two threads would be sixteen million places apart.
 */
export class ConnectionTable<Value = Connection> {
  readonly #threads: (Value | undefined)[][] = [[]]

  get(slot: number): Value | undefined {
    return this.#threads[slot >>> SLOT_BITS]?.[slot & ((1 << SLOT_BITS) - 1)]
  }

  set(slot: number, connection: Value): void {
    const thread = slot >>> SLOT_BITS
    while (this.#threads.length <= thread) this.#threads.push([])
    this.#threads[thread]![slot & ((1 << SLOT_BITS) - 1)] = connection
  }

  delete(slot: number): void {
    const connections = this.#threads[slot >>> SLOT_BITS]
    if (connections !== undefined) connections[slot & ((1 << SLOT_BITS) - 1)] = undefined
  }

  *values(): Iterable<Value> {
    for (const connections of this.#threads) for (const connection of connections) if (connection !== undefined) yield connection
  }
}
