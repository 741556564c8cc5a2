/**
 * The states of a response whose body is written in pieces.
 *
 * ```text
 *   answer  HELD ──► OPEN ──► FINISHED                 source  IDLE ◄──► READING
 *             │        └────► SENDING_FILE ──► FINISHED            └──┬──┘
 *             └──► FINISHED, with an error page                     OVER
 * ```
 */

/** What was handed to the engine: nothing yet. */
export const HELD = 0
/** The head, and what was written since. */
export const OPEN = 1
/** Everything: the engine sends a file, and until its last byte is sent the response can still be aborted. */
export const SENDING_FILE = 2
/** Everything, or the response was given up: nothing more is written. */
export const FINISHED = 3
export type AnswerState = typeof HELD | typeof OPEN | typeof SENDING_FILE | typeof FINISHED

/** The source has given a piece, or wasn't asked yet. */
export const IDLE = 0
/** It was asked for a piece. */
export const READING = 1
/** It has ended, failed or was cancelled. */
export const OVER = 2
export type SourceState = typeof IDLE | typeof READING | typeof OVER
