/**
 * How content of a streamed response gets to the engine.
 */
import { Result } from '../native.ts'
import type { HotFunctions } from '../native.ts'

/** Content that is written by one call: a string, a piece, or several pieces. */
export type Written = string | Uint8Array | readonly Uint8Array[]

/** Writes content. The result is as that of the engine's `write`: bytes that wait unsent, or a negative number. */
export function writeContent(hot: HotFunctions, slot: number, requestId: number, content: Written): number {
  const isOne = typeof content === 'string' || content instanceof Uint8Array
  const waiting = isOne ? hot.write(slot, requestId, content, 1) : hot.writeAll(slot, requestId, content)
  if (waiting !== Result.Shared) return waiting
  // Another thread may be writing to shared memory: copied in JavaScript that is safe.
  const pieces = isOne ? [content as Uint8Array] : content
  return hot.writeAll(slot, requestId, pieces.map((piece) => new Uint8Array(piece)))
}

/** Bytes of content, or characters of a string. */
export function lengthOf(content: Written): number {
  if (typeof content === 'string' || content instanceof Uint8Array) return content.length
  let length = 0
  for (const piece of content) length += piece.length
  return length
}
