/**
 * Servers of `http2.createSecureServer({ allowHTTP1: true })`, whose `(req, res)` functions busbar serves.
 *
 * Node doesn't export their class. A server that Node has made is given members of ours by a prototype of its own.
 */
import type { Http2SecureServer, SecureServerOptions, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Server as NodeServer } from 'node:http'
import { secureKind, secureMembers } from './secure-servers.ts'
import { adopt, serverMembers } from './server.ts'
import type { ServerKind } from './server.ts'

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void
type Create = (options: SecureServerOptions, listener?: Listener) => Http2SecureServer

const secure = secureKind(() => ['h2', 'http/1.1'])

const kind: ServerKind = {
  ...secure,
  obstacle(server, options) {
    // Node itself listens to streams, for the sake of those that listen to requests.
    if (server.listenerCount('stream') > 1 || (server.listenerCount('stream') === 1 && server.listenerCount('request') === 0)) {
      return "it listens to 'stream', which is Node's own HTTP/2"
    }
    if (server.listenerCount('session') > 0) return "it listens to 'session', which is Node's own HTTP/2"
    if ('Http2ServerRequest' in options || 'Http2ServerResponse' in options) return "the options Http2ServerRequest and Http2ServerResponse: its messages aren't Node's"
    return secure.obstacle(server, options)
  },
}

/** `http2.createSecureServer` whose servers are ours where `allowHTTP1` says that they speak both versions. */
export function createSecureServerOf(create: Create): Create {
  return (options, listener) => {
    const server = listener === undefined ? create(options) : create(options, listener)
    if (typeof options !== 'object' || options?.allowHTTP1 !== true) return server
    const base = Object.getPrototypeOf(server) as NodeServer
    Object.setPrototypeOf(server, Object.create(base, { ...serverMembers(base), ...secureMembers(base) }) as object)
    const { Http1IncomingMessage: IncomingMessage, Http1ServerResponse: ServerResponse } = options
    adopt(server as unknown as NodeServer, kind, { ...options, IncomingMessage, ServerResponse })
    return server
  }
}
