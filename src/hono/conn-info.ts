/**
 * `getConnInfo` for Hono.
 */
import type { GetConnInfo } from 'hono/conninfo'
import { contextIn } from './context.ts'

/**
 * The address of the peer. Behind proxies that is the proxy; trusted ones are believed by
 * `c.env.request.getRemoteAddress()`.
 *
 * @example app.get('/', (c) => c.text(String(getConnInfo(c).remote.address)))
 */
export const getConnInfo: GetConnInfo = (c) => {
  const { address, port, family } = contextIn(c).remoteAddress
  if (family === 'unix') return { remote: { address, addressType: undefined } }
  return { remote: { transport: 'tcp', address, port, addressType: family } }
}
