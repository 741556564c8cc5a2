/**
 * Openers for the specs of `busbar/http`: a listening server, requests by Node's client, and packages without types.
 */
import { once } from 'node:events'
import nodeHttp from 'node:http'
import nodeHttps from 'node:https'
import type { IncomingHttpHeaders, RequestListener, RequestOptions, Server, ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import type { ExecutionContext } from 'ava'
import http from '../src/node-http/index.ts'
import { Wire } from './support.ts'

/** What a client has received. */
export interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly text: string
}

/** A server on a free port of the loopback interface. */
export interface Served {
  readonly server: Server
  readonly port: number
  readonly get: (path: string, options?: RequestOptions, body?: string | Uint8Array) => Promise<Answer>
  readonly dial: () => Promise<Wire>
}

const require = createRequire(import.meta.url)

/** A package without types, as what the spec says it is. */
export function packaged<Type>(name: string): Type {
  const loaded = require(name) as { default?: Type } & Type
  return loaded.default ?? loaded
}

/** Starts a server that is closed behind the test. */
export async function serveNode(t: ExecutionContext, listener: RequestListener | null, options: ServerOptions = {}): Promise<Served> {
  const server = listener === null ? http.createServer(options) : http.createServer(options, listener)
  return open(t, server)
}

/** Has a server listen, and closes it behind the test. */
export async function open(t: ExecutionContext, server: Server): Promise<Served> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return { server, port, get: (path, given, body) => ask({ port, path, ...given }, body), dial: () => dial(port) }
}

/** Sends a request by Node's client. */
export async function ask(options: RequestOptions, body?: string | Uint8Array): Promise<Answer> {
  const request = nodeHttp.request({ host: '127.0.0.1', agent: false, ...options })
  request.end(body)
  const [response] = (await once(request, 'response')) as [nodeHttp.IncomingMessage]
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    headers: response.headers,
    trailers: response.trailers,
    text: Buffer.concat(pieces).toString(),
  }
}

async function dial(port: number): Promise<Wire> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return new Wire(socket)
}

/** Sends a GET by Node's client over TLS and HTTP/1.1, and reads the text of its response. */
export async function getByTls(port: number, options: nodeHttps.RequestOptions = {}): Promise<string> {
  const request = nodeHttps.get({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false, ...options })
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
  let text = ''
  for await (const piece of response) text += String(piece)
  return text
}
