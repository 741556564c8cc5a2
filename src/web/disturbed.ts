/**
 * Whether a web stream was read from.
 */
import type * as Streams from 'node:stream'

const { isDisturbed: ask } = process.getBuiltinModule('node:stream') as typeof Streams & { isDisturbed?: (stream: unknown) => boolean }

/** Whether a stream was read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  return ask?.(stream) === true
}
