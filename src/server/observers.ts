/**
 * Observers: objects that are called when a server starts and stops.
 */
import { OptionError } from '../core/errors.ts'
import type { HttpServer } from './server.ts'

/** Called when a server starts and stops. */
export interface ServerObserver {
  /** The sockets are bound; no connection is accepted yet. */
  onStart?(server: HttpServer): void | Promise<void>
  /** No more connections are accepted; clients are still connected. */
  onStop?(server: HttpServer): void | Promise<void>
}

/** Whether a value is an observer. */
export function isObserver(value: unknown): value is ServerObserver {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { onStart, onStop } = value as ServerObserver
  return typeof onStart === 'function' || typeof onStop === 'function'
}

/** Returns an observer; throws for anything else. */
export function checkObserver(observer: ServerObserver): ServerObserver {
  if (isObserver(observer)) return observer
  throw new OptionError('an observer', observer, 'an object with onStart or onStop')
}

/**
 * Calls all observers among `parts`, concurrently and each one once. Resolves with their errors when all are done.
 */
export async function notifyObservers(
  parts: Iterable<unknown>,
  moment: 'onStart' | 'onStop',
  server: HttpServer,
): Promise<unknown[]> {
  const observers = new Set([...parts].filter(isObserver))
  const calls = [...observers].map(async (observer) => observer[moment]?.(server))
  const results = await Promise.allSettled(calls)
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
}
