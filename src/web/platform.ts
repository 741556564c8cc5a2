/**
 * The classes of the platform, as they were before `override` replaced any.
 */
import { isDisturbed } from './disturbed.ts'

export const NativeRequest = globalThis.Request
export const NativeResponse = globalThis.Response
export const NativeHeaders = globalThis.Headers

/**
 * The keys under which the platform keeps the state of its objects. With them an object of ours stands in for one of
 * the platform's everywhere. Node 24 and later use private fields, and have none.
 */
export const REQUEST_STATE: readonly symbol[] = Object.getOwnPropertySymbols(new NativeRequest('http://localhost/'))

const RESPONSE_STATE = Object.getOwnPropertySymbols(new NativeResponse()).find(({ description }) => description === 'state')

/** The content in memory of a response of the platform whose body wasn't read; null when that can't be seen. */
export function contentOf(response: globalThis.Response): string | Uint8Array | Blob | null {
  if (RESPONSE_STATE === undefined) return null
  const state = (response as unknown as Record<symbol, { body?: { source?: unknown; stream?: ReadableStream } | null } | undefined>)[RESPONSE_STATE]
  const { source, stream } = state?.body ?? {}
  if (stream === undefined || stream.locked || isDisturbed(stream)) return null
  return typeof source === 'string' || source instanceof Uint8Array || source instanceof Blob ? source : null
}

/** Makes instances of a class pass as those of a class of the platform. */
export function standsIn(ours: { readonly prototype: object }, native: { readonly prototype: object }): void {
  Object.setPrototypeOf(ours.prototype, native.prototype)
}
