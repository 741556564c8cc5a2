/**
 * Handlers whose promise is pending: at most `requestLimit`, to bound the memory that they hold. At the limit the
 * engine reads no further request; requests that it has read already wait here. Handlers that answer synchronously
 * aren't counted.
 */

/** The handlers of one server. */
export class RunningHandlers {
  readonly #limit: number
  readonly #pauseRequests: (isPaused: boolean) => void
  #count = 0
  #isPaused = false
  /** Functions that begin the waiting handlers, in order of arrival. */
  #waiting: (() => void)[] = []
  /** Waiting handlers that have begun. */
  #begun = 0

  /** `pauseRequests` makes the engine stop or resume reading requests. */
  constructor(limit: number, pauseRequests: (isPaused: boolean) => void) {
    this.#limit = limit
    this.#pauseRequests = pauseRequests
  }

  /** Whether a further handler must wait. */
  isFull(): boolean {
    return this.#count >= this.#limit || this.#waiting.length > 0
  }

  /** Begins a handler after those that wait already. */
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
