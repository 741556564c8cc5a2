/**
 * What proxies forward, as an attribute. `request.getRemoteAddress()` has the same with the option `proxies`; this is for
 * a part of an application, and for the other fields that proxies tell.
 */
import { OptionError } from '../core/errors.ts'
import { Attribute } from '../message/attribute.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { readForwarded } from '../net/forwarded.ts'
import type { ForwardedHeaders } from '../net/forwarded.ts'
import { isNetwork } from '../net/ip.ts'
import { Networks } from '../net/networks.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * What trusted proxies tell of a request's client.
 *
 * @example request.findAttribute(Forwarded.ATTRIBUTE)?.getFor().getHost()
 */
export class Forwarded {
  /**
   * The attribute that `ForwardedMiddleware` sets: null when the proxy has told nothing that can be read. It isn't set
   * for clients that are no proxies.
   */
  static readonly ATTRIBUTE = new Attribute<Forwarded | null>('Forwarded')

  readonly #for: SocketAddress
  readonly #fields: ReadonlyMap<string, string>

  /** `fields` has what was told beside the address, by lower-case name: `proto`, `host`. */
  constructor(address: SocketAddress, fields: Readonly<Record<string, string>> = {}) {
    this.#for = address
    this.#fields = new Map([['for', address.getPort() === 0 ? address.getHost() : String(address)], ...Object.entries(fields)])
  }

  /**
   * The address of the client. Its port is 0 when it wasn't told.
   *
   * @example forwarded.getFor().getHost() // '203.0.113.9'
   */
  getFor(): SocketAddress {
    return this.#for
  }

  /**
   * What was told under a name, `'for'`, `'proto'` or `'host'`; null when nothing was.
   *
   * @example forwarded.getField('proto') // 'https'
   */
  getField(name: string): string | null {
    return this.#fields.get(name.toLowerCase()) ?? null
  }
}

/**
 * Reads `Forwarded` or the `X-Forwarded` fields of requests that come from one of these proxies: addresses, networks,
 * and `'unix'`. Sets the attribute `Forwarded.ATTRIBUTE`. The address of the connection stays what it is.
 *
 * @example stack(handler, new ForwardedMiddleware('x-forwarded', ['10.0.0.0/8']))
 */
export class ForwardedMiddleware implements Middleware {
  readonly #kind: ForwardedHeaders
  readonly #proxies: Networks

  constructor(kind: ForwardedHeaders, proxies: readonly string[]) {
    if (kind !== 'x-forwarded' && kind !== 'forwarded') throw new OptionError('kind', kind, "'x-forwarded' or 'forwarded'")
    if (!Array.isArray(proxies) || !proxies.every((each) => each === 'unix' || isNetwork(each))) {
      throw new OptionError('proxies', proxies, "a list of networks such as '10.0.0.0/8', addresses, or 'unix'")
    }
    this.#kind = kind
    this.#proxies = new Networks(proxies)
  }

  /**
   * Sets the attribute and passes the request on.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const peer = request.getClient().getRemoteAddress()
    const found = readForwarded(this.#kind, peer, this.#proxies, (name) => request.getHeaderLine(name))
    if (found !== null) {
      const { remoteAddress, scheme, host } = found
      const fields = { ...(scheme === null ? {} : { proto: scheme }), ...(host === null ? {} : { host }) }
      // Without an entry that can be read the address is still that of the peer.
      request.setAttribute(Forwarded.ATTRIBUTE, remoteAddress === peer ? null : new Forwarded(remoteAddress, fields))
    }
    return next(request)
  }
}
