/** Types that must hold: servers of `busbar/http` go where those of `node:http` go. Checked by the compiler. */
import type nodeHttp from 'node:http'
import type nodeHttps from 'node:https'
import fastify from 'fastify'
import { WebSocketServer } from 'ws'
import http, { IncomingMessage, Server, ServerResponse, createServer, serve, serverFactory } from '../src/node-http/index.ts'
import https, { createServer as createSecureServer, serverFactory as secureFactory } from '../src/node-http/https.ts'

const server = createServer((req, res) => {
  const request: nodeHttp.IncomingMessage = req
  const response: nodeHttp.ServerResponse = res
  response.end(request.url)
})
export const plain: nodeHttp.Server = server
export const sockets = new WebSocketServer({ server })
export const secure: nodeHttps.Server = createSecureServer({ http2: true, minVersion: 'TLSv1.3' })
export const made: nodeHttp.Server[] = [new Server(), http.createServer({ http2: true }), new https.Server()]
export const started: Promise<nodeHttp.Server> = serve((_req, res) => void res.end(), 8080)

class Request extends IncomingMessage {}
class Response extends ServerResponse {}
export const options: nodeHttp.ServerOptions = { IncomingMessage: Request, ServerResponse: Response as typeof ServerResponse }

export const apps: { readonly server: nodeHttp.Server }[] = [
  fastify({ serverFactory, keepAliveTimeout: 30_000 }),
  fastify({ serverFactory: (handler, given) => serverFactory(handler, { ...given, http2: true }) }),
]
export const secureApps: { readonly server: nodeHttps.Server }[] = [
  fastify({ serverFactory: secureFactory, https: {} }),
  fastify({ serverFactory: (handler, given) => secureFactory(handler, { ...given, http2: true }), https: {} }),
]

// @ts-expect-error serve takes an application
void serve(5, 8080)
