/**
 * Requests that wait for news of the engine, and what they hear.
 */
import { markClosed } from '../connection/client.ts'
import type { Client } from '../connection/client.ts'
import { ClientException } from '../connection/client-exception.ts'
import { Flag, Notice } from '../native.ts'
import type { HotFunctions } from '../native.ts'

/** What waits for news of one request. */
export interface NoticeListener {
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
  isPending(): boolean
}

/** A server's, by request id. */
export class PendingExchanges extends Map<number, NoticeListener> {
  readonly #hot: HotFunctions

  constructor(hot: HotFunctions) {
    super()
    this.#hot = hot
  }

  /** Passes on what the record at `at` says of a request, if it waits for something. */
  tell(requestId: number, kind: number, words: Uint32Array, at: number): void {
    const waiting = this.get(requestId)
    if (waiting === undefined) return
    switch (kind & 0xff) {
      case Notice.Body: {
        const flags = kind >>> 16
        const trailers = (flags & Flag.Trailers) === 0 ? null : this.#hot.takeBytes(words[at + 4]!).toString('latin1')
        return waiting.onBody(words[at + 7]!, (flags & Flag.End) !== 0, trailers)
      }
      case Notice.BodyReady:
        return waiting.onBodyReady(words[at + 7]!)
      case Notice.BodyLimit:
        return waiting.onBodyLimit(words[at + 4]!)
      case Notice.BodyFailed:
        if (words[at + 4] === 0) return this.#bodyTooLate(requestId, waiting)
        return waiting.onFailure(new ClientException(waiting.client(), 'the body could not be read', words[at + 4]!))
      case Notice.Drained:
        return waiting.onDrained()
      case Notice.FileFailed:
        return waiting.onFileFailed()
      case Notice.Aborted: {
        this.delete(requestId)
        // Whoever hears of it sees a closed client whose hooks have run.
        const client = waiting.client()
        markClosed(client)
        waiting.onFailure(goneError(client))
        return waiting.onGone()
      }
      case Notice.HalfClosed:
        return waiting.onHalfClosed()
      case Notice.Written:
        this.delete(requestId)
        return waiting.onWritten()
      case Notice.Upgraded:
        this.delete(requestId)
        return waiting.onUpgraded()
      case Notice.Late:
        this.delete(requestId)
        return waiting.onLate()
    }
  }

  /** A body was asked for when it wasn't to be had any more, which an engine on a thread can't say at once. */
  #bodyTooLate(requestId: number, waiting: NoticeListener): void {
    waiting.onFailure(goneError(waiting.client()))
    if (!waiting.isPending()) this.delete(requestId)
  }

  /** No more news will come: whoever waits for some, of what the engine was told too late, hears that. */
  close(): void {
    for (const [requestId, waiting] of this) {
      this.delete(requestId)
      waiting.onFailure(goneError(waiting.client()))
      waiting.onGone()
    }
  }
}

/** Why a body can't be had: its client has gone, or what it sent was refused. */
export function goneError(client: Client): ClientException {
  return client.isClosed()
    ? new ClientException(client, 'the client disconnected', 408)
    : new ClientException(client, 'the body was refused or dropped', 400)
}
