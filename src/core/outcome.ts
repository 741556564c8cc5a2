/**
 * What comes of functions and promises that are the application's: a failure is reported or left alone, and
 * never ends the process.
 */

/** Runs a function, which may be async; what it throws or rejects with is reported. */
export function attempt(run: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = run() as PromiseLike<unknown> | null | undefined
    if (typeof result?.then === 'function') result.then(undefined, report)
  } catch (error) {
    report(error)
  }
}

/**
 * The same promise, which may be left to itself, or be waited for later: a client that leaves, or sends
 * nonsense, ends no process by it.
 */
export function handled<P extends PromiseLike<unknown>>(promise: P): P {
  promise.then(undefined, nothing)
  return promise
}

function nothing(): void {}
