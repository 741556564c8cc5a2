/**
 * Raw connections: their bytes belong to the application.
 *
 * Each read (`askRaw`) gets one piece. So bytes are on their way only while a read is open; at other times a
 * connection can be handed to another driver without a loss.
 */
import { stopActiveDriver } from './client.ts'
import { StopSignals } from './stop-signals.ts'
import type { Client } from './client.ts'
import type { Logger } from '../core/logger.ts'
import type { HotFunctions } from '../native.ts'

/** Unsent bytes above which a writer should pause. */
export const HIGH_WATER = 65536

/** The longest piece that is read at once, in bytes. */
const PIECE = 65536

/** Takes the events of a raw connection. */
export interface RawReceiver {
  /** The bytes of one read. */
  onBytes(bytes: Buffer): void
  /** The peer has closed its sending side. */
  onEnd(): void
  /** Everything written is sent. */
  onDrained(): void
  /** The connection has closed. */
  onClosed(): void
}

const nothing = (): void => {}

/** Ignores all events. */
const IGNORE: RawReceiver = { onBytes: nothing, onEnd: nothing, onDrained: nothing, onClosed: nothing }

/** The raw connections of a server by client id, by which notices name them. */
export class RawConnections extends Map<number, RawConnection> {
  /** The server stops: later connections are notified at once. */
  isStopping = false
  /** Of requests that drivers in JavaScript have parsed. */
  readonly stops = new StopSignals()

  /** Notifies upgraded sockets, and requests of drivers in JavaScript, that the server stops. */
  notifySockets(): void {
    this.isStopping = true
    this.stops.fire()
    for (const { client } of this.values()) if (client.isExported()) void stopActiveDriver(client)
  }

  /** Stops the drivers in JavaScript: they end their connections when no response is pending. */
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

/** One raw connection. */
export class RawConnection {
  readonly client: Client
  /** The peer has closed its sending side. */
  hasEnded = false
  readonly #slot: number
  readonly #hot: HotFunctions
  readonly #registry: RawConnections
  readonly #unsubscribe: () => void
  #receiver = IGNORE
  #isAsked = false

  constructor(client: Client, slot: number, hot: HotFunctions, registry: RawConnections) {
    this.client = client
    this.#slot = slot
    this.#hot = hot
    this.#registry = registry
    registry.set(client.getId(), this)
    this.#unsubscribe = client.onClose(() => {
      registry.delete(client.getId())
      this.#receiver.onClosed()
    })
  }

  /** Whether its server stops. */
  isStopping(): boolean {
    return this.#registry.isStopping
  }

  /** The stop signals of its server. */
  stops(): StopSignals {
    return this.#registry.stops
  }

  /** Replaces what takes the events, the bytes of an open read included. */
  setReceiver(receiver: RawReceiver): void {
    this.#receiver = receiver
  }

  /** Reads one piece, unless a read is open. */
  read(): void {
    if (this.#isAsked || this.hasEnded) return
    this.#isAsked = true
    this.#hot.askRaw(this.#slot, this.client.getId(), PIECE)
  }

  /** Writes bytes. Returns the number of unsent bytes; -1 when the connection takes no more. */
  write(chunk: string | Uint8Array): number {
    return this.#hot.writeRaw(this.#slot, this.client.getId(), chunk)
  }

  /** Ends our sending side after the written bytes; `onDrained` follows. The connection closes when both sides have ended. */
  end(): boolean {
    return this.#hot.endRaw(this.#slot, this.client.getId()) === 0
  }

  /** Hands the connection to the engine's HTTP, which takes `unread` first; `onServed` is called then. */
  serve(unread: Uint8Array, isHttp2: boolean, onServed: () => void): void {
    const serve = (...pieces: Uint8Array[]): void => {
      this.setReceiver(IGNORE)
      this.#registry.delete(this.client.getId())
      this.#unsubscribe()
      const isServed = this.#hot.serve(this.#slot, this.client.getId(), Buffer.concat(pieces), isHttp2 ? 1 : 0) === 0
      onServed()
      if (!isServed) this.client.close()
    }
    if (!this.#isAsked) return serve(unread)
    this.setReceiver({ ...IGNORE, onBytes: (bytes) => serve(unread, bytes), onEnd: () => serve(unread) })
    this.#hot.askRaw(this.#slot, this.client.getId(), 0)
  }

  /** Bytes, or the end of the peer's side, have arrived. */
  onNotice(bytes: Buffer, isEnd: boolean): void {
    if (this.client.isClosed()) return
    this.#isAsked = false
    if (!isEnd) return this.#receiver.onBytes(bytes)
    this.hasEnded = true
    this.#receiver.onEnd()
  }

  /** Everything written is sent. */
  onDrained(): void {
    this.#receiver.onDrained()
  }
}
