/**
 * Responses as `(req, res)` functions get them: an `http.ServerResponse` whose head and body go to the engine.
 *
 * Fields are kept where Node keeps them, so Node's own methods for fields work on it. A response that is ended at once
 * is one command to the engine. The head is decided by `writeHead`, which libraries replace on the response, so it is
 * always called by its name there.
 */
import { EventEmitter } from 'node:events'
import { STATUS_CODES, ServerResponse } from 'node:http'
import { AnswerFlag } from '../native.ts'
import { GIVEN, OPEN, OVER, asSent } from './exchange.ts'
import type { Chunk, Exchange } from './exchange.ts'
import { HIGH_WATER } from './connection.ts'
import { sendInformational, writeEarlyHints } from './informational.ts'
import { connectionReset, invalidChunk, lengthMismatch, nodeError } from './node-errors.ts'
import type { NodeRequest } from './node-request.ts'
import type { NodeSocket } from './node-socket.ts'
import { callSent, callWhenSent, callWhenWritten, callWritten, failureOf, goOnSoon, mayBeSent, takeSent } from './response-callbacks.ts'
import type { Callback } from './response-callbacks.ts'
import { headOfGiven, headOfKept } from './response-head.ts'
import type { HeadOwner, KeptFields } from './response-head.ts'
import { setStreamTimeout } from './stream-timeout.ts'
import { BYTES_WRITTEN, ERRORED, EXCHANGE, NEED_DRAIN, OUT_HEADERS, REJECTS_BODY } from './symbols.ts'

const nodeWriteHead = ServerResponse.prototype.writeHead
const nodeImplicitHeader = (ServerResponse.prototype as unknown as { _implicitHeader: () => void })._implicitHeader

/** What it has of Node's by its prototype, as far as it is used here. */
type Inherited = Pick<ServerResponse, 'emit' | 'on' | 'once' | 'writeHead' | 'strictContentLength' | 'listenerCount' | 'setHeader' | 'hasHeader' | 'removeListener'>

// What is declared here is Node's, and comes by the prototype.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface NodeResponse extends Inherited, HeadOwner {
  statusCode: number
  _header: string | null
  _headerSent: boolean
  _trailer: string
  _closed: boolean
  _sent100: boolean
  _expect_continue: boolean
  _hasBody: boolean
  [ERRORED]: Error | null | undefined
  [NEED_DRAIN]: boolean
  [BYTES_WRITTEN]: number
  [REJECTS_BODY]: boolean
  _implicitHeader(): void
}

/** A response. */
export class NodeResponse {
  [EXCHANGE]: Exchange;
  [OUT_HEADERS]: KeptFields | null
  req: NodeRequest
  // A field, not an assignment: Node's prototype has a setter of that name.
  socket: NodeSocket | null = null
  _header: string | null
  finished: boolean
  destroyed: boolean

  constructor(exchange: Exchange, request: NodeRequest, socket: NodeSocket | null) {
    this[EXCHANGE] = exchange
    this[OUT_HEADERS] = null
    this.req = request
    this.socket = socket
    this._header = null
    this.finished = false
    this.destroyed = false
  }

  get connection(): NodeSocket | null {
    return this.socket
  }

  set connection(socket: NodeSocket | null) {
    this.socket = socket
  }

  /** The standard phrase once the head is decided, unless the application has set one. */
  get statusMessage(): string | undefined {
    return this._message ?? (this._header === null ? undefined : (STATUS_CODES[this.statusCode] ?? 'unknown'))
  }

  set statusMessage(message: string | undefined) {
    this._message = message
  }

  get closed(): boolean {
    return this._closed
  }

  get errored(): Error | null {
    return this[ERRORED] as Error | null
  }

  get writableFinished(): boolean {
    return this.finished && this._wasSent
  }

  get writableLength(): number {
    return this._unsent
  }

  get writableHighWaterMark(): number {
    return HIGH_WATER
  }

  get writableCorked(): number {
    return this._corks
  }

  cork(): void {
    this._corks++
  }

  uncork(): void {
    if (this._corks > 0) this._corks--
  }

  /** Decides the head. Called by Node's `writeHead`, which has merged and checked what it was given. */
  _storeHeader(firstLine: string, fields: unknown): void {
    const exchange = this[EXCHANGE]
    if (fields !== null && fields === this[OUT_HEADERS]) {
      exchange.head = headOfKept(this, this[OUT_HEADERS], exchange.isHttp2)
    } else exchange.head = headOfGiven(this, fields, exchange.isHttp2)
    this._header = `${firstLine}${exchange.head.lines}\r\n`
  }

  /** The head of a response whose `writeHead` is the original one: without the detour. */
  _decideHead(): void {
    const usual = this.writeHead === nodeWriteHead && this._implicitHeader === nodeImplicitHeader
    const { statusCode } = this
    if (!usual || this._expect_continue || typeof this.statusMessage === 'string' || !(statusCode >= 200 && statusCode <= 999)) {
      this._implicitHeader()
      return
    }
    this.statusCode = statusCode | 0
    if (statusCode === 204 || statusCode === 304) this._hasBody = false
    const exchange = this[EXCHANGE]
    exchange.head = headOfKept(this, this[OUT_HEADERS], exchange.isHttp2)
    this._header = `HTTP/1.1 ${statusCode}\r\n${exchange.head.lines}\r\n`
  }

  flushHeaders(): void {
    this._start()
    // As with Node, a close in the running code lets it out.
    this[EXCHANGE].isFresh = false
  }

  /** Begins the response, unless it has begun. */
  _start(): void {
    if (this._header === null) this._decideHead()
    const exchange = this[EXCHANGE]
    if (exchange.stage === OPEN && !this.destroyed && !exchange.connection.isClosed) exchange.start()
    this._headerSent = true
  }

  write(chunk: Chunk, encoding?: BufferEncoding | Callback | null, callback?: Callback): boolean {
    if (typeof encoding === 'function') {
      // Not by its name: libraries replace it.
      callback = encoding
      encoding = null
    }
    if (chunk === null) throw nodeError('ERR_STREAM_NULL_VALUES')
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) throw invalidChunk(chunk)
    const isWritten = this._writeChunk(chunk, encoding ?? null, callback)
    if (!isWritten) this[NEED_DRAIN] = true
    return isWritten
  }

  _writeChunk(chunk: Chunk, encoding: BufferEncoding | null, callback: Callback | undefined): boolean {
    if (this.finished) return this._refuse(nodeError('ERR_STREAM_WRITE_AFTER_END'), callback)
    if (this.destroyed) return this._refuse(nodeError('ERR_STREAM_DESTROYED', 'write'), callback)
    const bytes = asSent(chunk, encoding)
    this._count(bytes, false)
    const exchange = this[EXCHANGE]
    if (this._header === null) this._decideHead()
    if (!this._hasBody) {
      if (this[REJECTS_BODY]) throw nodeError('ERR_HTTP_BODY_NOT_ALLOWED')
      // The head waits for the end.
      if (typeof callback === 'function') process.nextTick(callback)
      return true
    }
    if (exchange.stage === OPEN) this._start()
    // The close of a destroyed connection lets out what was written before, and no more.
    if (exchange.connection.isClosed) {
      if (typeof callback === 'function' && this.socket !== null) process.nextTick(callback, failureOf(this, 'write'))
      return bytes.length > 0 || this.socket === null
    }
    exchange.touch()
    const waiting = bytes.length === 0 ? this._unsent : exchange.write(bytes)
    if (waiting < 0) return this._lost(callback)
    const isMuch = waiting > HIGH_WATER ? mayBeSent(exchange, waiting, bytes.length) : bytes.length > HIGH_WATER
    if (!isMuch) return this._written(waiting, callback)
    // So long a piece tells its writer to wait, as with Node, though it was sent at once.
    this._written(waiting, undefined)
    goOnSoon(this, callback)
    return false
  }

  /** The client has left, which is announced later: until then a writer that never waits would write for ever. */
  _lost(callback: Callback | undefined): false {
    if (typeof callback === 'function') process.nextTick(callback, connectionReset('write EPIPE'))
    return false
  }

  /** So many bytes wait unsent. Returns whether the writer may go on. */
  _written(waiting: number, callback: Callback | undefined): boolean {
    const isFull = waiting > HIGH_WATER
    if (isFull && this._unsent === 0) this[EXCHANGE].onDrain(() => this._drained())
    this._unsent = isFull ? waiting : 0
    if (typeof callback === 'function') {
      if (isFull) this[EXCHANGE].onDrain(() => callback(null))
      else callWhenWritten(this, callback)
    }
    return !isFull
  }

  _drained(): void {
    this._unsent = 0
    this._goOn()
  }

  _goOn(): void {
    if (!this[NEED_DRAIN] || this.destroyed || this.finished) return
    this[NEED_DRAIN] = false
    this.emit('drain')
  }

  /** Counts the bytes of a body whose length is checked, unless they are too many; the last ones too few. */
  _count(bytes: Chunk, areLast: boolean): void {
    if (!this.strictContentLength) return
    const written = this[BYTES_WRITTEN] + (typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength)
    this._checkLength(written, areLast)
    this[BYTES_WRITTEN] = written
  }

  _checkLength(written: number, isAll: boolean): void {
    const { _contentLength: length } = this
    if (length === null || !this._hasBody || this._removedContLen || this.chunkedEncoding || this.hasHeader('transfer-encoding')) return
    if (isAll ? written !== length : written > length) throw lengthMismatch(written, length)
  }

  /** A write that comes too late. */
  _refuse(error: Error, callback: Callback | undefined): false {
    const { destroyed: wasDestroyed } = this
    // A response without listeners is destroyed as soon as it is sent, which would hide the error.
    if (!wasDestroyed && (this as { _events?: unknown })._events === undefined) EventEmitter.call(this as never)
    process.nextTick(() => {
      callback?.(error)
      if (!wasDestroyed && !this.destroyed) this.emit('error', error)
    })
    return false
  }

  end(chunk?: Chunk | Callback | null, encoding?: BufferEncoding | Callback | null, callback?: Callback): this {
    if (typeof chunk === 'function') {
      callback = chunk
      chunk = encoding = null
    } else if (typeof encoding === 'function') {
      callback = encoding
      encoding = null
    }
    // What is falsy, such as 0, counts as nothing.
    const body = chunk || undefined
    if (this.finished) return this._endAgain(body, callback)
    if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) throw invalidChunk(body)
    const bytes = body === undefined ? undefined : asSent(body, encoding ?? null)
    if (this.destroyed && bytes !== undefined) return this._endDestroyed()
    if (bytes !== undefined) this._count(bytes, true)
    if (this._header === null) {
      this._contentLength = bytes === undefined ? 0 : typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength
      this._decideHead()
    }
    if (bytes !== undefined && !this._hasBody && this[REJECTS_BODY]) throw nodeError('ERR_HTTP_BODY_NOT_ALLOWED')
    if (typeof callback === 'function') callWhenSent(this, callback)
    if (this.strictContentLength) this._checkLength(this[BYTES_WRITTEN], true)
    this.finished = true
    if (!this.destroyed) this._give(bytes)
    // Behind earlier responses it comes with the response's turn.
    if (this.socket !== null || this[EXCHANGE].isHttp2) this.given()
    return this
  }

  /** What is given to a destroyed response goes nowhere; it is ended all the same. */
  _endDestroyed(): this {
    this.finished = true
    if (this.socket !== null) this.given()
    return this
  }

  /** Hands the end of the response to the engine. */
  _give(bytes: Chunk | undefined): void {
    const exchange = this[EXCHANGE]
    if (exchange.stage >= GIVEN || exchange.connection.isClosed) return
    // HEAD says nothing of the length when its head was decided before the body, or has none.
    const isUnknown = !this._hasBody && this.statusCode !== 205 && this.req.method === 'HEAD' && exchange.head!.length < 0 && (bytes === undefined || this._contentLength === null)
    if (isUnknown && exchange.stage === OPEN) exchange.head = { ...exchange.head!, flags: exchange.head!.flags | AnswerFlag.OwnFraming }
    const isWhole = exchange.stage === OPEN && !this.chunkedEncoding && !isUnknown && (exchange.head!.flags & AnswerFlag.UntilClose) === 0
    if (isWhole && exchange.body?.isOpen() !== true) {
      this._headerSent = true
      return exchange.respond(bytes)
    }
    if (isWhole && exchange.head!.length < 0 && this._hasBody) exchange.head = { ...exchange.head!, length: this._contentLength ?? 0 }
    if (exchange.stage === OPEN) this._start()
    if (bytes !== undefined && this._hasBody) this._unsent = Math.max(0, exchange.write(bytes))
    // As with a response that is given at once: what is short is as good as sent.
    if (this._unsent <= HIGH_WATER) exchange.isTold = false
    exchange.end(this.chunkedEncoding ? this._trailer : '')
  }

  _endAgain(body: Chunk | undefined, callback: Callback | undefined): this {
    if (body !== undefined) {
      if (!this.destroyed) this._refuse(nodeError('ERR_STREAM_WRITE_AFTER_END'), callback)
    } else if (typeof callback === 'function') {
      if (this.writableFinished) callback(nodeError('ERR_STREAM_ALREADY_FINISHED', 'end'))
      else callWhenSent(this, callback)
    }
    return this
  }

  writeEarlyHints(hints: Record<string, string | string[]>, callback?: () => void): void {
    writeEarlyHints(this, hints, callback)
  }

  /** Informational responses come here as text, from Node's own methods for them. */
  _writeRaw(text: string, _encoding?: unknown, callback?: Callback): boolean {
    if (this.destroyed || this[EXCHANGE].connection.isClosed) return false
    sendInformational(this[EXCHANGE], text)
    if (typeof callback !== 'function') return true
    if (this.socket === null) callWhenWritten(this, callback)
    else process.nextTick(callback, null)
    return true
  }

  _send(data: Chunk, encoding?: BufferEncoding | null, callback?: Callback): boolean {
    this.flushHeaders()
    return data.length === 0 || this._writeChunk(data, encoding ?? null, callback)
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this
    this.destroyed = true
    this[ERRORED] = error
    const exchange = this[EXCHANGE]
    // The close of the connection is that of the response.
    if (!exchange.isHttp2 && this.socket !== null) this.socket.destroy(error)
    // Earlier responses aren't lost: the connection ends with its turn.
    else if (!exchange.isHttp2 && exchange.connection.isQueued(exchange)) process.nextTick(close, this)
    else {
      if (exchange.stage < GIVEN) exchange.abort()
      process.nextTick(leave, this)
    }
    return this
  }

  /** The earlier responses of the connection are finished: this one is the next. */
  haveTurn(socket: NodeSocket): void {
    if (this.socket !== null) return
    this.socket = socket
    if ((this as { _events?: unknown })._events !== undefined) this.emit('socket', socket)
    if (this.destroyed) return void socket.destroy()
    if (this._writeCallbacks !== null) process.nextTick(callWritten, this)
    if (this.finished) this.given()
  }

  /** The response is wholly given, and it is the one that is sent. */
  given(): void {
    if ((this as { _events?: unknown })._events !== undefined) this.emit('prefinish')
  }

  assignSocket(socket: NodeSocket): void {
    if (this.socket !== null && this.socket !== socket) throw nodeError('ERR_HTTP_SOCKET_ASSIGNED')
    this.haveTurn(socket)
  }

  detachSocket(): void {
    this.socket = null
  }

  /** The response is sent, or handed to the system: its events follow. */
  sent(): void {
    const error = this[ERRORED] ?? (this[EXCHANGE].connection.isClosed ? this.socket?.errored : null)
    if (error) return this._failed(error)
    this._wasSent = true
    if (this._last && !this[EXCHANGE].isHttp2) this[EXCHANGE].connection.hasLastAnswer = true
    callWritten(this)
    callSent(this, null)
    const isHeard = (this as { _events?: unknown })._events !== undefined
    // Who keeps 'finish' back keeps back the close as well.
    const isKept = Object.hasOwn(this, 'emit')
    if (isKept) this.once('finish', () => this._finished(true))
    else this._finished(isHeard)
    // The next response has its turn.
    this[EXCHANGE].settle()
    if (isHeard || isKept) this.emit('finish')
  }

  /** The response, or its connection, was destroyed with an error behind its end: as with Node it doesn't finish, though it may arrive. */
  _failed(error: Error): void {
    callSent(this, error)
    setImmediate(leave, this)
  }

  /** What follows once the response has finished. */
  _finished(isHeard: boolean): void {
    this.req.responseFinished()
    // As with Node, listeners to 'finish' find it without its socket, so `destroy` there ends no connection.
    this.socket = null
    if (isHeard) process.nextTick(close, this)
    else this.destroyed = this._closed = true
  }

  setTimeout(millis: number, callback?: () => void): this {
    if (this[EXCHANGE].isHttp2) return setStreamTimeout(this, millis, callback)
    if (callback !== undefined) this.on('timeout', callback)
    if (this.socket !== null) this.socket.setTimeout(millis)
    else this.once('socket', (socket: NodeSocket) => void socket.setTimeout(millis))
    return this
  }

  /** The client has left before the response was sent. */
  clientLeft(): void {
    const exchange = this[EXCHANGE]
    if (exchange.stage === OVER) return
    exchange.settle()
    const callbacks = takeSent(this)
    this.req.clientLeft()
    close(this)
    exchange.drained()
    const error = this[ERRORED] ?? nodeError('ERR_STREAM_DESTROYED', 'end')
    callbacks?.forEach((callback) => callback(error))
  }
}

// What is declared here is Node's, and comes by the prototype.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface NodeResponse {
  /** Bytes that wait unsent, while they are too many. */
  _unsent: number
  /** What was set as `statusMessage`. */
  _message: string | undefined
  _corks: number
  _wasSent: boolean
  _endCallbacks: Callback[] | null
  _writeCallbacks: Callback[] | null
}

/** Defaults that few responses change; on the prototype they cost nothing. */
Object.assign(NodeResponse.prototype, {
  writable: true,
  sendDate: true,
  shouldKeepAlive: true,
  maxRequestsOnConnectionReached: false,
  chunkedEncoding: false,
  useChunkedEncodingByDefault: true,
  strictContentLength: false,
  outputSize: 0,
  outputData: [],
  _last: false,
  _defaultKeepAlive: true,
  _keepAliveTimeout: 0,
  _maxRequestsPerSocket: 0,
  _removedConnection: false,
  _removedContLen: false,
  _removedTE: false,
  _contentLength: null,
  _hasBody: true,
  _headerSent: false,
  _trailer: '',
  _closed: false,
  _sent100: false,
  _expect_continue: false,
  _unsent: 0,
  _message: undefined,
  _corks: 0,
  _wasSent: false,
  _endCallbacks: null,
  _writeCallbacks: null,
  [NEED_DRAIN]: false,
  [ERRORED]: null,
  [BYTES_WRITTEN]: 0,
  [REJECTS_BODY]: false,
})

function close(response: NodeResponse): void {
  if (response._closed) return
  response.destroyed = true
  response._closed = true
  response.emit('close')
}

/** A destroyed response whose connection has no more to say. */
function leave(response: NodeResponse): void {
  response.clientLeft()
}

Object.setPrototypeOf(NodeResponse.prototype, ServerResponse.prototype)
// It is called by Node's name where it is shown.
Object.defineProperty(NodeResponse.prototype, 'constructor', { value: ServerResponse, writable: true, configurable: true })
