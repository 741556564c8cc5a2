/**
 * Numbers for the field names that handlers read. Passing a number to the engine costs a third of passing a string,
 * and the lower case of a name is made once. Applications read few names, and the same ones again and again.
 */
import type { HotFunctions } from '../native.ts'

/** Names kept; the engine keeps as many. */
const KEPT = 1024

/** The field names of one server. */
export class FieldNumbers {
  readonly #hot: HotFunctions
  /** By name, in the letter case given. */
  readonly #numbers = new Map<string, number>()

  constructor(hot: HotFunctions) {
    this.#hot = hot
  }

  /** The number of a name, in any letter case. */
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
