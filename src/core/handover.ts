/**
 * The context in which the application hands something over: a callback, a body, a signal. It runs in that context,
 * with its AsyncLocalStorage, whichever notice makes it run.
 */
import { AsyncResource } from './builtin.ts'

/** The context of one handover. */
export class Handover {
  /** Of its own type, so that hooks see it; without a `release` the garbage collector reports its end. */
  readonly #resource = new AsyncResource('busbar.Handover')

  /** Calls a function in the context. */
  run<This, Arguments extends unknown[], Result>(
    call: (this: This, ...values: Arguments) => Result,
    receiver?: This,
    ...values: Arguments
  ): Result {
    return this.#resource.runInAsyncScope(call, receiver, ...values)
  }

  /** Nothing more runs in it. */
  release(): void {
    this.#resource.emitDestroy()
  }
}

/** A signal that aborts in the context in which it was first asked for. */
export class HandoverSignal {
  readonly #controller = new AbortController()
  #context: Handover | null = null
  #isReleased = false

  /** The signal, handed over in the present context at the first call. */
  take(): AbortSignal {
    const { signal } = this.#controller
    if (!signal.aborted && !this.#isReleased) this.#context ??= new Handover()
    return signal
  }

  /** Whether it has aborted; its reason then. */
  get aborted(): boolean {
    return this.#controller.signal.aborted
  }

  get reason(): unknown {
    return this.#controller.signal.reason
  }

  abort(): void {
    const context = this.#context
    if (context === null) return this.#controller.abort()
    context.run(() => this.#controller.abort())
    this.release()
  }

  /** It won't abort any more. */
  release(): void {
    this.#isReleased = true
    this.#context?.release()
    this.#context = null
  }
}

/** A hook that runs once, in the context in which this function is called. */
export class Hook<Arguments extends unknown[]> {
  readonly #context = new Handover()
  readonly #callback: (...values: Arguments) => unknown

  constructor(callback: (...values: Arguments) => unknown) {
    this.#callback = callback
  }

  run(...values: Arguments): unknown {
    try {
      return this.#context.run(this.#callback, undefined, ...values)
    } finally {
      this.drop()
    }
  }

  /** The hook is removed: it won't run. */
  drop(): void {
    this.#context.release()
  }
}
