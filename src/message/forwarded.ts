/**
 * What the proxies in front of a server tell of a request.
 */
import type { Client } from '../connection/client.ts'
import type { Fields } from '../http/fields.ts'
import { readForwarded } from '../net/forwarded.ts'
import type { Forwarded } from '../net/forwarded.ts'
import { networksOf } from '../net/networks.ts'
import type { Options } from '../options/options.ts'

/** Reads the forwarded fields of a request; null unless its client is one of the option `proxies`. */
export function forwardedOf(options: Options, client: () => Client, fields: () => Fields): Forwarded | null {
  const proxies = networksOf(options.get('proxies'))
  if (proxies.isEmpty()) return null
  const received = fields()
  const lineOf = (name: string): string | null => received.all(name).join(', ') || null
  return readForwarded(options.get('forwardedHeaders'), client().getRemoteAddress(), proxies, lineOf)
}
