/**
 * The listening sockets of a server and their TLS, from the addresses that the user gives to those that are bound.
 */
import { OptionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Engine } from '../native.ts'
import type { SocketAddress } from '../net/socket-address.ts'
import type { Certificate } from '../tls/certificate.ts'
import type { ListenerTls } from '../tls/listener-tls.ts'
import { announce, isClusterWorker, shared } from './cluster.ts'
import { bind, checkProxies, planListening, planOne, urlOf } from './listen.ts'
import type { Bound, Listen, ListenPlan } from './listen.ts'
import { reloadTls } from './reload.ts'
import type { ReloadOptions, SecuredListener } from './reload.ts'

/** What TLS needs of its server: the protocols that ALPN offers are asked for when a listener has TLS. */
export interface TlsSource {
  readonly logger: Logger
  /** `tlsSetupTimeout`, in seconds. */
  readonly timeout: number
  readonly protocols: () => readonly string[]
}

/** The listeners of one server. */
export class Listeners {
  readonly #plans: ListenPlan[]
  #bound: readonly Bound[] = []
  /** The TLS of the plans that have it. */
  #tls: ReadonlyMap<ListenPlan, ListenerTls> = new Map()
  /** The option of this name. */
  #proxies: readonly string[] = []

  constructor(listen: Listen | readonly Listen[]) {
    this.#plans = planListening(listen)
  }

  /** Says who is believed. Throws when an address expects PROXY headers and no proxy could connect there. */
  trust(proxies: readonly string[]): void {
    for (const plan of this.#plans) checkProxies(plan, proxies)
    this.#proxies = proxies
  }

  /** Adds an address. Throws for one that was added before, and as `trust` does. */
  add(listen: Listen): void {
    const plan = planOne(listen)
    if (this.#plans.some((each) => each.shown === plan.shown)) {
      throw new OptionError('listen', listen, 'an address that the server does not listen on yet')
    }
    checkProxies(plan, this.#proxies)
    this.#plans.push(plan)
  }

  /** Reads the settings of TLS and their files. */
  async readTls({ logger, timeout, protocols }: TlsSource): Promise<void> {
    const plans = this.#plans.filter((plan) => plan.tls !== null)
    if (plans.length === 0) {
      this.#tls = new Map()
      return
    }
    const { ListenerTls } = await import('../tls/listener-tls.ts')
    const owner = { logger, protocols: protocols(), timeout }
    const opened = plans.map(async (plan) => [plan, await ListenerTls.open(plan.tls!, owner)] as const)
    this.#tls = new Map(await Promise.all(opened))
  }

  /** Whether clients may use TLS: to a listener, or to a proxy that announces it. */
  mayBeEncrypted(): boolean {
    return this.#tls.size > 0 || this.#plans.some(({ sockets }) => sockets.some(({ proxyProtocol }) => proxyProtocol))
  }

  /** Binds all sockets; false when the port that the system has chosen for one isn't free for the next. */
  bind(engine: Engine): boolean {
    const plans = isClusterWorker() ? shared(this.#plans) : this.#plans
    this.#bound = this.#plans.map((plan, at) => {
      const { addresses } = bind(engine, plans[at]!, this.#tls.get(plan)?.context ?? null)
      return { plan, addresses }
    })
    return this.#bound.every(({ addresses }) => addresses.length > 0)
  }

  /** Tells the primary process of a cluster that this worker listens. */
  announce(): void {
    announce(this.#bound)
  }

  /** The engine has closed the sockets. */
  release(): void {
    this.#bound = []
  }

  /** Closes what TLS holds open. */
  closeTls(): void {
    for (const tls of this.#tls.values()) tls.close()
  }

  /** The TLS of the listening socket with this number: they are counted in the order in which they were bound. */
  tlsOf(listener: number): ListenerTls | null {
    const plans = this.#bound.flatMap(({ plan, addresses }) => addresses.map(() => plan))
    const plan = plans[listener]
    return (plan && this.#tls.get(plan)) ?? null
  }

  /** Reads the files of TLS again, with options that change. */
  async reload(changes: ReloadOptions): Promise<void> {
    await reloadTls(this.#secured(), changes)
  }

  /** The listeners that speak TLS. */
  #secured(): SecuredListener[] {
    const all = this.#bound.map((bound, index) => ({ index, address: urlOf(bound), tls: this.#tls.get(bound.plan) }))
    return all.filter((listener): listener is SecuredListener => listener.tls !== undefined)
  }

  /** The certificates that are in force. */
  certificates(): Certificate[] {
    return this.#secured().flatMap(({ tls }) => tls.certificates())
  }

  /** The bound addresses. */
  addresses(): SocketAddress[] {
    return this.#bound.flatMap((each) => each.addresses)
  }

  /** The URLs of the bound listeners. */
  urls(): string[] {
    return this.#bound.map(urlOf)
  }

  /** The listeners as log lines show them: their URLs, or their addresses as they were given while none is bound. */
  shown(): string[] {
    return this.#bound.length > 0 ? this.urls() : this.#plans.map((plan) => plan.shown)
  }
}
