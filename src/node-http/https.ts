/**
 * `busbar/https`: `node:https` whose servers run on busbar.
 */
import * as https from 'node:https'
import type { RequestListener } from 'node:http'
import type { ListenOptions } from 'node:net'
import { serverFactory as plainFactory } from './index.ts'
import { secureKind, secureMembers } from './secure-servers.ts'
import { applyFastify, listenerOf, listening } from './serve.ts'
import type { Application, FastifyServerOptions } from './serve.ts'
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
export const createServer: typeof https.createServer & ((options: ServerOptions, listener?: RequestListener) => https.Server) = (...given: unknown[]) => new Server(...(given as ConstructorParameters<typeof https.Server>))

/**
 * Starts an application with TLS. Resolves when the server listens.
 *
 * @example const server = await serve(app, 8443, { cert, key, http2: true })
 */
export async function serve(app: Application, listen: number | string | ListenOptions, options: ServerOptions): Promise<https.Server> {
  return listening(createServer(options, listenerOf(app)), listen)
}

/**
 * The `serverFactory` of Fastify, with its option `https`, and `http2` for both versions. Without `https` its server has
 * no TLS.
 *
 * @example const app = fastify({ serverFactory, https: { cert, key }, http2: true })
 */
export function serverFactory(handler: RequestListener, options: FastifyServerOptions): Server {
  if (options.https === undefined || options.https === null) return plainFactory(handler, options) as Server
  return applyFastify(createServer({ ...options.https, http2: options.http2 === true } as ServerOptions, handler), options)
}

const module: typeof https & { createServer: typeof createServer } = { ...https, Server, createServer }
export default module
