/**
 * Errors that busbar throws. Each has a stable `code` and names the side at fault.
 */

/** The side at fault. A fault of the client becomes a 4xx; faults of application and server are logged as errors. */
export type Fault = 'client' | 'application' | 'server'

/**
 * The base class of busbar's errors.
 *
 * @example if (error instanceof BusbarError) console.error(error.code)
 */
export abstract class BusbarError extends Error {
  /** A name that never changes, `BUSBAR_...`. */
  abstract readonly code: `BUSBAR_${string}`
  /** The side at fault. */
  abstract readonly fault: Fault
  /** The HTTP status for this error; undefined when it has none. */
  readonly status?: number | undefined

  /** Name of the class, shown in stack traces. */
  override get name(): string {
    return this.constructor.name
  }
}

/**
 * An option is unknown, or its value isn't allowed.
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
 * The name or the value of a header is invalid.
 *
 * @example new Response(200, { 'x-bad': 'a\nb' }) // throws it
 */
export class InvalidHeaderException extends BusbarError {
  readonly code = 'BUSBAR_INVALID_HEADER'
  readonly fault = 'application'
}

/**
 * The name, the value or an attribute of a cookie is invalid.
 *
 * @example new ResponseCookie('a b') // throws it
 */
export class InvalidCookieException extends BusbarError {
  readonly code = 'BUSBAR_INVALID_COOKIE'
  readonly fault = 'application'
}

/**
 * A listening socket can't be bound.
 *
 * @example await server.start() // BUSBAR_LISTEN: localhost:8080 is in use (EADDRINUSE)
 */
export class ListenError extends BusbarError {
  readonly code = 'BUSBAR_LISTEN'
  readonly fault = 'application'
  /** The system's error code, such as `EADDRINUSE`. */
  readonly reason: string

  constructor(message: string, reason: string) {
    super(message)
    this.reason = reason
  }
}

/** Codes of errors about the TLS of a listener. */
export type TlsErrorCode =
  | 'BUSBAR_TLS_KEY_MISMATCH'
  | 'BUSBAR_TLS_FILE'
  | 'BUSBAR_TLS_PASSPHRASE'
  | 'BUSBAR_TLS_CERTIFICATE'
  | 'BUSBAR_INVALID_OPTION'

/**
 * The certificate, the key or another file of a listener's TLS can't be used.
 *
 * @example await server.start() // BUSBAR_TLS_KEY_MISMATCH: the key in key.pem does not belong to ...
 */
export class TlsError extends BusbarError {
  readonly code: TlsErrorCode
  readonly fault = 'application'

  constructor(code: TlsErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/**
 * A method was called in a state that doesn't allow it.
 *
 * @example await server.start() // a second time
 */
export class StateError extends BusbarError {
  readonly code = 'BUSBAR_STATE'
  readonly fault = 'application'
}

/**
 * A handler returned no `Response`, or one that can't be sent.
 *
 * @example () => 'Hello' // not a Response
 */
export class HandlerError extends BusbarError {
  readonly code = 'BUSBAR_HANDLER'
  readonly fault = 'application'
}

/**
 * An operation took longer than its time limit.
 *
 * @example await client.stop(100) // rejects with it when requests are still under way
 */
export class TimeoutError extends BusbarError {
  readonly code = 'BUSBAR_TIMEOUT'
  readonly fault = 'server'
}

/**
 * An attribute of a request isn't set.
 *
 * @example request.getAttribute('user') // throws it when the attribute isn't set
 */
export class MissingAttributeError extends BusbarError {
  readonly code = 'BUSBAR_MISSING_ATTRIBUTE'
  readonly fault = 'application'
}

/** The name of a value's class; its tag when the class has no name, as that of a generator. */
function className(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name : Object.prototype.toString.call(value).slice(8, -1)
}

/** Characters of a string and items of a list that a message shows. */
const SHOWN = 100

/** A value as text for a message; shortened, since the value may be a whole body. */
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
