/**
 * busbar: an HTTP server with a native heart.
 */
export { Attribute } from './attribute.ts'
export type { AttributeKey } from './attribute.ts'
export { Client } from './client.ts'
export { CookieAttributes } from './cookie-attributes.ts'
export type { SameSite } from './cookie-attributes.ts'
export { RequestCookie, ResponseCookie } from './cookie.ts'
export { DefaultClientFactory, DefaultHttpDriverFactory, Http1Driver, Http2Driver, HttpDriver, streamDriver } from './driver.ts'
export type {
  ClientFactory,
  Driver,
  HttpDriverFactory,
  OnMessage,
  Parser,
  ParserInput,
  ParserYield,
  StreamDriver,
  WriteBytes,
} from './driver.ts'
export { DefaultErrorHandler } from './error-handler.ts'
export type { ErrorHandler } from './error-handler.ts'
export {
  BusbarError,
  ClientException,
  HandlerError,
  HttpErrorException,
  InvalidCookieException,
  InvalidHeaderException,
  ListenError,
  MissingAttributeError,
  OptionError,
  StateError,
  TimeoutError,
} from './errors.ts'
export type { Fault } from './errors.ts'
export type { FileSettings } from './file-body.ts'
export type { FieldName, FieldValue, FieldsInit, KnownField } from './fields.ts'
export type { UpgradeHandler } from './hand-over.ts'
export type { Handler, HandlerFunction, RequestHandler } from './handler.ts'
export type { Listen, ListenObject } from './listen.ts'
export { silentLogger, stderrLogger } from './logger.ts'
export type { LogContext, LogLevel, Logger } from './logger.ts'
export { Message } from './message.ts'
export type { ServerObserver } from './observers.ts'
export type { OptionValues } from './option-table.ts'
export { Options } from './options.ts'
export type { QueryValue } from './query.ts'
export { RequestBody } from './request-body.ts'
export { Request } from './request.ts'
export { Response } from './response.ts'
export type { Body, Content } from './response.ts'
export { serve } from './serve.ts'
export { HttpServer } from './server.ts'
export type { IoThreads } from './io-threads.ts'
export type { ServerState } from './server.ts'
export type { ServerSettings } from './server-settings.ts'
export type { Streamed } from './source.ts'
export type { ServerSocketHandle } from './server-socket.ts'
export { SocketAddress } from './socket-address.ts'
export { HttpStatus, reasonPhrase } from './status.ts'
export { Trailers } from './trailers.ts'
export type { TrailersInit } from './trailers.ts'
export type { TlsInfo } from './tls-info.ts'
export type { UpgradedSocket } from './upgraded-socket.ts'
