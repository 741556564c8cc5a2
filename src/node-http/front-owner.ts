/**
 * What the front, which takes the engine's notices, asks of the server whose requests it serves.
 */
import type { Connection } from './connection.ts'
import type { Exchange } from './exchange.ts'
import type { UnparsedError } from './node-errors.ts'
import type { NodeRequest } from './node-request.ts'
import type { NodeResponse } from './node-response.ts'
import type { NodeSocket } from './node-socket.ts'

/** A refusal of bytes that are no request. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

/** What a front needs of its server. */
export interface FrontOwner {
  /** Makes the socket of a new connection. */
  makeSocket(connection: Connection): NodeSocket
  /** Makes the request of an exchange. */
  makeRequest(exchange: Exchange, method: string, url: string, major: number, minor: number): NodeRequest
  /** Makes the response of an exchange; its socket is null while earlier ones are due. */
  makeResponse(exchange: Exchange, request: NodeRequest, socket: NodeSocket | null): NodeResponse
  /** Calls the application. */
  handle(request: NodeRequest, response: NodeResponse): void
  /** Takes a request with an Upgrade, an Expect or CONNECT; false when it is an ordinary one. */
  handleSpecial(exchange: Exchange): boolean
  /** The response is sent as far as the application is concerned. */
  finished(response: NodeResponse): void
  onAccepted(connection: Connection): void
  onSecured(connection: Connection): void
  onClosed(connection: Connection): void
  onTimeout(connection: Connection): void
  /** This and the next two: see `ConnectionOwner`. */
  readonly timeout: number
  readonly restTime: number
  hearsTimeout(connection: Connection): boolean
  /** The application hears of bytes that are no request, and answers them. */
  readonly answersUnparsed: boolean
  /** Bytes that are no request: the connection is the application's. */
  onUnparsed(connection: Connection, error: UnparsedError): void
  /** The engine has refused and answered what was no request. */
  onRefused(connection: Connection, refusal: Refusal): void
  /** A TLS handshake, or TLS itself, has failed. */
  onTlsFailed(connection: Connection, why: string): void
  onDropped(address: string): void
  onServerName(connection: Connection, name: string): void
  onIdle(): void
  /** A client that has closed its sending side still gets its response. */
  readonly isPatient: boolean
}
