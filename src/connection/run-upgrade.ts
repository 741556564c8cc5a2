/**
 * Gives a raw connection, or a stream, as a socket to the application: after an upgrade, a CONNECT or a detach.
 */
import type { Handover } from '../core/handover.ts'
import type { Logger } from '../core/logger.ts'
import type { SocketTransport } from './raw-connection.ts'
import type { UpgradedSocket } from './upgraded-socket.ts'

/** Calls a function with the socket in `context`, unless the client has disconnected. */
export async function runUpgrade(
  transport: SocketTransport,
  unread: Uint8Array | null,
  callback: (socket: UpgradedSocket) => void | Promise<void>,
  context: Handover,
  logger: Logger,
): Promise<void> {
  const { UpgradedSocket, isClientGone, notifyStop } = await import('./upgraded-socket.ts')
  if (transport.isClosed()) return context.release()
  const socket = new UpgradedSocket(transport, { logger, unread })
  transport.setStop(() => notifyStop(socket))
  if (transport.isStopping()) notifyStop(socket)
  try {
    await context.run(callback, undefined, socket)
  } catch (exception) {
    if (!isClientGone(socket, exception)) {
      logger.error(`an upgrade callback failed: client ${transport.getClient().getId()}`, { exception })
    }
    transport.close()
  } finally {
    context.release()
  }
}
