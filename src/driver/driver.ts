/**
 * Who drives a connection: the engine's own HTTP, or a driver written in JavaScript, chosen for each
 * connection by a factory.
 */
import type { Client } from '../connection/client.ts'
import { Http1Driver, Http2Driver } from '../connection/driver-kinds.ts'
import type { ParserDriver, StreamDriver } from '../connection/driver-kinds.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { OptionError, StateError } from '../core/errors.ts'
import type { RequestHandler } from '../handler/handler.ts'
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { ServerSocket, clientOf } from '../connection/server-socket.ts'
import type { ServerSocketHandle } from '../connection/server-socket.ts'

/** Hands over a parsed request. Resolves when its response has begun to be written. */
export type OnMessage = (request: Request, leftover?: Uint8Array) => Promise<void>

/**
 * A driver as a parser. It is made for one connection.
 *
 * The requests that it hands to `onMessage` run through the server's handler like any others; the responses
 * come back by `write`. Make requests with `Request.create`.
 *
 * @example class Echo implements HttpDriver { *setup(client, onMessage, write) { for (;;) write(yield) } … }
 */
export interface HttpDriver extends ParserDriver<Request, Response> {}

/** Names that go with the interface. */
export const HttpDriver = {
  /** The methods that every server knows. */
  KNOWN_METHODS: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'],
} as const

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

/** Whether a driver works on streams. */
export function isStreamDriver(driver: Driver): driver is StreamDriver {
  return typeof (driver as StreamDriver | null)?.handleClient === 'function'
}

function isHttpDriver(driver: HttpDriver | null): boolean {
  const methods = ['setup', 'write', 'getPendingRequestCount', 'stop'] as const
  return methods.every((method) => typeof driver?.[method] === 'function')
}

/** Throws when it is no driver. */
export function checkDriver(driver: unknown): void {
  const isOne =
    driver instanceof Http1Driver ||
    driver instanceof Http2Driver ||
    isStreamDriver(driver as Driver) ||
    isHttpDriver(driver as HttpDriver | null)
  if (!isOne) throw new OptionError('the driver', driver, 'an HttpDriver (setup, write, getPendingRequestCount, stop), a StreamDriver (handleClient) or new Http1Driver()')
}
