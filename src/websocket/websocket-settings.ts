/**
 * The settings of WebSockets.
 */
import type { PerMessageDeflateOptions } from 'ws'
import { OptionError } from '../core/errors.ts'

/** Settings of `webSocket`. */
export interface WebSocketSettings {
  /** Bytes of a message, decompressed, above which the socket is closed with 1009. Default: 1 MiB. */
  readonly maxPayload?: number
  /** Whether messages are compressed for clients that offer it, over HTTP/1; see `ws` for the options. Default: false. */
  readonly perMessageDeflate?: boolean | PerMessageDeflateOptions
  /** Subprotocols, best first; the first that the client offers is used, else none. */
  readonly protocols?: readonly string[]
  /** Origins of pages that may connect, such as `https://app.example`; others get a 403. Default: all. */
  readonly origins?: readonly string[]
  /** Bytes that may wait to be sent before no more messages are read. Default: 1 MiB. */
  readonly sendBufferLimit?: number
  /** Whether WebSockets are also served on streams of HTTP/2, by the option `extendedConnect`. Default: true. */
  readonly http2?: boolean
}

const MEBIBYTE = 1024 * 1024

/** Checked settings, with their defaults. */
export interface WebSocketRules {
  readonly maxPayload: number
  readonly perMessageDeflate: boolean | PerMessageDeflateOptions
  readonly protocols: readonly string[]
  /** Null for all. */
  readonly origins: ReadonlySet<string> | null
  readonly sendBufferLimit: number
  readonly http2: boolean
}

const NAMES = 'maxPayload, perMessageDeflate, protocols, origins, sendBufferLimit or http2'

/** Checks settings. */
export function checkWebSocketSettings(settings: WebSocketSettings): WebSocketRules {
  if (typeof settings !== 'object' || settings === null) throw new OptionError('settings', settings, 'an object such as { maxPayload }')
  const { maxPayload = MEBIBYTE, perMessageDeflate = false, protocols = [], origins, sendBufferLimit = MEBIBYTE, http2 = true, ...unknown } = settings
  for (const name of Object.keys(unknown)) throw new OptionError('webSocket', name, NAMES)
  if (!Number.isSafeInteger(maxPayload) || maxPayload < 1) throw new OptionError('maxPayload', maxPayload, 'a whole number of bytes, at least 1')
  if (!(sendBufferLimit > 0)) throw new OptionError('sendBufferLimit', sendBufferLimit, 'a number of bytes above 0, Infinity for no limit')
  if (typeof http2 !== 'boolean') throw new OptionError('http2', http2, 'true or false')
  checkList('protocols', protocols)
  if (origins !== undefined) checkList('origins', origins)
  for (const origin of origins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) throw new OptionError('origins', origin, 'scheme and host, such as https://app.example')
  }
  return { maxPayload, perMessageDeflate, protocols, origins: origins === undefined ? null : new Set(origins), sendBufferLimit, http2 }
}

function checkList(name: string, list: readonly string[]): void {
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) throw new OptionError(name, list, 'a list of strings')
}
