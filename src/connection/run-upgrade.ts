/**
 * Gives a raw connection as a socket to the application: after an upgrade, a CONNECT or a detach.
 */
import { setActiveDriver } from './client.ts'
import type { Handover } from '../core/handover.ts'
import type { Logger } from '../core/logger.ts'
import type { RawConnection } from './raw-connection.ts'
import type { UpgradedSocket } from './upgraded-socket.ts'

/** A connection whose requests and deadlines are no longer the server's. */
const EXPORTED = {
  pendingRequests: () => 0,
  pendingResponses: () => 0,
  isWaitingOnResponse: () => false,
  expiration: () => 0,
  extendExpiration: () => {},
}

/** Calls a function with the socket in `context`, unless the client has disconnected. */
export async function runUpgrade(
  raw: RawConnection,
  unread: Uint8Array | null,
  callback: (socket: UpgradedSocket) => void | Promise<void>,
  context: Handover,
  logger: Logger,
): Promise<void> {
  const { client } = raw
  const { UpgradedSocket, isClientGone, notifyStop } = await import('./upgraded-socket.ts')
  if (client.isClosed()) return context.release()
  const socket = new UpgradedSocket(raw, { logger, unread })
  setActiveDriver(client, { ...EXPORTED, stop: () => notifyStop(socket) })
  if (raw.isStopping()) notifyStop(socket)
  try {
    await context.run(callback, undefined, socket)
  } catch (exception) {
    if (!isClientGone(socket, exception)) logger.error(`an upgrade callback failed: client ${client.getId()}`, { exception })
    client.close()
  } finally {
    context.release()
  }
}
