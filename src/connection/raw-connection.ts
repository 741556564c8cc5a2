/**
 * Raw connections: those whose bytes are the application's.
 *
 * One ask is answered by one piece of bytes, so whoever has all its answers knows that nothing is on its
 * way: then a connection can be handed on without losing any.
 */
import { stopActiveDriver } from './client.ts'
import type { Client } from './client.ts'
import type { Logger } from '../core/logger.ts'
import type { HotFunctions } from '../native.ts'

/** Bytes that wait unsent above which a writer should pause. */
export const HIGH_WATER = 65536

/** The longest piece that is asked for. */
const PIECE = 65536

/** Takes what comes on a raw connection. */
export interface RawReceiver {
  /** The answer to an ask. */
  onBytes(bytes: Buffer): void
  /** The peer has closed its side: nothing more comes. */
  onEnd(): void
  /** All that was written is with the system. */
  onDrained(): void
  /** The connection has closed. */
  onClosed(): void
}

const nothing = (): void => {}

/** Takes what comes while nobody is there to do so. */
const NOBODY: RawReceiver = { onBytes: nothing, onEnd: nothing, onDrained: nothing, onClosed: nothing }

/** A server's raw connections by client id, which is how notices name them. */
export class RawConnections extends Map<number, RawConnection> {
  /** Those that come are told at once. */
  isStopping = false

  /** Sockets that were handed over hear that the server is about to stop. */
  notifySockets(): void {
    this.isStopping = true
    for (const { client } of this.values()) if (client.isExported()) void stopActiveDriver(client)
  }

  /** Drivers in JavaScript end their connections as soon as those owe nothing. */
  stopDrivers(logger: Logger): void {
    for (const { client } of this.values()) {
      if (client.isExported()) continue
      Promise.resolve(stopActiveDriver(client)).catch((exception: unknown) => {
        logger.error(`the driver of client ${client.getId()} failed to stop`, { exception })
        client.close()
      })
    }
  }
}

/** One raw connection, as long as it is raw. */
export class RawConnection {
  readonly client: Client
  /** The peer has closed its side. */
  hasEnded = false
  readonly #slot: number
  readonly #hot: HotFunctions
  readonly #registry: RawConnections
  readonly #forgetHook: () => void
  #receiver = NOBODY
  #isAsked = false

  constructor(client: Client, slot: number, hot: HotFunctions, registry: RawConnections) {
    this.client = client
    this.#slot = slot
    this.#hot = hot
    this.#registry = registry
    registry.set(client.getId(), this)
    this.#forgetHook = client.onClose(() => {
      registry.delete(client.getId())
      this.#receiver.onClosed()
    })
  }

  /** Whether its server is about to stop. */
  isStopping(): boolean {
    return this.#registry.isStopping
  }

  /** From now on somebody else takes what comes, the answer to an ask that is open as well. */
  setReceiver(receiver: RawReceiver): void {
    this.#receiver = receiver
  }

  /** Asks for a piece, unless one was asked for already. */
  read(): void {
    if (this.#isAsked || this.hasEnded) return
    this.#isAsked = true
    this.#hot.askRaw(this.#slot, this.client.getId(), PIECE)
  }

  /** Bytes that now wait unsent; -1 when they can't be sent any more. */
  write(chunk: string | Uint8Array): number {
    return this.#hot.writeRaw(this.#slot, this.client.getId(), chunk)
  }

  /** Ends our side behind what was written; `onDrained` follows. With both sides ended the connection closes. */
  end(): boolean {
    return this.#hot.endRaw(this.#slot, this.client.getId()) === 0
  }

  /** Gives the connection to the engine's HTTP, which takes `unread` first, and says when that is done. */
  serve(unread: Uint8Array, onServed: () => void): void {
    const serve = (...pieces: Uint8Array[]): void => {
      this.setReceiver(NOBODY)
      this.#registry.delete(this.client.getId())
      this.#forgetHook()
      const isServed = this.#hot.serve(this.#slot, this.client.getId(), Buffer.concat(pieces)) === 0
      onServed()
      if (!isServed) this.client.close()
    }
    if (!this.#isAsked) return serve(unread)
    this.setReceiver({ ...NOBODY, onBytes: (bytes) => serve(unread, bytes), onEnd: () => serve(unread) })
    this.#hot.askRaw(this.#slot, this.client.getId(), 0)
  }

  /** What a Raw notice tells. */
  onNotice(bytes: Buffer, isEnd: boolean): void {
    if (this.client.isClosed()) return
    this.#isAsked = false
    if (!isEnd) return this.#receiver.onBytes(bytes)
    this.hasEnded = true
    this.#receiver.onEnd()
  }

  /** What a RawDrained notice tells. */
  onDrained(): void {
    this.#receiver.onDrained()
  }
}
