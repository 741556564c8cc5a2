/**
 * Loggers: the interface, and the logger that logs nothing.
 */

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

/** A level that is dropped. */
export const silence = (): void => {}

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

/** The levels, from the least to the most urgent. */
export const LEVELS = Object.keys(silentLogger) as LogLevel[]

/** A thrown value as text. Handlers can throw values whose conversion to text fails. */
export function describe(exception: unknown): string {
  try {
    return String(exception instanceof Error ? (exception.stack ?? exception) : exception)
  } catch {
    return Object.prototype.toString.call(exception)
  }
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
export function escapeText(text: string): string {
  return text.replace(/[^\t\n -~]/g, escapeCharacter)
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
