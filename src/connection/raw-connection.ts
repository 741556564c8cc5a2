/**
 * Raw connections: their bytes belong to the application.
 *
 * Each read (`askRaw`) gets one piece. So bytes are on their way only while a read is open; at other times a
 * connection can be handed to another driver without a loss.
 */
import { setActiveDriver, stopActiveDriver } from './client.ts'
import { StopSignals } from './stop-signals.ts'
import type { Client } from './client.ts'
import type { Logger } from '../core/logger.ts'
import type { HotFunctions } from '../native.ts'

/** Unsent bytes above which a writer should pause. */
export const HIGH_WATER = 65536

/** The longest piece that is read at once, in bytes. */
const PIECE = 65536

/** The longest piece that is received into memory of its own. */
const LONG_PIECE = 256 * 1024

/** Memory for bytes of which about `count` have arrived. */
export function memoryForPiece(count: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.min(count, LONG_PIECE))
}

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

/** Bytes both ways that belong to the application: a raw connection, or one stream of an HTTP/2 connection. */
export interface SocketTransport {
  /** The peer has closed its sending side. */
  readonly hasEnded: boolean
  /** The client of its connection. */
  getClient(): Client
  /** Whether its server stops. */
  isStopping(): boolean
  /** Whether it is closed. */
  isClosed(): boolean
  /** Replaces what takes the events, the bytes of an open read included. */
  setReceiver(receiver: RawReceiver): void
  /** Sets what is called when the server begins to stop. */
  setStop(stop: () => void): void
  /** Reads one piece, unless a read is open. */
  read(): void
  /** Writes bytes. Returns the number of unsent bytes; -1 when no more are taken. */
  write(chunk: string | Uint8Array): number
  /** Ends our sending side after the written bytes; `onDrained` follows, and `onClosed` when both sides have ended. */
  end(): boolean
  /** Closes it at once; unsent bytes are dropped. */
  close(): void
}

const nothing = (): void => {}

/** Ignores all events. */
export const IGNORE: RawReceiver = { onBytes: nothing, onEnd: nothing, onDrained: nothing, onClosed: nothing }

/** A connection whose requests and deadlines are no longer the server's. */
const EXPORTED = {
  pendingRequests: () => 0,
  pendingResponses: () => 0,
  isWaitingOnResponse: () => false,
  expiration: () => 0,
  extendExpiration: () => {},
}

/** The raw connections of a server by client id, by which notices name them. */
export class RawConnections extends Map<number, RawConnection> {
  /** The server stops: later connections are notified at once. */
  isStopping = false
  /** Streams of HTTP/2 that were upgraded and are open. */
  openStreams = 0
  /** Of requests that drivers in JavaScript have parsed. */
  readonly stops = new StopSignals()
  readonly #streams = new Set<() => void>()

  /** Calls a function when the server begins to stop, until the result is called. For streams of HTTP/2. */
  onStop(callback: () => void): () => void {
    this.#streams.add(callback)
    return () => this.#streams.delete(callback)
  }

  /** Notifies upgraded sockets, and requests of drivers in JavaScript, that the server stops. */
  notifySockets(): void {
    this.isStopping = true
    this.stops.fire()
    for (const stop of this.#streams) stop()
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
export class RawConnection implements SocketTransport {
  readonly client: Client
  hasEnded = false
  readonly #slot: number
  readonly #hot: HotFunctions
  readonly #registry: RawConnections
  readonly #unsubscribe: () => void
  #receiver = IGNORE
  #isAsked = false
  /** The engine receives bytes into it. */
  #memory: Buffer | null = null

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

  getClient(): Client {
    return this.client
  }

  isStopping(): boolean {
    return this.#registry.isStopping
  }

  /** The stop signals of its server. */
  stops(): StopSignals {
    return this.#registry.stops
  }

  isClosed(): boolean {
    return this.client.isClosed()
  }

  setReceiver(receiver: RawReceiver): void {
    this.#receiver = receiver
  }

  setStop(stop: () => void): void {
    setActiveDriver(this.client, { ...EXPORTED, stop })
  }

  read(): void {
    if (this.#isAsked || this.hasEnded) return
    this.#isAsked = true
    this.#hot.askRaw(this.#slot, this.client.getId(), PIECE)
  }

  write(chunk: string | Uint8Array): number {
    return this.#hot.writeRaw(this.#slot, this.client.getId(), chunk)
  }

  end(): boolean {
    return this.#hot.endRaw(this.#slot, this.client.getId()) === 0
  }

  close(): void {
    this.client.close()
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

  /** Many bytes have arrived, for which the engine has no memory. */
  onReady(count: number): void {
    if (this.client.isClosed()) return
    this.#memory = memoryForPiece(count)
    this.#hot.receiveRaw(this.#slot, this.client.getId(), this.#memory)
  }

  /** So many of them are in the memory. */
  onRead(count: number): void {
    if (this.#memory !== null) this.onNotice(this.#memory.subarray(0, count), false)
  }

  /** Bytes, or the end of the peer's side, have arrived. */
  onNotice(bytes: Buffer, isEnd: boolean): void {
    if (this.client.isClosed()) return
    this.#isAsked = false
    this.#memory = null
    if (!isEnd) return this.#receiver.onBytes(bytes)
    this.hasEnded = true
    this.#receiver.onEnd()
  }

  /** Everything written is sent. */
  onDrained(): void {
    this.#receiver.onDrained()
  }
}
