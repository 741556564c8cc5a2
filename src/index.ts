/**
 * busbar: an HTTP server with a native heart.
 */
export { Attribute } from './message/attribute.ts'
export type { AttributeKey } from './message/attribute.ts'
export { Client } from './connection/client.ts'
export { CookieAttributes } from './http/cookie-attributes.ts'
export type { CookieInit, SameSite } from './http/cookie-attributes.ts'
export { RequestCookie, ResponseCookie } from './http/cookie.ts'
export { Http1Driver, Http2Driver } from './connection/driver-kinds.ts'
export type { Parser, ParserInput, ParserYield, StreamDriver, WriteBytes } from './connection/driver-kinds.ts'
export { DefaultClientFactory, DefaultHttpDriverFactory, HttpDriver, streamDriver } from './driver/driver.ts'
export type { ClientFactory, Driver, HttpDriverFactory, OnMessage } from './driver/driver.ts'
export { DefaultErrorHandler } from './handler/error-handler.ts'
export type { ErrorHandler } from './handler/error-handler.ts'
export {
  BusbarError,
  HandlerError,
  InvalidCookieException,
  InvalidHeaderException,
  ListenError,
  MissingAttributeError,
  OptionError,
  StateError,
  TimeoutError,
  TlsError,
} from './core/errors.ts'
export { HttpErrorException } from './http/http-error.ts'
export type { HttpErrorInit } from './http/http-error.ts'
export { ClientException } from './connection/client-exception.ts'
export type { Fault, TlsErrorCode } from './core/errors.ts'
export { FormPart } from './body/form.ts'
export type { FormLimits } from './body/form.ts'
export type { FileSettings } from './body/file-settings.ts'
export type { FieldName, FieldValue, FieldsInit, KnownField } from './http/fields.ts'
export type { Handler, HandlerFunction, RequestHandler } from './handler/handler.ts'
export type { Listen, ListenObject } from './server/listen.ts'
export { silentLogger, stderrLogger } from './core/logger.ts'
export type { LogContext, LogLevel, Logger } from './core/logger.ts'
export { Message } from './http/message.ts'
export type { ServerObserver } from './server/observers.ts'
export type { OptionValues } from './options/option-table.ts'
export type { ForwardedHeaders } from './net/forwarded.ts'
export { Options } from './options/options.ts'
export type { QueryValue } from './http/query.ts'
export { RequestBody } from './body/request-body.ts'
export { Request } from './message/request.ts'
export { Response } from './message/response.ts'
export type { UpgradeHandler } from './message/response.ts'
export { serve } from './server/serve.ts'
export { HttpServer } from './server/server.ts'
export type { IoThreads } from './server/io-threads.ts'
export type { ReloadOptions } from './server/reload.ts'
export type { ServerState } from './server/server.ts'
export type { ServerSettings } from './server/server-settings.ts'
export type { Body, Content, Streamed } from './body/source.ts'
export type { ServerSocketHandle } from './connection/server-socket.ts'
export { SocketAddress } from './net/socket-address.ts'
export { HttpStatus, reasonPhrase } from './http/status.ts'
export { Trailers } from './http/trailers.ts'
export type { TrailersInit } from './http/trailers.ts'
export type { Certificate } from './tls/certificate.ts'
export type { TlsInfo } from './tls/tls-info.ts'
export type { ClientAuth, CertificateFor, NamedCertificate, TlsCertificateOptions, TlsInput, TlsOptions } from './tls/tls-options.ts'
export type { UpgradedSocket } from './connection/upgraded-socket.ts'
