/**
 * The TLS of one server that listens: its settings now, and the certificates of names.
 */
import type { Server as NodeServer } from 'node:http'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { TlsContext } from '../native.ts'
import type { Engine, TlsAnswer } from '../native.ts'
import { certificatesOf, optionsOfContext, settingsOf } from './tls-contexts.ts'

type SniCallback = (name: string, done: (error: Error | null, context?: object) => void) => void

/** The TLS of one server. */
export class Secured {
  readonly #server: NodeServer
  readonly #alpn: readonly string[]
  readonly #named = new Map<string, SecureContextOptions>()
  #options: TlsOptions
  #context: TlsContext | null = null

  constructor(server: NodeServer, options: TlsOptions, alpn: readonly string[]) {
    this.#server = server
    this.#options = options
    this.#alpn = alpn
  }

  /** The context of the listener. Throws for certificates and keys that can't be used. */
  context(): TlsContext {
    this.#context ??= new TlsContext(settingsOf(this.#options, this.#named, this.#alpn))
    return this.#context
  }

  /** New connections are accepted by other options, as `setSecureContext` says. */
  replace(options: TlsOptions): void {
    this.#options = { ...this.#options, ...options }
    this.#putInForce()
  }

  /** The certificate of a name, as `addContext` gives it. */
  add(name: string, context: object): void {
    const options = optionsOfContext(context)
    if (options === null) throw new TypeError('this context was made before busbar was loaded; give addContext its options')
    this.#named.set(name, options)
    this.#putInForce()
  }

  #putInForce(): void {
    if (this.#context === null) return
    this.#context.replace(this.#context.prepare(settingsOf(this.#options, this.#named, this.#alpn)))
  }

  /** Asks the application for the certificate of a name, for a handshake that waits; `refuse` ends it. */
  ask(engine: Engine, slot: number, client: number, name: string, refuse: (error: Error) => void): void {
    const { SNICallback } = this.#options as { SNICallback?: SniCallback }
    const answer = (given: TlsAnswer | null): void => engine.answerCertificate(slot, client, given)
    if (SNICallback === undefined || this.#context === null) return answer(null)
    const context = this.#context
    // Node asks for each handshake, so nothing is kept.
    const choose = (given: object | null | undefined): TlsAnswer | null => {
      const options = given === undefined || given === null ? null : optionsOfContext(given)
      const [certificate] = options === null ? [] : certificatesOf(options)
      return certificate === undefined ? null : context.makeCertificate(certificate, 0)
    }
    const attempt = (choice: () => void): void => {
      try {
        choice()
      } catch (error) {
        refuse(error as Error)
      }
    }
    attempt(() => {
      SNICallback.call(this.#server, name, (error, given) => {
        if (error !== null && error !== undefined) refuse(error)
        else attempt(() => answer(choose(given)))
      })
    })
  }
}
