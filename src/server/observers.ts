/**
 * Observers: who is told when a server starts and stops.
 */
import { OptionError } from '../core/errors.ts'
import type { HttpServer } from './server.ts'

/** Told when a server starts and stops. */
export interface ServerObserver {
  /** Sockets are bound, nothing is accepted yet. */
  onStart?(server: HttpServer): void | Promise<void>
  /** Nothing is accepted any more, clients are still connected. */
  onStop?(server: HttpServer): void | Promise<void>
}

/** Whether a value wants to be told. */
export function isObserver(value: unknown): value is ServerObserver {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { onStart, onStop } = value as ServerObserver
  return typeof onStart === 'function' || typeof onStop === 'function'
}

/** An observer, or a throw that says what one is. */
export function checkObserver(observer: ServerObserver): ServerObserver {
  if (isObserver(observer)) return observer
  throw new OptionError('an observer', observer, 'an object with onStart or onStop')
}

/**
 * Tells those that want to be told, all at once and each once. What they throw or reject with comes back when
 * all are done.
 */
export async function notifyObservers(
  parts: Iterable<unknown>,
  moment: 'onStart' | 'onStop',
  server: HttpServer,
): Promise<unknown[]> {
  const observers = new Set([...parts].filter(isObserver))
  const told = [...observers].map(async (observer) => observer[moment]?.(server))
  const results = await Promise.allSettled(told)
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
}
