/**
 * Servers: Node's own, whose listening and connections are the engine's.
 *
 * Each is made by Node's constructor, so options, properties and events are Node's, and it can be served by Node where
 * the engine can't: `listen` decides. Sockets that the application brings by `emit('connection', socket)` are always
 * served by Node.
 */
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Server as NodeServer } from 'node:http'
import { announce, isClusterWorker } from '../server/cluster.ts'
import { ioThreads } from '../server/io-threads.ts'
import type { BoundAddress, ListenOptions, TlsContext } from '../native.ts'
import { planOne } from '../server/listen.ts'
import { toAddress } from '../net/socket-address.ts'
import { Listening } from './listening.ts'
import type { ServerParts } from './listening.ts'
import { limitsOf } from './limits.ts'
import { readListen } from './listen-arguments.ts'
import type { ListenWish } from './listen-arguments.ts'
import { listenFailure, nodeError } from './node-errors.ts'
import { installBridges } from './bridges.ts'
import { NodeSocket } from './node-socket.ts'
import { warnOnce } from './warnings.ts'

const STATE: unique symbol = Symbol('busbar.server')

/** What a kind of server adds: TLS, or nothing. */
export interface ServerKind {
  /** Why Node has to serve it; null when the engine can. */
  obstacle(server: NodeServer, options: object): string | null
  /** The TLS of its listener; null for none. Throws when the options can't be mapped. */
  tls(server: NodeServer, options: object): TlsContext | null
}

interface State {
  readonly kind: ServerKind
  readonly options: Readonly<Record<string, unknown>>
  /** The time that Node gives a connection without a request, unless the application sets another. */
  readonly usualKeepAlive: number | null
  /** Null while the server doesn't listen, or Node serves it. */
  listening: Listening | null
  bound: BoundAddress | null
  isReferenced: boolean
  /** A close is under way. */
  isClosing: boolean
  /** A name is being looked up. */
  isStarting: boolean
}

type Ours = ServerParts & { [STATE]: State }

/** Servers that the engine serves now or has served, for the line of `busbar/register`. */
export const counts = { taken: 0, left: 0 }

/** Takes over a server that Node's constructor has made. */
export function adopt(server: NodeServer, kind: ServerKind, options: object): void {
  const given = options as Record<string, unknown>
  const usualKeepAlive = given['keepAliveTimeout'] === undefined ? server.keepAliveTimeout : null
  Object.defineProperty(server, STATE, {
    value: { kind, options: given, usualKeepAlive, listening: null, bound: null, isReferenced: true, isClosing: false, isStarting: false },
  })
  for (const event of ['connection', 'secureConnection']) guardListeners(server, event)
}

/** Node's own listeners ignore the sockets of ours. */
function guardListeners(server: NodeServer, event: string): void {
  for (const listener of server.listeners(event) as ((socket: unknown) => void)[]) {
    server.removeListener(event, listener)
    server.on(event, function (this: NodeServer, socket: unknown) {
      if (!(socket instanceof NodeSocket)) Reflect.apply(listener, this, [socket])
    })
  }
}

/** The members of servers that differ from Node's; `base` are Node's. */
export function serverMembers(base: NodeServer): PropertyDescriptorMap & ThisType<Ours> {
  const members = {
    listen(this: Ours, ...given: unknown[]): Ours {
      const state = this[STATE]
      const { wish, callback } = readListen(given)
      if (state === undefined) return base.listen.apply(this, given as never) as Ours
      if (state.listening !== null || state.isStarting || this.listening) throw nodeError('ERR_SERVER_ALREADY_LISTEN')
      const why = wish === null ? '' : (obstacleOf(wish) ?? state.kind.obstacle(this, state.options))
      if (wish === null || why !== null) {
        counts.left++
        if (why !== '') warnOnce(`a server is served by node:http: ${why}`)
        return base.listen.apply(this, given as never) as Ours
      }
      if (callback !== undefined) this.once('listening', callback)
      start(this, wish)
      return this
    },

    close(this: Ours, callback?: (error?: Error) => void): Ours {
      const state = this[STATE]
      if (state?.listening == null) return base.close.call(this, callback) as Ours
      if (typeof callback === 'function') {
        if (state.isClosing) {
          this.once('close', () => callback(nodeError('ERR_SERVER_NOT_RUNNING')))
          return this
        }
        this.once('close', () => callback())
      }
      stop(this, state)
      return this
    },

    address(this: Ours): AddressInfo | string | null {
      const bound = this[STATE]?.bound ?? null
      if (bound === null) return base.address.call(this)
      if (bound.family === 'unix') return bound.host
      return { address: bound.host, family: bound.family, port: bound.port }
    },

    getConnections(this: Ours, callback: (error: Error | null, count: number) => void): Ours {
      const listening = this[STATE]?.listening ?? null
      if (listening === null) return base.getConnections.call(this, callback) as Ours
      process.nextTick(callback, null, listening.front.engine.clientCount())
      return this
    },

    closeAllConnections(this: Ours): void {
      this[STATE]?.listening?.closeConnections(false)
      base.closeAllConnections.call(this)
    },

    closeIdleConnections(this: Ours): void {
      this[STATE]?.listening?.closeConnections(true)
      base.closeIdleConnections.call(this)
    },

    ref(this: Ours): Ours {
      const state = this[STATE]
      if (state !== undefined) state.isReferenced = true
      state?.listening?.front.engine.ref()
      return base.ref.call(this) as Ours
    },

    unref(this: Ours): Ours {
      const state = this[STATE]
      if (state !== undefined) state.isReferenced = false
      state?.listening?.front.engine.unref()
      return base.unref.call(this) as Ours
    },
  }
  return {
    ...Object.getOwnPropertyDescriptors(members),
    listening: {
      configurable: true,
      enumerable: true,
      get() {
        const state = this[STATE]
        return (state?.listening != null && !state.isClosing) || Reflect.get(base, 'listening', this) === true
      },
    },
    listensByIpv6: {
      get() {
        return this[STATE].bound?.family === 'IPv6'
      },
    },
  }
}

/** Why the engine can't listen there; null when it can. */
function obstacleOf(wish: ListenWish): string | null {
  if (!isClusterWorker()) return null
  if (wish.path !== undefined) return 'the workers of a cluster share a unix socket through their primary process'
  if (wish.port === 0) return 'the workers of a cluster share port 0 through their primary process'
  return process.platform === 'linux' ? null : `${process.platform} doesn't share connections out among processes`
}

function start(server: Ours, wish: ListenWish): void {
  const state = server[STATE]
  const { signal, host } = wish
  if (signal?.aborted === true) return void process.nextTick(() => server.close())
  signal?.addEventListener('abort', () => server.close(), { once: true })
  if (host === undefined || host === '' || isIP(host) !== 0) return bindNow(server, state, wish, host)
  state.isStarting = true
  lookup(host, (error, address) => {
    state.isStarting = false
    if (error !== null) server.emit('error', error)
    else bindNow(server, state, wish, address)
  })
}

function bindNow(server: Ours, state: State, wish: ListenWish, host: string | undefined): void {
  const listening = new Listening(server, limitsOf(server, server.keepAliveTimeout !== state.usualKeepAlive), ioThreads(undefined))
  const { engine } = listening.front
  try {
    const tls = state.kind.tls(server, state.options)
    state.bound = engine.listen(optionsOf(wish, host), tls)
  } catch (error) {
    engine.dispose()
    process.nextTick(failListen, server, asNodes(error, wish, host))
    return
  }
  installBridges()
  state.listening = listening
  state.isClosing = false
  counts.taken++
  // Announced one by one only where something listens: that costs each connection a round.
  if (server.listenerCount('connection') > 1 || server.listenerCount('secureConnection') > 1) engine.announceAccepted()
  engine.start()
  if (!state.isReferenced) engine.unref()
  if (isClusterWorker()) announce([{ plan: planOne({ port: state.bound.port }), addresses: [toAddress(state.bound)] }])
  process.nextTick(emitListening, server, listening)
}

function failListen(server: Ours, error: Error): void {
  server.emit('error', error)
}

function emitListening(server: Ours, listening: Listening): void {
  // It may have been closed meanwhile.
  if (server[STATE].listening === listening) server.emit('listening')
}

function optionsOf(wish: ListenWish, host: string | undefined): ListenOptions {
  const { port, path = null, fd = null, backlog = 511, ipv6Only } = wish
  const reusePort = wish.reusePort || isClusterWorker()
  const isAny = host === undefined || host === ''
  const place = fd !== null || path !== null ? { host: null, port: 0 } : { host: isAny ? (ipv6Only ? '::' : null) : host, port }
  return { ...place, path: fd === null ? path : null, fd, backlog, reusePort, ipv6Only, mode: null }
}

/** The engine's error as Node's. */
function asNodes(error: unknown, wish: ListenWish, host: string | undefined): Error {
  const code = error instanceof Error ? /^E[A-Z]+/.exec(error.message)?.[0] : undefined
  if (code === undefined) return error as Error
  if (wish.path !== undefined) return listenFailure(code, wish.path, null)
  return listenFailure(code, host ?? '::', wish.port)
}

function stop(server: Ours, state: State): void {
  const { listening } = state
  if (listening === null || state.isClosing) return
  state.isClosing = true
  const { engine } = listening.front
  engine.stopListening()
  listening.whenIdle = () => {
    state.listening = null
    state.bound = null
    process.nextTick(() => {
      engine.dispose()
      server.emit('close')
    })
  }
  if (!state.isReferenced) engine.unref()
  engine.stopGracefully()
}

/** Makes a class of servers: Node's constructor, then ours. It can be called without `new`, and extended. */
export function serverClass<Class extends { new (...given: never[]): NodeServer; prototype: object }>(Base: Class, kind: ServerKind): Class {
  function Server(this: unknown, ...given: unknown[]): unknown {
    // Under `extends` and `Server.call(this)` there is an object already.
    const target = this instanceof Server ? this : (Object.create(Server.prototype) as NodeServer)
    Reflect.apply(Base as unknown as (...given: unknown[]) => void, target, given)
    const [options] = given
    adopt(target as NodeServer, kind, typeof options === 'object' && options !== null ? options : {})
    return target
  }
  Object.setPrototypeOf(Server, Base)
  const prototype: object = Object.create(Base.prototype, {
    constructor: { value: Server, writable: true, configurable: true },
    ...serverMembers(Base.prototype as NodeServer),
  }) as object
  Server.prototype = prototype as never
  return Server as unknown as Class
}
