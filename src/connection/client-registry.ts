/**
 * The clients of one server that the application has asked for.
 *
 * A close has one order, which this class keeps: the client is closed and its close hooks run first, then the
 * requests of that client fail. So what a request reports is seen on a closed client. The engine announces a close
 * to each pending request (`Aborted`) and to the client (`Closed`), in this order.
 */
import { createClient, markClosed, markHalfClosed } from './client.ts'
import type { Client, ClientOwner } from './client.ts'
import type { ClientFacts } from '../native.ts'

/** Gives the engine's facts of a connection, from which its client is made. */
export interface FactsSource {
  openFacts(): ClientFacts
}

/** Clients by id. */
export class ClientRegistry {
  readonly #owner: ClientOwner
  readonly #clients = new Map<number, Client>()

  constructor(owner: ClientOwner) {
    this.#owner = owner
  }

  /** The client with an id: the same object until its close was announced. */
  of(id: number, source: FactsSource): Client {
    const known = this.#clients.get(id)
    if (known !== undefined) return known
    const client = createClient(source.openFacts(), this.#owner)
    this.adopt(client)
    return client
  }

  /** Announces the close of a client to it from now on. */
  adopt(client: Client): void {
    if (!client.isClosed()) this.#clients.set(client.getId(), client)
  }

  /** A request is aborted because its client has disconnected: call this before the request fails. */
  aborted(client: Client): void {
    markClosed(client)
  }

  /** The connection has closed. False when the application has no client of it. */
  closed(id: number): boolean {
    const client = this.#clients.get(id)
    if (client === undefined) return false
    this.#clients.delete(id)
    markClosed(client)
    return true
  }

  /** The peer has closed its sending side. */
  halfClosed(id: number): void {
    const client = this.#clients.get(id)
    if (client !== undefined) markHalfClosed(client)
  }
}
