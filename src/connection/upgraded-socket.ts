/**
 * The socket of a connection that was upgraded or detached, or is driven by a function over streams.
 *
 * Loaded on first use: loading Node's streams takes longer than loading busbar.
 */
import { StateError } from '../core/errors.ts'
import { findCause } from '../core/causes.ts'
import { HandoverSignal, Hook } from '../core/handover.ts'
import { ClientException, clientExceptionIn } from './client-exception.ts'
import type { Client } from './client.ts'
import type { Logger } from '../core/logger.ts'
import { attempt, handled } from '../core/outcome.ts'
import { CLEAR_TIMERS, NodeSocket, TOUCH } from './node-socket.ts'
import { HIGH_WATER } from './raw-connection.ts'
import { provideSocketClass } from './upgraded-socket-class.ts'
import type { SocketTransport } from './raw-connection.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { TlsInfo } from '../tls/tls-info.ts'

/** Milliseconds that `destroySoon` waits for the peer to end its side. */
const LINGER = 1000

type Done = (error?: Error | null) => void
type StopHook = Hook<[UpgradedSocket]>

/** Runs the stop hooks of a socket, because the server stops. */
export let notifyStop: (socket: UpgradedSocket) => void
/** Detaches the connection from its socket, which closes; returns the unread bytes. */
export let releaseSocket: (socket: UpgradedSocket) => Uint8Array
/** Whether an error of the socket's user says only that the connection has closed. */
export let isClientGone: (socket: UpgradedSocket, error: unknown) => boolean

/** What a socket needs beside its raw connection. */
export interface SocketSettings {
  readonly logger: Logger
  /** Bytes that were received before. */
  readonly unread?: Uint8Array | null
}

/**
 * A connection's bytes, both ways, as a `Duplex` of Node's. Made by busbar.
 *
 * Like Node's sockets it isn't half-open by default: when the peer has ended and everything is read, our side ends,
 * too, and then the socket closes. Set `allowHalfOpen` to true to continue to write. When the peer disconnects the
 * socket closes without an error, unlike Node's.
 *
 * @example new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.pipe(socket))
 */
export class UpgradedSocket extends NodeSocket {
  readonly #raw: SocketTransport
  readonly #logger: Logger
  /** Completes the write that waits until the unsent bytes are sent. */
  #written: Done | null = null
  /** Completes the end of our side. */
  #ended: Done | null = null
  #isReleased = false
  /** The peer or the server has closed the connection, not the socket. */
  #hasLost = false
  #hasStopped = false
  #stopHooks: StopHook[] = []
  #signal: HandoverSignal | null = null
  #lingerTimer: NodeJS.Timeout | null = null
  #isReading = false

  /** @internal */
  constructor(raw: SocketTransport, { logger, unread = null }: SocketSettings) {
    super({
      allowHalfOpen: false,
      // The socket closes with its connection: when the last byte is sent, later than when it is written.
      autoDestroy: false,
      decodeStrings: false,
      readableHighWaterMark: HIGH_WATER,
      writableHighWaterMark: HIGH_WATER,
    })
    this.#raw = raw
    this.#logger = logger
    this.on('error', (exception) => {
      // With this listener an error without a listener of the application doesn't end the process.
      if (this.listenerCount('error') === 1) logger.error(`the socket of client ${this.#id()} failed`, { exception })
    })
    raw.setReceiver({
      onBytes: (bytes) => this.#run(() => this.#receive(bytes)),
      onEnd: () => this.#run(() => this.#receiveEnd()),
      onDrained: () => this.#run(() => this.#drained()),
      onClosed: () => this.#run(() => this.#closed()),
    })
    if (unread !== null && unread.length > 0) this.push(unread)
    if (raw.hasEnded) this.#receiveEnd()
    // Reads ahead up to the high-water mark, to notice the peer's end before the application reads.
    else this.read(0)
  }

  #id(): number {
    return this.#raw.getClient().getId()
  }

  /** @internal */
  override _read(): void {
    this.#raw.read()
  }

  /** Runs code that may call listeners of the application. An error they throw destroys this socket alone. */
  #run(event: () => void): void {
    try {
      event()
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  #receive(bytes: Buffer): void {
    this[TOUCH]()
    this.push(bytes)
  }

  #receiveEnd(): void {
    this.push(null)
    // Emits 'end' at once when no bytes are left to read, before the application reads.
    this.read(0)
  }

  /** @internal */
  override _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: Done): void {
    this[TOUCH]()
    this.#afterWrite(this.#raw.write(asSent(chunk, encoding)), done)
  }

  /** @internal */
  override _writev(chunks: { chunk: string | Uint8Array; encoding: BufferEncoding }[], done: Done): void {
    this[TOUCH]()
    this.#writeFrom(chunks, 0, done)
  }

  /** Writes until the engine has enough unsent; the rest stays here until that is sent. */
  #writeFrom(chunks: { chunk: string | Uint8Array; encoding: BufferEncoding }[], from: number, done: Done): void {
    let at = from
    let waiting = 0
    // The engine sends all writes of one event-loop turn together.
    for (; at < chunks.length && waiting >= 0 && waiting <= HIGH_WATER; at++) {
      const { chunk, encoding } = chunks[at]!
      waiting = this.#raw.write(asSent(chunk, encoding))
    }
    if (waiting < 0 || at === chunks.length) return this.#afterWrite(waiting, done)
    this.#written = (error) => (error ? done(error) : this.#writeFrom(chunks, at, done))
  }

  #afterWrite(waiting: number, done: Done): void {
    if (waiting < 0) {
      this.#hasLost ||= !this.destroyed
      this.destroy()
      done(this.#gone())
    } else if (waiting > HIGH_WATER) {
      this.#written = done
    } else {
      done()
    }
  }

  /** @internal */
  override _final(done: Done): void {
    if (this.#raw.end()) this.#ended = done
    else done()
  }

  #drained(): void {
    const written = this.#written
    const ended = this.#ended
    this.#written = null
    // A waiting write comes first; our side ends after it.
    if (written !== null) return written()
    this.#ended = null
    ended?.()
  }

  #closed(): void {
    this.#hasLost ||= !this.destroyed
    this.#ended?.()
    this.#ended = null
    if (this.#raw.hasEnded && this.writableEnded && !this.readableEnded && !this.destroyed) {
      // Both sides have ended; the received bytes can still be read.
      this.once('end', () => this.destroy())
      this.#settle()
    } else {
      this.destroy()
    }
  }

  /** @internal */
  override _destroy(error: Error | null, done: Done): void {
    this.#settle()
    if (!this.#isReleased) this.#raw.close()
    const written = this.#written
    const ended = this.#ended
    this.#written = null
    this.#ended = null
    done(error)
    written?.(this.#gone())
    ended?.(this.#gone())
  }

  /** Clears timers, hooks and the signal. */
  #settle(): void {
    this[CLEAR_TIMERS]()
    if (this.#lingerTimer !== null) clearTimeout(this.#lingerTimer)
    this.#lingerTimer = null
    for (const hook of this.#stopHooks) hook.drop()
    this.#stopHooks = []
    this.#signal?.abort()
  }

  #gone(): ClientException {
    return new ClientException(this.#raw.getClient(), 'the client disconnected', 408)
  }

  /**
   * The next piece from the peer; null when the peer has ended. Rejects with a `ClientException` when the connection
   * closes before. Only one read at a time.
   *
   * @example for (let chunk; (chunk = await socket.readChunk()) !== null; ) parser.push(chunk)
   */
  readChunk(): Promise<Uint8Array | null> {
    return handled(this.#readChunk())
  }

  async #readChunk(): Promise<Uint8Array | null> {
    if (this.#isReading) throw new StateError('this socket is being read already')
    this.#isReading = true
    try {
      for (;;) {
        const chunk = this.read() as Uint8Array | null
        if (chunk !== null) return chunk
        if (this.readableEnded) return null
        if (this.destroyed) throw this.#gone()
        await this.#nextEvent()
      }
    } finally {
      this.#isReading = false
    }
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      const events = ['readable', 'end', 'close'] as const
      const onEvent = (): void => {
        for (const event of events) this.off(event, onEvent)
        resolve()
      }
      for (const event of events) this.on(event, onEvent)
    })
  }

  /**
   * Closes the socket and its client at once; unsent bytes are dropped. `end` closes after they are sent.
   *
   * @example socket.close()
   */
  close(): void {
    this.destroy()
  }

  /**
   * Sends the written bytes and ends our side. The socket closes when the peer ends its side, or a second later.
   *
   * @example socket.write('bye'); socket.destroySoon()
   */
  destroySoon(): void {
    if (this.destroyed) return
    const linger = (): void => {
      this.#lingerTimer ??= setTimeout(() => this.destroy(), LINGER).unref()
    }
    if (this.writableFinished) linger()
    else this.once('finish', linger)
    this.end()
    // Bytes that still arrive are read and dropped: unread ones would turn the close into a reset.
    this.resume()
  }

  /**
   * Whether the connection is closed.
   *
   * @example if (!socket.isClosed()) socket.write('still there?')
   */
  override isClosed(): boolean {
    return this.destroyed || this.#raw.isClosed()
  }

  /**
   * The client of the connection.
   *
   * @example socket.getClient().onClose(() => room.leave(socket))
   */
  override getClient(): Client {
    return this.#raw.getClient()
  }

  /**
   * The address the connection arrived on.
   *
   * @example socket.getLocalAddress().getPort()
   */
  override getLocalAddress(): SocketAddress {
    return this.#raw.getClient().getLocalAddress()
  }

  /**
   * The peer's address.
   *
   * @example socket.getRemoteAddress().toString()
   */
  override getRemoteAddress(): SocketAddress {
    return this.#raw.getClient().getRemoteAddress()
  }

  /**
   * What TLS has negotiated; null on plaintext.
   *
   * @example socket.getTlsInfo()?.getVersion()
   */
  getTlsInfo(): TlsInfo | null {
    return this.#raw.getClient().getTlsInfo()
  }

  /**
   * Calls a function when the server begins to stop, or at once when it has. The application can then end its
   * protocol for as long as the stop may take. The result removes the function.
   *
   * @example socket.onStop(() => socket.end('the server stops\n'))
   */
  onStop(callback: (socket: UpgradedSocket) => void | Promise<void>): () => void {
    const hook: StopHook = new Hook(callback)
    if (this.#hasStopped) this.#runStopHook(hook)
    else this.#stopHooks.push(hook)
    return () => {
      this.#stopHooks = this.#stopHooks.filter((each) => each !== hook)
      hook.drop()
    }
  }

  /**
   * A signal that aborts when the server begins to stop, or the connection closes.
   *
   * @example for await (const event of feed(socket.getSignal())) socket.write(event)
   */
  getSignal(): AbortSignal {
    this.#signal ??= new HandoverSignal()
    if (this.#hasStopped || this.isClosed()) this.#signal.abort()
    return this.#signal.take()
  }

  #stop(): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    const hooks = this.#stopHooks
    this.#stopHooks = []
    for (const hook of hooks) this.#runStopHook(hook)
    this.#signal?.abort()
  }

  #runStopHook(hook: StopHook): void {
    attempt(
      () => hook.run(this),
      (exception) => this.#logger.error(`a stop hook of client ${this.#id()} failed`, { exception }),
    )
  }

  #isClientGone(error: unknown): boolean {
    if (clientExceptionIn(error) !== undefined) return this.#raw.isClosed()
    // Errors of Node's streams after a close, and of operations that take the socket's signal.
    const isLoss = (each: unknown): each is Error =>
      each instanceof Error && (each.name === 'AbortError' || (each as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE')
    return this.#hasLost && findCause(error, isLoss) !== undefined
  }

  #release(): Uint8Array {
    if (this.writableLength > 0) {
      throw new StateError('the socket has bytes to write; hand the connection on when they are written')
    }
    const pieces: Uint8Array[] = []
    for (let piece; (piece = this.read() as Uint8Array | null) !== null; ) pieces.push(piece)
    this.#isReleased = true
    this.destroy()
    return Buffer.concat(pieces)
  }

  static {
    provideSocketClass(UpgradedSocket)
    notifyStop = (socket) => socket.#stop()
    releaseSocket = (socket) => socket.#release()
    isClientGone = (socket, error) => socket.#isClientGone(error)
  }
}

/** What the engine sends: it encodes strings as UTF-8 itself. */
function asSent(chunk: string | Uint8Array, encoding: BufferEncoding): string | Uint8Array {
  return typeof chunk !== 'string' || encoding === 'utf8' || encoding === 'utf-8' ? chunk : Buffer.from(chunk, encoding)
}
