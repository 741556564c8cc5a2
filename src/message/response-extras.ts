/**
 * What few responses have, so that the others need no room for it.
 */
import { attempt } from '../core/outcome.ts'
import type { Trailers } from '../http/trailers.ts'

/** How a streamed body ends. */
export interface Framing {
  /** Its length in bytes; -1 when it isn't known. */
  readonly length: number
  /** Further fields, as they are sent. */
  readonly lines: string
}

/** An answer that is being sent by and by. */
interface Sender {
  /** Cuts the answer off; false when there is nothing left to cut. */
  cut(): boolean
}

/** What few responses have. `Takeover` says what becomes of the connection behind one. */
export class ResponseExtras<Takeover> {
  /** Functions that wait for the end; they may be async. */
  disposers: (() => unknown)[] = []
  /** The body is written by and by. */
  isStreamed = false
  trailers: Trailers | null = null
  /** What becomes of the connection behind it. */
  takeover: Takeover | null = null
  /** It was to be cut off before it was sent. */
  isCut = false
  /**
   * What is sending it. Not a closure of that: V8 makes functions that are assigned to a property old from the
   * start, and one would keep the body until a full collection.
   */
  sender: Sender | null = null

  /** Runs the functions that wait for the end, once. */
  dispose(report: (error: unknown) => void): void {
    const disposers = this.disposers
    this.disposers = []
    for (const dispose of disposers) attempt(dispose, report)
  }
}
