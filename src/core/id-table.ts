/**
 * Values by ids that ascend, most of which are soon taken out again.
 *
 * A `Map` makes a new table after every few removals, and the old one refers to it. Once one old table lives in V8's old
 * generation, all that follow are kept until the next full collection, each with the values that it had: half of all
 * requests that are answered later would be copied by the collector. Here values stay in one array.
 */

const LEAST = 64

/** A table of values by id. Ids are whole numbers from 1. */
export class IdTable<Value> {
  /** 0 for places that are free. */
  #ids = new Float64Array(LEAST)
  #values: (Value | undefined)[] = Array.from({ length: LEAST })
  #mask = LEAST - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): Value | undefined {
    const ids = this.#ids
    for (let at = id & this.#mask; ids[at] !== 0; at = (at + 1) & this.#mask) if (ids[at] === id) return this.#values[at]
    return undefined
  }

  set(id: number, value: Value): void {
    // At most half of it is in use, so that ways stay short.
    if (this.#size * 2 > this.#mask) this.#grow()
    const ids = this.#ids
    let at = id & this.#mask
    while (ids[at] !== 0 && ids[at] !== id) at = (at + 1) & this.#mask
    if (ids[at] === 0) this.#size++
    ids[at] = id
    this.#values[at] = value
  }

  delete(id: number): boolean {
    const ids = this.#ids
    const mask = this.#mask
    let free = id & mask
    while (ids[free] !== id) {
      if (ids[free] === 0) return false
      free = (free + 1) & mask
    }
    this.#size--
    // Those behind it move up as far as they may, so that no way is interrupted.
    for (let at = (free + 1) & mask; ids[at] !== 0; at = (at + 1) & mask) {
      const wanted = ids[at]! & mask
      if (((at - wanted) & mask) < ((at - free) & mask)) continue
      ids[free] = ids[at]!
      this.#values[free] = this.#values[at]
      free = at
    }
    ids[free] = 0
    this.#values[free] = undefined
    return true
  }

  /** All ids and values as they are now. */
  entries(): [id: number, value: Value][] {
    return this.#values.flatMap((value, at) => (this.#ids[at] === 0 ? [] : [[this.#ids[at]!, value as Value] as [number, Value]]))
  }

  #grow(): void {
    const ids = this.#ids
    const values = this.#values
    const length = ids.length * 2
    this.#ids = new Float64Array(length)
    this.#values = Array.from({ length })
    this.#mask = length - 1
    this.#size = 0
    ids.forEach((id, at) => {
      if (id !== 0) this.set(id, values[at] as Value)
    })
  }
}
