/**
 * Handlers that have returned a promise and not settled: as many as `requestLimit` says, for their memory is the
 * application's. At the limit the engine begins no further request, and those that it had read already wait here,
 * so that not one more than allowed runs. Handlers that answer at once cost nothing and count for nothing.
 */

/** The handlers of one server. */
export class RunningHandlers {
  readonly #limit: number
  readonly #pauseRequests: (isPaused: boolean) => void
  #count = 0
  #isPaused = false
  /** What begins those that wait, in the order of their arrival. */
  #waiting: (() => void)[] = []
  /** How many of them have begun. */
  #begun = 0

  /** `pauseRequests` has the engine begin no more requests, or go on. */
  constructor(limit: number, pauseRequests: (isPaused: boolean) => void) {
    this.#limit = limit
    this.#pauseRequests = pauseRequests
  }

  /** Whether another one must wait. */
  isFull(): boolean {
    return this.#count >= this.#limit || this.#waiting.length > 0
  }

  /** Has a handler begin in its turn. */
  wait(begin: () => void): void {
    this.#waiting.push(begin)
    this.#setPaused(true)
  }

  /** A handler has returned a promise. */
  enter(): void {
    this.#count++
    if (this.#count >= this.#limit) this.#setPaused(true)
  }

  /** Its promise is settled. */
  leave(): void {
    this.#count--
    while (this.#count < this.#limit && this.#begun < this.#waiting.length) this.#waiting[this.#begun++]!()
    if (this.#begun === this.#waiting.length) {
      this.#waiting = []
      this.#begun = 0
      if (this.#count < this.#limit) this.#setPaused(false)
    } else if (this.#begun > this.#waiting.length / 2) {
      this.#waiting = this.#waiting.slice(this.#begun)
      this.#begun = 0
    }
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    this.#pauseRequests(isPaused)
  }
}
