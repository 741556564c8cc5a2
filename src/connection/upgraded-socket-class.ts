/**
 * `UpgradedSocket` as users import it. The class itself is loaded with the first socket, because it needs Node's streams,
 * which take longer to load than busbar.
 */
import { StateError } from '../core/errors.ts'
import type { UpgradedSocket as Socket } from './upgraded-socket.ts'

type SocketClass = abstract new (...settings: never[]) => Socket

let loaded: SocketClass | null = null

/** The class is loaded. */
export function provideSocketClass(socketClass: SocketClass): void {
  loaded = socketClass
}

/**
 * The bytes of an upgraded or detached connection, as a `Duplex` of Node's. Made by busbar.
 *
 * @example if (stream instanceof UpgradedSocket) console.log(stream.getClient().getId())
 */
class StandIn {
  constructor() {
    throw new StateError('sockets are made by busbar: see response.upgrade and Response.detach')
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return loaded !== null && value instanceof loaded
  }
}
Object.defineProperty(StandIn, 'name', { value: 'UpgradedSocket' })

export const UpgradedSocket = StandIn as unknown as SocketClass
export type UpgradedSocket = Socket
