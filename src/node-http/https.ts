/**
 * `busbar/https`: `node:https` whose servers run on busbar.
 */
import * as https from 'node:https'
import { secureKind, secureMembers } from './secure-servers.ts'
import { serverClass } from './server.ts'
import { rememberContexts } from './tls-contexts.ts'

export * from 'node:https'

rememberContexts()

/** Options of a server that speaks HTTP/2 as well. */
export interface ServerOptions extends https.ServerOptions {
  /** HTTP/2 is offered to clients, beside HTTP/1.1. */
  readonly http2?: boolean
}

const kind = secureKind((options) => ((options as ServerOptions).http2 === true ? ['h2', 'http/1.1'] : ['http/1.1']))

/**
 * A server with TLS for `(req, res)` functions: `https.Server` of Node, whose connections, TLS and parsing are busbar's.
 *
 * @example new Server({ cert, key }, (req, res) => res.end('Hello')).listen(8443)
 */
export const Server: typeof https.Server = serverClass(https.Server, kind, secureMembers(https.Server.prototype))
export type Server = https.Server

/**
 * Makes a server, as `https.createServer` of Node does. With `http2: true` the same `req` and `res` come over HTTP/2.
 *
 * @example createServer({ cert, key, http2: true }, app).listen(8443)
 */
export const createServer: typeof https.createServer = (...given: unknown[]) => new Server(...(given as ConstructorParameters<typeof https.Server>))

const module: typeof https = { ...https, Server, createServer }
export default module
