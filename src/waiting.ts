/**
 * What a request hears of the engine, and a dispatcher tells it.
 */
import type { Client } from './client.ts'
import type { ClientException } from './errors.ts'

/** What waits for news of one request. */
export interface Waiting {
  /** Whose request it is. */
  client(): Client
  /** So many bytes have come into the memory lent for the body; behind the last there may be trailers, as `name\nvalue\n…`. */
  onBody(count: number, isLast: boolean, trailers: string | null): void
  /** About so many bytes have come of the body that was asked for. */
  onBodyReady(count: number): void
  /** The body is larger than its limit, which had been raised so often. */
  onBodyLimit(raises: number): void
  /** The body can't be had. */
  onFailure(error: ClientException): void
  /** All that was written of the answer has left. */
  onDrained(): void
  /** The file that the answer was to be filled with has shrunk. */
  onFileFailed(): void
  /** The client has closed its sending side. */
  onHalfClosed(): void
  /** The client has left. */
  onGone(): void
  /** The answer is written. */
  onWritten(): void
  /** The connection is the application's. */
  onUpgraded(): void
  /** The answer came too late. */
  onLate(): void
  /** Whether anything is still to be heard of its request. */
  expectsNews(): boolean
}
