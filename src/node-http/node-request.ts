/**
 * Requests as `(req, res)` functions get them: an `http.IncomingMessage` whose bytes and fields come from the engine.
 *
 * Node's constructor makes the state of a stream and of an emitter for each request. Ours makes neither before it is
 * looked at, since most handlers read a method, a URL and a few fields. What is made late shows the request as it is
 * then: with its body and its end behind the handler, closed behind the response.
 */
import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { GIVEN } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { connectionReset } from './node-errors.ts'
import type { NodeSocket } from './node-socket.ts'
import { distinctFields, joinedFields, rawFields } from './request-fields.ts'
import { setStreamTimeout } from './stream-timeout.ts'
import { EXCHANGE } from './symbols.ts'

type Done = (error?: Error | null) => void
type Listener = (...args: never[]) => void

const RAW: unique symbol = Symbol('raw')
const FIELDS: unique symbol = Symbol('fields')
const DISTINCT: unique symbol = Symbol('distinct')
const TRAILERS: unique symbol = Symbol('trailers')
const RAW_TRAILERS: unique symbol = Symbol('rawTrailers')
const SIGNAL: unique symbol = Symbol('signal')
const RESPONSE: unique symbol = Symbol('response')
const IS_FED: unique symbol = Symbol('isFed')
const IS_CLOSED: unique symbol = Symbol('isClosed')
const IS_LEFT: unique symbol = Symbol('isLeft')

/** The parts of Node's state of a stream that are set for a request that was closed before. */
interface ReadState {
  flowing: boolean | null
  readingMore: boolean
  sync: boolean
  ended: boolean
  endEmitted: boolean
  destroyed: boolean
  closed: boolean
  closeEmitted: boolean
}

/** What it has of Node's by its prototype, as far as it is used here. */
type Inherited = Pick<Readable, 'emit' | 'push' | 'destroy' | 'destroyed' | 'readableEnded' | 'listenerCount' | 'once' | 'read' | 'removeListener'>

/** What of a request exists only once it is asked for. */
interface Lazy {
  [RAW]?: string[]
  [FIELDS]?: IncomingHttpHeaders | null
  [DISTINCT]?: NodeJS.Dict<string[]>
  [TRAILERS]?: NodeJS.Dict<string>
  [RAW_TRAILERS]?: string[]
  [SIGNAL]?: AbortController
  [RESPONSE]?: unknown
  [IS_FED]?: boolean
  [IS_CLOSED]?: boolean
  [IS_LEFT]?: boolean
}

// What is declared here is Node's, and comes by the prototype.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface NodeRequest extends Inherited, Lazy {
  joinDuplicateHeaders: boolean | null
  upgrade: boolean
  _dump(): void
}

/** A request. */
export class NodeRequest {
  [EXCHANGE]: Exchange
  /** Null once Node's `pipeline` ends the request without its connection. */
  socket: NodeSocket | null
  url: string
  method: string
  httpVersionMajor: number
  httpVersionMinor: number
  httpVersion: string
  complete: boolean
  aborted: boolean
  _consuming: boolean
  _dumped: boolean

  constructor(exchange: Exchange, socket: NodeSocket, method: string, url: string, major: number, minor: number) {
    this[EXCHANGE] = exchange
    this.socket = socket
    this.url = url
    this.method = method
    this.httpVersionMajor = major
    this.httpVersionMinor = minor
    this.httpVersion = minor === 1 ? '1.1' : major === 2 ? '2.0' : '1.0'
    this.complete = false
    this.aborted = false
    this._consuming = false
    this._dumped = false
  }

  /** Express sets it just before it replaces the prototype of the request. */
  get res(): unknown {
    return this[RESPONSE]
  }

  set res(response: unknown) {
    this[RESPONSE] = response
    if (Object.getPrototypeOf(this) === NodeRequest.prototype) Object.defineProperties(this, SHIELD)
  }

  get client(): NodeSocket | null {
    return this.socket
  }

  get connection(): NodeSocket | null {
    return this.socket
  }

  set connection(socket: NodeSocket | null) {
    this.socket = socket
  }

  get rawHeaders(): string[] {
    return (this[RAW] ??= rawFields(this[EXCHANGE].headerBlock()))
  }

  set rawHeaders(raw: string[]) {
    this[RAW] = raw
  }

  get headers(): IncomingHttpHeaders {
    return (this[FIELDS] ??= joinedFields(this.rawHeaders, this.joinDuplicateHeaders))
  }

  set headers(fields: IncomingHttpHeaders) {
    this[FIELDS] = fields
  }

  get headersDistinct(): NodeJS.Dict<string[]> {
    return (this[DISTINCT] ??= distinctFields(this.rawHeaders))
  }

  set headersDistinct(fields: NodeJS.Dict<string[]>) {
    this[DISTINCT] = fields
  }

  get rawTrailers(): string[] {
    return (this[RAW_TRAILERS] ??= [])
  }

  set rawTrailers(raw: string[]) {
    this[RAW_TRAILERS] = raw
  }

  get trailers(): NodeJS.Dict<string> {
    return (this[TRAILERS] ??= joinedFields(this.rawTrailers, this.joinDuplicateHeaders) as NodeJS.Dict<string>)
  }

  set trailers(fields: NodeJS.Dict<string>) {
    this[TRAILERS] = fields
  }

  get trailersDistinct(): NodeJS.Dict<string[]> {
    return distinctFields(this.rawTrailers)
  }

  /** Aborts when the client leaves before the response is sent. */
  get signal(): AbortSignal {
    const controller = (this[SIGNAL] ??= new AbortController())
    if (this.aborted) controller.abort()
    return controller.signal
  }

  setTimeout(millis: number, callback?: () => void): this {
    if (this[EXCHANGE].isHttp2) return setStreamTimeout(this, millis, callback)
    if (callback !== undefined) this.on('timeout', callback)
    this[EXCHANGE].connection.socket.setTimeout(millis)
    return this
  }

  get _readableState(): ReadState {
    makeStream(this)
    return this._readableState
  }

  set _readableState(state: ReadState) {
    own(this, state)
  }

  on(event: string | symbol, listener: Listener): this {
    // These two begin to read; for the others the state of a stream isn't needed yet.
    const isRead = event === 'data' || event === 'readable'
    // What has come before isn't announced while the listener is added.
    if (isRead && !hasStream(this)) makeStream(this)
    const add = isRead || hasStream(this) ? Readable.prototype.on : EventEmitter.prototype.on
    return add.call(this, event as string, listener as never) as unknown as this
  }

  addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  _read(): void {
    if (!this._consuming) {
      this._readableState.readingMore = false
      this._consuming = true
    }
    this[EXCHANGE].body?.read()
  }

  _destroy(error: Error | null, done: Done): void {
    const isUnread = this[IS_LEFT] === true && this._dumped
    if (!isUnread && (!this.readableEnded || !this.complete)) {
      this.aborted = true
      this.emit('aborted')
      this[SIGNAL]?.abort()
      const exchange = this[EXCHANGE]
      const isOpen = exchange.body?.isOpen() === true
      exchange.body?.fail()
      if (exchange.isHttp2) {
        // A response that is given is sent though the body behind it has failed.
        const isOwn = this[IS_LEFT] !== true && (exchange.stage === GIVEN || isOpen)
        if (exchange.stage < GIVEN || isOwn) exchange.abort()
      } else if (this[IS_LEFT] !== true && this.socket?.destroyed === false) this.socket.destroy(error ?? undefined)
    }
    if (error === null && !this.aborted) done()
    else process.nextTick(emitError, this, error, done)
  }

  /** Bytes of the body have come. Returns whether more are wanted. */
  pushBytes(bytes: Buffer): boolean {
    // As with Node, what comes behind the response of a request that wasn't read is dropped.
    return this._dumped || this.push(bytes)
  }

  /** The body has come to its end. */
  pushEnd(): void {
    this.complete = true
    if (hasStream(this)) this.push(null)
  }

  /** The handler has returned: what of the body is here can be read, and the rest is read ahead. */
  handlerReturned(): void {
    const { body } = this[EXCHANGE]
    if (body === null || body.isEmpty()) this.pushEnd()
    else if (!body.isArriving()) {
      if (hasStream(this)) feed(this)
      // As with Node, ticks and microtasks of the handler run between a body and its end.
      void Promise.resolve().then(() => process.nextTick(pushEnd, this))
    } else if (this[EXCHANGE].stage < GIVEN) feed(this)
  }

  /** The response is sent: an unread body is dropped as it comes, and the request ends. */
  responseFinished(): void {
    const { body, isHttp2 } = this[EXCHANGE]
    if (this._consuming || isWanted(this)) {
      // The client waits for a 100 that the server doesn't send any more, so its body never comes.
      if (isHttp2 && body?.isHeld === true) setImmediate(() => this.clientLeft())
      return
    }
    const isOpen = body?.isOpen() === true
    if (isOpen && !isHttp2) return this._dump()
    if (isOpen) body.drop()
    if (hasStream(this) || (this as { _events?: unknown })._events !== undefined) {
      this._dump()
      // With Node it ends when the rest has come, which isn't before the events of the response.
      if (isOpen) setImmediate(() => this.pushEnd())
    } else this.complete = this[IS_CLOSED] = this._dumped = true
  }

  /** The client has left before all was received and sent. That no body comes which isn't read is no error. */
  clientLeft(): void {
    if (this.destroyed) return
    this[IS_LEFT] = true
    this.destroy(this._dumped ? undefined : connectionReset())
  }
}

/**
 * Members that a new prototype would hide, as own ones until they are read: Node's can't be replaced on its prototype.
 * See bridges.ts.
 */
const SHIELD = Object.fromEntries(
  ['headers', 'rawHeaders', 'headersDistinct', 'trailers', 'signal', 'res'].map((name) => [
    name,
    {
      configurable: true,
      enumerable: true,
      get(this: NodeRequest) {
        return Reflect.get(NodeRequest.prototype, name, this) as unknown
      },
      set(this: NodeRequest, value: unknown) {
        Reflect.set(NodeRequest.prototype, name, value, this)
      },
    },
  ]),
)

/** Defaults that few requests change. */
Object.assign(NodeRequest.prototype, { joinDuplicateHeaders: null, upgrade: false, statusCode: null, statusMessage: null })

function emitError(request: NodeRequest, error: Error | null, done: Done): void {
  // As Node does: a listener isn't needed.
  if (request.listenerCount('error') === 0) done()
  else done(error)
}

/** Whether the application has begun to read, though nothing was taken yet. */
function isWanted(request: NodeRequest): boolean {
  return hasStream(request) && (request._readableState.flowing === true || request.listenerCount('readable') > 0)
}

/** Whether the state of a stream was made. */
function hasStream(request: NodeRequest): boolean {
  return Object.hasOwn(request, '_readableState')
}

function pushEnd(request: NodeRequest): void {
  request.pushEnd()
}

function own(request: NodeRequest, value: unknown): void {
  Object.defineProperty(request, '_readableState', { value, writable: true, enumerable: true, configurable: true })
}

function makeStream(request: NodeRequest): void {
  own(request, undefined)
  Readable.call(request as never, {})
  const state = request._readableState
  const exchange = request[EXCHANGE]
  state.readingMore = true
  if (request[IS_CLOSED] === true) {
    state.ended = state.endEmitted = state.destroyed = state.closed = state.closeEmitted = true
  } else if (exchange.hasReturned) {
    // A body that is here counts as read before.
    if (exchange.body !== null) state.sync = false
    feed(request)
  }
}

/** Gives the stream what is there of the body, once. */
function feed(request: NodeRequest): void {
  if (request[IS_FED] === true) return
  request[IS_FED] = true
  const { body } = request[EXCHANGE]
  if (body === null) return void request.push(null)
  // Bytes that come later are pushed to a stream.
  if (!hasStream(request)) makeStream(request)
  if (body.isArriving()) {
    // Behind the response the rest of it was dropped.
    if (request.complete) request.push(null)
    else body.read()
    return
  }
  const bytes = body.take()
  if (bytes !== null && bytes.length > 0) request.push(bytes)
  if (request.complete) request.push(null)
}

Object.setPrototypeOf(NodeRequest.prototype, IncomingMessage.prototype)
// It is called by Node's name where it is shown.
Object.defineProperty(NodeRequest.prototype, 'constructor', { value: IncomingMessage, writable: true, configurable: true })
