/**
 * `busbar/http`: `node:http` whose servers run on busbar.
 */
import * as http from 'node:http'
import { NodeSocket } from './node-socket.ts'
import { serverClass } from './server.ts'

export * from 'node:http'

/**
 * A server for `(req, res)` functions: `http.Server` of Node, whose connections, timeouts and parsing are busbar's.
 *
 * @example new Server((req, res) => res.end('Hello')).listen(8080)
 */
export const Server = serverClass(http.Server, { obstacle, secure: () => null, Socket: NodeSocket })
export type Server = http.Server

/** What the engine can't do for a plaintext server. */
function obstacle(_server: http.Server, options: { insecureHTTPParser?: unknown }): string | null {
  return options.insecureHTTPParser === true ? 'the option insecureHTTPParser, which busbar refuses' : null
}

/**
 * Makes a server, as `http.createServer` of Node does.
 *
 * @example createServer((req, res) => res.end('Hello')).listen(8080)
 */
export const createServer = ((...given: ConstructorParameters<typeof http.Server>) => new Server(...given)) as typeof http.createServer

export default { ...http, Server, createServer } as typeof http
