/**
 * An accepted connection before it has a client.
 */
import { createClient } from './client.ts'
import { toAddress } from '../net/socket-address.ts'
import type { Client, ClientOwner } from './client.ts'
import type { ClientFacts } from '../native.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import { tlsInfoOf } from '../tls/tls-info.ts'
import type { TlsInfo } from '../tls/tls-info.ts'

/** What a client factory knows about a socket. */
export interface ServerSocketHandle {
  /** The id that its client will have. */
  getId(): number
  /** The address at the other end, or the one that a PROXY header announces. */
  getRemoteAddress(): SocketAddress
  /** The address of the proxy that has sent a PROXY header; null without one. */
  getProxyAddress(): SocketAddress | null
  /** The address the connection arrived on. */
  getLocalAddress(): SocketAddress
  /** What TLS has negotiated; null on plaintext, and while the client factory is called: the handshake follows. */
  getTlsInfo(): TlsInfo | null
  /** Refuses the connection. */
  close(): void
}

/** The client of a socket, made on first use. */
export let clientOf: (socket: ServerSocket) => Client
/** The client of a socket; null when none was made. */
export let knownClientOf: (socket: ServerSocket) => Client | null

/** An accepted connection. */
export class ServerSocket implements ServerSocketHandle {
  readonly #facts: ClientFacts
  readonly #owner: ClientOwner
  #client: Client | null = null

  constructor(facts: ClientFacts, owner: ClientOwner) {
    this.#facts = facts
    this.#owner = owner
  }

  getId(): number {
    return this.#facts.id()
  }

  getRemoteAddress(): SocketAddress {
    return toAddress(this.#facts.remoteAddress())
  }

  getProxyAddress(): SocketAddress | null {
    const address = this.#facts.proxyAddress()
    return address === null ? null : toAddress(address)
  }

  getLocalAddress(): SocketAddress {
    return toAddress(this.#facts.localAddress())
  }

  getTlsInfo(): TlsInfo | null {
    return this.#client === null ? tlsInfoOf(this.#facts) : this.#client.getTlsInfo()
  }

  close(): void {
    if (this.#client === null) this.#facts.close()
    else this.#client.close()
  }

  static {
    clientOf = (socket) => (socket.#client ??= createClient(socket.#facts, socket.#owner))
    knownClientOf = (socket) => socket.#client
  }
}
