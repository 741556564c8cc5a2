/**
 * Where busbar's log lines go.
 */
import { OptionError } from './errors.ts'
import { attempt } from './outcome.ts'

/** The eight levels, from the least to the most urgent. */
export type LogLevel = 'debug' | 'info' | 'notice' | 'warning' | 'error' | 'critical' | 'alert' | 'emergency'

/** What goes with a line: values for a structured log. */
export type LogContext = Readonly<Record<string, unknown>>

/**
 * Anything with a method for each level.
 *
 * @example const logger: Logger = { ...silentLogger, error: (message, context) => sentry.capture(context.exception) }
 */
export type Logger = { readonly [Level in LogLevel]: (message: string, context?: LogContext) => void }

const silence = (): void => {}

/**
 * Takes every line and shows none.
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

/** Whatever was thrown as text: handlers can throw what can't be turned into any. */
export function describe(exception: unknown): string {
  try {
    return String(exception instanceof Error ? (exception.stack ?? exception) : exception)
  } catch {
    return Object.prototype.toString.call(exception)
  }
}

/**
 * What a server logs to by default: errors and worse go to stderr, so that a handler that throws is
 * seen; everything else is dropped.
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

/** The logger, if it has a method for each level. */
export function checkLogger(logger: Logger): Logger {
  const missing = LEVELS.filter((level) => typeof logger?.[level] !== 'function')
  if (missing.length === 0) return logger
  throw new OptionError('logger', logger, `an object with the methods ${LEVELS.join(', ')} (not here: ${missing.join(', ')})`)
}

/** The same logger for our own use: should it fail, what was being done goes on, and stderr says so. */
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
 * One line of text in which nothing a client sent can forge another line, or speak to a terminal.
 *
 * @example escapeLine('a\nb') // 'a\\x0Ab'
 */
export function escapeLine(text: string): string {
  return text.replace(/[^ !#-[\]-~]/g, escapeCharacter)
}

/** As `escapeLine`, with line ends and tabs left alone: for stack traces. */
function escapeText(text: string): string {
  return text.replace(/[^\t\n -~]/g, escapeCharacter)
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
