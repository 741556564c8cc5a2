/**
 * Time limits of handlers. All handlers of a server have the same limit, so the order of dispatch is the order of
 * deadlines: one timer serves all, and each request costs one entry.
 */

/** Calls back for each entry that isn't deleted within a number of seconds. */
export class HandlerTimeout {
  readonly #millis: number
  readonly #waiting = new Map<number, { readonly deadline: number; readonly expire: () => void }>()
  #timer: NodeJS.Timeout | null = null

  constructor(seconds: number) {
    this.#millis = Math.min(seconds * 1000, 2 ** 31 - 1)
  }

  add(requestId: number, expire: () => void): void {
    this.#waiting.set(requestId, { deadline: performance.now() + this.#millis, expire })
    this.#timer ??= setTimeout(() => this.#check(), this.#millis).unref()
  }

  delete(requestId: number): void {
    this.#waiting.delete(requestId)
  }

  /** Deletes all entries. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#waiting.clear()
  }

  #check(): void {
    this.#timer = null
    const now = performance.now()
    for (const [requestId, { deadline, expire }] of this.#waiting) {
      if (deadline > now) {
        this.#timer = setTimeout(() => this.#check(), deadline - now).unref()
        return
      }
      this.#waiting.delete(requestId)
      expire()
    }
  }
}
