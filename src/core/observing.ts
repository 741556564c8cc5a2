/**
 * Observers: parts of a server that are called when it starts and stops.
 */

/** A part that is called when a server starts and stops. `Server` is what it uses of the server. */
export interface Observing<Server> {
  onStart?(server: Server): void | Promise<void>
  onStop?(server: Server): void | Promise<void>
}

/** Whether a value is an observer. */
export function isObserver(value: unknown): value is Observing<never> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { onStart, onStop } = value as Observing<never>
  return typeof onStart === 'function' || typeof onStop === 'function'
}

/**
 * Calls all observers among `parts`, concurrently and each one once. Resolves with their errors when all are done.
 */
export async function notifyObservers<Server>(
  parts: Iterable<unknown>,
  moment: 'onStart' | 'onStop',
  server: Server,
): Promise<unknown[]> {
  const observers = new Set([...parts].filter(isObserver)) as Set<Observing<Server>>
  const calls = [...observers].map(async (observer) => observer[moment]?.(server))
  const results = await Promise.allSettled(calls)
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
}

/** Key of the method by which a part says that it takes over streams of HTTP/2, so that the server offers it. RFC 8441. */
export const TAKES_STREAMS: unique symbol = Symbol('takesStreams')

/** Whether any of these parts takes over streams of HTTP/2. */
export function takesStreams(parts: Iterable<unknown>): boolean {
  return [...parts].some((part) => {
    if ((typeof part !== 'object' && typeof part !== 'function') || part === null) return false
    return (part as { [TAKES_STREAMS]?: () => boolean })[TAKES_STREAMS]?.() === true
  })
}
