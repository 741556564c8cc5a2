/**
 * A server of ours that listens: what the engine's front asks of it, as Node's server would do it.
 */
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { Server } from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo, BlockList } from 'node:net'
import { Flag } from '../native.ts'
import type { EngineLimits } from '../native.ts'
import { Admission } from './admission.ts'
import { adoptApplication } from './bridges.ts'
import { HIGH_WATER } from './connection.ts'
import type { Connection } from './connection.ts'
import { OVER } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { Front } from './front.ts'
import type { FrontOwner, Refusal } from './front-owner.ts'
import { requestOf, responseOf } from './message-classes.ts'
import type { MessageClasses } from './message-classes.ts'
import { parseError, tlsError } from './node-errors.ts'
import type { UnparsedError } from './node-errors.ts'
import { NodeRequest } from './node-request.ts'
import { NodeResponse } from './node-response.ts'
import { areObserved, beginEntry, endEntry } from './performance-entries.ts'
import type { NodeSocket } from './node-socket.ts'
import type { Secured } from './secured.ts'
import { CAPTURE, EXCHANGE, REJECTS_BODY, UNIQUE_HEADERS } from './symbols.ts'

const requestStart = channel('http.server.request.start')
const responseCreated = channel('http.server.response.created')
const responseFinish = channel('http.server.response.finish')
const serverSocket = channel('net.server.socket')

const { emit } = EventEmitter.prototype

/** What is read of a server of Node's beside its public members. */
export interface ServerParts extends Server {
  readonly _events: Record<string, unknown>
  readonly httpAllowHalfOpen: boolean
  readonly joinDuplicateHeaders?: boolean
  readonly shouldUpgradeCallback?: (request: NodeRequest) => boolean
  readonly [UNIQUE_HEADERS]?: ReadonlySet<string> | null
  readonly rejectNonStandardBodyWrites?: boolean
  /** Since Node 22.13. */
  readonly blockList?: BlockList
  /** Since Node 24. */
  readonly keepAliveTimeoutBuffer?: number
  readonly [CAPTURE]?: boolean
}

/** Constructors whose prototypes are those of an application. */
interface Born {
  readonly Request: () => void
  readonly Response: () => void
}

/** The constructors for the only listener, when that is an application such as Express; null for others. */
function bornWith([listener, ...others]: readonly unknown[]): Born | null {
  const prototypes = adoptApplication(listener)
  if (prototypes === null || others.length > 0) return null
  const made = (prototype: object): (() => void) => Object.assign(function () {}, { prototype })
  return { Request: made(prototypes.request), Response: made(prototypes.response) }
}

/** A started engine, and the server whose requests it serves. */
export class Listening implements FrontOwner {
  readonly front: Front
  readonly admission: Admission
  readonly #server: ServerParts
  readonly #Socket: typeof NodeSocket
  readonly #secured: Secured | null
  readonly #joins: boolean
  readonly #unique: ReadonlySet<string> | null
  readonly #rejectsBody: boolean
  readonly #classes: MessageClasses
  /** The application gives requests and responses prototypes of its own: they are made with them. */
  readonly #born: Born | null
  /** Called when the last connection has closed. */
  whenIdle: (() => void) | null = null

  constructor(server: ServerParts, limits: EngineLimits, threads: number, Socket: typeof NodeSocket, secured: Secured | null, classes: MessageClasses) {
    this.#server = server
    this.#classes = classes
    this.#Socket = Socket
    this.#born = bornWith(server.listeners('request'))
    this.#secured = secured
    this.#joins = server.joinDuplicateHeaders === true
    this.#unique = server[UNIQUE_HEADERS] ?? null
    this.#rejectsBody = server.rejectNonStandardBodyWrites === true
    this.front = new Front(this, limits, threads)
    this.admission = new Admission(this.front.engine, server)
  }

  get isPatient(): boolean {
    return this.#server.httpAllowHalfOpen
  }

  makeSocket(connection: Connection): NodeSocket {
    if (this.admission.countsAll) this.admission.admit(connection)
    const socket = new this.#Socket(connection, this.#server)
    if (serverSocket.hasSubscribers) serverSocket.publish({ socket })
    return socket
  }

  makeRequest(exchange: Exchange, method: string, url: string, major: number, minor: number): NodeRequest {
    const { socket } = exchange.connection
    const { Request } = this.#classes
    const request =
      Request !== null
        ? requestOf(Request, exchange, method, url, major, minor)
        : this.#born === null
        ? new NodeRequest(exchange, socket, method, url, major, minor)
        : (Reflect.construct(NodeRequest, [exchange, socket, method, url, major, minor], this.#born.Request) as NodeRequest)
    if (this.#joins) request.joinDuplicateHeaders = true
    return request
  }

  makeResponse(exchange: Exchange, request: NodeRequest, socket: NodeSocket | null): NodeResponse {
    const { Response } = this.#classes
    const response =
      Response !== null
        ? responseOf(Response, exchange, request, socket, { highWaterMark: HIGH_WATER, rejectNonStandardBodyWrites: this.#rejectsBody })
        : this.#born === null
        ? new NodeResponse(exchange, request, socket)
        : (Reflect.construct(NodeResponse, [exchange, request, socket], this.#born.Response) as NodeResponse)
    if (this.#unique !== null) response[UNIQUE_HEADERS] = this.#unique
    if (this.#rejectsBody) response[REJECTS_BODY] = true
    if (areObserved()) beginEntry(request, response)
    // Node's constructor has published the others.
    if (Response === null && responseCreated.hasSubscribers) responseCreated.publish({ request, response })
    return response
  }

  handle(request: NodeRequest, response: NodeResponse): void {
    const server = this.#server
    if (!this.#begin(request, response)) return
    const listener = server._events['request']
    // Tools for tracing replace `emit`, which then has to be called; and it catches what listeners reject with.
    if (typeof listener === 'function' && server.emit === emit && server[CAPTURE] !== true) listener.call(server, request, response)
    else server.emit('request', request as never, response as never)
  }

  /** A request that is no upgrade begins. False when its connection has had its requests, and it is answered. */
  #begin(request: NodeRequest, response: NodeResponse): boolean {
    const server = this.#server
    if (requestStart.hasSubscribers) requestStart.publish({ request, response, socket: request.socket, server })
    const most = server.maxRequestsPerSocket ?? 0
    return most === 0 || request.httpVersionMajor === 2 || this.#countRequest(request, response, most)
  }

  #countRequest(request: NodeRequest, response: NodeResponse, most: number): boolean {
    const { requests, socket } = request[EXCHANGE].connection
    response.maxRequestsOnConnectionReached = requests >= most
    Object.assign(response, { _maxRequestsPerSocket: most, _keepAliveTimeout: this.#server.keepAliveTimeout })
    if (requests <= most) return true
    this.#server.emit('dropRequest', request as never, socket as never)
    response.writeHead(503)
    response.end()
    return false
  }

  handleSpecial(exchange: Exchange): boolean {
    const { request, response, flags } = exchange
    const server = this.#server
    if (request.method === 'CONNECT') return this.#connect(exchange)
    if ((flags & Flag.Upgrade) !== 0 && !exchange.isHttp2 && this.#mayUpgrade(request)) {
      this.#takeOver(exchange, 'upgrade')
      return true
    }
    if ((flags & Flag.ExpectsContinue) !== 0) {
      if (server.listenerCount('checkContinue') === 0) {
        exchange.body?.read()
        response._sent100 = true
        return false
      }
      if (exchange.body !== null) exchange.body.isHeld = true
      if (!this.#begin(request, response)) return true
      response._expect_continue = true
      server.emit('checkContinue', request as never, response as never)
      return true
    }
    if ((flags & Flag.ExpectsOther) === 0) return false
    if (!this.#begin(request, response)) return true
    if (server.listenerCount('checkExpectation') > 0) server.emit('checkExpectation', request as never, response as never)
    else {
      response.writeHead(417)
      response.end()
    }
    return true
  }

  #mayUpgrade(request: NodeRequest): boolean {
    const { shouldUpgradeCallback } = this.#server
    if (shouldUpgradeCallback !== undefined) return shouldUpgradeCallback.call(this.#server, request)
    return this.#server.listenerCount('upgrade') > 0
  }

  #connect(exchange: Exchange): true {
    if (exchange.isHttp2) {
      exchange.response.writeHead(405)
      exchange.response.end()
    } else if (this.#server.listenerCount('connect') > 0) this.#takeOver(exchange, 'connect')
    else exchange.connection.socket.destroy()
    return true
  }

  /** Gives the connection to the application, behind the earlier responses. */
  #takeOver(exchange: Exchange, event: 'upgrade' | 'connect'): void {
    const { request, connection, body } = exchange
    request.upgrade = true
    connection.facts()
    const pieces: Buffer[] = []
    const give = (): void => {
      exchange.stage = OVER
      connection.settled(exchange)
      connection.readHead((head) => {
        const { socket } = connection
        if (!this.#server.emit(event, request, socket, Buffer.concat([...pieces, head]))) socket.destroy()
      })
    }
    exchange.register()
    if (body === null || !body.isArriving()) {
      const bytes = body?.take() ?? null
      if (bytes !== null) pieces.push(bytes)
      if (!connection.takeOver(exchange, give)) connection.socket.destroy()
      return
    }
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      if (!connection.takeOver(exchange, give)) connection.socket.destroy()
    })
  }

  finished(response: NodeResponse): void {
    if (areObserved()) endEntry(response)
    if (!responseFinish.hasSubscribers) return
    const { req } = response
    responseFinish.publish({ request: req, response, socket: req.socket, server: this.#server })
  }

  onAccepted(connection: Connection): void {
    if (this.admission.isBlocked(connection)) return connection.close()
    if (this.admission.isFull()) {
      const { host = '', port } = connection.remoteAddress() ?? {}
      connection.close()
      return this.onDropped(host, port)
    }
    this.admission.admit(connection)
    this.#announce('connection', connection)
  }

  onClosed(connection: Connection): void {
    this.admission.closed(connection)
  }

  onSecured(connection: Connection): void {
    this.#announce('secureConnection', connection)
  }

  /** Tells the application of a connection, which waits to be served: with TLS for the end of the handshake. */
  #announce(event: string, connection: Connection): void {
    try {
      if (event === 'secureConnection' || this.#secured === null) connection.startTimeout()
      this.#server.emit(event, connection.socket)
    } finally {
      this.front.hot.serve(connection.slot, connection.id, null, 0)
    }
  }

  onTimeout(connection: Connection): void {
    const { socket, current } = connection
    if (connection.isRaw) {
      socket.emit('timeout')
      return
    }
    // Its streams have timeouts of their own, and it ends by that of the server alone.
    if (connection.isHttp2) {
      socket.emit('timeout')
      if (this.#server.timeout > 0 && !this.#server.emit('timeout', socket as never)) socket.destroy()
      return
    }
    const isHeard = [
      current !== null && !current.request.complete && current.request.emit('timeout', socket),
      current !== null && current.response.emit('timeout', socket),
      this.#server.emit('timeout', socket as never),
    ].includes(true)
    socket.emit('timeout')
    if (!isHeard) socket.destroy()
  }

  get timeout(): number {
    return this.#server.timeout
  }

  get restTime(): number {
    const { keepAliveTimeout, keepAliveTimeoutBuffer = 0 } = this.#server
    return keepAliveTimeout > 0 ? keepAliveTimeout + keepAliveTimeoutBuffer : 0
  }

  hearsTimeout({ socket }: Connection): boolean {
    return this.#server.listenerCount('timeout') > 0 || socket.listenerCount('timeout') > 0
  }

  get answersUnparsed(): boolean {
    return this.#server.listenerCount('clientError') > 0
  }

  onUnparsed({ socket }: Connection, error: UnparsedError): void {
    const tell = (one: Error): void => {
      if (!this.#server.emit('clientError', one, socket as never)) socket.destroy(one)
    }
    // As with Node, whose parser stays where it has failed: what follows is refused again, and the end is answered.
    socket.on('data', (rawPacket: Buffer) => tell(Object.assign(new Error(error.message), error, { bytesParsed: 0, rawPacket })))
    socket.on('end', () => void socket.end())
    tell(error)
  }

  onRefused(connection: Connection, { status, text }: Refusal): void {
    this.#server.emit('clientError', parseError(status, text), connection.socket as never)
  }

  onTlsFailed(connection: Connection, why: string): void {
    // Servers with TLS make a 'clientError' of it themselves.
    this.#server.emit('tlsClientError', tlsError(why), connection.socket)
  }

  onDropped(address: string, remotePort?: number): void {
    const { address: localAddress, port: localPort, family: localFamily } = (this.#server.address() ?? {}) as Partial<AddressInfo>
    const family = isIP(address)
    this.#server.emit('drop', {
      localAddress, localPort, localFamily,
      remoteAddress: family === 0 ? undefined : address, remotePort, remoteFamily: family === 0 ? undefined : `IPv${family}`,
    })
  }

  onServerName(connection: Connection, name: string): void {
    const { slot, id, socket } = connection
    this.#secured?.ask(this.front.engine, slot, id, name, (error) => {
      // As with Node, whatever a listener does, the connection ends.
      try {
        this.#server.emit('tlsClientError', error, socket)
      } finally {
        socket.destroy()
      }
    })
  }

  /** From now on the application hears of what the engine has refused itself, and of TLS that fails. */
  tellErrors(): void {
    this.front.engine.explainRefusals()
  }

  /** Closes the connections that speak HTTP; with `onlyIdle` those without a request. */
  closeConnections(onlyIdle: boolean): void {
    for (const connection of this.front.connections()) {
      if (connection.isHttp && (!onlyIdle || connection.isIdle)) connection.socket.destroy()
    }
    // Of those that have sent nothing only the engine knows.
    if (!onlyIdle) this.front.engine.closeSilent()
  }

  onIdle(): void {
    const { whenIdle } = this
    this.whenIdle = null
    whenIdle?.()
  }
}
