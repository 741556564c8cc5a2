/**
 * Drivers that speak HTTP, and the factories that select the driver and make the client of each connection.
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

/** Hands over a parsed request. Resolves when the driver begins to write its response. */
export type OnMessage = (request: Request, leftover?: Uint8Array) => Promise<void>

/**
 * A driver as a parser. It is made for one connection.
 *
 * The server's handler answers the requests that it hands to `onMessage`; the responses are passed to `write`.
 * Make requests with `Request.create`.
 *
 * @example class Echo implements HttpDriver { *setup(client, onMessage, write) { for (;;) write(yield) } … }
 */
export interface HttpDriver extends ParserDriver<Request, Response> {}

/** Constants that belong to the interface. */
export const HttpDriver = {
  /** The methods of RFC 9110 and PATCH. */
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

/** Any driver of a connection. */
export type Driver = HttpDriver | StreamDriver | Http1Driver | Http2Driver

/**
 * Selects the driver of a connection before anything is read from it.
 *
 * @example setDriverFactory({ selectDriver: () => new LineDriver(), getApplicationLayerProtocols: () => [] })
 */
export interface HttpDriverFactory {
  selectDriver(client: Client, errorHandler: ErrorHandler, logger: Logger, options: Options): Driver
  /** The protocols that TLS offers by ALPN, in order of preference. */
  getApplicationLayerProtocols(): string[]
}

/**
 * Selects the engine's HTTP for every connection.
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
   * The protocols that TLS offers by ALPN.
   *
   * @example factory.getApplicationLayerProtocols() // ['http/1.1']
   */
  getApplicationLayerProtocols(): string[] {
    return ['http/1.1']
  }
}

/**
 * Makes the clients of accepted sockets; null refuses a connection. Wrap a `DefaultClientFactory`, the only way to
 * make clients.
 *
 * @example createClient: (socket, ...rest) => isBanned(socket) ? null : inner.createClient(socket, ...rest)
 */
export interface ClientFactory {
  /** The further arguments are those of the server: its handler, error handler, logger and options. */
  createClient(
    socket: ServerSocketHandle,
    requestHandler: RequestHandler,
    errorHandler: ErrorHandler,
    logger: Logger,
    options: Options,
  ): Client | null
}

/**
 * Makes a client for each socket.
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

/** Throws when a value is no driver. */
export function checkDriver(driver: unknown): void {
  const isOne =
    driver instanceof Http1Driver ||
    driver instanceof Http2Driver ||
    isStreamDriver(driver as Driver) ||
    isHttpDriver(driver as HttpDriver | null)
  if (!isOne) throw new OptionError('the driver', driver, 'an HttpDriver (setup, write, getPendingRequestCount, stop), a StreamDriver (handleClient) or new Http1Driver()')
}
