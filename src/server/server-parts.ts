/**
 * What a server is made of: its options and the objects that it calls. They can be replaced while it is stopped.
 */
import type { Logger } from '../core/logger.ts'
import type { ClientFactory, HttpDriverFactory } from '../driver/driver.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { toFunction } from '../handler/handler.ts'
import type { Handler, HandlerFunction } from '../handler/handler.ts'
import { CompressionMiddleware } from '../middleware/compression.ts'
import { stack } from '../middleware/stack.ts'
import type { Options } from '../options/options.ts'
import type { Listen } from './listen.ts'
import { Listeners } from './listeners.ts'
import { isObserver } from '../core/observing.ts'
import { checkObserver } from './observers.ts'
import type { ServerObserver } from './observers.ts'
import { hasCompression } from './presets.ts'
import { checkClientFactory, checkDriverFactory, checkErrorHandler, checkSettings } from './server-settings.ts'
import type { CheckedSettings, ServerSettings } from './server-settings.ts'
import type { HttpServer } from './server.ts'

/** Key of the parts of a server. */
export const PARTS: unique symbol = Symbol('parts')
/** Key of the method that throws unless a server is stopped. */
export const ONLY_STOPPED: unique symbol = Symbol('onlyStopped')

/** Settings, handler and listeners of one server. */
type Parts = { -readonly [Name in keyof CheckedSettings]: CheckedSettings[Name] } & {
  readonly listeners: Listeners
  readonly handler: HandlerFunction
  /** As it was given. */
  readonly givenHandler: Handler
}

/** The half of `HttpServer` that holds its parts. */
export abstract class ServerParts {
  /** @internal */
  readonly [PARTS]: Parts

  constructor(listen: Listen | readonly Listen[], handler: Handler, settings: Options | ServerSettings) {
    const listeners = new Listeners(listen)
    const answers = toFunction(handler)
    const checked = checkSettings(settings)
    listeners.trust(checked.options.get('proxies'))
    const { middleware, options, observers } = checked
    const compresses = options.get('compression') && !hasCompression(middleware)
    const links = compresses ? [new CompressionMiddleware(), ...middleware] : middleware
    for (const part of [handler, ...middleware]) if (isObserver(part)) observers.add(part)
    this[PARTS] = { ...checked, listeners, handler: links.length === 0 ? answers : stack(answers, ...links), givenHandler: handler }
  }

  /** @internal Throws an error that names the method. */
  abstract [ONLY_STOPPED](method: string): void

  /**
   * The options.
   *
   * @example server.getOptions().getBodySizeLimit()
   */
  getOptions(): Options {
    return this[PARTS].options
  }

  /**
   * The logger.
   *
   * @example server.getLogger().info('hello')
   */
  getLogger(): Logger {
    return this[PARTS].logger
  }

  /**
   * The error handler.
   *
   * @example server.getErrorHandler().handleError(404, null, request)
   */
  getErrorHandler(): ErrorHandler {
    return this[PARTS].errorHandler
  }

  /**
   * Replaces the error handler; only while the server is stopped.
   *
   * @example server.setErrorHandler({ handleError: (status) => Response.json({ status }, status) })
   */
  setErrorHandler(errorHandler: ErrorHandler): void {
    this[ONLY_STOPPED]('setErrorHandler')
    this[PARTS].errorHandler = checkErrorHandler(errorHandler)
  }

  /**
   * Replaces the driver factory; only while the server is stopped.
   *
   * @example server.setDriverFactory({ selectDriver: () => new LineDriver(), getApplicationLayerProtocols: () => [] })
   */
  setDriverFactory(factory: HttpDriverFactory): void {
    this[ONLY_STOPPED]('setDriverFactory')
    this[PARTS].driverFactory = checkDriverFactory(factory)
  }

  /**
   * Replaces the client factory; only while the server is stopped.
   *
   * @example server.setClientFactory({ createClient: (socket) => (isBanned(socket) ? null : inner.createClient(socket)) })
   */
  setClientFactory(factory: ClientFactory): void {
    this[ONLY_STOPPED]('setClientFactory')
    this[PARTS].clientFactory = checkClientFactory(factory)
  }

  /**
   * Adds an observer; only while the server is stopped. An observer that is added twice is called once.
   *
   * @example server.attach({ onStop: () => database.end() })
   */
  attach(observer: ServerObserver): void {
    this[ONLY_STOPPED]('attach')
    this[PARTS].observers.add(checkObserver(observer))
  }

  /**
   * Adds a listen address; only while the server is stopped. Throws for an address that was added before.
   *
   * @example server.expose('unix:/run/app.sock')
   */
  expose(listen: Listen): void {
    this[ONLY_STOPPED]('expose')
    this[PARTS].listeners.add(listen)
  }

  /**
   * Calls a function at each start, when the sockets are bound and no connection is accepted yet. Can be added only
   * while the server is stopped.
   *
   * @example server.onStart(() => database.connect())
   */
  onStart(callback: (server: HttpServer) => void | Promise<void>): void {
    this.attach({ onStart: callback })
  }

  /**
   * Calls a function at each stop, when no more connections are accepted and clients are still connected. Can be
   * added only while the server is stopped.
   *
   * @example server.onStop(() => database.end())
   */
  onStop(callback: (server: HttpServer) => void | Promise<void>): void {
    this.attach({ onStop: callback })
  }
}
