/**
 * The error of a client that left or broke a rule.
 */
import type { Client } from './client.ts'
import { BusbarError } from '../core/errors.ts'

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
