/**
 * What is recorded of a request that is observed, from its dispatch to the true end of its answer. Only servers with
 * observers have such records.
 *
 * ```text
 *   begun ──► answered: a status, and content is counted ──► ended: an outcome, once
 * ```
 */

import type { Outcome, ResponseEnd } from '../message/response-end.ts'

/** Is called at the end of an observed answer, and when its handler has failed. */
export interface ObservationListener {
  /** Calls the handler. */
  run(handle: () => void): void
  onEnd(observation: Observation): void
  onError(observation: Observation, error: unknown): void
}

/** For a request that nothing but middleware observes. */
export const NO_LISTENER: ObservationListener = {
  run: (handle) => handle(),
  onEnd: () => {},
  onError: () => {},
}

/** The record of one request. */
export class Observation implements ResponseEnd {
  readonly #listener: ObservationListener
  readonly #began = performance.now()
  #status: number | null = null
  #handed = 0
  #unsent = 0
  #marked: Outcome | null = null
  #outcome: Outcome | null = null
  #duration = 0
  /** Further functions that are called at the end. */
  #onEnd: ((end: ResponseEnd) => void)[] | null = null

  constructor(listener: ObservationListener) {
    this.#listener = listener
  }

  /** The status that was sent; null without an answer. */
  get status(): number | null {
    return this.#status
  }

  /** The outcome; null before the end. */
  get outcome(): Outcome | null {
    return this.#outcome
  }

  /** Milliseconds from the dispatch to the end. */
  get duration(): number {
    return this.#duration
  }

  /** Bytes of the body that were sent. */
  get bytesSent(): number {
    return Math.max(0, this.#handed - this.#unsent)
  }

  /** Calls the handler where the observers want it to run. */
  run(handle: () => void): void {
    this.#listener.run(handle)
  }

  /** An answer begins, with so many bytes of content; more may follow. */
  answer(status: number, length: number): void {
    this.#status = status
    this.#handed = length
  }

  /** More content was handed to the engine. */
  count(content: string | Uint8Array | number): void {
    if (typeof content === 'number') this.#handed += content
    else this.#handed += typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
  }

  /** The engine has refused the body of the request with an answer of its own. */
  refuse(status: number): void {
    this.#status ??= status
    this.mark(status === 408 ? 'timeout' : 'failed')
  }

  /** Why the answer will end; the first mark counts. */
  mark(outcome: Outcome): void {
    this.#marked ??= outcome
  }

  /** The handler or the body has failed. */
  fail(error: unknown): void {
    if (this.#outcome === null) this.#listener.onError(this, error)
  }

  /** Calls a function at the end, too. */
  onEnd(call: (end: ResponseEnd) => void): void {
    ;(this.#onEnd ??= []).push(call)
  }

  /** The answer is over, with `unsent` bytes that were handed to the engine and not sent. */
  end(outcome: Outcome, unsent = 0): void {
    if (this.#outcome !== null) return
    this.#outcome = this.#marked ?? outcome
    this.#unsent = unsent
    this.#duration = performance.now() - this.#began
    this.#listener.onEnd(this)
    for (const call of this.#onEnd ?? []) call(this)
  }
}
