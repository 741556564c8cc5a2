/**
 * WebSockets by the package `ws`, on connections of HTTP/1 and streams of HTTP/2. RFC 6455, RFC 8441.
 *
 *   request ──► may it? 403, 405, 400, 426 ──► Response.detach ──► handshake of `ws` ──► listener(socket, request)
 *
 * `ws` reads frames from the socket of the upgrade, writes to it, and pauses it while its application does.
 */
import type { IncomingMessage } from 'node:http'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import type { UpgradeHandler } from '../message/takeover.ts'
import type { WebSocketRules } from './websocket-settings.ts'

/** Is given each WebSocket when it is open. An error that it throws is logged, and closes the WebSocket with 1011. */
export type WebSocketListener = (socket: WebSocket, request: Request) => void | Promise<void>

/** How the connection of a request becomes a WebSocket. */
export interface Acceptance {
  readonly callback: UpgradeHandler
  /** Fields of the response that opens a stream of HTTP/2. */
  readonly headers: Readonly<Record<string, string>>
}

/** Milliseconds for which a socket whose listener has failed may end its protocol. */
const FAREWELL = 1000

/** Accepts the WebSockets of one route. */
export class WebSocketAcceptor {
  readonly #listener: WebSocketListener
  readonly #rules: WebSocketRules
  readonly #server: WebSocketServer

  constructor(listener: WebSocketListener, rules: WebSocketRules) {
    this.#listener = listener
    this.#rules = rules
    const { maxPayload, perMessageDeflate } = rules
    const handleProtocols = (offered: Set<string>): string | false => this.#chosen([...offered]) ?? false
    this.#server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate, handleProtocols })
  }

  /** Throws an `HttpErrorException` for a request that can't become a WebSocket; one that doesn't ask for it gets a 426. */
  accept(request: Request): Acceptance {
    if (request.getMethod() !== 'GET') throw new HttpErrorException(405, { headers: { allow: 'GET' } })
    const isHttp2 = request.getProtocolVersion() === '2'
    if (request.getUpgrade()?.some((protocol) => protocol.toLowerCase() === 'websocket') === true) {
      this.#check(request, isHttp2)
    }
    const offered = request.getHeaderLine('sec-websocket-protocol')?.split(',').map((name) => name.trim()) ?? []
    const protocol = this.#chosen(offered)
    return {
      callback: (socket) => this.#open(socket, request, isHttp2),
      headers: isHttp2 && protocol !== undefined ? { 'sec-websocket-protocol': protocol } : {},
    }
  }

  #check(request: Request, isHttp2: boolean): void {
    const origin = request.getHeader('origin')
    if (this.#rules.origins !== null && (origin === null || !this.#rules.origins.has(origin))) throw new HttpErrorException(403)
    if (request.getHeader('sec-websocket-version') !== '13') {
      throw new HttpErrorException(426, { headers: { 'sec-websocket-version': '13', upgrade: 'websocket' } })
    }
    if (!isHttp2 && !/^[+/0-9A-Za-z]{22}==$/.test(request.getHeader('sec-websocket-key') ?? '')) throw new HttpErrorException(400)
  }

  /** The first of our subprotocols that the client offers. */
  #chosen(offered: readonly string[]): string | undefined {
    return this.#rules.protocols.find((protocol) => offered.includes(protocol))
  }

  #open(socket: UpgradedSocket, request: Request, isHttp2: boolean): Promise<void> {
    // The 200 of the stream is the server's, and stands for the 101 that `ws` writes.
    if (isHttp2) skipFirstWrite(socket)
    return new Promise((resolve, reject) => {
      // The socket itself delivers bytes that have arrived early.
      this.#server.handleUpgrade(nodeRequest(request, socket, isHttp2), socket, Buffer.alloc(0), (webSocket) => {
        this.#run(webSocket, socket, request).then(resolve, reject)
      })
    })
  }

  async #run(webSocket: WebSocket, socket: UpgradedSocket, request: Request): Promise<void> {
    // `ws` answers an invalid frame itself; without a listener the error event would end the process.
    webSocket.on('error', () => {})
    socket.onStop(() => webSocket.close(1001, 'the server stops'))
    limitUnsent(webSocket, socket, this.#rules.sendBufferLimit)
    try {
      await this.#listener(webSocket, request)
    } catch (error) {
      webSocket.close(1011)
      await closed(webSocket)
      throw error
    }
  }
}

/** Reads no more messages while too many bytes wait to be sent, as for a client that sends and doesn't read. */
function limitUnsent(webSocket: WebSocket, socket: UpgradedSocket, limit: number): void {
  let isPaused = false
  webSocket.on('message', () => {
    // Behind the listeners of the application, which may send.
    queueMicrotask(() => {
      if (isPaused || webSocket.isPaused || webSocket.bufferedAmount <= limit) return
      isPaused = true
      webSocket.pause()
    })
  })
  socket.on('drain', () => {
    if (!isPaused) return
    isPaused = false
    webSocket.resume()
  })
}

function closed(webSocket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => webSocket.terminate(), FAREWELL)
    webSocket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Leaves out what is written first. */
function skipFirstWrite(socket: UpgradedSocket): void {
  const { write } = socket
  socket.write = () => {
    socket.write = write
    return true
  }
}

/** What `ws` reads of a request of node:http. */
function nodeRequest(request: Request, socket: UpgradedSocket, isHttp2: boolean): IncomingMessage {
  const headers = request.getNodeHeaders()
  if (isHttp2) {
    // HTTP/2 has no key. Extensions would be named in the 101, which is left out.
    headers['sec-websocket-key'] = 'AAAAAAAAAAAAAAAAAAAAAA=='
    delete headers['sec-websocket-extensions']
  }
  return { method: request.getMethod(), url: request.getTarget(), headers, socket } as unknown as IncomingMessage
}
