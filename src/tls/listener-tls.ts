/**
 * The TLS of one listener while its server runs: it is read, replaced and watched.
 */
import type { Logger } from '../core/logger.ts'
import { TlsContext } from '../native.ts'
import { Certificate } from './certificate.ts'
import { CertificateHook } from './certificate-hook.ts'
import type { TakeAnswer } from './certificate-hook.ts'
import { checked } from './checked.ts'
import { FileWatch } from './file-watch.ts'
import { filesOf, readSettings, wipe } from './read-settings.ts'
import { areSame, checkTls } from './tls-options.ts'
import type { TlsOptions } from './tls-options.ts'

/** Milliseconds between two looks at how long the sealing ticket key is in use. */
const KEY_CHECK = 3_600_000

/** What the TLS of a listener needs of its server. */
export interface TlsOwner {
  readonly logger: Logger
  /** What ALPN offers. */
  readonly protocols: readonly string[]
  /** `tlsSetupTimeout`, in seconds. */
  readonly timeout: number
}

/** Settings that were checked and aren't in force yet. */
interface Prepared {
  readonly owner: TlsOwner
  readonly warnings: readonly string[]
  readonly putInForce: () => void
}

/** Options with their files read, as the engine has them. */
export class ListenerTls {
  /** The engine's half. */
  readonly context: TlsContext
  readonly logger: Logger
  readonly timeout: number
  readonly #owner: TlsOwner
  #options: TlsOptions
  #hook: CertificateHook | null = null
  #watch: FileWatch | null = null
  #keyCheck: NodeJS.Timeout | null = null
  #isClosed = false
  /** One replacement at a time. */
  #replaced: Promise<unknown> = Promise.resolve()

  private constructor(options: TlsOptions, owner: TlsOwner, context: TlsContext) {
    this.#options = options
    this.#owner = owner
    this.logger = owner.logger
    this.timeout = owner.timeout
    this.context = context
  }

  /** Reads the files and checks what they hold. Rejects with a `TlsError` that names the file and the fix. */
  static async open(options: TlsOptions, owner: TlsOwner): Promise<ListenerTls> {
    const settings = await readSettings(options, owner.protocols)
    const context = checked(() => new TlsContext(settings))
    wipe(settings)
    for (const warning of context.warnings()) owner.logger.warning(warning)
    const tls = new ListenerTls(options, owner, context)
    tls.#apply(options)
    return tls
  }

  #apply(options: TlsOptions): void {
    this.#options = options
    // The answers of before are forgotten.
    this.#hook = options.certificateFor === undefined ? null : new CertificateHook(this, options.certificateFor)
    this.#watch?.close()
    this.#watch = options.watch === true ? new FileWatch(filesOf(options), () => this.#reread()) : null
    if (this.#keyCheck !== null) clearInterval(this.#keyCheck)
    this.#keyCheck = null
    if (options.ticketKeys !== undefined) this.#checkKeys()
  }

  /** Keys that were given don't change by themselves. One that seals for too long is reported each day. */
  #checkKeys(): void {
    let told = 0
    const check = (): void => {
      const warning = this.context.overdue()
      if (warning === null || Date.now() - told < 24 * KEY_CHECK) return
      told = Date.now()
      this.logger.warning(warning)
    }
    this.#keyCheck = setInterval(check, KEY_CHECK)
    this.#keyCheck.unref()
  }

  /** Whether two listeners have the same settings. */
  hasOptionsOf(other: ListenerTls): boolean {
    return areSame(this.#options, other.#options)
  }

  /**
   * Reads all files of listeners again, with options that change; what isn't given stays. New handshakes take the
   * result. When it rejects, nothing has changed for any of them.
   */
  static replace(listeners: readonly ListenerTls[], changes: TlsOptions): Promise<void> {
    const replaced = Promise.all(listeners.map((one) => one.#replaced))
      .then(() => Promise.all(listeners.map((one) => one.#prepare(changes))))
      .then((prepared) => {
        for (const { putInForce } of prepared) putInForce()
        for (const { owner, warnings } of prepared) for (const warning of warnings) owner.logger.warning(warning)
      })
    const settled = replaced.catch(() => {})
    for (const one of listeners) one.#replaced = settled
    return replaced
  }

  /** Reads and checks new settings. To put them in force can't fail. */
  async #prepare(changes: TlsOptions): Promise<Prepared> {
    const options = checkTls({ ...this.#options, ...changes })
    const settings = await readSettings(options, this.#owner.protocols)
    const prepared = checked(() => this.context.prepare(settings))
    wipe(settings)
    const putInForce = (): void => {
      this.context.replace(prepared)
      if (!this.#isClosed) this.#apply(options)
    }
    return { owner: this.#owner, warnings: prepared.warnings(), putInForce }
  }

  #reread(): void {
    ListenerTls.replace([this], {}).then(
      () => this.logger.info('TLS files have changed and are in use'),
      (exception: unknown) => {
        this.logger.warning('TLS files have changed and can\'t be used; those of before stay in force', { exception })
      },
    )
  }

  /** The certificates in force. */
  certificates(): Certificate[] {
    return this.context.certificates().map((details) => new Certificate(details))
  }

  /** A handshake waits for the certificate of a name. */
  ask(name: string, take: TakeAnswer): void {
    if (this.#hook === null) take(null)
    else this.#hook.ask(name, take)
  }

  /** The listener is closed. */
  close(): void {
    this.#isClosed = true
    this.#watch?.close()
    this.#watch = null
    if (this.#keyCheck !== null) clearInterval(this.#keyCheck)
  }
}
