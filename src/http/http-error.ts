/**
 * An error that a handler throws to answer with an error page.
 */
import { BusbarError, OptionError } from '../core/errors.ts'
import { Message } from './message.ts'
import type { FieldsInit } from './fields.ts'
import { isReasonPhrase } from './status.ts'

/** What an `HttpErrorException` carries beside its status. */
export interface HttpErrorInit {
  /** The reason phrase; the standard one when left out. */
  readonly reason?: string | null | undefined
  /** Fields of the response, such as `www-authenticate` of a 401 or `retry-after` of a 429. */
  readonly headers?: FieldsInit | undefined
  /** What is wrong, for the client: it is part of JSON pages, so it must be a value that JSON can hold. */
  readonly details?: unknown
  /** The error behind this one, for logs and error handlers. */
  readonly cause?: unknown
}

/**
 * Thrown by a handler to answer with the error handler's page for a status. It isn't logged.
 *
 * @example throw new HttpErrorException(429, { headers: { 'retry-after': 30 } })
 */
export class HttpErrorException extends BusbarError {
  readonly code = 'BUSBAR_HTTP_ERROR'
  readonly fault = 'application'
  override readonly status: number
  /** The reason phrase; null for the standard one. */
  readonly reason: string | null
  /** Fields that the response carries. */
  readonly headers: readonly (readonly [string, string])[]
  /** What is wrong, for the client; undefined for no details. */
  readonly details: unknown

  /** `settings` may be the reason alone. An invalid header throws an `InvalidHeaderException`. */
  constructor(status: number, settings: HttpErrorInit | string | null = {}, cause?: unknown) {
    const given = typeof settings === 'object' ? (settings ?? {}) : { reason: settings }
    const { reason = null, headers = {}, details } = given
    const why = given.cause ?? cause
    super(`HTTP ${status}${reason === null ? '' : ` ${reason}`}`, why === undefined ? undefined : { cause: why })
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new OptionError('status', status, 'an integer from 400 to 599')
    }
    if (reason !== null && !isReasonPhrase(reason)) {
      throw new OptionError('reason', reason, 'text without control characters and characters above U+00FF')
    }
    this.status = status
    this.reason = reason
    this.headers = new Message(headers).getRawHeaders()
    this.details = details
  }
}
