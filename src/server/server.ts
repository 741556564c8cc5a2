/**
 * The server: listening, starting, stopping.
 */
import type { DriverSelector } from '../driver/driver-selector.ts'
import { Dispatcher } from './dispatcher.ts'
import { DefaultClientFactory, DefaultHttpDriverFactory } from '../driver/driver.ts'
import type { ClientFactory, HttpDriverFactory } from '../driver/driver.ts'
import { isLoopback } from '../net/socket-address.ts'
import { engineLimits } from '../options/engine-limits.ts'
import type { ErrorHandler } from '../handler/error-handler.ts'
import { ListenError, OptionError, StateError } from '../core/errors.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { toFunction } from '../handler/handler.ts'
import type { Handler, HandlerFunction } from '../handler/handler.ts'
import { injectAsClient } from '../handler/injection.ts'
import { ioThreads } from './io-threads.ts'
import type { IoThreads } from './io-threads.ts'
import { bind, checkProxies, planListening, planOne, urlOf } from './listen.ts'
import type { Bound, Listen, ListenPlan } from './listen.ts'
import { announce, isClusterWorker, shared } from './cluster.ts'
import { silence } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { Observer } from './observer.ts'
import { guarded } from '../core/stderr-logger.ts'
import { addCounts } from './refusals.ts'
import { isObserver, notifyObservers } from '../core/observing.ts'
import { checkObserver } from './observers.ts'
import type { ServerObserver } from './observers.ts'
import { DEFAULTS } from '../options/option-table.ts'
import type { OptionName } from '../options/option-table.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { checkClientFactory, checkDriverFactory, checkErrorHandler, checkSettings } from './server-settings.ts'
import type { ServerSettings } from './server-settings.ts'
import type { ServerStatistics } from './statistics.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Certificate } from '../tls/certificate.ts'
import type { ListenerTls } from '../tls/listener-tls.ts'
import { reloadTls } from './reload.ts'
import type { ReloadOptions, SecuredListener } from './reload.ts'

/** From now on each response of a server closes its connection. */
export let beginDrain: (server: HttpServer) => void

/** Attempts to find a port that is free for IPv4 and IPv6. */
const ATTEMPTS = 16

/** The counts of a server that is stopped. */
const NOTHING = { connections: 0, upgradedConnections: 0, runningHandlers: 0, waitingRequests: 0, requests: 0 }

/** The state of a server, as a number. */
export type ServerState = 0 | 1 | 2 | 3

const STOPPED = 0
const STARTING = 1
const STARTED = 2
const STOPPING = 3

/** Settings of a stop. */
export interface StopSettings {
  /** Seconds for which requests may finish; the option `stopTimeout` when it is left out. */
  readonly timeout?: number | undefined
}

/** What a stop has done. */
export interface StopResult {
  /** Requests without a complete response, and upgraded sockets, that were closed at the end of the time. */
  readonly cutOff: number
}

/** The time of a stop in milliseconds: `{ timeout }` is in seconds, a number in milliseconds. */
function toMilliseconds(timeout: unknown, stopTimeout: number): number {
  if (typeof timeout === 'number' && timeout >= 0) return timeout
  if (typeof timeout !== 'object' || timeout === null) {
    throw new OptionError('timeoutMs', timeout, 'a number of milliseconds, at least 0, or { timeout } in seconds')
  }
  for (const name of Object.keys(timeout)) {
    if (name !== 'timeout') throw new OptionError('stop', name, 'an object with the key timeout')
  }
  const { timeout: seconds = stopTimeout } = timeout as StopSettings
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw new OptionError('timeout', seconds, 'a number of seconds, at least 0')
  return seconds * 1000
}

/** The warning about requests that were cut off. */
function cutOffMessage(count: number, timeoutMs: number): string {
  const requests = count === 1 ? '1 request or upgraded socket was' : `${count} requests or upgraded sockets were`
  return `the stop has cut off connections: ${requests} not finished after ${timeoutMs / 1000} s`
}

/**
 * An HTTP server.
 *
 * @example const server = new HttpServer(8080, () => Response.text('Hello')); await server.start()
 */
export class HttpServer {
  /** State numbers by name. */
  static readonly STOPPED = STOPPED
  static readonly STARTING = STARTING
  static readonly STARTED = STARTED
  static readonly STOPPING = STOPPING
  /** Names of the states by number. */
  static readonly STATES = ['STOPPED', 'STARTING', 'STARTED', 'STOPPING'] as const
  /** Default of the option `stopTimeout`, in milliseconds. */
  static readonly DEFAULT_SHUTDOWN_TIMEOUT = 3000

  readonly #plans: ListenPlan[]
  readonly #handler: HandlerFunction
  readonly #options: Options
  readonly #logger: Logger
  /** The same logger, whose errors are caught. */
  readonly #log: Logger
  readonly #observers: Set<ServerObserver>
  readonly #observer: Observer
  readonly #ioThreads: IoThreads | undefined
  #errorHandler: ErrorHandler
  #driverFactory: HttpDriverFactory | null
  #clientFactory: ClientFactory | null
  /** Loaded when the server has a factory. */
  #selectorClass: typeof DriverSelector | null = null
  #state: ServerState = STOPPED
  #dispatcher: Dispatcher | null = null
  #bound: readonly Bound[] = []
  /** The TLS of the plans that have it. */
  #tls: ReadonlyMap<ListenPlan, ListenerTls> = new Map()
  /** The current or last start or stop; never rejects. */
  #underWay: Promise<unknown> = Promise.resolve()
  #isReferenced = true
  /** Requests of earlier starts. */
  #requests = 0
  /** Refused requests of earlier starts. */
  #refusals: Readonly<Record<string, number>> = {}
  #onIdle: (() => void) | null = null

  /**
   * @param listen a port, `'localhost:8080'`, `'unix:/run/app.sock'`, `{ host, port, path }`, or an array of them
   * @param handler answers requests
   * @param settings `Options`, or an object with their fields and `options`, `logger`, `errorHandler`, `observers`
   *
   * @example new HttpServer('localhost:0', handler, { http1Timeout: 30 })
   */
  constructor(listen: Listen | readonly Listen[], handler: Handler, settings: Options | ServerSettings = {}) {
    this.#plans = planListening(listen)
    this.#handler = toFunction(handler)
    const checked = checkSettings(settings)
    this.#options = checked.options
    for (const plan of this.#plans) checkProxies(plan, this.#options.get('proxies'))
    this.#logger = checked.logger
    this.#log = guarded(this.#logger)
    this.#errorHandler = checked.errorHandler
    this.#driverFactory = checked.driverFactory
    this.#clientFactory = checked.clientFactory
    this.#ioThreads = checked.ioThreads
    this.#observers = checked.observers
    this.#observer = new Observer(checked.responseHooks, this.#log)
    if (isObserver(handler)) this.#observers.add(handler)
  }

  /**
   * Binds the sockets, calls the observers, and begins to accept connections. Rejects with a `ListenError` when an
   * address can't be bound, and with an `AggregateError` when observers fail.
   *
   * @example await server.start()
   */
  async start(): Promise<void> {
    if (this.#state !== STOPPED) {
      throw new StateError(`the server can't be started: it is ${HttpServer.STATES[this.#state]}`)
    }
    const started = this.#start()
    this.#underWay = started.catch(() => {})
    return started
  }

  async #start(): Promise<void> {
    this.#log.debug('starting')
    this.#state = STARTING
    try {
      const isDriven = this.#driverFactory !== null || this.#clientFactory !== null
      this.#selectorClass = isDriven ? (await import('../driver/driver-selector.ts')).DriverSelector : null
      this.#tls = await this.#readTls()
      this.#open()
    } catch (error) {
      this.#shutDown()
      throw error
    }
    const failures = await this.#notify('onStart')
    if (failures.length > 0) {
      await this.#stop(HttpServer.DEFAULT_SHUTDOWN_TIMEOUT)
      throw new AggregateError(failures, 'observers failed when the server started')
    }
    this.#dispatcher?.engine.start()
    if (!this.#isReferenced) this.#dispatcher?.engine.unref()
    this.#state = STARTED
    this.#log.debug('started')
    if (isClusterWorker()) this.#joinCluster()
    for (const url of this.#urls()) this.#log.info(`listening on ${url}`)
    if (this.#options.get('debug') && !this.getServers().every(isLoopback)) {
      this.#log.warning('debug mode is on, and other machines can reach the server')
    }
  }

  async #readTls(): Promise<ReadonlyMap<ListenPlan, ListenerTls>> {
    const plans = this.#plans.filter((plan) => plan.tls !== null)
    if (plans.length === 0) return new Map()
    const { ListenerTls } = await import('../tls/listener-tls.ts')
    const protocols = (this.#driverFactory ?? new DefaultHttpDriverFactory(this.#options.get('http2'))).getApplicationLayerProtocols()
    const owner = { logger: this.#log, protocols, timeout: this.#options.get('tlsSetupTimeout') }
    const opened = plans.map(async (plan) => [plan, await ListenerTls.open(plan.tls!, owner)] as const)
    return new Map(await Promise.all(opened))
  }

  #open(): void {
    const plans = isClusterWorker() ? shared(this.#plans) : this.#plans
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const dispatcher = this.#makeDispatcher()
      this.#dispatcher = dispatcher
      this.#bound = this.#plans.map((plan, at) => {
        const { addresses } = bind(dispatcher.engine, plans[at]!, this.#tls.get(plan)?.context ?? null)
        return { plan, addresses }
      })
      if (this.#bound.every(({ addresses }) => addresses.length > 0)) return
      this.#release()
    }
    throw new ListenError('no port is free for both IPv4 and IPv6 of localhost (EADDRINUSE)', 'EADDRINUSE')
  }

  /** The primary process knows that this worker listens. When it disconnects the worker, the server stops. */
  #joinCluster(): void {
    announce(this.#bound)
    const dispatcher = this.#dispatcher
    process.once('disconnect', () => {
      if (this.#state === STARTED && this.#dispatcher === dispatcher) this.stop().catch(() => {})
    })
  }

  /** The TLS of the listening socket with this number: they are counted in the order in which they were bound. */
  #tlsOf(listener: number): ListenerTls | null {
    const plans = this.#bound.flatMap(({ plan, addresses }) => addresses.map(() => plan))
    const plan = plans[listener]
    return (plan && this.#tls.get(plan)) ?? null
  }

  #makeDispatcher(): Dispatcher {
    const SelectorClass = this.#selectorClass
    const answering = {
      handler: this.#handler,
      options: this.#options,
      logger: this.#log,
      errorHandler: this.#errorHandler,
    }
    const driverFactory = this.#driverFactory ?? new DefaultHttpDriverFactory()
    const clientFactory = this.#clientFactory ?? new DefaultClientFactory()
    return new Dispatcher({
      ...answering,
      observer: this.#observer,
      limits: engineLimits(this.#options),
      hasTls: this.#tls.size > 0,
      tlsOf: (listener) => this.#tlsOf(listener),
      logsRequests: this.#logger.debug !== silence,
      ioThreads: ioThreads(this.#ioThreads),
      onIdle: () => this.#onIdle?.(),
      makeSelector:
        SelectorClass === null
          ? undefined
          : (host) => new SelectorClass(host, { ...answering, driverFactory, clientFactory }),
    })
  }

  /**
   * Stops the server. Connections that wait are accepted, then the sockets are closed and the observers called. Requests
   * that have arrived may finish for a time; then all connections are closed. A connection that arrives between the last
   * accept and the close is reset.
   *
   * The time is `{ timeout }` in seconds, or a number in **milliseconds**; the option `stopTimeout` unless it is given.
   * Resolves when all is closed, at once for a stopped server. `cutOff` counts the requests without a complete response
   * and the upgraded sockets that were closed at the end of the time; a warning is logged unless it is 0.
   *
   * @example const { cutOff } = await server.stop({ timeout: 30 })
   */
  async stop(timeout: number | StopSettings = {}): Promise<StopResult> {
    const timeoutMs = toMilliseconds(timeout, this.#options.get('stopTimeout'))
    if (this.#state === STOPPED) return { cutOff: 0 }
    if (this.#state !== STARTED) {
      throw new StateError(`the server can't be stopped: it is ${HttpServer.STATES[this.#state]}`)
    }
    const stopped = this.#stop(timeoutMs)
    this.#underWay = stopped
    const { failures, cutOff } = await stopped
    if (failures.length > 0) throw new AggregateError(failures, 'observers failed when the server stopped')
    return { cutOff }
  }

  async #stop(timeoutMs: number): Promise<StopResult & { failures: unknown[] }> {
    this.#log.debug('stopping')
    this.#state = STOPPING
    this.#dispatcher?.engine.stopListening()
    this.#dispatcher?.beginStop()
    const failures = await this.#notify('onStop')
    const cutOff = await this.#drain(timeoutMs)
    this.#shutDown()
    if (cutOff > 0) this.#log.warning(cutOffMessage(cutOff, timeoutMs))
    this.#log.debug('stopped')
    return { failures, cutOff }
  }

  /** Resolves with the number of requests and upgraded sockets that were cut off. */
  #drain(timeoutMs: number): Promise<number> {
    const engine = this.#dispatcher?.engine
    if (engine === undefined) return Promise.resolve(0)
    return new Promise((resolve) => {
      let cutOff = 0
      const close = (): void => void (cutOff = engine.closeAll())
      const timer = setTimeout(close, Math.min(timeoutMs, 2 ** 31 - 1))
      this.#onIdle = () => {
        clearTimeout(timer)
        this.#onIdle = null
        resolve(cutOff)
      }
      engine.ref()
      engine.stopGracefully()
      this.#dispatcher?.rawConnections.stopDrivers(this.#log)
    })
  }

  #shutDown(): void {
    this.#release()
    for (const tls of this.#tls.values()) tls.close()
    this.#state = STOPPED
  }

  #release(): void {
    this.#refusals = this.getRefusals()
    this.#requests += this.#dispatcher?.statistics().requests ?? 0
    this.#dispatcher?.close()
    this.#dispatcher?.engine.dispose()
    this.#dispatcher = null
    this.#bound = []
  }

#notify(moment: 'onStart' | 'onStop'): Promise<unknown[]> {
    const parts = [...this.#observers, this.#errorHandler, this.#driverFactory, this.#clientFactory]
    return notifyObservers(parts, moment, this)
  }

  /**
   * `STOPPED`, `STARTING`, `STARTED` or `STOPPING` as a number; `HttpServer.STATES` has the names.
   *
   * @example server.getState() === HttpServer.STARTED
   */
  getState(): ServerState {
    return this.#state
  }

  /**
   * Whether new requests are welcome: true from the end of the start until a stop begins, or the drain before it (see `stopOnSignals`). For the readiness probe of a
   * balancer.
   *
   * @example if (request.getPath() === '/ready') return new Response(server.isReady() ? 204 : 503)
   */
  isReady(): boolean {
    return this.#state === STARTED && this.#dispatcher?.isDraining === false
  }

  /**
   * The bound addresses, with real ports. Throws unless the sockets are bound.
   *
   * @example server.getServers()[0].getPort()
   */
  getServers(): SocketAddress[] {
    if (this.#dispatcher === null) throw new StateError('the server is not started')
    return this.#bound.flatMap((each) => each.addresses)
  }

  /**
   * URL of the first address. Throws unless the sockets are bound.
   *
   * @example console.log(server.url) // http://localhost:8080/
   */
  get url(): string {
    if (this.#dispatcher === null) throw new StateError('the server is not started; it has no URL yet')
    return this.#urls()[0] ?? ''
  }

  #urls(): string[] {
    return this.#bound.map(urlOf)
  }

  /**
   * Number of requests and connections that were refused by a rule or a limit, by the code of the reason. In debug
   * mode each is also logged at level debug, with the option that has refused it and its value.
   *
   * @example server.getRefusals() // { BUSBAR_HOST_INVALID: 2 }
   */
  getRefusals(): Record<string, number> {
    return addCounts(this.#refusals, this.#dispatcher?.refusals() ?? {})
  }

  /**
   * Reads the files of the listeners' TLS again, with options that change; what isn't given stays. New connections
   * get the result, open ones keep what they have. When it rejects, with a `TlsError` that says why, nothing has
   * changed.
   *
   * Where listeners differ in their TLS, `listener` says which of them a change is for: its number, or its address as
   * in `url`.
   *
   * @example await server.reload({ tls: { cert: 'new.pem', key: 'new-key.pem' } })
   */
  async reload(changes: ReloadOptions = {}): Promise<void> {
    if (this.#state !== STARTED) throw new StateError('reload is for a started server')
    await reloadTls(this.#secured(), changes)
  }

  /** The listeners that speak TLS. */
  #secured(): SecuredListener[] {
    const all = this.#bound.map((bound, index) => ({ index, address: urlOf(bound), tls: this.#tls.get(bound.plan) }))
    return all.filter((listener): listener is SecuredListener => listener.tls !== undefined)
  }

  /**
   * The certificates that are in force, of all listeners. Empty without TLS, and while the server is stopped.
   *
   * @example Math.min(...server.getCertificates().map((certificate) => certificate.getDaysLeft()))
   */
  getCertificates(): Certificate[] {
    return this.#secured().flatMap(({ tls }) => tls.certificates())
  }

  /**
   * Counts of connections, requests and handlers. Cheap: it may be asked every second.
   *
   * @example setInterval(() => gauge.set(server.getStatistics().connections), 1000)
   */
  getStatistics(): ServerStatistics {
    const { requests, ...now } = this.#dispatcher?.statistics() ?? NOTHING
    const refusals = Object.values(this.getRefusals()).reduce((sum, count) => sum + count, 0)
    return { ...now, requests: this.#requests + requests, refusals }
  }

  /**
   * The options.
   *
   * @example server.getOptions().getBodySizeLimit()
   */
  getOptions(): Options {
    return this.#options
  }

  /**
   * The logger.
   *
   * @example server.getLogger().info('hello')
   */
  getLogger(): Logger {
    return this.#logger
  }

  /**
   * The error handler.
   *
   * @example server.getErrorHandler().handleError(404, null, request)
   */
  getErrorHandler(): ErrorHandler {
    return this.#errorHandler
  }

  /**
   * Replaces the error handler; only while the server is stopped.
   *
   * @example server.setErrorHandler({ handleError: (status) => Response.json({ status }, status) })
   */
  setErrorHandler(errorHandler: ErrorHandler): void {
    this.#onlyStopped('setErrorHandler')
    this.#errorHandler = checkErrorHandler(errorHandler)
  }

  /**
   * Replaces the driver factory; only while the server is stopped.
   *
   * @example server.setDriverFactory({ selectDriver: () => new LineDriver(), getApplicationLayerProtocols: () => [] })
   */
  setDriverFactory(factory: HttpDriverFactory): void {
    this.#onlyStopped('setDriverFactory')
    this.#driverFactory = checkDriverFactory(factory)
  }

  /**
   * Replaces the client factory; only while the server is stopped.
   *
   * @example server.setClientFactory({ createClient: (socket) => (isBanned(socket) ? null : inner.createClient(socket)) })
   */
  setClientFactory(factory: ClientFactory): void {
    this.#onlyStopped('setClientFactory')
    this.#clientFactory = checkClientFactory(factory)
  }

  /**
   * Adds an observer; only while the server is stopped. An observer that is added twice is called once.
   *
   * @example server.attach({ onStop: () => database.end() })
   */
  attach(observer: ServerObserver): void {
    this.#onlyStopped('attach')
    this.#observers.add(checkObserver(observer))
  }

  /**
   * Adds a listen address; only while the server is stopped. Throws for an address that was added before.
   *
   * @example server.expose('unix:/run/app.sock')
   */
  expose(listen: Listen): void {
    this.#onlyStopped('expose')
    const plan = planOne(listen)
    if (this.#plans.some((each) => each.shown === plan.shown)) {
      throw new OptionError('listen', listen, 'an address that the server does not listen on yet')
    }
    checkProxies(plan, this.#options.get('proxies'))
    this.#plans.push(plan)
  }

  /**
   * Calls a function at each start, when the sockets are bound and no connection is accepted yet. Can be added only
   * while the server is stopped.
   *
   * @example server.onStart(() => database.connect())
   */
  onStart(callback: (server: HttpServer) => void | Promise<void>): void {
    this.attach({ onStart: callback })
  }

  /**
   * Calls a function at each stop, when no more connections are accepted and clients are still connected. Can be
   * added only while the server is stopped.
   *
   * @example server.onStop(() => database.end())
   */
  onStop(callback: (server: HttpServer) => void | Promise<void>): void {
    this.attach({ onStop: callback })
  }

  #onlyStopped(method: string): void {
    if (this.#state !== STOPPED) {
      throw new StateError(`${method} needs a stopped server; this one is ${HttpServer.STATES[this.#state]}`)
    }
  }

  /**
   * Keeps the process alive while the server is started, which is the default.
   *
   * @example server.ref()
   */
  ref(): this {
    this.#isReferenced = true
    if (this.#state === STARTED) this.#dispatcher?.engine.ref()
    return this
  }

  /**
   * Lets the process end while the server is started.
   *
   * @example server.unref()
   */
  unref(): this {
    this.#isReferenced = false
    this.#dispatcher?.engine.unref()
    return this
  }

  /**
   * State, URLs and options that aren't the default, for logs.
   *
   * @example console.log(server)
   */
  toJSON(): Record<string, unknown> {
    const options = Object.entries(this.#options.toObject())
    const changed = options.filter(([name, value]) => String(value) !== String(DEFAULTS[name as OptionName]))
    return {
      state: HttpServer.STATES[this.#state],
      listen: this.#bound.length > 0 ? this.#urls() : this.#plans.map((plan) => plan.shown),
      options: Object.fromEntries(changed),
      refusals: this.getRefusals(),
    }
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](depth: number, options: InspectOptions, inspect?: Inspect): string {
    return inspectAs('HttpServer', this.toJSON(), depth, options, inspect)
  }

  /**
   * Answers a request without a socket, for tests, as a client on a socket would be answered: limits apply, and the
   * request has a client. The server may be stopped.
   *
   * @example const response = await server.inject(Request.create('GET', '/'))
   */
  inject(request: Request): Promise<Response> {
    const [local = null] = this.#dispatcher === null ? [] : this.getServers()
    const answering = { handler: this.#handler, errorHandler: this.#errorHandler, options: this.#options, logger: this.#log }
    return injectAsClient(request, answering, local)
  }

  static {
    beginDrain = (server) => server.#dispatcher?.beginDrain()
  }

  /**
   * Stops the server at the end of an `await using` block, after a running start or stop.
   *
   * @example await using server = await serve(0, handler)
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#underWay
    await this.stop()
  }
}
