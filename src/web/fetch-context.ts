/**
 * What a web-standard application gets beside the request.
 */
import type { Client } from '../connection/client.ts'
import { backgroundOf } from '../core/background.ts'
import { OptionError, StateError } from '../core/errors.ts'
import { handled } from '../core/outcome.ts'
import type { FetchAddress, FetchContext } from '../handler/fetch-application.ts'
import type { FieldsInit } from '../http/fields.ts'
import type { Request } from '../message/request.ts'
import { Response, discardResponse } from '../message/response.ts'
import type { UpgradeHandler } from '../message/takeover.ts'
import type { SocketAddress } from '../net/socket-address.ts'

/** The end of a response whose application has asked for it. */
class Completion {
  readonly promise: Promise<void>
  readonly #signal: AbortSignal
  #resolve!: () => void
  #reject!: (error: unknown) => void

  constructor(request: Request) {
    this.#signal = request.getSignal()
    this.promise = handled(
      new Promise<void>((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      }),
    )
  }

  /** Settles when this response is over. */
  follow(response: Response): void {
    response.onDispose(() => (this.#signal.aborted ? this.#reject(this.#signal.reason) : this.#resolve()))
  }

  /** No response of the application was sent. */
  fail(error: unknown): void {
    this.#reject(error)
  }
}

const NO_PROPS = Object.freeze({})

/** The context of one request. */
export class RequestContext implements FetchContext {
  readonly request: Request
  #completion: Completion | null = null
  #isAnswered = false
  #takeover: Response | null = null

  constructor(request: Request) {
    this.request = request
  }

  get client(): Client {
    return this.request.getClient()
  }

  get remoteAddress(): FetchAddress {
    return addressOf(this.client.getRemoteAddress())
  }

  get localAddress(): FetchAddress {
    return addressOf(this.client.getLocalAddress())
  }

  get encrypted(): boolean {
    return this.client.isEncrypted()
  }

  get alpnProtocol(): string | null {
    return this.client.getTlsInfo()?.getApplicationLayerProtocol() ?? null
  }

  get serverName(): string | null {
    return this.client.getTlsInfo()?.getServerName() ?? null
  }

  get props(): Readonly<Record<string, unknown>> {
    return NO_PROPS
  }

  get completed(): Promise<void> {
    if (this.#completion === null) {
      if (this.#isAnswered) {
        return handled(Promise.reject(new StateError('ask for `completed` before the application answers')))
      }
      this.#completion = new Completion(this.request)
    }
    return this.#completion.promise
  }

  sendInformational(status: number, headers: FieldsInit | Headers = {}): void {
    this.request.inform(status, headers as FieldsInit)
  }

  waitUntil(work: PromiseLike<unknown>): void {
    if (typeof work?.then !== 'function') throw new OptionError('waitUntil', work, 'a promise')
    const background = backgroundOf(this.client.getOptions())
    // Without a server, as in a test of a handler alone, a rejection is the application's own.
    if (background !== undefined) background.add(work)
  }

  passThroughOnException(): void {}

  detach(callback: UpgradeHandler, protocol?: string, headers: FieldsInit = {}): void {
    if (this.#takeover !== null) throw new StateError('the connection of this request is handed over already')
    this.#takeover = Response.detach(callback, { protocol: protocol ?? null })
    this.#takeover.setHeaders(headers)
  }

  /** What is sent: the response, unless the connection is handed over. */
  answer(response: Response): Response {
    this.#isAnswered = true
    const sent = this.#takeover ?? response
    // What the application answers is dropped; a failure of the clean-up is its own.
    if (sent !== response) discardResponse(response, () => {})
    this.#completion?.follow(sent)
    return sent
  }

  /** The application has failed. */
  fail(error: unknown): void {
    this.#isAnswered = true
    this.#completion?.fail(error)
  }
}

function addressOf(address: SocketAddress): FetchAddress {
  const version = address.getVersion()
  return { address: address.getHost(), port: address.getPort() ?? 0, family: version === null ? 'unix' : `IPv${version}` }
}
