/**
 * An error that a handler throws to answer with an error page.
 */
import { BusbarError, OptionError } from '../core/errors.ts'
import { Fields, eachField } from './fields.ts'
import type { FieldValue, FieldsInit } from './fields.ts'
import { isReasonPhrase } from './status.ts'

/** What goes with the status of an error. */
export interface HttpErrorInit {
  /** Phrase in place of the standard one. */
  readonly reason?: string | null | undefined
  /** Fields that the page is sent with, such as `allow` or `retry-after`. */
  readonly headers?: FieldsInit | undefined
  /** What led to it. */
  readonly cause?: unknown
}

/**
 * Thrown by a handler to answer with the error handler's page for a status. It isn't logged.
 *
 * @example throw new HttpErrorException(503, { headers: { 'retry-after': 5 } })
 */
export class HttpErrorException extends BusbarError {
  readonly code = 'BUSBAR_HTTP_ERROR'
  readonly fault = 'application'
  override readonly status: number
  /** The reason phrase; null for the standard one. */
  readonly reason: string | null
  /** Fields that the page is sent with. */
  readonly headers: readonly (readonly [string, string])[]

  constructor(status: number, init: string | null | HttpErrorInit = null, cause?: unknown) {
    const given = typeof init === 'object' && init !== null ? init : { reason: init, cause }
    const { reason = null, headers = [] } = given
    super(`HTTP ${status}${reason === null ? '' : ` ${reason}`}`, given.cause === undefined ? undefined : { cause: given.cause })
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new OptionError('status', status, 'an integer from 400 to 599')
    }
    if (reason !== null && (!isReasonPhrase(reason))) {
      throw new OptionError('reason', reason, 'text without control characters and characters above U+00FF')
    }
    this.status = status
    this.reason = reason
    const fields = new Fields()
    eachField(headers, (name, value) => fields.add(name, value as FieldValue))
    this.headers = fields.toPairs()
  }
}
