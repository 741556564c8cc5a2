/**
 * `busbar/http`: `node:http` whose servers run on busbar.
 */
import * as http from 'node:http'
import type { ListenOptions } from 'node:net'
import { NodeSocket } from './node-socket.ts'
import { applyFastify, listenerOf, listening } from './serve.ts'
import type { Application, FastifyServerOptions } from './serve.ts'
import { serverClass } from './server.ts'

export * from 'node:http'
export type { Application, FastifyServerOptions }

/** Options of a server. */
export interface ServerOptions extends http.ServerOptions {
  /** HTTP/2 is spoken with clients that begin with it, beside HTTP/1.1. */
  readonly http2?: boolean
}

/**
 * A server for `(req, res)` functions: `http.Server` of Node, whose connections, timeouts and parsing are busbar's.
 *
 * @example new Server((req, res) => res.end('Hello')).listen(8080)
 */
export const Server: typeof http.Server = serverClass(http.Server, { obstacle, secure: () => null, Socket: NodeSocket })
export type Server = http.Server

/** What the engine can't do for a plaintext server. */
function obstacle(_server: http.Server, { insecureHTTPParser = isInsecure() }: { insecureHTTPParser?: unknown }): string | null {
  return insecureHTTPParser === true ? 'the option insecureHTTPParser, which busbar refuses' : null
}

/** Whether Node was started with `--insecure-http-parser`. */
function isInsecure(): boolean {
  return [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')].includes('--insecure-http-parser')
}

/**
 * Makes a server, as `http.createServer` of Node does.
 *
 * @example createServer((req, res) => res.end('Hello')).listen(8080)
 */
export const createServer: typeof http.createServer & ((options: ServerOptions, listener?: http.RequestListener) => http.Server) = (...given: unknown[]) => new Server(...(given as ConstructorParameters<typeof http.Server>))

/**
 * Starts an Express, Koa or Connect application, or a function `(req, res)`. Resolves when the server listens.
 *
 * @example const server = await serve(app, 8080)
 */
export async function serve(app: Application, listen: number | string | ListenOptions, options: ServerOptions = {}): Promise<http.Server> {
  return listening(createServer(options, listenerOf(app)), listen)
}

/**
 * The `serverFactory` of Fastify: its server runs on busbar, with Fastify's options for the server. That of
 * `busbar/https` has TLS.
 *
 * @example const app = fastify({ serverFactory, keepAliveTimeout: 30_000 })
 */
export function serverFactory(handler: http.RequestListener, options: FastifyServerOptions): http.Server {
  if (options.https !== undefined && options.https !== null) throw new TypeError("for the option https, import serverFactory from 'busbar/https'")
  return applyFastify(createServer({ ...options.http, http2: options.http2 === true } as ServerOptions, handler), options)
}

const module: typeof http & { createServer: typeof createServer } = { ...http, Server, createServer }
export default module
