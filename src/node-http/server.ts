/**
 * Servers: Node's own, whose listening and connections are the engine's.
 *
 * Each is made by Node's constructor, so options, properties and events are Node's, and it can be served by Node where
 * the engine can't: `listen` decides. Sockets that the application brings by `emit('connection', socket)` are always
 * served by Node.
 */
import { lookup } from 'node:dns'
import { channel } from 'node:diagnostics_channel'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Server as NodeServer } from 'node:http'
import { debuglog } from 'node:util'
import { announce, isClusterWorker, onDisconnect } from '../server/cluster.ts'
import { ioThreads } from '../server/io-threads.ts'
import type { BoundAddress, EngineLimits, ListenOptions } from '../native.ts'
import { planOne } from '../server/listen.ts'
import { toAddress } from '../net/socket-address.ts'
import { Listening } from './listening.ts'
import type { ServerParts } from './listening.ts'
import { idleLimits, limitsOf, limitsOfOptions } from './limits.ts'
import { watchLimits } from './live-limits.ts'
import { readListen } from './listen-arguments.ts'
import type { ListenWish } from './listen-arguments.ts'
import { listenFailure, nodeError } from './node-errors.ts'
import { classObstacle, classesOf } from './message-classes.ts'
import { installBridges } from './bridges.ts'
import type { NodeSocket } from './node-socket.ts'
import type { Secured } from './secured.ts'
import { CONNECTION } from './symbols.ts'
import { warnOnce } from './warnings.ts'

const STATE: unique symbol = Symbol('busbar.server')

/** What a kind of server adds: TLS, or nothing. */
export interface ServerKind {
  /** Why Node has to serve it; null when the engine can. */
  obstacle(server: NodeServer, options: object): string | null
  /** The TLS of a server; null for none. */
  secure(server: NodeServer, options: object): Secured | null
  /** Events that only Node emits: a server that listens to them when it begins is served by Node. */
  readonly lostEvents?: readonly string[]
  /** The class of its sockets. */
  readonly Socket: typeof NodeSocket
}

interface State {
  readonly kind: ServerKind
  options: Readonly<Record<string, unknown>>
  readonly secured: Secured | null
  /** The application has set the time for a connection without a request. */
  hasKeepAliveTimeout: boolean
  /** Null while the server doesn't listen, or Node serves it. */
  listening: Listening | null
  bound: BoundAddress | null
  /** It listens, or has listened last, by IPv6. */
  isIpv6: boolean
  isReferenced: boolean
  /** Those that are closed, and still have connections. */
  readonly closing: Set<Listening>
  /** Counts calls of `listen` and `close`: each makes a lookup before it void. */
  attempt: number
}

type Ours = ServerParts & { [STATE]: State }

const log = debuglog('busbar')
const decided = channel('busbar.server')
const counts = { busbar: 0, node: 0 }

/** Counts a server that begins to listen, for those who ask who serves it. */
function count(server: NodeServer, servedBy: 'busbar' | 'node', reason: string | null): void {
  counts[servedBy]++
  log('%d servers are served by busbar, %d by node:http%s', counts.busbar, counts.node, reason === null ? '' : `: ${reason}`)
  if (decided.hasSubscribers) decided.publish({ server, servedBy, reason })
}

/** Takes over a server that Node's constructor has made. */
export function adopt(server: NodeServer, kind: ServerKind, options: object): void {
  const given = options as Record<string, unknown>
  const hasKeepAliveTimeout = given['keepAliveTimeout'] !== undefined
  Object.defineProperty(server, STATE, {
    value: {
      kind, options: given, secured: kind.secure(server, options), hasKeepAliveTimeout, listening: null, bound: null, isIpv6: false,
      isReferenced: true, closing: new Set(), attempt: 0,
    },
  })
  watchLimits(server, (name) => {
    const state = (server as Ours)[STATE]
    if (name === 'keepAliveTimeout') state.hasKeepAliveTimeout = true
    if (name === 'timeout' || name === 'maxConnections') {
      if (looksAtConnections(server as Ours)) state.listening?.admission.announce()
    } else state.listening?.front.engine.replaceLimits(limitsNow(server as Ours, state))
  })
  for (const event of ['connection', 'secureConnection']) guardListeners(server, event)
  server.on('newListener', (event: string) => {
    const listening = (server as Ours)[STATE].listening
    if (event === 'connection' || event === 'secureConnection') listening?.admission.announce()
    else if (event === 'clientError' || event === 'tlsClientError') listening?.tellErrors()
    else if (listening != null && kind.lostEvents?.includes(event) === true) warnOnce(`busbar doesn't emit '${event}': listen to it before the server listens`)
  })
}

/** Node's own listeners ignore the sockets of ours. */
function guardListeners(server: NodeServer, event: string): void {
  for (const listener of server.listeners(event) as ((socket: unknown) => void)[]) {
    server.removeListener(event, listener)
    server.on(event, function (this: NodeServer, socket: unknown) {
      if (!isOurs(socket) || (socket as NodeSocket)[CONNECTION].isRaw) Reflect.apply(listener, this, [socket])
    })
  }
}

function isOurs(socket: unknown): boolean {
  return typeof socket === 'object' && socket !== null && CONNECTION in socket
}

/** The TLS of a server of ours. */
export function securedOf(server: object): Secured | null {
  return (server as Partial<Ours>)[STATE]?.secured ?? null
}

/** Changes options of which limits of the engine are made, also while the server listens. */
export function changeOptions(server: object, change: (options: State['options']) => object): void {
  const state = (server as Ours)[STATE]
  state.options = { ...state.options, ...change(state.options) }
  state.listening?.front.engine.replaceLimits(limitsNow(server as Ours, state))
}

/** The members of servers that differ from Node's; `base` are Node's. */
export function serverMembers(base: NodeServer): PropertyDescriptorMap & ThisType<Ours> {
  const members = {
    listen(this: Ours, ...given: unknown[]): Ours {
      const state = this[STATE]
      const { wish, callback } = readListen(given)
      if (state === undefined) return base.listen.apply(this, given as never) as Ours
      if (state.listening !== null || this.listening) throw nodeError('ERR_SERVER_ALREADY_LISTEN')
      state.attempt++
      const why = wish === null ? '' : (obstacleOf(wish) ?? classObstacle(state.options) ?? state.kind.obstacle(this, state.options))
      if (wish === null || why !== null) {
        if (why !== '') warnOnce(`a server is served by node:http: ${why}`)
        base.listen.apply(this, given as never)
        count(this, 'node', why)
        return this
      }
      if (callback !== undefined) this.once('listening', callback)
      start(this, wish)
      return this
    },

    close(this: Ours, callback?: (error?: Error) => void): Ours {
      const state = this[STATE]
      if (state !== undefined) state.attempt++
      if (state === undefined || (state.listening === null && state.closing.size === 0)) return base.close.call(this, callback) as Ours
      const isRunning = state.listening !== null
      if (typeof callback === 'function') this.once('close', () => callback(...(isRunning ? [] : [nodeError('ERR_SERVER_NOT_RUNNING')])))
      if (!isRunning) return this
      this.closeIdleConnections()
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
      const all = listeningOf(this)
      if (all.length === 0) return base.getConnections.call(this, callback) as Ours
      process.nextTick(callback, null, all.reduce((sum, { front }) => sum + front.engine.clientCount(), 0))
      return this
    },

    closeAllConnections(this: Ours): void {
      for (const listening of listeningOf(this)) listening.closeConnections(false)
      // Servers of node:http2 have none in old releases.
      base.closeAllConnections?.call(this)
    },

    closeIdleConnections(this: Ours): void {
      for (const listening of listeningOf(this)) listening.closeConnections(true)
      base.closeIdleConnections?.call(this)
    },

    ref(this: Ours): Ours {
      const state = this[STATE]
      if (state !== undefined) state.isReferenced = true
      if (state?.listening != null) hold(this, state, state.listening)
      return base.ref.call(this) as Ours
    },

    unref(this: Ours): Ours {
      const state = this[STATE]
      if (state !== undefined) state.isReferenced = false
      if (state?.listening != null) letGo(this, state, state.listening)
      return base.unref.call(this) as Ours
    },
  }
  return {
    ...Object.getOwnPropertyDescriptors(members),
    listening: {
      configurable: true,
      enumerable: true,
      get() {
        return this[STATE]?.listening != null || Reflect.get(base, 'listening', this) === true
      },
    },
    listensByIpv6: {
      get() {
        return this[STATE].isIpv6
      },
    },
  }
}

/** The engines that serve connections of a server: the one that listens, and those that are closing. */
function listeningOf(server: Ours): Listening[] {
  const state = server[STATE]
  if (state === undefined) return []
  return [...(state.listening === null ? [] : [state.listening]), ...state.closing]
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
  const { attempt } = state
  if (signal !== undefined && closeOn(signal, server)) return
  if (host === undefined || host === '' || isIP(host) !== 0) return bindNow(server, state, wish, host)
  lookup(host, (error, address) => {
    if (state.attempt !== attempt) return
    if (error !== null) server.emit('error', error)
    else bindNow(server, state, wish, address)
  })
}

/** Closes a server when a signal aborts. True when it has. */
function closeOn(signal: AbortSignal, server: Ours): boolean {
  const close = (): void => void server.close()
  if (signal.aborted) process.nextTick(close)
  else {
    signal.addEventListener('abort', close, { once: true })
    server.once('close', () => signal.removeEventListener('abort', close))
  }
  return signal.aborted
}

/** The limits of the engine, by the properties that the server has now. */
function limitsNow(server: Ours, state: State): EngineLimits {
  return { ...limitsOf(server, state.hasKeepAliveTimeout || !state.isReferenced), ...limitsOfOptions(state.options) }
}

/** The process may end when no connection is open. As with Node, clients keep theirs for `keepAliveTimeout`. */
function letGo(server: Ours, state: State, { admission, front }: Listening): void {
  front.engine.replaceLimits(limitsNow(server, state))
  admission.unref(front.connections())
}

/** The process stays while the server listens. */
function hold(server: Ours, state: State, { admission, front }: Listening): void {
  front.engine.replaceLimits(limitsNow(server, state))
  admission.ref()
}

function bindNow(server: Ours, state: State, wish: ListenWish, host: string | undefined): void {
  const listening = new Listening(server, limitsNow(server, state), ioThreads(undefined), state.kind.Socket, state.secured, classesOf(state.options))
  const { engine } = listening.front
  try {
    state.bound = engine.listen(optionsOf(wish, host), state.secured?.context() ?? null)
  } catch (error) {
    engine.dispose()
    process.nextTick(failListen, server, asNodes(error, wish, host))
    return
  }
  state.isIpv6 = state.bound.family === 'IPv6'
  installBridges()
  state.listening = listening
  count(server, 'busbar', null)
  if (looksAtConnections(server)) listening.admission.announce()
  // A server with TLS listens to its own 'tlsClientError'.
  if (server.listenerCount('clientError') > 0 || server.listenerCount('tlsClientError') > 1) listening.tellErrors()
  engine.askForPages()
  engine.start()
  if (!state.isReferenced) letGo(server, state, listening)
  if (isClusterWorker()) joinCluster(server, state.bound)
  process.nextTick(emitListening, server, listening)
}

/** Connections are announced one by one only where something asks for that: it costs each of them a round. */
function looksAtConnections(server: Ours): boolean {
  if (server.maxConnections !== undefined || server.blockList !== undefined || server.timeout > 0) return true
  return server.listenerCount('connection') > 1 || server.listenerCount('secureConnection') > 1
}

/** The primary process knows that this worker listens. As with Node, the server closes when the worker is disconnected. */
function joinCluster(server: Ours, bound: BoundAddress): void {
  announce([{ plan: planOne({ port: bound.port }), addresses: [toAddress(bound)] }])
  server.once('close', onDisconnect(() => server.close()))
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
  return { ...place, path: fd === null ? path : null, fd, backlog, reusePort, ipv6Only, mode: null, proxyProtocol: false }
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
  if (listening === null) return
  const { engine } = listening.front
  engine.stopListening()
  // As with Node, it may listen again at once.
  state.closing.add(listening)
  state.listening = null
  state.bound = null
  listening.whenIdle = () => {
    state.closing.delete(listening)
    process.nextTick(() => {
      engine.dispose()
      if (state.closing.size === 0 && state.listening === null) server.emit('close')
    })
  }
  // As with Node, 'close' comes even if the server has let the process end before.
  listening.admission.ref()
  // As with Node, clients keep their connections for `keepAliveTimeout` behind a response.
  engine.replaceLimits({ ...limitsNow(server, state), ...idleLimits(server.keepAliveTimeout) })
  engine.stopGracefully()
}

/** Makes a class of servers: Node's constructor, then ours. It can be called without `new`, and extended. */
export function serverClass<Class extends { new (...given: never[]): NodeServer; prototype: object }>(
  Base: Class,
  kind: ServerKind,
  more: PropertyDescriptorMap = {},
): Class {
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
    ...more,
  }) as object
  Server.prototype = prototype as never
  return Server as unknown as Class
}
