/**
 * Failures of the application's functions and promises: they are reported or ignored, so that they never end the
 * process.
 */

/** Runs a function, which may be async, and reports what it throws or rejects with. */
export function attempt(run: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = run() as PromiseLike<unknown> | null | undefined
    if (typeof result?.then === 'function') result.then(undefined, report)
  } catch (error) {
    report(error)
  }
}

/**
 * The same promise, marked as handled: Node would end the process if it rejects before the application awaits it,
 * as when a client leaves early.
 */
export function handled<P extends PromiseLike<unknown>>(promise: P): P {
  promise.then(undefined, nothing)
  return promise
}

function nothing(): void {}
