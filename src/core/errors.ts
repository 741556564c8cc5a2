/**
 * Errors that busbar throws. Each has a stable `code` and says whose fault it is.
 */
import type { Client } from '../connection/client.ts'
import { isReasonPhrase } from '../http/status.ts'

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
 * The client went away, broke a rule or a limit while its request was being read or answered.
 * Made by busbar. A handler may let it escape: nothing is logged.
 *
 * @example catch (error) { if (error instanceof ClientException) return }
 */
export class ClientException extends BusbarError {
  readonly code = 'BUSBAR_CLIENT'
  readonly fault = 'client'
  /** The status that was, or would be, answered; undefined when the client is simply gone. */
  override readonly status: number | undefined
  readonly #client: Client | null
  readonly #number: number

  constructor(client: Client | null, message: string, code = 0, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.#client = client
    this.#number = code
    this.status = code >= 400 && code < 600 ? code : undefined
  }

  /**
   * The client it happened to; null for a request that was made by hand.
   *
   * @example error.getClient()?.getRemoteAddress()
   */
  getClient(): Client | null {
    return this.#client
  }

  /**
   * The HTTP status that says why, 0 when there is none.
   *
   * @example error.getCode() // 413
   */
  getCode(): number {
    return this.#number
  }
}

/**
 * Thrown by a handler to answer with the error handler's page for a status. Not logged.
 *
 * @example throw new HttpErrorException(404)
 */
export class HttpErrorException extends BusbarError {
  readonly code = 'BUSBAR_HTTP_ERROR'
  readonly fault = 'application'
  override readonly status: number
  /** Phrase in place of the standard one. */
  readonly reason: string | null

  constructor(status: number, reason: string | null = null, cause?: unknown) {
    super(`HTTP ${status}${reason === null ? '' : ` ${reason}`}`, cause === undefined ? undefined : { cause })
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new OptionError('status', status, 'an integer from 400 to 599')
    }
    if (reason !== null && (!isReasonPhrase(reason))) {
      throw new OptionError('reason', reason, 'text without control characters or any above U+00FF')
    }
    this.status = status
    this.reason = reason
  }
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
