/**
 * Requests that wait for news of the engine, and what they hear.
 */
import type { Client } from '../connection/client.ts'
import type { ClientRegistry } from '../connection/client-registry.ts'
import { ClientException } from '../connection/client-exception.ts'
import { Flag, Notice } from '../native.ts'
import type { HotFunctions } from '../native.ts'

/** Takes the arriving body of one request. */
export interface BodyListener {
  /** So many bytes are in the memory that was provided; behind the last there may be trailers, as `name\nvalue\n…`. */
  onPiece(count: number, isLast: boolean, trailers: string | null): void
  /** About so many bytes have arrived of the body that was asked for. */
  onReady(count: number): void
  /** The body is larger than its limit, which had been raised so often. */
  onLimit(raises: number): void
}

/** Takes the notices about one request. */
export interface NoticeListener {
  /** Whose request it is. */
  client(): Client
  /** What takes the arriving body; null when nothing of it was asked for. */
  incoming(): BodyListener | null
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
  readonly #clients: ClientRegistry

  constructor(hot: HotFunctions, clients: ClientRegistry) {
    super()
    this.#hot = hot
    this.#clients = clients
  }

  /** Passes on what the record at `at` says of a request, if it waits for something. */
  notify(requestId: number, kind: number, words: Uint32Array, at: number): void {
    const listener = this.get(requestId)
    if (listener === undefined) return
    switch (kind & 0xff) {
      case Notice.Body: {
        const flags = kind >>> 16
        const trailers = (flags & Flag.Trailers) === 0 ? null : this.#hot.takeBytes(words[at + 4]!).toString('latin1')
        return listener.incoming()?.onPiece(words[at + 7]!, (flags & Flag.End) !== 0, trailers)
      }
      case Notice.BodyReady:
        return listener.incoming()?.onReady(words[at + 7]!)
      case Notice.BodyLimit:
        return listener.incoming()?.onLimit(words[at + 4]!)
      case Notice.BodyFailed:
        if (words[at + 4] === 0) return this.#bodyTooLate(requestId, listener)
        return listener.onFailure(new ClientException(listener.client(), 'the body could not be read', words[at + 4]!))
      case Notice.Drained:
        return listener.onDrained()
      case Notice.FileFailed:
        return listener.onFileFailed()
      case Notice.Aborted: {
        this.delete(requestId)
        const client = listener.client()
        this.#clients.aborted(client)
        listener.onFailure(goneError(client))
        return listener.onGone()
      }
      case Notice.HalfClosed:
        return listener.onHalfClosed()
      case Notice.Written:
        this.delete(requestId)
        return listener.onWritten()
      case Notice.Upgraded:
        this.delete(requestId)
        return listener.onUpgraded()
      case Notice.Late:
        this.delete(requestId)
        return listener.onLate()
    }
  }

  /** A body was asked for when it wasn't to be had any more, which an engine on a thread can't say at once. */
  #bodyTooLate(requestId: number, listener: NoticeListener): void {
    listener.onFailure(goneError(listener.client()))
    if (!listener.isPending()) this.delete(requestId)
  }

  /** No more news will come: whoever waits for some, of what the engine was told too late, hears that. */
  close(): void {
    for (const [requestId, listener] of this) {
      this.delete(requestId)
      listener.onFailure(goneError(listener.client()))
      listener.onGone()
    }
  }
}

/** Why a body can't be had: its client has gone, or what it sent was refused. */
export function goneError(client: Client): ClientException {
  return client.isClosed()
    ? new ClientException(client, 'the client disconnected', 408)
    : new ClientException(client, 'the body was refused or dropped', 400)
}
