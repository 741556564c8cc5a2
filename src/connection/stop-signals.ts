/**
 * Signals that fire when the server begins to stop, for requests that a driver in JavaScript has parsed.
 */
import { AsyncResource } from '../core/builtin.ts'

/** A signal and what fires it. */
interface StopSignal {
  readonly signal: AbortSignal
  readonly fire: () => void
}

/** The stop signals of one server, by a key that stands for a request. */
export class StopSignals {
  readonly #signals = new Map<object, StopSignal>()
  #isStopping = false

  /** The signal of a request, made when it is first asked for. */
  of(key: object): AbortSignal {
    const known = this.#signals.get(key)
    if (known !== undefined) return known.signal
    const controller = new AbortController()
    if (this.#isStopping) controller.abort()
    // Its listeners run in the context in which the signal was first asked for.
    const fire = AsyncResource.bind(() => controller.abort())
    this.#signals.set(key, { signal: controller.signal, fire })
    return controller.signal
  }

  /** The request is over. */
  delete(key: object): void {
    this.#signals.delete(key)
  }

  /** The server begins to stop: all signals fire, and later ones at once. */
  fire(): void {
    this.#isStopping = true
    this.#signals.forEach(({ fire }) => fire())
  }
}
