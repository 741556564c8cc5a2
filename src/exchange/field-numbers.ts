/**
 * Numbers for the names of fields that handlers ask for: a number crosses to the native half for a third of what
 * a string costs, and a name that was seen before needs no lower case made of it. Applications ask for few names,
 * and for the same again and again.
 */
import type { HotFunctions } from '../native.ts'

/** The native half keeps as many. */
const KEPT = 1024

/** The names of one server. */
export class FieldNumbers {
  readonly #hot: HotFunctions
  /** By name as it was written. */
  readonly #numbers = new Map<string, number>()

  constructor(hot: HotFunctions) {
    this.#hot = hot
  }

  /** The number of a name, in whatever letter case. */
  of(name: string): number {
    return this.#numbers.get(name) ?? this.#add(name)
  }

  #add(name: string): number {
    const lower = name.toLowerCase()
    if (this.#numbers.size >= KEPT) this.#numbers.clear()
    const number = this.#numbers.size
    this.#hot.nameField(number, lower)
    this.#numbers.set(name, number)
    return number
  }
}
