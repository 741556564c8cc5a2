/**
 * The default logger: warnings and more urgent lines, on standard error.
 */
import { LEVELS, describe, escapeLine, escapeText, silentLogger } from './logger.ts'
import type { LogContext, LogLevel, Logger } from './logger.ts'
import { attempt } from './outcome.ts'

/** Time in milliseconds in which one warning of a kind is written. */
const WARNING_INTERVAL = 1000
/** Kinds of warnings that are remembered. */
const KINDS_KEPT = 256

/** When a kind of warning was last written, and how many were dropped since. */
interface Written {
  at: number
  dropped: number
}

/** The latest warnings by kind. Standard error is one for the process, and so is this map. */
const latest = new Map<string, Written>()

/** What equal warnings have in common: their text up to a colon, without numbers. */
function kindOf(message: string, context: LogContext | undefined): string {
  const code = context?.['code']
  return typeof code === 'string' ? code : (message.split(': ', 1)[0] ?? '').replace(/\S*\d\S*/g, '#')
}

/** The number of warnings that this one stands for; 0 when it is dropped. */
function admitWarning(message: string, context: LogContext | undefined): number {
  const kind = kindOf(message, context)
  const now = performance.now()
  const last = latest.get(kind)
  if (last !== undefined && now - last.at < WARNING_INTERVAL) {
    last.dropped++
    return 0
  }
  latest.delete(kind)
  latest.set(kind, { at: now, dropped: 0 })
  if (latest.size > KINDS_KEPT) latest.delete(latest.keys().next().value!)
  return 1 + (last?.dropped ?? 0)
}

function write(level: LogLevel, message: string, context?: LogContext): void {
  process.stderr.write(`busbar ${level}: ${escapeLine(message)}\n`)
  for (const name of ['exception', 'request']) {
    const value = context?.[name]
    if (value !== undefined) process.stderr.write(`${inspected(value)}\n`)
  }
}

function warn(message: string, context?: LogContext): void {
  const count = admitWarning(message, context)
  if (count > 0) write('warning', count === 1 ? message : `${message} (and ${count - 1} more of this kind)`, context)
}

const ESCAPE = '\x1b'
/** The colours of `util.inspect`; other control sequences may come from a client. */
const COLOURS = new RegExp(`(${ESCAPE}\\[\\d{1,2}m)`)

/**
 * A value as `util.inspect` shows it: an error with its cause and, for an `AggregateError`, its errors. Control
 * characters are escaped; on a terminal only the colours of `util.inspect` are left.
 */
function inspected(value: unknown): string {
  const { inspect } = process.getBuiltinModule('node:util')
  try {
    const plain = inspect(value, { depth: 4 })
    // With an escape character in the value, its own sequences couldn't be told from those of the colours.
    if (process.stderr.hasColors?.() !== true || plain.includes(ESCAPE)) return escapeText(plain)
    const pieces = inspect(value, { depth: 4, colors: true }).split(COLOURS)
    return pieces.map((piece, at) => (at % 2 === 1 ? piece : escapeText(piece))).join('')
  } catch {
    return escapeText(describe(value))
  }
}

const toStderr = (level: LogLevel): Logger[LogLevel] => (message, context) => write(level, message, context)

/**
 * The default logger. It writes warnings, of each kind one a second at most, and all more urgent lines to standard
 * error, and drops the others. Errors are shown with their causes.
 *
 * @example new HttpServer(8080, handler, { logger: { ...stderrLogger, info: console.info } })
 */
export const stderrLogger: Logger = {
  ...silentLogger,
  warning: warn,
  error: toStderr('error'),
  critical: toStderr('critical'),
  alert: toStderr('alert'),
  emergency: toStderr('emergency'),
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
