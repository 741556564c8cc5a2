/**
 * Applications that are started in one line.
 */
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import type { ListenOptions } from 'node:net'

/** An Express or Connect application, a Koa application, or a function of a request and a response. */
export type Application = RequestListener | { callback(): RequestListener }

/** The function of an application that answers requests. */
export function listenerOf(app: Application): RequestListener {
  if (typeof app === 'function') return app
  if (typeof app?.callback === 'function') return app.callback()
  throw new TypeError('serve takes a function (req, res), or an application with callback(), such as one of Koa')
}

/** Has a server listen; resolves when it does, and rejects when it can't. */
export async function listening<Served extends Server>(server: Served, listen: number | string | ListenOptions): Promise<Served> {
  server.listen(listen as ListenOptions)
  await once(server, 'listening')
  return server
}

/** What Fastify gives the factory of its server. */
export interface FastifyServerOptions {
  readonly http?: object | null
  readonly https?: object | null
  readonly http2?: boolean
  readonly keepAliveTimeout?: number
  readonly requestTimeout?: number
  readonly connectionTimeout?: number
  readonly maxRequestsPerSocket?: number
  readonly [name: string]: unknown
}

/** Applies the options that Fastify applies to servers of its own. */
export function applyFastify<Served extends Server>(server: Served, options: FastifyServerOptions): Served {
  const { keepAliveTimeout, requestTimeout, connectionTimeout, maxRequestsPerSocket } = options
  if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout
  if (requestTimeout !== undefined) server.requestTimeout = requestTimeout
  if (connectionTimeout !== undefined && connectionTimeout > 0) server.setTimeout(connectionTimeout)
  if (maxRequestsPerSocket !== undefined && maxRequestsPerSocket > 0) server.maxRequestsPerSocket = maxRequestsPerSocket
  return server
}
