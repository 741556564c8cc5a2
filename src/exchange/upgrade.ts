/**
 * Handing a connection over to an application: upgrades, CONNECT, and connections that are detached.
 *
 * ```text
 *   the response ──► its body is read ──► earlier answers are sent, then the 101 ──► the callback
 * ```
 */
import { AsyncResource } from '../core/builtin.ts'
import { markExported, setActiveDriver } from '../connection/client.ts'
import type { Dispatcher } from '../server/dispatcher.ts'
import { HandlerError } from '../core/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Logger } from '../core/logger.ts'
import { RawConnection } from '../connection/raw-connection.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'

/** What `hot.upgrade` answers. */
const TAKEN = 0
const OCCUPIED = 2

/** Gets the socket of an upgraded or detached connection. An error in it is logged and closes the client. */
export type UpgradeHandler = (socket: UpgradedSocket, request: Request, response: Response) => void | Promise<void>

/** What becomes of the connection behind a response. */
export interface Takeover {
  readonly handler: UpgradeHandler
  /** Nothing is written ahead. */
  readonly isDetached: boolean
}

/** A connection that nobody counts or times any more. */
const EXPORTED = {
  pendingRequests: () => 0,
  pendingResponses: () => 0,
  runningHandlers: () => 0,
  expiration: () => 0,
  extendExpiration: () => {},
}

/** Takes the connection over for a response. `onDone` is called when the response is done with. */
export function upgrade(
  dispatcher: Dispatcher,
  request: Request,
  exchange: Exchange,
  response: Response,
  { handler, isDetached }: Takeover,
  onDone: () => void,
): void {
  // The answer to CONNECT is an ordinary one, behind which the tunnel begins. RFC 9110 §9.3.6.
  const isTunnel = exchange.method() === 'CONNECT' && !isDetached
  const lines = isDetached || isTunnel ? null : upgradeLines(response)
  // The head mustn't keep a slab for as long as the socket lives.
  exchange.ownHead()
  const take = (): void => {
    const result = dispatcher.hot.upgrade(exchange.slot, exchange.requestId, lines)
    if (result === OCCUPIED) throw occupied(exchange, lines !== null)
    exchange.markAnswered()
    if (result !== TAKEN) return onDone()
    markExported(exchange.client())
    // Within the request's context, whose AsyncLocalStorage the callback sees.
    const resource = new AsyncResource('busbar.Upgrade', { requireManualDestroy: true })
    exchange.awaitUpgrade(() => {
      onDone()
      const raw = new RawConnection(exchange.client(), exchange.slot, dispatcher.hot, dispatcher.rawConnections)
      if (isTunnel) raw.write(tunnelHead(response))
      void runUpgrade(raw, null, request, response, handler, resource, dispatcher.logger)
    }, onDone)
  }
  if (!exchange.hasIncomingBody()) return take()
  exchange.drain().then(take).catch((error: unknown) => {
    onDone()
    dispatcher.fail(request, exchange, error)
  })
}

/** Calls the handler with the socket, unless the client has gone. */
export async function runUpgrade(
  raw: RawConnection,
  unread: Uint8Array | null,
  request: Request,
  response: Response,
  handler: UpgradeHandler,
  resource: AsyncResource,
  logger: Logger,
): Promise<void> {
  const { client } = raw
  const { UpgradedSocket, isClientGone, notifyStop } = await import('../connection/upgraded-socket.ts')
  if (client.isClosed()) return
  const socket = new UpgradedSocket(raw, { logger, unread })
  setActiveDriver(client, { ...EXPORTED, stop: () => notifyStop(socket) })
  if (raw.isStopping()) notifyStop(socket)
  try {
    await resource.runInAsyncScope(handler, undefined, socket, request, response)
  } catch (exception) {
    if (!isClientGone(socket, exception)) logger.error(`an upgrade callback failed: client ${client.getId()}`, { exception })
    client.close()
  }
}

/** The fields of a 101. RFC 9110 §7.8. */
function upgradeLines(response: Response): string {
  const lines = linesOf(response)
  if (response.hasHeader('upgrade')) return `${lines}connection: upgrade\r\n`
  throw new HandlerError('a 101 names the protocol it switches to: set the header upgrade, or use Response.detach')
}

function tunnelHead(response: Response): string {
  return `HTTP/1.1 200 OK\r\ndate: ${new Date().toUTCString()}\r\n${linesOf(response)}\r\n`
}

function linesOf(response: Response): string {
  const pairs = response.getRawHeaders().filter(([name]) => name.toLowerCase() !== 'content-length')
  return pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('')
}

function occupied(exchange: Exchange, switches: boolean): HandlerError {
  const why =
    switches && exchange.version() === '1.0'
      ? 'HTTP/1.0 has no upgrades; Response.detach is possible'
      : 'other requests stand behind this one, which does not ask for an upgrade'
  return new HandlerError(`the connection can't be handed over: ${why}`)
}
