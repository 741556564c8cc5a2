/**
 * Requests that expect notices from the engine, and the delivery of these notices.
 */
import type { Client } from '../connection/client.ts'
import type { ClientRegistry } from '../connection/client-registry.ts'
import { ClientException } from '../connection/client-exception.ts'
import { IdTable } from '../core/id-table.ts'
import { Flag, Notice } from '../native.ts'
import type { HotFunctions } from '../native.ts'

/** Takes the arriving body of one request. */
export interface BodyListener {
  /** `count` bytes were written to the provided memory; trailers may follow the last, as `name\nvalue\n…`. */
  onPiece(count: number, isLast: boolean, trailers: string | null): void
  /** About `count` bytes of the awaited body have arrived. */
  onReady(count: number): void
  /** The body is larger than its limit, which was raised `raises` times before. */
  onLimit(raises: number): void
}

/** Takes the notices about one request. */
export interface NoticeListener {
  /** The client of the request. */
  client(): Client
  /** What takes the arriving body; null when the body isn't read. */
  incoming(): BodyListener | null
  /** No more of the body can be read. */
  onFailure(error: ClientException): void
  /** The engine has refused the body with a response of its own, whose status is the code of the error. */
  onRefused(error: ClientException): void
  /** More of the body was asked for when it was already over. */
  onBodyTooLate(error: ClientException): void
  /** Everything written so far of the response is sent. */
  onDrained(): void
  /** The file that is the body of the response has ended early. */
  onFileFailed(): void
  /** The client has closed its sending side. */
  onHalfClosed(): void
  /** The client has disconnected. `unsent` bytes of the answer weren't sent; `isLate` if the client didn't read them in time. */
  onGone(unsent: number, isLate: boolean): void
  /** The response is sent. */
  onWritten(): void
  /** The connection is raw: its bytes belong to the application. */
  onUpgraded(): void
  /** The response came too late. */
  onLate(): void
  /** The server begins to stop. */
  onStop(): void
  /** Whether further notices about the request are expected. */
  isPending(): boolean
}

/** The pending requests of a server, by request id. */
export class PendingExchanges extends IdTable<NoticeListener> {
  readonly #hot: HotFunctions
  readonly #clients: ClientRegistry

  constructor(hot: HotFunctions, clients: ClientRegistry) {
    super()
    this.#hot = hot
    this.#clients = clients
  }

  /** Delivers the notice in the record at `at`, if its request expects any. */
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
        return listener.onRefused(new ClientException(listener.client(), 'the body could not be read', words[at + 4]!))
      case Notice.Drained:
        return listener.onDrained()
      case Notice.FileFailed:
        return listener.onFileFailed()
      case Notice.Aborted: {
        this.delete(requestId)
        const client = listener.client()
        this.#clients.aborted(client)
        listener.onFailure(goneError(client))
        return listener.onGone(words[at + 4]!, ((kind >>> 16) & Flag.Late) !== 0)
      }
      case Notice.Reset:
        this.delete(requestId)
        listener.onFailure(resetError(listener.client(), words[at + 4]!))
        return listener.onGone(0, ((kind >>> 16) & Flag.Late) !== 0)
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

  /** The body was requested too late. An engine on an I/O thread reports that by a notice. */
  #bodyTooLate(requestId: number, listener: NoticeListener): void {
    listener.onBodyTooLate(goneError(listener.client()))
    if (!listener.isPending()) this.delete(requestId)
  }

  /** The server begins to stop. */
  stop(): void {
    for (const [, listener] of this.entries()) listener.onStop()
  }

  /** The engine is closed: requests that still expect notices fail, since their commands came too late. */
  close(): void {
    for (const [requestId, listener] of this.entries()) {
      this.delete(requestId)
      listener.onFailure(goneError(listener.client()))
      listener.onGone(0, false)
    }
  }
}

/** Why the stream of a request has ended. RFC 9113 §7. */
function resetError(client: Client, code: number): ClientException {
  return new ClientException(client, `the stream was reset with HTTP/2's error code ${code}`, code)
}

/** Why a body can't be read: the client has disconnected, or the body was refused. */
export function goneError(client: Client): ClientException {
  return client.isClosed()
    ? new ClientException(client, 'the client disconnected', 408)
    : new ClientException(client, 'the body was refused or dropped', 400)
}
