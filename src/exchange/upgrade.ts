/**
 * Takes a connection over for the application: upgrades, CONNECT, and detached connections. Of HTTP/2 a stream.
 *
 * ```text
 *   HTTP/1: the response ──► its body is read ──► earlier answers are sent, then the 101 ──► the callback
 *   HTTP/2: the response ──► a 200 is sent ──► the callback
 * ```
 */
import { markExported } from '../connection/client.ts'
import { HandlerError } from '../core/errors.ts'
import { FIELDS } from '../http/http-message.ts'
import type { Exchange } from './exchange.ts'
import type { Logger } from '../core/logger.ts'
import type { HotFunctions } from '../native.ts'
import { Tunnel } from './tunnel.ts'
import type { TunnelOwner } from './tunnel.ts'
import { RawConnection } from '../connection/raw-connection.ts'
import type { RawConnections } from '../connection/raw-connection.ts'
import { runUpgrade } from '../connection/run-upgrade.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { upgradeOption } from '../message/response-head.ts'
import type { Takeover } from '../message/takeover.ts'

/** What `hot.upgrade` answers. */
const TAKEN = 0
const OCCUPIED = 2
const STREAM = 3

/** What a takeover needs of its server. */
export interface UpgradeOwner extends TunnelOwner {
  readonly hot: HotFunctions
  readonly rawConnections: RawConnections
  readonly logger: Logger
  /** Answers the request as one whose handler has failed. */
  fail(request: Request, exchange: Exchange, error: unknown): void
}

/** Takes the connection over for a response. `onDone` is called when the response is sent or can't be. */
export function upgrade(
  owner: UpgradeOwner,
  request: Request,
  exchange: Exchange,
  response: Response,
  takeover: Takeover,
  onDone: () => void,
): void {
  if (exchange.isHttp2()) return takeStream(owner, request, exchange, response, takeover, onDone)
  const { handler, context, isDetached } = takeover
  // A successful response to CONNECT is an ordinary head, after which the tunnel begins. RFC 9110 §9.3.6.
  const isTunnel = exchange.method() === 'CONNECT' && !isDetached
  const lines = isDetached || isTunnel ? null : upgradeLines(response)
  // Otherwise the head would keep a whole slab as long as the socket lives.
  exchange.ownHead()
  const take = (): void => {
    const result = owner.hot.upgrade(exchange.slot, exchange.requestId, lines)
    if (result === OCCUPIED) throw new HandlerError("the connection can't be taken over: its client has sent further requests")
    exchange.markAnswered()
    if (result !== TAKEN) return onDone()
    markExported(exchange.client())
    exchange.awaitUpgrade(() => {
      onDone()
      const raw = new RawConnection(exchange.client(), exchange.slot, owner.hot, owner.rawConnections)
      if (isTunnel) raw.write(tunnelHead(response))
      void runUpgrade(raw, null, (socket) => handler(socket, request, response), context, owner.logger)
    }, onDone)
  }
  if (!exchange.hasIncomingBody()) return take()
  exchange.drain().then(take).catch((error: unknown) => {
    onDone()
    owner.fail(request, exchange, error)
  })
}

/**
 * Takes the stream of an extended CONNECT over. The engine resets any other: the client repeats the request by
 * HTTP/1.1. RFC 9113 §8.6.
 */
function takeStream(
  owner: UpgradeOwner,
  request: Request,
  exchange: Exchange,
  response: Response,
  { handler, context }: Takeover,
  onDone: () => void,
): void {
  exchange.ownHead()
  const result = owner.hot.upgrade(exchange.slot, exchange.requestId, linesOf(response))
  exchange.markAnswered()
  onDone()
  if (result !== STREAM) return
  exchange.onUpgraded()
  void runUpgrade(new Tunnel(owner, exchange), null, (socket) => handler(socket, request, response), context, owner.logger)
}

/** The fields of a 101. RFC 9110 §7.8. */
function upgradeLines(response: Response): string {
  const lines = linesOf(response)
  if (response.hasHeader('upgrade')) return lines + upgradeOption(response[FIELDS]())
  throw new HandlerError('a 101 names the protocol it switches to: set the header upgrade, or use Response.detach')
}

function tunnelHead(response: Response): string {
  return `HTTP/1.1 200 OK\r\ndate: ${new Date().toUTCString()}\r\n${linesOf(response)}\r\n`
}

function linesOf(response: Response): string {
  const pairs = response.getRawHeaders().filter(([name]) => name.toLowerCase() !== 'content-length')
  return pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('')
}
