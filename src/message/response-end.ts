/**
 * The true end of a response: when its last byte was handed to the kernel, or it was cut off.
 */

/**
 * How an answer ended: `sent` to the kernel; `aborted` because the client left; `failed` because the application or
 * the engine cut it off; `timeout` because of a time limit; `upgraded` to another protocol.
 */
export type Outcome = 'sent' | 'aborted' | 'failed' | 'timeout' | 'upgraded'

/** What is known of a response at its end. */
export interface ResponseEnd {
  /** The status that was sent; null when the client got no answer. */
  readonly status: number | null
  /** Bytes of the body that were sent, without their framing. */
  readonly bytesSent: number
  /** Milliseconds from the dispatch of the request to the end of its answer. */
  readonly duration: number
  /** How it ended; null before the end. */
  readonly outcome: Outcome | null
}
