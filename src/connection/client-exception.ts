/**
 * The error of a client that disconnected or broke a rule.
 */
import type { Client } from './client.ts'
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
   * The client; null for a request of `Request.create`.
   *
   * @example error.getClient()?.getRemoteAddress()
   */
  getClient(): Client | null {
    return this.#client
  }

  /**
   * The HTTP status for this error; 0 when there is none.
   *
   * @example error.getCode() // 413
   */
  getCode(): number {
    return this.#number
  }
}
