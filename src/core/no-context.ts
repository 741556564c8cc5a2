/**
 * Timers and ticks that serve many requests at once: what runs in them must not see what one of those has in
 * its AsyncLocalStorage.
 */
import { AsyncResource } from './builtin.ts'

const NOBODY = new AsyncResource('busbar', { requireManualDestroy: true })

/** Calls a function outside of any request. */
export function withoutContext<Result>(run: () => Result): Result {
  return NOBODY.runInAsyncScope(run)
}
