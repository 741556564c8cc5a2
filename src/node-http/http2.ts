/**
 * Servers of `http2.createSecureServer({ allowHTTP1: true })`, whose `(req, res)` functions busbar serves.
 *
 * Node doesn't export their class. A server that Node has made is given members of ours by a prototype of its own.
 */
import type { Http2SecureServer, SecureServerOptions, Settings, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Server as NodeServer } from 'node:http'
import { secureKind, secureMembers } from './secure-servers.ts'
import { adopt, changeOptions, serverMembers } from './server.ts'
import type { ServerKind } from './server.ts'
import { warnOnce } from './warnings.ts'

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void
type Create = (options: SecureServerOptions, listener?: Listener) => Http2SecureServer

const secure = secureKind(() => ['h2', 'http/1.1'])

/** Settings that the engine has a limit for, or that mean nothing when a server sends them. */
const SETTINGS: ReadonlySet<string> = new Set(['maxConcurrentStreams', 'enablePush'])

/** Why the engine can't send these settings; null when it can. */
function settingsObstacle(settings: Settings = {}): string | null {
  const lost = Object.entries(settings).find(([name, value]) => value !== undefined && !SETTINGS.has(name))
  return lost === undefined ? null : `the settings of HTTP/2: busbar has no choice of ${lost[0]}`
}

const kind: ServerKind = {
  ...secure,
  obstacle(server, options) {
    // Node itself listens to streams, for the sake of those that listen to requests.
    if (server.listenerCount('stream') > 1 || (server.listenerCount('stream') === 1 && server.listenerCount('request') === 0)) {
      return "it listens to 'stream', which is Node's own HTTP/2"
    }
    if (server.listenerCount('session') > 0) return "it listens to 'session', which is Node's own HTTP/2"
    const why = settingsObstacle((options as SecureServerOptions).settings)
    if (why !== null) return why
    if ('Http2ServerRequest' in options || 'Http2ServerResponse' in options) return "the options Http2ServerRequest and Http2ServerResponse: its messages aren't Node's"
    return secure.obstacle(server, options)
  },
}

/** The members of such servers that differ from Node's; `base` are Node's. */
function http2Members(base: object): PropertyDescriptorMap {
  const nodes = base as Http2SecureServer
  const members = {
    updateSettings(this: Http2SecureServer, settings: Settings): void {
      nodes.updateSettings.call(this, settings)
      const why = this.listening ? settingsObstacle(settings) : null
      if (why !== null) warnOnce(`updateSettings: ${why}`)
      changeOptions(this, (options) => ({ settings: { ...(options['settings'] as Settings), ...settings } }))
    },

    // Node's looks for a handle.
    async [Symbol.asyncDispose](this: Http2SecureServer): Promise<void> {
      if (this.listening) await new Promise<void>((resolve) => void this.close(() => resolve()))
    },
  }
  return Object.getOwnPropertyDescriptors(members)
}

/** `http2.createSecureServer` whose servers are ours where `allowHTTP1` says that they speak both versions. */
export function createSecureServerOf(create: Create): Create {
  return (options, listener) => {
    const server = listener === undefined ? create(options) : create(options, listener)
    if (typeof options !== 'object' || options?.allowHTTP1 !== true) return server
    const base = Object.getPrototypeOf(server) as NodeServer
    Object.setPrototypeOf(server, Object.create(base, { ...serverMembers(base), ...secureMembers(base), ...http2Members(base) }) as object)
    const { Http1IncomingMessage: IncomingMessage, Http1ServerResponse: ServerResponse } = options
    adopt(server as unknown as NodeServer, kind, { ...options, IncomingMessage, ServerResponse })
    return server
  }
}
