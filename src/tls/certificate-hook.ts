/**
 * Asks the application for the certificates of server names that are unknown at start.
 *
 * One call is made per name, however many handshakes wait for it. The engine keeps the answers.
 */
import { TimeoutError } from '../core/errors.ts'
import { escapeLine } from '../core/logger.ts'
import type { Logger } from '../core/logger.ts'
import type { TlsAnswer, TlsContext } from '../native.ts'
import { checked } from './checked.ts'
import { readCertificate } from './read-settings.ts'
import { checkFurther } from './tls-options.ts'
import type { CertificateFor } from './tls-options.ts'

/** Calls that run at the same time. With more, the default certificate is used. */
const CALLS_AT_ONCE = 32

/** Takes the answer for one handshake; null is the default certificate. */
export type TakeAnswer = (answer: TlsAnswer | null) => void

/** What the hook needs of its listener. */
export interface HookOwner {
  readonly context: TlsContext
  readonly logger: Logger
  /** Seconds that a call may take. */
  readonly timeout: number
}

/** The hook of one listener. */
export class CertificateHook {
  readonly #owner: HookOwner
  readonly #certificateFor: CertificateFor
  readonly #waiting = new Map<string, TakeAnswer[]>()

  constructor(owner: HookOwner, certificateFor: CertificateFor) {
    this.#owner = owner
    this.#certificateFor = certificateFor
  }

  /** Asks for the certificate of a name; `take` is called once. */
  ask(name: string, take: TakeAnswer): void {
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) return void waiting.push(take)
    if (this.#waiting.size >= CALLS_AT_ONCE) return take(null)
    this.#waiting.set(name, [take])
    this.#call(name).then(
      (answer) => this.#settle(name, answer),
      (exception: unknown) => {
        this.#owner.logger.warning(`certificateFor gave no certificate for ${escapeLine(name)}`, { exception })
        this.#settle(name, null)
      },
    )
  }

  #settle(name: string, answer: TlsAnswer | null): void {
    const waiting = this.#waiting.get(name) ?? []
    this.#waiting.delete(name)
    for (const take of waiting) take(answer)
  }

  #call(name: string): Promise<TlsAnswer> {
    return new Promise((resolve, reject) => {
      const { timeout } = this.#owner
      const late = (): void => reject(new TimeoutError(`certificateFor has not answered within ${timeout} s`))
      const timer = setTimeout(late, timeout * 1000)
      timer.unref()
      void this.#make(name).then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  async #make(name: string): Promise<TlsAnswer> {
    const { context } = this.#owner
    const given = await this.#certificateFor(name)
    if (given === null || given === undefined) return context.withoutCertificate()
    const { maxAge, ...options } = given
    const label = `certificateFor(${JSON.stringify(name)})`
    const certificate = await readCertificate(label, checkFurther(label, options))
    const made = checked(() => context.makeCertificate(certificate, maxAge ?? null))
    certificate.key.bytes.fill(0)
    return made
  }
}
