/**
 * Clients of requests that are answered without a socket.
 */
import type { BoundAddress, ClientFacts } from '../native.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import { createClient } from './client.ts'
import type { Client, ClientOwner } from './client.ts'

/** What a test says about the connection of its request. */
export interface InjectedConnection {
  /** The client's address; null for one on this machine. */
  readonly remoteAddress: SocketAddress | null
  readonly isEncrypted: boolean
}

/** Ids below those of the engine, which count from 1. */
let lastId = 0

const LOCAL: BoundAddress = { family: 'IPv4', host: '127.0.0.1', port: 80 }

/** A client that is open until it is closed. */
export function makeInjectedClient(
  { remoteAddress, isEncrypted }: InjectedConnection,
  owner: ClientOwner,
  local: SocketAddress | null,
): Client {
  return createClient(new InjectedFacts(remoteAddress, local, isEncrypted), owner)
}

/** The facts that the engine has of other clients. */
class InjectedFacts implements ClientFacts {
  readonly #id = --lastId
  readonly #remote: BoundAddress
  readonly #local: BoundAddress
  readonly #isEncrypted: boolean
  #isClosed = false

  constructor(remote: SocketAddress | null, local: SocketAddress | null, isEncrypted: boolean) {
    this.#remote = remote === null ? { ...LOCAL, port: 0 } : boundAddress(remote)
    this.#local = local === null ? LOCAL : boundAddress(local)
    this.#isEncrypted = isEncrypted
  }

  id(): number {
    return this.#id
  }

  remoteAddress(): BoundAddress {
    return this.#remote
  }

  proxyAddress(): null {
    return null
  }

  isEncryptedToProxy(): boolean {
    return false
  }

  localAddress(): BoundAddress {
    return this.#local
  }

  isEncrypted(): boolean {
    return this.#isEncrypted
  }

  isSecured(): boolean {
    return this.#isEncrypted
  }

  tls(): null {
    return null
  }

  peerError(): null {
    return null
  }

  status(): number {
    return this.#isClosed ? 3 : 0
  }

  pendingRequests(): number {
    return 0
  }

  pendingResponses(): number {
    return this.#isClosed ? 0 : 1
  }

  isWaitingOnResponse(): boolean {
    return false
  }

  runningHandlers(): number {
    return this.#isClosed ? 0 : 1
  }

  expiration(): number {
    return 0
  }

  extendExpiration(): void {}

  close(): boolean {
    const wasOpen = !this.#isClosed
    this.#isClosed = true
    return wasOpen
  }

  resetOnClose(): void {}

  stop(): void {}
}

function boundAddress(address: SocketAddress): BoundAddress {
  const port = address.getPort()
  if (port === null) return { family: 'unix', host: address.getHost(), port: 0 }
  return { family: address.getVersion() === 6 ? 'IPv6' : 'IPv4', host: address.getHost(), port }
}
