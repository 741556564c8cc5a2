/**
 * Servers with TLS: what they have beside those without.
 */
import type { Server as NodeServer } from 'node:http'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { Secured } from './secured.ts'
import { SecureSocket } from './secure-socket.ts'
import { securedOf } from './server.ts'
import type { ServerKind } from './server.ts'
import { TLS_EVENTS, protocolsOf, tlsObstacle } from './tls-contexts.ts'

/** A server of Node's with TLS. */
interface TlsServer extends NodeServer {
  setSecureContext(options: SecureContextOptions): void
  addContext(name: string, context: SecureContextOptions): void
  getTicketKeys(): Buffer
  setTicketKeys(keys: Buffer): void
}

/** Servers with TLS that offer these protocols unless their options name others. */
export function secureKind(protocols: (options: TlsOptions) => readonly string[]): ServerKind {
  return {
    obstacle: (server, options) => {
      const why = tlsObstacle(options as TlsOptions)
      if (why !== null) return why
      const heard = TLS_EVENTS.find((event) => server.listenerCount(event) > 0)
      if (heard !== undefined) return `it listens to '${heard}', which is Node's own TLS`
      try {
        // Node has accepted the certificate; rustls is stricter.
        securedOf(server)?.context()
        return null
      } catch (error) {
        return (error as Error).message
      }
    },
    secure: (server, options) => {
      const given = options as TlsOptions
      return new Secured(server, given, protocolsOf(given.ALPNProtocols, protocols(given)))
    },
    lostEvents: TLS_EVENTS,
    Socket: SecureSocket as never,
  }
}

/** The members of servers with TLS that differ from Node's; `base` are Node's. */
export function secureMembers(base: object): PropertyDescriptorMap {
  const nodes = base as TlsServer
  const members = {
    setSecureContext(this: TlsServer, options: SecureContextOptions): void {
      nodes.setSecureContext.call(this, options)
      securedOf(this)?.replace(options)
    },

    addContext(this: TlsServer, name: string, context: SecureContextOptions): void {
      nodes.addContext.call(this, name, context)
      securedOf(this)?.add(name, context)
    },

    // Those that are asked for are given to other servers, so the engine has to seal by them.
    getTicketKeys(this: TlsServer): Buffer {
      const ticketKeys = nodes.getTicketKeys.call(this)
      securedOf(this)?.replace({ ticketKeys } as TlsOptions)
      return ticketKeys
    },

    setTicketKeys(this: TlsServer, keys: Buffer): void {
      nodes.setTicketKeys.call(this, keys)
      securedOf(this)?.replace({ ticketKeys: keys } as TlsOptions)
    },
  }
  return Object.getOwnPropertyDescriptors(members)
}
