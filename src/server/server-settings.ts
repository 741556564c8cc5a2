/**
 * The settings of a server: their types, checks and defaults.
 */
import { accessLogHook } from '../middleware/access-log.ts'
import type { AccessLog } from '../middleware/access-log.ts'
import type { ClientFactory, HttpDriverFactory } from '../driver/driver.ts'
import { DefaultErrorHandler } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { OptionError } from '../core/errors.ts'
import { checkIoThreads } from './io-threads.ts'
import type { IoThreads } from './io-threads.ts'
import { toLogger } from '../core/any-logger.ts'
import type { AnyLogger } from '../core/any-logger.ts'
import { silentLogger } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import type { AnyMiddleware } from '../middleware/middleware.ts'
import type { ResponseHook } from './observer.ts'
import { stderrLogger } from '../core/stderr-logger.ts'
import { checkObserver } from './observers.ts'
import type { ServerObserver } from './observers.ts'
import type { OptionValues } from '../options/option-table.ts'
import { Options } from '../options/options.ts'

/** Settings of a server: the options, and objects that the server calls. */
export interface ServerSettings extends Partial<OptionValues> {
  /** An `Options` object, in place of single options. */
  readonly options?: Options
  /** Where log lines go: a `Logger`, `console`, a pino logger; null for nowhere. By default warnings and errors go to stderr. */
  readonly logger?: AnyLogger | null
  /** Makes error pages. */
  readonly errorHandler?: ErrorHandler
  /** Middleware around the handler, the first outermost; inside of the compression that the option `compression` switches on. */
  readonly middleware?: readonly AnyMiddleware[]
  /** Selects the driver of each connection; by default that is the engine's HTTP. */
  readonly driverFactory?: HttpDriverFactory
  /** Makes the client of each connection, or refuses the connection. */
  readonly clientFactory?: ClientFactory
  /**
   * Called at the true end of each answer: when its last byte was handed to the kernel, or it was cut off. Not called
   * for `inject`. Errors that it throws are logged.
   */
  readonly onResponse?: ResponseHook
  /** A line for each answer, on stdout: `'combined'`, `'json'`, or a function that is given an entry. */
  readonly accessLog?: AccessLog
  /** Called at start and stop, like a handler, error handler or factory that has `onStart` or `onStop`. */
  readonly observers?: readonly ServerObserver[]
  /**
   * I/O threads, beside the one that runs JavaScript: 0 to 64, or `'auto'`, the default. `BUSBAR_IO_THREADS` in the
   * environment sets another default. docs/threads.md says when they are worth it.
   */
  readonly ioThreads?: IoThreads
}

/** Checked settings, with defaults for those that aren't set. */
export interface CheckedSettings {
  readonly options: Options
  readonly logger: Logger
  readonly errorHandler: ErrorHandler
  readonly observers: Set<ServerObserver>
  readonly middleware: readonly AnyMiddleware[]
  readonly responseHooks: readonly ResponseHook[]
  readonly driverFactory: HttpDriverFactory | null
  readonly clientFactory: ClientFactory | null
  readonly ioThreads: IoThreads | undefined
}

/** Checks settings. The error for the first invalid one names it. */
export function checkSettings(settings: Options | ServerSettings): CheckedSettings {
  if (typeof settings !== 'object' || settings === null) {
    throw new OptionError('settings', settings, 'Options, or an object with their fields')
  }
  const given: ServerSettings = settings instanceof Options ? { options: settings } : settings
  const { options = Options.from(), logger, errorHandler, observers = [], ...others } = given
  const { driverFactory, clientFactory, ioThreads, onResponse, accessLog, middleware = [], ...values } = others
  if (!Array.isArray(middleware)) throw new OptionError('middleware', middleware, 'a list of middleware')
  if (!(options instanceof Options)) throw new OptionError('options', options, 'made by Options.from')
  if (ioThreads !== undefined) checkIoThreads(ioThreads)
  return {
    options: settings instanceof Options ? settings : options.with(values),
    logger: logger === null ? silentLogger : toLogger(logger ?? stderrLogger),
    errorHandler: checkErrorHandler(errorHandler ?? new DefaultErrorHandler()),
    observers: new Set([...observers].map(checkObserver)),
    middleware,
    ioThreads,
    responseHooks: responseHooks(onResponse, accessLog),
    driverFactory: driverFactory === undefined ? null : checkDriverFactory(driverFactory),
    clientFactory: clientFactory === undefined ? null : checkClientFactory(clientFactory),
  }
}

function responseHooks(onResponse: ResponseHook | undefined, accessLog: AccessLog | undefined): ResponseHook[] {
  if (onResponse !== undefined && typeof onResponse !== 'function') {
    throw new OptionError('onResponse', onResponse, 'a function ({ request, status, bytesSent, duration, outcome })')
  }
  if (accessLog !== undefined && typeof accessLog !== 'function' && accessLog !== 'combined' && accessLog !== 'json') {
    throw new OptionError('accessLog', accessLog, "'combined', 'json' or a function")
  }
  const hooks = onResponse === undefined ? [] : [onResponse]
  return accessLog === undefined ? hooks : [...hooks, accessLogHook(accessLog)]
}

/** Returns its argument if it is valid, and throws otherwise. */
export function checkDriverFactory(factory: HttpDriverFactory): HttpDriverFactory {
  if (typeof factory?.selectDriver === 'function') return factory
  throw new OptionError('driverFactory', factory, 'an object with selectDriver(client, errorHandler, logger, options)')
}

/** Returns its argument if it is valid, and throws otherwise. */
export function checkClientFactory(factory: ClientFactory): ClientFactory {
  if (typeof factory?.createClient === 'function') return factory
  throw new OptionError('clientFactory', factory, 'an object with createClient(socket, ...)')
}

/** Returns its argument if it is valid, and throws otherwise. */
export function checkErrorHandler(errorHandler: ErrorHandler): ErrorHandler {
  if (typeof errorHandler?.handleError === 'function') return errorHandler
  throw new OptionError('errorHandler', errorHandler, 'an object with handleError(status, reason, request)')
}
