/**
 * Loggers: the interface, the default and the one that logs nothing.
 */
import { OptionError } from './errors.ts'
import { attempt } from './outcome.ts'

/** The eight levels, from the least to the most urgent. */
export type LogLevel = 'debug' | 'info' | 'notice' | 'warning' | 'error' | 'critical' | 'alert' | 'emergency'

/** Values that accompany a log line, for structured logs. */
export type LogContext = Readonly<Record<string, unknown>>

/**
 * An object with a method for each level.
 *
 * @example const logger: Logger = { ...silentLogger, error: (message, context) => sentry.capture(context.exception) }
 */
export type Logger = { readonly [Level in LogLevel]: (message: string, context?: LogContext) => void }

const silence = (): void => {}

/**
 * Drops every line.
 *
 * @example new HttpServer(8080, handler, { logger: silentLogger })
 */
export const silentLogger: Logger = {
  debug: silence,
  info: silence,
  notice: silence,
  warning: silence,
  error: silence,
  critical: silence,
  alert: silence,
  emergency: silence,
}

const LEVELS = Object.keys(silentLogger) as LogLevel[]

function toStderr(level: LogLevel): (message: string, context?: LogContext) => void {
  return (message, context) => {
    const exception = context?.['exception']
    process.stderr.write(`busbar ${level}: ${escapeLine(message)}\n`)
    if (exception !== undefined) process.stderr.write(`${escapeText(describe(exception))}\n`)
  }
}

/** A thrown value as text. Handlers can throw values whose conversion to text fails. */
export function describe(exception: unknown): string {
  try {
    return String(exception instanceof Error ? (exception.stack ?? exception) : exception)
  } catch {
    return Object.prototype.toString.call(exception)
  }
}

/**
 * The default logger: writes errors and more urgent lines to stderr, so that a failing handler is noticed, and drops
 * the others.
 *
 * @example new HttpServer(8080, handler, { logger: { ...stderrLogger, warning: console.warn } })
 */
export const stderrLogger: Logger = {
  ...silentLogger,
  error: toStderr('error'),
  critical: toStderr('critical'),
  alert: toStderr('alert'),
  emergency: toStderr('emergency'),
}

/** Returns the logger if it has a method for each level; throws otherwise. */
export function checkLogger(logger: Logger): Logger {
  const missing = LEVELS.filter((level) => typeof logger?.[level] !== 'function')
  if (missing.length === 0) return logger
  throw new OptionError('logger', logger, `an object with the methods ${LEVELS.join(', ')} (missing: ${missing.join(', ')})`)
}

/** A logger whose own failures are written to stderr, so that they never interrupt the server. */
export function guarded(logger: Logger): Logger {
  const guard = (level: LogLevel): Logger[LogLevel] => {
    return (message, context) => {
      attempt(
        () => logger[level](message, context),
        (exception) => stderrLogger.error(`the logger failed to take the ${level} line: ${message}`, { exception }),
      )
    }
  }
  return Object.fromEntries(LEVELS.map((level) => [level, guard(level)])) as Logger
}

/**
 * Text from a client as a single log line: control characters, which could forge lines or command a terminal, are
 * escaped.
 *
 * @example escapeLine('a\nb') // 'a\\x0Ab'
 */
export function escapeLine(text: string): string {
  return text.replace(/[^ !#-[\]-~]/g, escapeCharacter)
}

/** Like `escapeLine`, but keeps line ends and tabs: for stack traces. */
function escapeText(text: string): string {
  return text.replace(/[^\t\n -~]/g, escapeCharacter)
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
