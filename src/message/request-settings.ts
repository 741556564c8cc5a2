/**
 * The arguments of `Request.create` in its two forms.
 */
import type { Streamed } from '../body/source.ts'
import type { InjectedConnection } from '../connection/injected-client.ts'
import { OptionError } from '../core/errors.ts'
import { arePairs } from '../http/fields.ts'
import type { FieldsInit } from '../http/fields.ts'
import { SocketAddress } from '../net/socket-address.ts'
import type { Trailers } from '../http/trailers.ts'

type RequestContent = string | Uint8Array | Streamed | null
type Protocol = '1.0' | '1.1' | '2'

/** A request of a test, and what its connection is to look like. */
export interface RequestSettings {
  readonly headers?: FieldsInit
  readonly body?: RequestContent
  /** The version of HTTP; 1.1 by default. */
  readonly protocol?: Protocol
  readonly trailers?: Trailers | null
  /** The client's address, an IP address or a `SocketAddress`; 127.0.0.1 by default. */
  readonly remoteAddress?: string | SocketAddress
  /** Whether the connection is encrypted; false by default. */
  readonly isEncrypted?: boolean
}

/** Body, version and trailers of the form with headers. */
export type RequestParts = [body?: RequestContent, protocol?: Protocol, trailers?: Trailers | null]

const NAMES: ReadonlySet<string> = new Set(['headers', 'body', 'protocol', 'trailers', 'remoteAddress', 'isEncrypted'])

/** A request of either form, with its defaults. */
export function requestParts(given: FieldsInit | RequestSettings, rest: RequestParts) {
  const [body = null, protocol = '1.1', trailers = null] = rest
  const settings = rest.length === 0 && areSettings(given) ? given : { headers: given as FieldsInit, body, protocol, trailers }
  const { remoteAddress, isEncrypted = false }: RequestSettings = settings
  const connection: InjectedConnection = { remoteAddress: addressOf(remoteAddress), isEncrypted: isEncrypted === true }
  return {
    headers: settings.headers ?? {},
    body: settings.body ?? null,
    protocol: settings.protocol ?? '1.1',
    trailers: settings.trailers ?? null,
    connection,
  }
}

/** Whether an object has settings; no field has such a name. */
function areSettings(given: FieldsInit | RequestSettings): given is RequestSettings {
  if (typeof given !== 'object' || given === null || arePairs(given as FieldsInit)) return false
  const names = Object.keys(given)
  return names.length > 0 && names.every((name) => NAMES.has(name))
}

function addressOf(given: string | SocketAddress | undefined): SocketAddress | null {
  if (given === undefined) return null
  if (given instanceof SocketAddress) return given
  const address = new SocketAddress(given, 0)
  if (address.getVersion() === null) throw new OptionError('remoteAddress', given, 'an IP address, or a SocketAddress')
  return address
}
