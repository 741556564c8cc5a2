/**
 * An error that a handler throws to answer with an error page.
 */
import { BusbarError, OptionError } from '../core/errors.ts'
import { isReasonPhrase } from './status.ts'

/**
 * Thrown by a handler to answer with the error handler's page for a status. It isn't logged.
 *
 * @example throw new HttpErrorException(404)
 */
export class HttpErrorException extends BusbarError {
  readonly code = 'BUSBAR_HTTP_ERROR'
  readonly fault = 'application'
  override readonly status: number
  /** The reason phrase; null for the standard one. */
  readonly reason: string | null

  constructor(status: number, reason: string | null = null, cause?: unknown) {
    super(`HTTP ${status}${reason === null ? '' : ` ${reason}`}`, cause === undefined ? undefined : { cause })
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new OptionError('status', status, 'an integer from 400 to 599')
    }
    if (reason !== null && (!isReasonPhrase(reason))) {
      throw new OptionError('reason', reason, 'text without control characters and characters above U+00FF')
    }
    this.status = status
    this.reason = reason
  }
}
