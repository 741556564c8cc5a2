/**
 * Who drives a connection: the engine's own HTTP, or a driver written in JavaScript, chosen for each
 * connection by a factory.
 */
import type { Readable, Writable } from 'node:stream'
import type { Client } from '../connection/client.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { OptionError, StateError } from '../core/errors.ts'
import type { RequestHandler } from '../handler/handler.ts'
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { ServerSocket, clientOf } from '../connection/server-socket.ts'
import type { ServerSocketHandle } from '../connection/server-socket.ts'

/** What a parser is given: bytes, or null when the promise that it yielded has settled. */
export type ParserInput = Uint8Array | null
/** What a parser yields: nothing for 'more bytes, please', or a promise during which nothing is read. */
export type ParserYield = PromiseLike<unknown> | null | undefined
/** A parser of what a client sends. */
export type Parser = Generator<ParserYield, void, ParserInput>

/** Hands over a parsed request. Resolves when its response has begun to be written. */
export type OnMessage = (request: Request, leftover?: Uint8Array) => Promise<void>
/** Sends bytes; `close` ends the connection behind them. Resolves when at most 64 KiB wait to be sent. */
export type WriteBytes = (data: string | Uint8Array, close?: boolean) => Promise<void>

/**
 * A driver as a parser. It is made for one connection.
 *
 * The requests that it hands to `onMessage` run through the server's handler like any others; the responses
 * come back by `write`. Make requests with `Request.create`.
 *
 * @example class Echo implements HttpDriver { *setup(client, onMessage, write) { for (;;) write(yield) } … }
 */
export interface HttpDriver {
  /**
   * Called once. The parser is run up to its first `yield` before anything is read. When the connection ends
   * the parser is returned to, so that its `finally` can fail what is open; one that throws closes it.
   */
  setup(client: Client, onMessage: OnMessage, write: WriteBytes): Parser
  /** Sends the response to a request that was given to `onMessage`, the same object. */
  write(request: Request, response: Response): Promise<void>
  /** Requests whose body is being read. */
  getPendingRequestCount(): number
  /** Hands over no more requests; resolves when all that were are answered. */
  stop(): Promise<void>
}

/** Names that go with the interface. */
export const HttpDriver = {
  /** The methods that every server knows. */
  KNOWN_METHODS: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'],
} as const

/**
 * A driver as a function over streams. `readable` and `writable` are one and the same `UpgradedSocket`.
 *
 * @example const echo: StreamDriver = { handleClient: (client, readable, writable) => pipeline(readable, writable) }
 */
export interface StreamDriver {
  /**
   * The connection's bytes. When the promise resolves what was written is sent and the connection closed;
   * when it rejects the connection is closed at once.
   */
  handleClient(client: Client, readable: Readable, writable: Writable): Promise<void>
  /** Called when the server or the client is to stop, instead of leaving it to the socket's `onStop`. */
  stop?(): void | Promise<void>
}

/**
 * A driver made of a function over streams.
 *
 * @example selectDriver: () => streamDriver(async (client, readable, writable) => pipeline(readable, writable))
 */
export function streamDriver(handleClient: StreamDriver['handleClient']): StreamDriver {
  if (typeof handleClient !== 'function') {
    throw new OptionError('handleClient', handleClient, 'a function (client, readable, writable) that returns a promise')
  }
  return { handleClient }
}

/**
 * Stands for the engine's HTTP/1.
 *
 * @example selectDriver: () => new Http1Driver()
 */
export class Http1Driver {
  /** Name of the protocol, as ALPN has it. */
  readonly protocol = 'http/1.1'
}

/**
 * Stands for the engine's HTTP/2, which doesn't exist yet: making one throws.
 *
 * @example selectDriver: (client) => isHttp2(client) ? new Http2Driver() : new Http1Driver()
 */
export class Http2Driver {
  /** Name of the protocol, as ALPN has it. */
  readonly protocol = 'h2'

  constructor() {
    throw new StateError('this version of busbar speaks no HTTP/2; use Http1Driver')
  }
}

/** Anything that can drive a connection. */
export type Driver = HttpDriver | StreamDriver | Http1Driver | Http2Driver

/**
 * Chooses who drives a connection, before anything is read of it.
 *
 * @example setDriverFactory({ selectDriver: () => new LineDriver(), getApplicationLayerProtocols: () => [] })
 */
export interface HttpDriverFactory {
  selectDriver(client: Client, errorHandler: ErrorHandler, logger: Logger, options: Options): Driver
  /** What TLS offers to clients, in order of preference. */
  getApplicationLayerProtocols(): string[]
}

/**
 * Lets the engine drive every connection.
 *
 * @example const inner = new DefaultHttpDriverFactory()
 */
export class DefaultHttpDriverFactory implements HttpDriverFactory {
  /**
   * The engine's HTTP/1.
   *
   * @example factory.selectDriver() // Http1Driver
   */
  selectDriver(): Driver {
    return new Http1Driver()
  }

  /**
   * What TLS offers to clients.
   *
   * @example factory.getApplicationLayerProtocols() // ['http/1.1']
   */
  getApplicationLayerProtocols(): string[] {
    return ['http/1.1']
  }
}

/**
 * Makes the clients of accepted sockets, or refuses them with null. Wrap a `DefaultClientFactory`: clients
 * can't be made otherwise.
 *
 * @example createClient: (socket, ...rest) => isBanned(socket) ? null : inner.createClient(socket, ...rest)
 */
export interface ClientFactory {
  /** What comes behind the socket is the server's own, for whoever wants to log or to look. */
  createClient(
    socket: ServerSocketHandle,
    requestHandler: RequestHandler,
    errorHandler: ErrorHandler,
    logger: Logger,
    options: Options,
  ): Client | null
}

/**
 * Makes a client of every socket.
 *
 * @example const inner: ClientFactory = new DefaultClientFactory()
 */
export class DefaultClientFactory implements ClientFactory {
  /**
   * The socket's client; the same one each time.
   *
   * @example inner.createClient(socket, requestHandler, errorHandler, logger, options)
   */
  createClient(socket: ServerSocketHandle): Client {
    if (socket instanceof ServerSocket) return clientOf(socket)
    throw new StateError('createClient takes the socket that the server gave to its client factory')
  }
}
