/**
 * The server: listening, starting, stopping.
 */
import type { DriverSelector } from '../driver/driver-selector.ts'
import { Dispatcher } from './dispatcher.ts'
import { DefaultClientFactory, DefaultHttpDriverFactory } from '../driver/driver.ts'
import { isLoopback } from '../net/socket-address.ts'
import { engineLimits } from '../options/engine-limits.ts'
import { Background, keepBackground } from '../core/background.ts'
import { ListenError, StateError } from '../core/errors.ts'
import { INSPECT, inspectAs } from '../core/inspection.ts'
import type { Inspect, InspectOptions } from '../core/inspection.ts'
import { fetchLoaded, provideFetch } from '../handler/fetch-application.ts'
import type { Handler } from '../handler/handler.ts'
import { ioThreads } from './io-threads.ts'
import type { Listen } from './listen.ts'
import { isClusterWorker, onDisconnect } from './cluster.ts'
import { cutOffMessage, toMilliseconds } from './stop-settings.ts'
import type { StopResult, StopSettings } from './stop-settings.ts'
import { silence } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import { Observer } from './observer.ts'
import { guarded } from '../core/stderr-logger.ts'
import { ServerParts, ONLY_STOPPED, PARTS } from './server-parts.ts'
import { addCounts } from './refusals.ts'
import { notifyObservers, takesStreams } from '../core/observing.ts'
import { DEFAULTS } from '../options/option-table.ts'
import type { OptionName } from '../options/option-table.ts'
import { debugPage } from '../pages/debug-page.ts'
import type { Options } from '../options/options.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'
import { behindProxy, directAccess } from './presets.ts'
import type { BehindProxySettings, DirectAccessSettings } from './presets.ts'
import type { ServerSettings } from './server-settings.ts'
import type { ServerStatistics } from './statistics.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Certificate } from '../tls/certificate.ts'
import type { ReloadOptions } from './reload.ts'

provideFetch(async () => (await import('../web/fetch-handler.ts')).handlerOf)

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

/**
 * An HTTP server.
 *
 * @example const server = new HttpServer(8080, () => Response.text('Hello')); await server.start()
 */
export class HttpServer extends ServerParts {
  /** State numbers by name. */
  static readonly STOPPED = STOPPED
  static readonly STARTING = STARTING
  static readonly STARTED = STARTED
  static readonly STOPPING = STOPPING
  /** Names of the states by number. */
  static readonly STATES = ['STOPPED', 'STARTING', 'STARTED', 'STOPPING'] as const
  /** Default of the option `stopTimeout`, in milliseconds. */
  static readonly DEFAULT_SHUTDOWN_TIMEOUT = 3000

  /** The logger, whose errors are caught. */
  readonly #log: Logger
  readonly #observer: Observer
  /** Loaded when the server has a factory. */
  #selectorClass: typeof DriverSelector | null = null
  #state: ServerState = STOPPED
  #dispatcher: Dispatcher | null = null
  /** The current or last start or stop; never rejects. */
  #underWay: Promise<unknown> = Promise.resolve()
  #isReferenced = true
  /** Requests of earlier starts. */
  #requests = 0
  /** Refused requests of earlier starts. */
  #refusals: Readonly<Record<string, number>> = {}
  #onIdle: (() => void) | null = null
  #leaveCluster: (() => void) | null = null
  /** Work behind responses, for which a stop waits. */
  readonly #background: Background

  /**
   * @param listen a port, `'localhost:8080'`, `'unix:/run/app.sock'`, `{ host, port, path }`, or an array of them
   * @param handler answers requests
   * @param settings `Options`, or an object with their fields and `options`, `logger`, `errorHandler`, `observers`
   *
   * @example new HttpServer('localhost:0', handler, { http1Timeout: 30 })
   */
  constructor(listen: Listen | readonly Listen[], handler: Handler, settings: Options | ServerSettings = {}) {
    super(listen, handler, settings)
    const { logger, responseHooks } = this[PARTS]
    this.#log = guarded(logger)
    this.#observer = new Observer(responseHooks, this.#log)
    this.#background = new Background((exception) => this.#log.error('work behind a response failed', { exception }))
    keepBackground(this[PARTS].options, this.#background)
  }

  /**
   * A server that clients reach directly: it compresses responses, runs at most 1000 handlers at once
   * (`concurrencyLimit`), and makes pages of thrown `HttpErrorException`s that its `middleware` see as responses.
   *
   * @example const server = HttpServer.createForDirectAccess(443, handler, { middleware: [new CorsMiddleware()] })
   */
  static createForDirectAccess(listen: Listen | readonly Listen[], handler: Handler, settings: DirectAccessSettings = {}): HttpServer {
    return new HttpServer(listen, handler, directAccess(settings))
  }

  /**
   * The same for a server that proxies reach: what they forward of their clients is believed, and is also in the attribute
   * `Forwarded.ATTRIBUTE`. The number of connections isn't limited.
   *
   * @example const server = HttpServer.createForBehindProxy('unix:/run/app.sock', handler, { proxies: ['unix'] })
   */
  static createForBehindProxy(listen: Listen | readonly Listen[], handler: Handler, settings: BehindProxySettings): HttpServer {
    return new HttpServer(listen, handler, behindProxy(settings))
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
      this.#completeOptions()
      const { options, driverFactory, clientFactory, listeners } = this[PARTS]
      const isDriven = driverFactory !== null || clientFactory !== null
      this.#selectorClass = isDriven ? (await import('../driver/driver-selector.ts')).DriverSelector : null
      await fetchLoaded()
      await listeners.readTls({
        logger: this.#log,
        timeout: options.get('tlsSetupTimeout'),
        protocols: () => (driverFactory ?? new DefaultHttpDriverFactory(options.get('http2'))).getApplicationLayerProtocols(),
      })
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
    for (const url of this[PARTS].listeners.urls()) this.#log.info(`listening on ${url}`)
    if (this[PARTS].options.get('debug') && !this.getServers().every(isLoopback)) {
      this.#log.warning('debug mode is on, and other machines can reach the server')
    }
  }

  /** Switches on what the handler needs; its routes are complete now. */
  #completeOptions(): void {
    const parts = this[PARTS]
    if (parts.options.get('extendedConnect') || !takesStreams([parts.givenHandler])) return
    parts.options = parts.options.with({ extendedConnect: true })
    keepBackground(parts.options, this.#background)
  }

  #open(): void {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const dispatcher = this.#makeDispatcher()
      this.#dispatcher = dispatcher
      if (this[PARTS].listeners.bind(dispatcher.engine)) return
      this.#release()
    }
    throw new ListenError('no port is free for both IPv4 and IPv6 of localhost (EADDRINUSE)', 'EADDRINUSE')
  }

  /** The primary process knows that this worker listens. When it disconnects the worker, the server stops. */
  #joinCluster(): void {
    this[PARTS].listeners.announce()
    this.#leaveCluster = onDisconnect(() => {
      if (this.#state === STARTED) this.stop().catch(() => {})
    })
  }

  #makeDispatcher(): Dispatcher {
    const SelectorClass = this.#selectorClass
    const { handler, options, logger, errorHandler, listeners, driverFactory, clientFactory } = this[PARTS]
    const answering = { handler, options, logger: this.#log, errorHandler, debugPage }
    const factories = {
      driverFactory: driverFactory ?? new DefaultHttpDriverFactory(),
      clientFactory: clientFactory ?? new DefaultClientFactory(),
    }
    return new Dispatcher({
      ...answering,
      observer: this.#observer,
      limits: engineLimits(options),
      mayBeEncrypted: listeners.mayBeEncrypted(),
      tlsOf: (listener) => listeners.tlsOf(listener),
      logsRequests: logger.debug !== silence,
      ioThreads: ioThreads(this[PARTS].ioThreads),
      onIdle: () => this.#onIdle?.(),
      makeSelector: SelectorClass === null ? undefined : (host) => new SelectorClass(host, { ...answering, ...factories }),
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
    const timeoutMs = toMilliseconds(timeout, this[PARTS].options.get('stopTimeout'))
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
    const deadline = performance.now() + timeoutMs
    const cutOff = await this.#drain(timeoutMs)
    const unfinished = await this.#background.settle(deadline - performance.now())
    this.#shutDown()
    if (unfinished > 0) this.#log.warning(`the stop has not waited longer for work behind responses: ${unfinished} not finished after ${timeoutMs / 1000} s`)
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
    this[PARTS].listeners.closeTls()
    this.#state = STOPPED
  }

  #release(): void {
    this.#refusals = this.getRefusals()
    this.#requests += this.#dispatcher?.statistics().requests ?? 0
    this.#dispatcher?.close()
    this.#dispatcher?.engine.dispose()
    this.#dispatcher = null
    this.#leaveCluster?.()
    this.#leaveCluster = null
    this[PARTS].listeners.release()
  }

  #notify(moment: 'onStart' | 'onStop'): Promise<unknown[]> {
    const { observers, errorHandler, driverFactory, clientFactory } = this[PARTS]
    return notifyObservers([...observers, errorHandler, driverFactory, clientFactory], moment, this)
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
    return this[PARTS].listeners.addresses()
  }

  /**
   * URL of the first address. Throws unless the sockets are bound.
   *
   * @example console.log(server.url) // http://localhost:8080/
   */
  get url(): string {
    if (this.#dispatcher === null) throw new StateError('the server is not started; it has no URL yet')
    return this[PARTS].listeners.urls()[0] ?? ''
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
    await this[PARTS].listeners.reload(changes)
  }

  /**
   * The certificates that are in force, of all listeners. Empty without TLS, and while the server is stopped.
   *
   * @example Math.min(...server.getCertificates().map((certificate) => certificate.getDaysLeft()))
   */
  getCertificates(): Certificate[] {
    return this[PARTS].listeners.certificates()
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

  /** @internal */
  override [ONLY_STOPPED](method: string): void {
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
    const options = Object.entries(this[PARTS].options.toObject())
    const changed = options.filter(([name, value]) => String(value) !== String(DEFAULTS[name as OptionName]))
    return {
      state: HttpServer.STATES[this.#state],
      listen: this[PARTS].listeners.shown(),
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
  async inject(request: Request): Promise<Response> {
    const [local = null] = this.#dispatcher === null ? [] : this.getServers()
    const { handler, errorHandler, options } = this[PARTS]
    const { injectAsClient } = await import('../handler/injection.ts')
    return injectAsClient(request, { handler, errorHandler, options, logger: this.#log, debugPage }, local)
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
