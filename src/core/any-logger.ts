/**
 * Loggers of other makes: `console`, pino, bunyan, winston, and objects with only some of the methods.
 */
import { OptionError } from './errors.ts'
import { LEVELS, silence } from './logger.ts'
import type { LogLevel, Logger } from './logger.ts'

/** A method of any logger. `CallableFunction` has no signature, so methods in a literal take their parameters from `Logger`. */
type Method = Logger[LogLevel] | CallableFunction

/**
 * An object with some methods for log lines: a `Logger`, `console`, a pino logger. A level without a method of its own
 * is passed to the nearest method; `debug` to `notice` are dropped when there is none.
 */
export type AnyLogger = Logger | { readonly [Name in LogLevel | 'warn' | 'fatal' | 'log']?: Method }

/** The methods that take the lines of a level, the best first. */
const METHODS: Readonly<Record<LogLevel, readonly string[]>> = {
  debug: ['debug'],
  info: ['info'],
  notice: ['notice', 'info'],
  warning: ['warning', 'warn', 'log'],
  error: ['error', 'warning', 'warn', 'log', 'info'],
  critical: ['critical', 'crit', 'fatal', 'error', 'warning', 'warn', 'log', 'info'],
  alert: ['alert', 'critical', 'crit', 'fatal', 'error', 'warning', 'warn', 'log', 'info'],
  emergency: ['emergency', 'emerg', 'alert', 'critical', 'crit', 'fatal', 'error', 'warning', 'warn', 'log', 'info'],
}

const ACCEPTED = `an object with the methods ${LEVELS.join(', ')} or some of them, console, or a pino logger`

/** A logger for any object with methods for log lines. An object with all methods is returned as it is; throws for others. */
export function toLogger(given: AnyLogger): Logger {
  const methods = given as Readonly<Record<string, unknown>> | null
  if (typeof methods !== 'object' && typeof methods !== 'function') throw new OptionError('logger', given, ACCEPTED)
  if (methods === null) throw new OptionError('logger', given, ACCEPTED)
  const has = (name: string): boolean => typeof methods[name] === 'function'
  if (LEVELS.every(has)) return given as Logger
  const found = LEVELS.map((level) => [level, METHODS[level].find(has)] as const)
  if (found.every(([, name]) => name === undefined)) throw new OptionError('logger', given, ACCEPTED)
  const call = takesObjectFirst(methods) ? callWithObject : callWithMessage
  const adapted = found.map(([level, name]) => [level, name === undefined || isOff(methods, name) ? silence : call(methods, name)])
  return Object.fromEntries(adapted) as Logger
}

/** Whether it is a logger such as pino or bunyan, whose methods take `(object, message)`. */
function takesObjectFirst(methods: Readonly<Record<string, unknown>>): boolean {
  return ['child', 'trace', 'fatal'].every((name) => typeof methods[name] === 'function')
}

/** Whether a level is switched off. Lines about each request aren't made then. */
function isOff(methods: Readonly<Record<string, unknown>>, name: string): boolean {
  const { isLevelEnabled } = methods as { isLevelEnabled?: (level: string) => unknown }
  return name === 'debug' && typeof isLevelEnabled === 'function' && isLevelEnabled.call(methods, name) === false
}

function callWithMessage(methods: object, name: string): Logger[LogLevel] {
  const target = methods as Readonly<Record<string, (...values: unknown[]) => unknown>>
  // What it returns may be a promise that rejects: the caller looks after it.
  return (message, context) => target[name]!(...(context === undefined ? [message] : [message, context])) as void
}

function callWithObject(methods: object, name: string): Logger[LogLevel] {
  const target = methods as Readonly<Record<string, (...values: unknown[]) => unknown>>
  return (message, context) => {
    if (context === undefined) return target[name]!(message) as void
    const { exception, ...others } = context
    // Such loggers know how to show an error by the name `err`.
    return target[name]!(exception === undefined ? others : { err: exception, ...others }, message) as void
  }
}
