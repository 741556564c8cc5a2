/**
 * Properties of a server of Node's that are limits of its connections: they can be set while it listens.
 */
import type { Server } from 'node:http'

const NAMES = ['timeout', 'keepAliveTimeout', 'headersTimeout', 'requestTimeout', 'maxHeadersCount', 'maxConnections'] as const

/** The name of such a property. */
export type LimitName = (typeof NAMES)[number]

/** Calls a function when one of them is set. They look as before. */
export function watchLimits(server: Server, onSet: (name: LimitName) => void): void {
  for (const name of NAMES) {
    let value: number | null | undefined = server[name]
    Object.defineProperty(server, name, {
      configurable: true,
      enumerable: value !== undefined,
      get: () => value,
      set(given: number | null | undefined) {
        value = given
        onSet(name)
      },
    })
  }
}
