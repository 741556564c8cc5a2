/**
 * Whether a web stream was read from.
 */
const stream: object = process.getBuiltinModule('node:stream')
const { isDisturbed: ask } = stream as { readonly isDisturbed?: (stream: unknown) => boolean }

/** Whether a stream was read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  return ask?.(stream) === true
}
