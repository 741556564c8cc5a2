/**
 * What a server can be told when it is made, and what comes of it.
 */
import type { ClientFactory, HttpDriverFactory } from '../driver/driver.ts'
import { DefaultErrorHandler } from '../handler/error-handler.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { OptionError } from '../core/errors.ts'
import { checkIoThreads } from './io-threads.ts'
import type { IoThreads } from './io-threads.ts'
import { checkLogger, silentLogger, stderrLogger } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { checkObserver } from './observers.ts'
import type { ServerObserver } from './observers.ts'
import type { OptionValues } from '../options/option-table.ts'
import { Options } from '../options/options.ts'

/** Settings of a server: any of the options, and what isn't one. */
export interface ServerSettings extends Partial<OptionValues> {
  /** Options, instead of their fields. */
  readonly options?: Options
  /** Where log lines go; null for nowhere. By default errors go to stderr. */
  readonly logger?: Logger | null
  /** Makes error pages. */
  readonly errorHandler?: ErrorHandler
  /** Chooses who drives each connection; by default the engine does. */
  readonly driverFactory?: HttpDriverFactory
  /** Makes or refuses the client of each connection. */
  readonly clientFactory?: ClientFactory
  /** Told of start and stop; so are handler, error handler and factories, if they have `onStart` or `onStop`. */
  readonly observers?: readonly ServerObserver[]
  /**
   * Threads that serve the sockets, beside the one that runs JavaScript: 0 to 64, or `'auto'`, the default.
   * `BUSBAR_IO_THREADS` in the environment sets another default. docs/threads.md says when it pays.
   */
  readonly ioThreads?: IoThreads
}

/** Settings that were checked, with the defaults for what isn't set. */
export interface CheckedSettings {
  readonly options: Options
  readonly logger: Logger
  readonly errorHandler: ErrorHandler
  readonly observers: Set<ServerObserver>
  readonly driverFactory: HttpDriverFactory | null
  readonly clientFactory: ClientFactory | null
  readonly ioThreads: IoThreads | undefined
}

/** Checks settings; throws for the first that is wrong, naming it. */
export function checkSettings(settings: Options | ServerSettings): CheckedSettings {
  if (typeof settings !== 'object' || settings === null) {
    throw new OptionError('settings', settings, 'Options, or an object with their fields')
  }
  const given: ServerSettings = settings instanceof Options ? { options: settings } : settings
  const { options = Options.from(), logger, errorHandler, observers = [], ...others } = given
  const { driverFactory, clientFactory, ioThreads, ...values } = others
  if (!(options instanceof Options)) throw new OptionError('options', options, 'made by Options.from')
  if (ioThreads !== undefined) checkIoThreads(ioThreads)
  return {
    options: settings instanceof Options ? settings : options.with(values),
    logger: logger === null ? silentLogger : checkLogger(logger ?? stderrLogger),
    errorHandler: checkErrorHandler(errorHandler ?? new DefaultErrorHandler()),
    observers: new Set([...observers].map(checkObserver)),
    ioThreads,
    driverFactory: driverFactory === undefined ? null : checkDriverFactory(driverFactory),
    clientFactory: clientFactory === undefined ? null : checkClientFactory(clientFactory),
  }
}

/** The same if it is one, else a throw that says what one is. */
export function checkDriverFactory(factory: HttpDriverFactory): HttpDriverFactory {
  if (typeof factory?.selectDriver === 'function') return factory
  throw new OptionError('driverFactory', factory, 'an object with selectDriver(client, errorHandler, logger, options)')
}

/** The same if it is one, else a throw that says what one is. */
export function checkClientFactory(factory: ClientFactory): ClientFactory {
  if (typeof factory?.createClient === 'function') return factory
  throw new OptionError('clientFactory', factory, 'an object with createClient(socket, ...)')
}

/** The same if it is one, else a throw that says what one is. */
export function checkErrorHandler(errorHandler: ErrorHandler): ErrorHandler {
  if (typeof errorHandler?.handleError === 'function') return errorHandler
  throw new OptionError('errorHandler', errorHandler, 'an object with handleError(status, reason, request)')
}
