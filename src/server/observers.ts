/**
 * Observers of servers, as the application gives them.
 */
import { OptionError } from '../core/errors.ts'
import { isObserver } from '../core/observing.ts'
import type { HttpServer } from './server.ts'

/** Called when a server starts and stops. */
export interface ServerObserver {
  /** The sockets are bound; no connection is accepted yet. */
  onStart?(server: HttpServer): void | Promise<void>
  /** No more connections are accepted; clients are still connected. */
  onStop?(server: HttpServer): void | Promise<void>
}

/** Returns an observer; throws for anything else. */
export function checkObserver(observer: ServerObserver): ServerObserver {
  if (isObserver(observer)) return observer
  throw new OptionError('an observer', observer, 'an object with onStart or onStop')
}
