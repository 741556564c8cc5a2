/**
 * Upgrades that responses ask for.
 */
import { Handover } from '../core/handover.ts'
import { HandlerError, OptionError, show } from '../core/errors.ts'
import { protocolsOf } from '../http/lists.ts'
import type { Request } from './request.ts'
import type { Response } from './response.ts'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'

/** Is given the socket of an upgraded or detached connection. An error that it throws is logged and closes the client. */
export type UpgradeHandler = (socket: UpgradedSocket, request: Request, response: Response) => void | Promise<void>

/** Settings of `Response.detach`. */
export interface DetachSettings {
  /** The protocol that the callback speaks, as clients name it in `upgrade`. */
  readonly protocol?: string | null
}

/** An upgrade that a response asks for. */
export interface Takeover {
  readonly handler: UpgradeHandler
  /** Where the handler runs. */
  readonly context: Handover
  /** Nothing is written before the handler is called. */
  readonly isDetached: boolean
  /** The protocol of a detached connection; null for any. */
  readonly protocol: string | null
}

/** Checks what `upgrade` or `detach` is given; the latter has settings. */
export function takeoverOf(handler: UpgradeHandler, settings: DetachSettings | null): Takeover {
  if (typeof handler !== 'function') {
    throw new HandlerError(`an upgrade needs a function (socket, request, response); got ${show(handler)}`)
  }
  const protocol = settings?.protocol ?? null
  if (protocol !== null && (typeof protocol !== 'string' || protocolsOf([protocol])?.join() !== protocol || protocol.includes(','))) {
    throw new OptionError('protocol', protocol, "the name of a protocol such as 'websocket'")
  }
  return { handler, context: new Handover(), isDetached: settings !== null, protocol }
}
