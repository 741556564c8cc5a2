/**
 * Errors that busbar throws. Each has a stable `code` and says whose fault it is.
 */

/** Whose fault an error is. Only the client's becomes a 4xx, only ours is logged as an error. */
export type Fault = 'client' | 'application' | 'server'

/**
 * The base of all errors of busbar's own.
 *
 * @example if (error instanceof BusbarError) console.error(error.code)
 */
export abstract class BusbarError extends Error {
  /** Stable name, `BUSBAR_...`. */
  abstract readonly code: `BUSBAR_${string}`
  /** Whose fault it is. */
  abstract readonly fault: Fault
  /** The HTTP status that goes with it, where there is one. */
  readonly status?: number | undefined

  /** Name of the class, as stack traces show it. */
  override get name(): string {
    return this.constructor.name
  }
}

/**
 * An option has a value it can't have, or is unknown.
 *
 * @example new HttpServer(8080, handler, { http1Timeout: -1 }) // throws it
 */
export class OptionError extends BusbarError {
  readonly code = 'BUSBAR_INVALID_OPTION'
  readonly fault = 'application'

  constructor(option: string, given: unknown, allowed: string) {
    super(`${option} must be ${allowed}; got ${show(given)}`)
  }
}

/**
 * A header name or value can't be sent.
 *
 * @example new Response(200, { 'x-bad': 'a\nb' }) // throws it
 */
export class InvalidHeaderException extends BusbarError {
  readonly code = 'BUSBAR_INVALID_HEADER'
  readonly fault = 'application'
}

/**
 * A cookie's name, value or attribute can't be sent.
 *
 * @example new ResponseCookie('a b') // throws it
 */
export class InvalidCookieException extends BusbarError {
  readonly code = 'BUSBAR_INVALID_COOKIE'
  readonly fault = 'application'
}

/**
 * A listening socket couldn't be bound.
 *
 * @example await server.start() // BUSBAR_LISTEN: localhost:8080 is in use (EADDRINUSE)
 */
export class ListenError extends BusbarError {
  readonly code = 'BUSBAR_LISTEN'
  readonly fault = 'application'
  /** The system's name for it, such as `EADDRINUSE`. */
  readonly reason: string

  constructor(message: string, reason: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * A method was called in a state it isn't meant for.
 *
 * @example await server.start() // a second time
 */
export class StateError extends BusbarError {
  readonly code = 'BUSBAR_STATE'
  readonly fault = 'application'
}

/**
 * A handler gave something that can't be answered with.
 *
 * @example () => 'Hello' // not a Response
 */
export class HandlerError extends BusbarError {
  readonly code = 'BUSBAR_HANDLER'
  readonly fault = 'application'
}

/**
 * Something took longer than it may.
 *
 * @example await client.stop(100) // rejects with it when requests are still under way
 */
export class TimeoutError extends BusbarError {
  readonly code = 'BUSBAR_TIMEOUT'
  readonly fault = 'server'
}

/**
 * A request has no attribute with that key.
 *
 * @example request.getAttribute('user') // throws it when nobody set one
 */
export class MissingAttributeError extends BusbarError {
  readonly code = 'BUSBAR_MISSING_ATTRIBUTE'
  readonly fault = 'application'
}

/** Generators and the like have a constructor without a name: they are known by their tag. */
function className(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name : Object.prototype.toString.call(value).slice(8, -1)
}

/** Characters and items that are shown of a value. */
const SHOWN = 100

/** A value as it is shown in a message, which isn't the place for all of what may be a body. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === 'string') return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}...` : value)
  if (typeof value === 'function') return `a function${value.name === '' ? '' : ` ${value.name}`}`
  if (Array.isArray(value)) return depth > 2 ? 'an array' : showItems(value, depth + 1)
  if (typeof value === 'object' && value !== null) return `an object of class ${className(value)}`
  return String(value)
}

function showItems(items: readonly unknown[], depth: number): string {
  const shown = items.slice(0, SHOWN).map((item) => show(item, depth))
  return `[${shown.join(', ')}${items.length > SHOWN ? ', ...' : ''}]`
}
