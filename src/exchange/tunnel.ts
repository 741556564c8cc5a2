/**
 * One stream of an HTTP/2 connection whose bytes belong to the application: an extended CONNECT. RFC 8441.
 *
 * ```text
 *   read ──► awaitBody ──► BodyReady ──► receiveBody ──► Body ──► onBytes, onEnd
 *   write ──► hot.write ──► Drained ──► onDrained        end ──► hot.end ──► Written ──► onDrained
 * ```
 * It takes the notices about the request in place of its exchange, until both sides have ended or the stream is
 * reset. The connection lives on.
 */
import type { Client } from '../connection/client.ts'
import { IGNORE } from '../connection/raw-connection.ts'
import type { RawConnections, RawReceiver, SocketTransport } from '../connection/raw-connection.ts'
import type { IdTable } from '../core/id-table.ts'
import type { HotFunctions } from '../native.ts'
import type { BodyListener, NoticeListener } from './pending-exchanges.ts'

/** The longest piece that is read at once, in bytes. */
const PIECE = 65536
/** Memory for bytes whose number isn't known. */
const UNKNOWN_PIECE = 16 * 1024

/** What a tunnel needs of its request. */
export interface TunnelExchange {
  readonly slot: number
  readonly requestId: number
  client(): Client
}

/** What a tunnel needs of its server. */
export interface TunnelOwner {
  readonly hot: HotFunctions
  readonly rawConnections: RawConnections
  readonly pending: IdTable<NoticeListener>
}

/** One stream. */
export class Tunnel implements SocketTransport, NoticeListener, BodyListener {
  hasEnded = false
  readonly #client: Client
  readonly #owner: TunnelOwner
  readonly #slot: number
  readonly #requestId: number
  #receiver = IGNORE
  #isAsked = false
  /** The memory that the engine fills. */
  #memory: Buffer | null = null
  /** Our side is to end. */
  #isEnding = false
  /** The end of our side is sent. */
  #isWritten = false
  #isClosed = false
  readonly #unsubscribe: () => void
  #cancelStop: (() => void) | null = null

  constructor(owner: TunnelOwner, exchange: TunnelExchange) {
    this.#owner = owner
    this.#slot = exchange.slot
    this.#requestId = exchange.requestId
    this.#client = exchange.client()
    owner.pending.set(this.#requestId, this)
    owner.rawConnections.openStreams++
    this.#unsubscribe = this.#client.onClose(() => this.#close())
  }

  getClient(): Client {
    return this.#client
  }

  client(): Client {
    return this.#client
  }

  isStopping(): boolean {
    return this.#owner.rawConnections.isStopping
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  setReceiver(receiver: RawReceiver): void {
    this.#receiver = receiver
  }

  setStop(stop: () => void): void {
    if (!this.#isClosed) this.#cancelStop = this.#owner.rawConnections.onStop(stop)
  }

  read(): void {
    if (this.#isAsked || this.hasEnded || this.#isClosed) return
    this.#isAsked = true
    if (this.#owner.hot.awaitBody(this.#slot, this.#requestId, 0) !== 0) this.#close()
  }

  write(chunk: string | Uint8Array): number {
    if (this.#isEnding || this.#isClosed) return -1
    return this.#owner.hot.write(this.#slot, this.#requestId, chunk)
  }

  end(): boolean {
    if (this.#isEnding || this.#isClosed) return false
    this.#isEnding = true
    return this.#owner.hot.end(this.#slot, this.#requestId, '') === 0
  }

  close(): void {
    if (this.#isClosed) return
    this.#owner.hot.abort(this.#slot, this.#requestId)
    this.#close()
  }

  /** Nothing more comes or goes. */
  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner.rawConnections.openStreams--
    this.#owner.pending.delete(this.#requestId)
    this.#unsubscribe()
    this.#cancelStop?.()
    this.#receiver.onClosed()
  }

  /** About `count` bytes have arrived; 0 when that isn't known. */
  onReady(count: number): void {
    const memory = Buffer.allocUnsafeSlow(count === 0 ? UNKNOWN_PIECE : Math.min(count, PIECE))
    this.#memory = memory
    if (this.#owner.hot.receiveBody(this.#slot, this.#requestId, memory, 0) !== 0) this.#close()
  }

  onPiece(count: number, isLast: boolean): void {
    const bytes = this.#memory?.subarray(0, count)
    this.#memory = null
    this.#isAsked = false
    this.hasEnded ||= isLast
    if (bytes !== undefined && count > 0) this.#receiver.onBytes(bytes)
    if (!isLast) return
    this.#receiver.onEnd()
    this.#closeIfOver()
  }

  /** Everything written, and the end of our side, is sent. */
  onWritten(): void {
    this.#isWritten = true
    // The other side may still send.
    if (!this.hasEnded && !this.#isClosed) this.#owner.pending.set(this.#requestId, this)
    this.#receiver.onDrained()
    this.#closeIfOver()
  }

  #closeIfOver(): void {
    if (this.hasEnded && this.#isWritten) this.#close()
  }

  onDrained(): void {
    this.#receiver.onDrained()
  }

  incoming(): BodyListener {
    return this
  }

  onFailure(): void {
    // What has failed, the stream or its connection, is reported as closed.
    this.#close()
  }

  onRefused(): void {
    this.#close()
  }

  onBodyTooLate(): void {
    // The I/O thread had announced the end of the peer's side before it got the read; our side is still open.
    if (!this.hasEnded) this.#close()
  }

  onGone(): void {
    this.#close()
  }

  onLate(): void {
    this.#close()
  }

  isPending(): boolean {
    return !this.#isClosed
  }

  /** A stream of bytes has no limit. */
  onLimit(): void {}

  /** No file is sent on it. */
  onFileFailed(): void {}

  /** With HTTP/2 that is the end of the connection, which follows. */
  onHalfClosed(): void {}

  /** It is no connection. */
  onUpgraded(): void {}

  /** The socket is notified by what `setStop` was given. */
  onStop(): void {}
}
