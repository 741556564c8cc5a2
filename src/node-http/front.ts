/**
 * From the engine's notices to the `(req, res)` function, and from the responses back.
 *
 * Budget: 0.8 us a request beside the engine's part. Each request costs an exchange, a request, a response and an
 * AsyncResource. The listener is called directly unless something looks at the server's events.
 */
import { STATUS_CODES } from 'node:http'
import { AsyncResource } from '../core/builtin.ts'
import { IdTable } from '../core/id-table.ts'
import { withoutContext } from '../core/no-context.ts'
import { ANSWER_WORDS, AnswerFlag, Engine, Flag, LOOP_WAITS, Notice, RECORD_WORDS, addressAnswer, hotOf, respond, writeAnswer } from '../native.ts'
import type { EngineLimits, HotFunctions } from '../native.ts'
import { hasLibuv } from '../server/io-threads.ts'
import { parseUnparsed } from '../server/refusals.ts'
import type { Unparsed } from '../server/refusals.ts'
import { adoptPrototypes } from './bridges.ts'
import { ClientEnds } from './client-ends.ts'
import { ConnectionTable } from './connection-table.ts'
import { Connection } from './connection.ts'
import type { ConnectionOwner } from './connection.ts'
import { Exchange, GIVEN, OPEN, OVER } from './exchange.ts'
import type { ExchangeOwner } from './exchange.ts'
import type { FrontOwner } from './front-owner.ts'
import { connectionReset, rethrow, throwLater, unparsedError } from './node-errors.ts'
import type { NodeRequest } from './node-request.ts'
import type { NodeResponse } from './node-response.ts'
import { RequestBytes } from './request-bytes.ts'

const HIGH = 2 ** 32
const UNUSUAL = Flag.Body | Flag.Spilled | Flag.ExpectsContinue | Flag.ExpectsOther | Flag.Upgrade
const UNTRACKED = { requireManualDestroy: true }
/** The number under which the engine knows `content-length`. */
const LENGTH_FIELD = 0

/** What the refusal of bytes that are no request says of itself. */
const REFUSAL_LINES = 'Connection: close\r\n'
const REFUSAL_FLAGS = AnswerFlag.Close | AnswerFlag.OwnConnection | AnswerFlag.OwnDate | AnswerFlag.OwnFraming | AnswerFlag.Reason

/** Bytes that aren't a request, or part of its body, under the id that the engine gives them. */
interface Refused {
  readonly requestId: number
  readonly status: number
  readonly error: Error
  readonly isOfBody: boolean
}

/** The requests of one server. */
export class Front implements ExchangeOwner, ConnectionOwner {
  readonly engine: Engine
  readonly hot: HotFunctions
  readonly words = new Uint32Array(ANSWER_WORDS + RECORD_WORDS)
  readonly lengthField = LENGTH_FIELD
  readonly #owner: FrontOwner
  readonly #methods: readonly string[]
  readonly #connections = new ConnectionTable()
  /** Exchanges that expect notices, by request id. */
  readonly #registered = new IdTable<Exchange>()
  /** Connections that become the application's because of what came, by the id that the engine has given that. */
  readonly #unparsable = new Map<number, Connection>()
  /** Registered exchanges whose heads lie in the current slab. Nothing that is over stays here: it would live until the slab is full. */
  #borrowers: Exchange[] = []
  #finishing: Exchange[] = []
  readonly #ends = new ClientEnds(this.words, (exchange) => this.#within(exchange, () => this.#left(exchange)))
  /** Each throws what a handler has thrown, in its context. */
  #thrown: (() => never)[] = []
  #slab: Buffer | null = null
  #slabWords: Uint32Array | null = null

  constructor(owner: FrontOwner, limits: EngineLimits, threads: number) {
    this.#owner = owner
    // As with Node, what a server does later it does in the context of `listen`.
    const listening = new AsyncResource('busbar.server', UNTRACKED)
    const onNotices = this.#onNotices.bind(this)
    this.engine = new Engine(limits, this.words, (first, count, slab) => listening.runInAsyncScope(onNotices, undefined, first, count, slab), threads, hasLibuv())
    this.hot = hotOf(this.engine, threads)
    this.hot.nameField(LENGTH_FIELD, 'content-length')
    this.#methods = Engine.methods()
  }

  #onNotices(first: number, count: number, slab: Buffer): void {
    if (slab !== this.#slab) this.#changeSlab(slab)
    const { words } = this
    for (let at = first * RECORD_WORDS, end = at + count * RECORD_WORDS; at < end; at += RECORD_WORDS) {
      const kind = words[at]!
      if ((kind & 0xff) === Notice.Request) this.#dispatch(at, kind, slab)
      else this.#route(kind, at)
    }
  }

  #dispatch(at: number, kind: number, slab: Buffer): void {
    const { words } = this
    const flags = kind >>> 16
    let head = words[at + 4]!
    let block = slab
    let blockWords = this.#slabWords
    if ((flags & Flag.Spilled) !== 0) {
      block = this.hot.takeBytes(head)
      blockWords = null
      head = 0
    }
    const clientId = blockWords === null ? this.hot.clientId(block, head) : clientIdIn(blockWords, head)
    const connection = this.#connectionOf(words[at + 1]!, clientId)
    const requestId = words[at + 2]! + words[at + 3]! * HIGH
    const exchange = new Exchange(this, connection, block, head, requestId, flags)
    const isNext = connection.begin(exchange)
    const method = this.#methods[(kind >>> 8) & 0xff]!
    const major = (flags & Flag.Http2) !== 0 ? 2 : 1
    const minor = (flags & (Flag.Http10 | Flag.Http2)) !== 0 ? 0 : 1
    const { socket } = connection
    const request = this.#owner.makeRequest(exchange, method, exchange.target(), major, minor)
    exchange.request = request
    const response = this.#owner.makeResponse(exchange, request, isNext ? socket : null)
    exchange.response = response
    if (method === 'HEAD') response._hasBody = false
    if ((flags & Flag.KeepAlive) === 0 && major === 1) response.shouldKeepAlive = false
    // The resource is Node's by name, which tools look for.
    const resource = new AsyncResource('HTTPINCOMINGMESSAGE', UNTRACKED)
    exchange.resource = resource
    if ((flags & UNUSUAL) !== 0 || method === 'CONNECT') {
      this.#takeBody(exchange, at, flags)
      const isSpecial = (flags & (UNUSUAL & ~Flag.Body)) !== 0 || method === 'CONNECT'
      if (isSpecial && resource.runInAsyncScope(this.#special, undefined, exchange)) return this.#returned(exchange)
    }
    resource.runInAsyncScope(this.#call, undefined, request, response)
    this.#returned(exchange)
  }

  readonly #call = (request: NodeRequest, response: NodeResponse): void => {
    try {
      this.#owner.handle(request, response)
    } catch (error) {
      this.#throwSoon(error)
    }
  }

  readonly #special = (exchange: Exchange): boolean => {
    try {
      return this.#owner.handleSpecial(exchange)
    } catch (error) {
      this.#throwSoon(error)
      return true
    }
  }

  /** Puts the methods of ours back that a prototype of the application's has hidden. */
  #mend({ request, response }: Exchange): void {
    if (request.handlerReturned === undefined || response.sent === undefined) adoptPrototypes(request, response)
  }

  #returned(exchange: Exchange): void {
    this.#mend(exchange)
    exchange.hasReturned = true
    exchange.request.handlerReturned()
    if (exchange.stage < GIVEN) exchange.register()
  }

  #takeBody(exchange: Exchange, at: number, flags: number): void {
    const { words } = this
    if ((flags & Flag.Body) === 0) return
    if ((flags & Flag.Whole) === 0) exchange.body = RequestBytes.arriving(exchange)
    else if ((flags & Flag.Large) !== 0) exchange.body = RequestBytes.whole(exchange, this.hot.takeBytes(words[at + 5]!))
    else if ((flags & Flag.Spilled) !== 0) {
      const start = words[at + 5]!
      exchange.body = RequestBytes.whole(exchange, Buffer.from(this.#slab!.subarray(start, start + words[at + 6]!)))
    } else exchange.setPlace(words[at + 5]!, words[at + 6]!)
  }

  #connectionOf(slot: number, id: number): Connection {
    const known = this.#connections.get(slot)
    return known !== undefined && known.id === id ? known : this.#addConnection(slot, id)
  }

  #addConnection(slot: number, id: number): Connection {
    // The slot has a new connection: that of the former one has closed, unnoticed because its notice was not asked for.
    this.#connections.get(slot)?.closed()
    const connection = new Connection(this, slot, id)
    this.#connections.set(slot, connection)
    connection.socket = this.#owner.makeSocket(connection)
    return connection
  }

  /** The connection with an id, if it is known. */
  #known(slot: number, id: number): Connection | null {
    const connection = this.#connections.get(slot)
    return connection !== undefined && connection.id === id ? connection : null
  }

  /** Delivers a notice to its connection or its exchange. */
  #route(kind: number, at: number): void {
    const { words } = this
    const slot = words[at + 1]!
    const id = words[at + 2]! + words[at + 3]! * HIGH
    const flags = kind >>> 16
    switch (kind & 0xff) {
      case Notice.Closed:
        return this.#closed(this.#known(slot, id))
      case Notice.PeerHalfClosed:
        return this.#known(slot, id)?.socket.peerEnded()
      case Notice.Raw:
        return this.#known(slot, id)?.received(this.#bytesAt(kind, at), (flags & Flag.End) !== 0)
      case Notice.RawReady:
        return this.#known(slot, id)?.ready(words[at + 7]!)
      case Notice.RawRead:
        return this.#known(slot, id)?.read(words[at + 7]!)
      case Notice.RawDrained:
        return this.#known(slot, id)?.socket.drained()
      case Notice.Accepted:
        return this.#owner.onAccepted(this.#connectionOf(slot, id))
      case Notice.Established:
        return this.#owner.onSecured(this.#connectionOf(slot, id))
      case Notice.ServerName:
        return this.#owner.onServerName(this.#connectionOf(slot, id), this.#bytesAt(kind, at).toString('latin1'))
      case Notice.Idle:
        return this.#owner.onIdle()
      case Notice.Unparsed:
        // Node tells the application of no stream that it refuses.
        if ((flags & Flag.Http2) !== 0) return this.#answer(slot, id, words[at + 4]!, 0, '')
        return this.#unparsed(slot, id, words[at + 4]!, parseUnparsed(this.#bytesAt(kind, at)), (flags & Flag.Body) !== 0)
      case Notice.Refused: {
        // The connection of a stream continues.
        if ((flags & Flag.Http2) !== 0) return
        const [, text = ''] = this.#bytesAt(kind, at).toString('latin1').split('\n')
        const status = words[at + 4]!
        if ((flags & Flag.Unparsed) !== 0) return this.#owner.onRefused(this.#connectionOf(slot, id), { status, text })
        return status === 0 ? this.#owner.onTlsFailed(this.#connectionOf(slot, id), text) : undefined
      }
      case Notice.Rejected:
        return this.#owner.onDropped(this.#bytesAt(kind, at).toString('latin1'))
      case Notice.Aborted:
        this.#unparsable.delete(id)
        break
      case Notice.Upgraded: {
        const unparsable = this.#unparsable.get(id)
        if (unparsable === undefined) break
        this.#unparsable.delete(id)
        return unparsable.becomeRaw()
      }
    }
    const exchange = this.#registered.get(id)
    if (exchange !== undefined) exchange.resource.runInAsyncScope(this.#notify, undefined, exchange, kind, at)
  }

  /** Answers in place of the application. */
  #answer(slot: number, requestId: number, status: number, flags: number, lines: string): void {
    addressAnswer(this.words, slot, requestId)
    writeAnswer(this.words, status, flags, -1)
    respond(this.hot, this.words, lines, undefined, STATUS_CODES[status])
  }

  /** What came is no request. */
  #unparsed(slot: number, requestId: number, status: number, unparsed: Unparsed, isOfBody: boolean): void {
    const connection = this.#connectionOf(slot, unparsed.client)
    const error = unparsedError(status, unparsed)
    if (!this.#owner.answersUnparsed) return this.#refuse(connection, { requestId, status, error, isOfBody })
    // The application gets the connection, behind the responses that have begun.
    connection.facts()
    connection.lose(isOfBody)
    if (connection.takeOver({ requestId }, () => this.#owner.onUnparsed(connection, error))) this.#unparsable.set(requestId, connection)
  }

  /** As Node does, the refusal takes the place of a response that is due and hasn't begun. */
  #refuse(connection: Connection, { requestId, status, error, isOfBody }: Refused): void {
    const { current, newest, socket } = connection
    const lost = isOfBody ? newest : null
    const replaced = current !== lost && current?.stage === OPEN ? current : null
    this.#answer(connection.slot, replaced?.requestId ?? requestId, status, REFUSAL_FLAGS, REFUSAL_LINES)
    if (replaced === null && lost !== null) return this.#within(lost, () => this.#failed(lost, error))
    if (replaced !== null) {
      connection.isClosed = true
      for (const each of lost === null ? [replaced] : [replaced, lost]) this.#within(each, () => this.#left(each))
    }
    socket.failed(error)
  }

  /** Does something in the context of an exchange, whose listeners may throw. */
  #within(exchange: Exchange, action: () => void): void {
    exchange.resource.runInAsyncScope(() => {
      try {
        this.#mend(exchange)
        action()
      } catch (error) {
        throwLater(error)
      }
    })
  }

  readonly #notify = (exchange: Exchange, kind: number, at: number): void => {
    try {
      this.#deliver(exchange, kind, at)
    } catch (error) {
      // A listener of the application has thrown.
      throwLater(error)
    }
  }

  #deliver(exchange: Exchange, kind: number, at: number): void {
    this.#mend(exchange)
    const { words } = this
    const flags = kind >>> 16
    switch (kind & 0xff) {
      case Notice.Body: {
        const trailers = (flags & Flag.Trailers) === 0 ? null : this.hot.takeBytes(words[at + 4]!).toString('latin1')
        if (trailers !== null) exchange.request.rawTrailers = trailers.split('\n').slice(0, -1)
        return exchange.body?.incoming().onPiece(words[at + 7]!, (flags & Flag.End) !== 0, trailers)
      }
      case Notice.BodyReady:
        return exchange.body?.incoming().onReady(words[at + 7]!)
      case Notice.Drained:
        return exchange.drained()
      case Notice.Written:
        if (exchange.body?.isOpen() !== true) this.#unregister(exchange)
        exchange.drained()
        return this.#sent(exchange)
      case Notice.BodyFailed:
        // The engine answers itself, and closes the connection behind that.
        return exchange.isHttp2 ? exchange.request.clientLeft() : this.#failed(exchange, connectionReset())
      case Notice.HalfClosed:
        return this.#owner.isPatient ? undefined : this.#ends.note(exchange)
      case Notice.Aborted:
        if (!exchange.isHttp2) exchange.connection.isClosed = true
        return this.#left(exchange)
      case Notice.FileFailed:
        // The application has taken the memory of its content away. HTTP/1 aborts the connection, and `Aborted` follows; HTTP/2
        // resets the stream, and no notice follows.
        return exchange.isHttp2 ? this.#left(exchange) : undefined
      case Notice.Reset:
      case Notice.Late:
        return this.#left(exchange)
      case Notice.Upgraded:
        this.#unregister(exchange)
        return exchange.connection.becomeRaw()
    }
  }

  endBehindBody(exchange: Exchange): void {
    this.#ends.noteBehindBody(exchange)
  }

  #left(exchange: Exchange): void {
    this.#unregister(exchange)
    ;(exchange.stage === OVER ? exchange.request : exchange.response).clientLeft()
    if (exchange.connection.isClosed && !exchange.connection.isWatched) this.#closed(exchange.connection)
  }

  /** A request can't be received, or answered: that is answered in its place, and the connection ends. */
  #failed(exchange: Exchange, error: Error): void {
    const { connection } = exchange
    const isFirst = connection.current === exchange || connection.current === null
    connection.isClosed ||= isFirst
    this.#left(exchange)
    if (isFirst) connection.socket.failed(error)
    // As with Node, earlier responses are lost.
    else connection.socket.destroy(error)
  }

  #closed(connection: Connection | null): void {
    if (connection === null || !connection.closed()) return
    if (this.#connections.get(connection.slot) === connection) this.#connections.delete(connection.slot)
    this.#owner.onClosed(connection)
    try {
      connection.leave()
      connection.socket.hasClosed()
    } catch (error) {
      throwLater(error)
    }
  }

  register(exchange: Exchange): void {
    this.#registered.set(exchange.requestId, exchange)
    exchange.connection.fedAt = this.words[LOOP_WAITS]!
    exchange.place = this.#borrowers.push(exchange) - 1
  }

  unregister(exchange: Exchange): void {
    this.#registered.delete(exchange.requestId)
    const { place } = exchange
    if (place < 0) return
    exchange.place = -1
    const last = this.#borrowers.pop()!
    if (last === exchange) return
    last.place = place
    this.#borrowers[place] = last
  }

  #unregister(exchange: Exchange): void {
    if (exchange.isRegistered) exchange.unregister()
  }

  /** The response is handed to the system; its events follow when the running code has returned. */
  finishLater(exchange: Exchange): void {
    if (this.#finishing.push(exchange) === 1 && this.#thrown.length === 0) withoutContext(this.#planFinish)
  }

  /** A handler has thrown: its error becomes an uncaught exception behind the other notices of this turn, before 'finish' and 'close'. */
  #throwSoon(error: unknown): void {
    if (this.#thrown.push(AsyncResource.bind(() => rethrow(error))) === 1 && this.#finishing.length === 0) withoutContext(this.#planFinish)
  }

  readonly #planFinish = (): void => process.nextTick(this.#finish)

  readonly #finish = (): void => {
    const thrown = this.#thrown.shift()
    if (thrown !== undefined) {
      if (this.#thrown.length > 0 || this.#finishing.length > 0) withoutContext(this.#planFinish)
      thrown()
    }
    const exchanges = this.#finishing
    this.#finishing = []
    let at = 0
    try {
      for (; at < exchanges.length; at++) {
        const exchange = exchanges[at]!
        if ((exchange.response as { _events?: unknown })._events === undefined) this.#sent(exchange)
        else exchange.resource.runInAsyncScope(this.#sent, undefined, exchange)
      }
    } finally {
      // A listener of the application has thrown: the others have their turn.
      while (++at < exchanges.length) this.finishLater(exchanges[at]!)
    }
  }

  readonly #sent = (exchange: Exchange): void => {
    if (exchange.stage === OVER) return
    this.#mend(exchange)
    try {
      this.#owner.finished(exchange.response)
      exchange.response.sent()
    } finally {
      exchange.resource.emitDestroy()
    }
  }

  onTimeout(connection: Connection): void {
    this.#owner.onTimeout(connection)
  }

  get timeout(): number {
    return this.#owner.timeout
  }

  get restTime(): number {
    return this.#owner.restTime
  }

  hearsTimeout(connection: Connection): boolean {
    return this.#owner.hearsTimeout(connection)
  }

  /** All known connections. */
  *connections(): Iterable<Connection> {
    for (const connection of this.#connections.values()) if (!connection.isClosed) yield connection
  }

  /** A copy of the bytes that came with a notice. */
  #bytesAt(kind: number, at: number): Buffer {
    const start = this.words[at + 5]!
    if (((kind >>> 16) & Flag.Large) !== 0) return this.hot.takeBytes(start)
    return Buffer.from(this.#slab!.subarray(start, start + this.words[at + 6]!))
  }

  /** Exchanges that go on leave the old slab: one of them would keep all of it. */
  #changeSlab(slab: Buffer): void {
    const borrowers = this.#borrowers
    this.#borrowers = []
    for (const exchange of borrowers) {
      exchange.place = -1
      exchange.leaveSlab()
    }
    this.#slab = slab
    this.#slabWords = wordsOf(slab)
  }
}

/** The slab as words; null when it isn't aligned for them. */
function wordsOf(slab: Buffer): Uint32Array | null {
  return (slab.byteOffset & 3) === 0 ? new Uint32Array(slab.buffer, slab.byteOffset, slab.byteLength >>> 2) : null
}

/** The client's id, which is the second and the third word of a head block: without a call to the engine. */
function clientIdIn(words: Uint32Array, head: number): number {
  const at = head >>> 2
  return words[at + 1]! + words[at + 2]! * HIGH
}
