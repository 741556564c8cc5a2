/**
 * `upgradeWebSocket` for Hono.
 */
import { WSContext, defineWebSocketHelper } from 'hono/ws'
import type { UpgradeWebSocket, WSEvents, WSMessageReceive } from 'hono/ws'
import type { RawData, WebSocket } from 'ws'
import { WebSocketAcceptor } from '../websocket/accept.ts'
import { checkWebSocketSettings } from '../websocket/websocket-settings.ts'
import type { WebSocketSettings } from '../websocket/websocket-settings.ts'
import { contextIn } from './context.ts'

/**
 * Upgrades a request of Hono to a WebSocket of the package `ws`, which is the `raw` of Hono's. Requests that don't ask for it
 * go to the next handler. For streams of HTTP/2 the server needs the option `extendedConnect`.
 *
 * @example app.get('/echo', upgradeWebSocket(() => ({ onMessage: (event, socket) => socket.send(event.data as string) })))
 */
export const upgradeWebSocket: UpgradeWebSocket<WebSocket, WebSocketSettings> = defineWebSocketHelper<WebSocket, WebSocketSettings>(
  (c, events, settings = {}) => {
    const context = contextIn(c)
    const { request } = context
    if (request.getUpgrade()?.some((protocol) => protocol.toLowerCase() === 'websocket') !== true) return
    const url = c.req.url
    const acceptor = new WebSocketAcceptor((socket) => attach(socket, url, events), checkWebSocketSettings(settings))
    const { callback, headers } = acceptor.accept(request)
    context.detach(callback, 'websocket', headers)
    // The connection is handed over in place of this response.
    return new Response()
  },
)

/** Passes the events of a socket to an application. */
function attach(socket: WebSocket, url: string, events: WSEvents<WebSocket>): void {
  const context = new WSContext<WebSocket>({
    send: (data, { compress }) => socket.send(data, compress === undefined ? {} : { compress }),
    close: (code, reason) => socket.close(code, reason),
    raw: socket,
    get readyState() {
      return socket.readyState
    },
    url,
    protocol: socket.protocol,
  })
  const fail = (error: unknown): void => {
    events.onError?.(Object.assign(new Event('error'), { error }), context)
  }
  socket.on('message', (data, isBinary) => {
    try {
      events.onMessage?.(new MessageEvent('message', { data: messageOf(data, isBinary) }), context)
    } catch (error) {
      fail(error)
    }
  })
  socket.on('error', fail)
  socket.on('close', (code, reason) => {
    const event = Object.assign(new Event('close'), { code, reason: String(reason), wasClean: code !== 1006 })
    events.onClose?.(event as CloseEvent, context)
  })
  events.onOpen?.(new Event('open'), context)
}

/** Text as a string, bytes in memory of their own. */
function messageOf(data: RawData, isBinary: boolean): WSMessageReceive {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data
  return isBinary ? Uint8Array.from(bytes).buffer : bytes.toString()
}
