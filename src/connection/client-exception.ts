/**
 * The error of a client that disconnected or broke a rule.
 */
import type { Client } from './client.ts'
import { findCause } from '../core/causes.ts'
import { BusbarError } from '../core/errors.ts'

/**
 * The client left, sent invalid bytes or exceeded a limit while its request was read or answered. Busbar makes it. A
 * handler needn't catch it: it isn't logged.
 *
 * @example catch (error) { if (error instanceof ClientException) return }
 */
export class ClientException extends BusbarError {
  readonly code = 'BUSBAR_CLIENT'
  readonly fault = 'client'
  /** The status for this error; undefined when the client has left. */
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
   * The client; null for a request of `Request.create`, and for one that could not be parsed.
   *
   * @example error.getClient()?.getRemoteAddress()
   */
  getClient(): Client | null {
    return this.#client
  }

  /**
   * The HTTP status for this error; the error code of HTTP/2 (RFC 9113 §7) for a stream that was reset, such as 8 for
   * CANCEL; 0 when there is none.
   *
   * @example error.getCode() // 413
   */
  getCode(): number {
    return this.#number
  }
}

/**
 * The `ClientException` in a chain of errors: the error may be wrapped, as web `fetch` does with the error of a request's
 * stream that it sends on.
 */
export function clientExceptionIn(error: unknown): ClientException | undefined {
  return findCause(error, (each) => each instanceof ClientException)
}

/** Whether an error, or one in its chain, comes from a signal that has fired. */
export function isAbortedBy(signal: Pick<AbortSignal, 'aborted' | 'reason'> | undefined, error: unknown): boolean {
  if (signal?.aborted !== true) return false
  const isAbort = (each: unknown): each is unknown => each === signal.reason || (each instanceof Error && each.name === 'AbortError')
  return findCause(error, isAbort) !== undefined
}
