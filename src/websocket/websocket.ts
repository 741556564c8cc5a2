/**
 * WebSockets as a handler.
 */
import { TAKES_STREAMS } from '../core/observing.ts'
import { OptionError } from '../core/errors.ts'
import type { RequestHandler } from '../handler/handler.ts'
import type { Request } from '../message/request.ts'
import { Response } from '../message/response.ts'
import { WebSocketAcceptor } from './accept.ts'
import type { WebSocketListener } from './accept.ts'
import { checkWebSocketSettings } from './websocket-settings.ts'
import type { WebSocketSettings } from './websocket-settings.ts'

/** A handler of WebSockets. */
export class WebSocketHandler implements RequestHandler {
  readonly #acceptor: WebSocketAcceptor
  readonly #takesStreams: boolean

  /** @internal See `webSocket`. */
  constructor(listener: WebSocketListener, settings: WebSocketSettings) {
    if (typeof listener !== 'function') throw new OptionError('webSocket', listener, 'given a function (socket, request) => …')
    const rules = checkWebSocketSettings(settings)
    this.#acceptor = new WebSocketAcceptor(listener, rules)
    this.#takesStreams = rules.http2
  }

  /**
   * Answers a request with a WebSocket, or with an error page.
   *
   * @example handler.handleRequest(request)
   */
  handleRequest(request: Request): Response {
    const { callback, headers } = this.#acceptor.accept(request)
    const response = Response.detach(callback, { protocol: 'websocket' })
    response.setHeaders(headers)
    return response
  }

  /** @internal The server offers extended CONNECT. */
  [TAKES_STREAMS](): boolean {
    return this.#takesStreams
  }
}

/**
 * A handler that serves WebSockets by the package `ws`, which has to be installed. A server that has it somewhere among its
 * routes also serves them on streams of HTTP/2. When the server stops, each is closed with 1001.
 *
 * @example router.route('GET', '/echo', webSocket((socket) => socket.on('message', (data) => socket.send(data))))
 */
export function webSocket(listener: WebSocketListener, settings: WebSocketSettings = {}): WebSocketHandler {
  return new WebSocketHandler(listener, settings)
}
