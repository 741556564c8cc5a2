/**
 * `req.socket`: what looks like a socket of Node's and stands for a connection of the engine's.
 *
 * There is one for each connection, always the same. While HTTP is spoken on it, it has addresses, TLS facts, timeouts
 * and a close. Once the connection is upgraded it is a whole `Duplex`. The state of streams is made when it is first
 * looked at: most requests never look.
 */
import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { BoundAddress } from '../native.ts'
import type { Connection } from './connection.ts'
import { OPEN } from './exchange.ts'
import { HIGH_WATER } from './connection.ts'
import { checkTimeout, connectionReset, nodeError } from './node-errors.ts'
import type { NodeResponse } from './node-response.ts'
import { CONNECTION } from './symbols.ts'

type Done = (error?: Error | null) => void
type Listener = (...args: never[]) => void

const nothing = (): void => {}
const STREAM_EVENTS = new Set<string | symbol>(['data', 'readable'])

/** What it has of Node's by its prototype, as far as it is used here. */
type Inherited = Pick<Socket, 'once' | 'removeListener' | 'listenerCount' | 'push' | 'read' | 'errored' | 'end' | 'readableEnded' | 'writableFinished'>

// What is declared here is Node's, and comes by the prototype.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface NodeSocket extends Inherited {
  timeout: number
  allowHalfOpen: boolean
}

/** The socket of one connection. */
export class NodeSocket {
  [CONNECTION]: Connection
  /** The server that has accepted it. */
  server: unknown
  _written: Done | null
  _ended: Done | null
  _hasEnded: boolean

  constructor(connection: Connection, server: unknown) {
    this[CONNECTION] = connection
    this.server = server
    this._written = null
    this._ended = null
    this._hasEnded = false
  }

  get _httpMessage(): NodeResponse | null {
    return this[CONNECTION].current?.response ?? null
  }

  set _httpMessage(_message: NodeResponse | null) {}

  get _readableState(): unknown {
    makeStreams(this)
    return this._readableState
  }

  set _readableState(state: unknown) {
    own(this, '_readableState', state)
  }

  get _writableState(): unknown {
    makeStreams(this)
    return this._writableState
  }

  set _writableState(state: unknown) {
    own(this, '_writableState', state)
  }

  get remoteAddress(): string | undefined {
    return shownHost(this, this[CONNECTION].remoteAddress())
  }

  get remotePort(): number | undefined {
    return portOf(this[CONNECTION].remoteAddress())
  }

  get remoteFamily(): string | undefined {
    return shownFamily(this, this[CONNECTION].remoteAddress())
  }

  get localAddress(): string | undefined {
    return shownHost(this, this[CONNECTION].localAddress())
  }

  get localPort(): number | undefined {
    return portOf(this[CONNECTION].localAddress())
  }

  get localFamily(): string | undefined {
    return shownFamily(this, this[CONNECTION].localAddress())
  }

  address(): { address?: string; family?: string; port?: number } {
    const { localAddress, localFamily, localPort } = this
    return localAddress === undefined ? {} : { address: localAddress, family: localFamily, port: localPort }
  }

  get bytesRead(): number {
    return this[CONNECTION].bytesRead
  }

  get bytesWritten(): number {
    return this[CONNECTION].bytesWritten
  }

  get connecting(): boolean {
    return false
  }

  get pending(): boolean {
    return false
  }

  get readyState(): string {
    if (this.destroyed) return 'closed'
    if (this.readable && this.writable) return 'open'
    return this.readable ? 'readOnly' : this.writable ? 'writeOnly' : 'closed'
  }

  get destroyed(): boolean {
    // Without facts the close of an idle connection isn't announced.
    this[CONNECTION].facts()
    return this[CONNECTION].isClosed
  }

  get closed(): boolean {
    return hasStreams(this) ? getter('closed').call(this) : this.destroyed
  }

  get readable(): boolean {
    return this[CONNECTION].isRaw ? getter('readable').call(this) : !this.destroyed && !this[CONNECTION].hasPeerEnded
  }

  get writable(): boolean {
    if (this.destroyed || this[CONNECTION].hasLastAnswer) return false
    return !hasStreams(this) || getter('writable').call(this)
  }

  get writableEnded(): boolean {
    return this[CONNECTION].hasLastAnswer || (hasStreams(this) && getter('writableEnded').call(this))
  }

  get writableLength(): number {
    return hasStreams(this) ? (getter('writableLength').call(this) as unknown as number) : 0
  }

  get writableHighWaterMark(): number {
    return HIGH_WATER
  }

  get readableHighWaterMark(): number {
    return HIGH_WATER
  }

  on(event: string | symbol, listener: Listener): this {
    // From now on the close is announced.
    if (!this[CONNECTION].isWatched) this[CONNECTION].facts()
    const add = STREAM_EVENTS.has(event) || this[CONNECTION].isRaw ? Duplex.prototype.on : EventEmitter.prototype.on
    return add.call(this, event as string, listener as never) as unknown as this
  }

  emit(event: string | symbol, ...given: unknown[]): boolean {
    // Node listens to the errors of a connection itself while HTTP is spoken on it.
    if (event === 'error' && this[CONNECTION].isHttp && this.listenerCount('error') === 0) {
      this.destroy()
      return false
    }
    return (EventEmitter.prototype.emit as (...all: unknown[]) => boolean).call(this, event, ...given)
  }

  addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  cork(): void {
    if (this[CONNECTION].isRaw) Duplex.prototype.cork.call(this)
  }

  uncork(): void {
    if (this[CONNECTION].isRaw) Duplex.prototype.uncork.call(this)
  }

  setTimeout(millis: number, callback?: () => void): this {
    checkTimeout(millis, callback)
    this.timeout = millis
    this[CONNECTION].setTimeout(millis)
    if (callback !== undefined) {
      if (millis > 0) this.once('timeout', callback)
      else this.removeListener('timeout', callback)
    }
    return this
  }

  setEncoding(encoding?: BufferEncoding): this {
    if (this[CONNECTION].isHttp) throw nodeError('ERR_HTTP_SOCKET_ENCODING')
    return Duplex.prototype.setEncoding.call(this, encoding as BufferEncoding) as unknown as this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  destroySoon(): void {
    if (this[CONNECTION].isHttp) {
      // A response that is due can't be sent any more.
      if (this[CONNECTION].isAnswered) this[CONNECTION].stop()
      else this.destroy()
      return
    }
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  resetAndDestroy(): this {
    this[CONNECTION].facts()?.resetOnClose()
    return this.destroy()
  }

  destroy(error?: Error): this {
    if (error !== undefined && error !== null && this.listenerCount('error') === 0) this.on('error', nothing)
    if (this[CONNECTION].isClosed && !hasStreams(this)) return this
    return Duplex.prototype.destroy.call(this, error) as unknown as this
  }

  _read(): void {
    this[CONNECTION].ask()
  }

  _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: Done): void {
    const connection = this[CONNECTION]
    const bytes = typeof chunk === 'string' && encoding !== 'utf8' && encoding !== 'utf-8' ? Buffer.from(chunk, encoding) : chunk
    if (connection.isHttp) return this.#takeOver(bytes, done)
    const waiting = connection.isClosed ? -1 : connection.write(bytes)
    if (waiting < 0) done(connectionReset('write EPIPE'))
    else if (waiting > HIGH_WATER) this._written = done
    else done()
  }

  _writev(chunks: readonly { chunk: string | Uint8Array; encoding: BufferEncoding }[], done: Done): void {
    this._write(Buffer.concat(chunks.map(({ chunk, encoding }) => Buffer.from(chunk as string, encoding))), 'utf8', done)
  }

  /** The application writes a response itself, past `res`: the connection is its own from now on. */
  #takeOver(bytes: string | Uint8Array, done: Done): void {
    const connection = this[CONNECTION]
    const { current } = connection
    if (current?.stage === OPEN && connection.takeOver(current, () => this._write(bytes, 'utf8', done))) {
      connection.taken = current
      current.register()
    } else done(connectionReset('the connection is in use by HTTP'))
  }

  _final(done: Done): void {
    const connection = this[CONNECTION]
    if (connection.isHttp) {
      // A response that is due can't be sent any more.
      if (connection.isAnswered) connection.stop()
      else connection.close()
      done()
    } else if (!connection.isClosed && connection.end()) this._ended = done
    else done()
  }

  _destroy(error: Error | null, done: Done): void {
    const written = this._written
    const ended = this._ended
    this._written = null
    this._ended = null
    this._hasEnded = true
    this[CONNECTION].close()
    this[CONNECTION].closed()
    if (error !== null && this[CONNECTION].isHttp) process.nextTick(tellServer, this, error)
    done(error)
    // Where Node's loop closes handles.
    setImmediate(leave, this, error !== null)
    written?.(connectionReset('write EPIPE'))
    ended?.()
  }

  /** Bytes of a raw connection. */
  receive(bytes: Buffer): void {
    this.push(bytes)
  }

  /** The peer has ended its side. */
  receiveEnd(): void {
    this.push(null)
    this.read(0)
  }

  /** What came can't be read on. */
  failed(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  /** Everything written is sent. */
  drained(): void {
    const written = this._written
    const ended = this._ended
    this._written = null
    if (written !== null) return written()
    this._ended = null
    ended?.()
  }

  /** The peer of a connection that speaks HTTP has ended its side. */
  peerEnded(): void {
    if (this._hasEnded || this[CONNECTION].isRaw) return
    this._hasEnded = true
    if (this.listenerCount('end') > 0) this.emit('end')
  }

  /** The engine has closed the connection. */
  hasClosed(): void {
    this.peerEnded()
    const ended = this._ended
    this._ended = null
    ended?.()
    if (hasStreams(this)) {
      // What has arrived can still be read before the close.
      if (this[CONNECTION].hasPeerEnded && !this.readableEnded && this[CONNECTION].isRaw && this.writableEnded) {
        this.once('end', () => Duplex.prototype.destroy.call(this))
      } else Duplex.prototype.destroy.call(this)
    } else if (this.listenerCount('close') > 0) process.nextTick(emitClose, this, false)
  }
}

function leave(socket: NodeSocket, hadError: boolean): void {
  socket[CONNECTION].leave()
  emitClose(socket, hadError)
}

/** The application has destroyed a connection that speaks HTTP, with an error. */
function tellServer(socket: NodeSocket, error: Error): void {
  ;(socket.server as Listening | null)?.emit('clientError', error, socket)
}

function emitClose(socket: NodeSocket, hadError: boolean): void {
  socket.emit('close', hadError)
}

/** Whether the state of streams was made. */
function hasStreams(socket: NodeSocket): boolean {
  return Object.hasOwn(socket, '_readableState')
}

function makeStreams(socket: NodeSocket): void {
  own(socket, '_readableState', undefined)
  own(socket, '_writableState', undefined)
  Duplex.call(socket as never, { allowHalfOpen: socket.allowHalfOpen, decodeStrings: false, highWaterMark: HIGH_WATER, emitClose: false })
}

function own(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

/** A getter of `Duplex`, whatever prototype it stands on. */
function getter(name: string): () => boolean {
  for (let object: object | null = Duplex.prototype; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    const get = Object.getOwnPropertyDescriptor(object, name)?.get
    if (get !== undefined) return get as () => boolean
  }
  throw new TypeError(`streams have no ${name}`)
}

interface Listening extends EventEmitter {
  /** The server listens by IPv6, where the system shows IPv4 addresses as parts of IPv6. */
  readonly listensByIpv6?: boolean
}

function isMapped(socket: NodeSocket, address: BoundAddress): boolean {
  return address.family === 'IPv4' && (socket.server as Listening | null)?.listensByIpv6 === true
}

function shownHost(socket: NodeSocket, address: BoundAddress | null): string | undefined {
  if (address === null || address.family === 'unix') return undefined
  return isMapped(socket, address) ? `::ffff:${address.host}` : address.host
}

function shownFamily(socket: NodeSocket, address: BoundAddress | null): string | undefined {
  if (address === null || address.family === 'unix') return undefined
  return isMapped(socket, address) ? 'IPv6' : address.family
}

function portOf(address: BoundAddress | null): number | undefined {
  return address === null || address.family === 'unix' ? undefined : address.port
}

Object.setPrototypeOf(NodeSocket.prototype, Socket.prototype)
Object.assign(NodeSocket.prototype, { timeout: 0, allowHalfOpen: true })
