/**
 * Code that runs outside of all requests. A timer or a tick that serves many requests must not see the
 * AsyncLocalStorage of the one that started it.
 */
import { AsyncResource } from './builtin.ts'

const OUTSIDE = new AsyncResource('busbar', { requireManualDestroy: true })

/** Calls a function without the AsyncLocalStorage of any request. */
export function withoutContext<Result>(run: () => Result): Result {
  return OUTSIDE.runInAsyncScope(run)
}
