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
import { filesOf, readSettings } from './read-settings.ts'
import { checkTls } from './tls-options.ts'
import type { TlsOptions } from './tls-options.ts'

/** What the TLS of a listener needs of its server. */
export interface TlsOwner {
  readonly logger: Logger
  /** What ALPN offers. */
  readonly protocols: readonly string[]
  /** `tlsSetupTimeout`, in seconds. */
  readonly timeout: number
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
  }

  /** Whether two listeners have the same settings. */
  hasOptionsOf(other: ListenerTls): boolean {
    const keys = new Set([...Object.keys(this.#options), ...Object.keys(other.#options)]) as Set<keyof TlsOptions>
    return [...keys].every((key) => this.#options[key] === other.#options[key])
  }

  /**
   * Reads all files again, with options that change. What isn't given stays. New handshakes take the result; when it
   * rejects, nothing has changed.
   */
  replace(changes: TlsOptions): Promise<void> {
    const replaced = this.#replaced.then(() => this.#replace(changes))
    this.#replaced = replaced.catch(() => {})
    return replaced
  }

  async #replace(changes: TlsOptions): Promise<void> {
    const options = checkTls({ ...this.#options, ...changes })
    const settings = await readSettings(options, this.#owner.protocols)
    const warnings = checked(() => this.context.replace(settings))
    for (const warning of warnings) this.logger.warning(warning)
    this.#apply(options)
  }

  #reread(): void {
    this.replace({}).then(
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
    this.#watch?.close()
    this.#watch = null
  }
}
