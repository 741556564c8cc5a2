/**
 * One request that a driver in JavaScript has parsed, and its answer: it counts, waits for a free handler and is
 * observed as a request of the engine is.
 */
import type { Client } from '../connection/client.ts'
import { ClientException, clientExceptionIn } from '../connection/client-exception.ts'
import { Handover } from '../core/handover.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { HandlerFunction } from '../handler/handler.ts'
import type { HandlerRunner, InjectWatch, Refusal } from '../handler/inject.ts'
import { WAIT_SECONDS } from '../handler/running-handlers.ts'
import type { RunningHandlers, RunningRequest } from '../handler/running-handlers.ts'
import type { Request } from '../message/request.ts'
import type { Response } from '../message/response.ts'

/** The record of a request that is observed. */
export interface AnswerRecord {
  /** Calls the handler. */
  run(handle: () => void): void
  /** An answer begins, with so many bytes of content. */
  answer(status: number, length: number): void
  /** More content was sent. */
  count(bytes: number): void
  mark(outcome: 'failed' | 'timeout' | 'aborted'): void
  fail(error: unknown): void
  end(outcome: 'sent' | 'aborted' | 'failed' | 'upgraded'): void
}

/** What parsed requests need of their server. */
export interface ParsedOwner {
  readonly running: RunningHandlers<RunningRequest>
  /** Counts a request; gives its record when something observes requests. */
  beginParsed(request: Request): AnswerRecord | null
  /** Counts a refusal. */
  refused(code: Refusal, client: Client): void
}

/** A parsed request and its answer. */
export class ParsedExchange implements RunningRequest, InjectWatch, HandlerRunner {
  runningAt = -1
  readonly #owner: ParsedOwner
  readonly #client: Client
  readonly #record: AnswerRecord | null
  /** Bytes that the driver writes are content of a stream. */
  #countsWritten = false

  constructor(owner: ParsedOwner, client: Client, request: Request) {
    this.#owner = owner
    this.#client = client
    this.#record = owner.beginParsed(request)
  }

  client(): Client {
    return this.#client
  }

  /** Calls the handler, when one is free; `begin` is called before. */
  handle(handler: HandlerFunction, request: Request, begin: () => void): Response | Promise<Response> {
    const { running } = this.#owner
    if (!running.mustWait(this)) return this.#call(handler, request, begin)
    // Another request ends the wait, in its own context.
    const context = new Handover()
    const waited = new Promise<Response>((resolve, reject) => {
      const timer = setTimeout(() => {
        running.giveUp(this)
        this.onRefusal('BUSBAR_REQUEST_LIMIT')
        reject(new HttpErrorException(503, { headers: { 'retry-after': String(WAIT_SECONDS) } }))
      }, WAIT_SECONDS * 1000).unref()
      running.wait(this, () => {
        clearTimeout(timer)
        if (this.#client.isClosed()) return reject(new ClientException(this.#client, 'the client disconnected', 408))
        try {
          resolve(context.run(() => this.#call(handler, request, begin)))
        } catch (error) {
          reject(error)
        }
      })
    })
    return waited.finally(() => context.release())
  }

  #call(handler: HandlerFunction, request: Request, begin: () => void): Response | Promise<Response> {
    begin()
    let result!: Response | Promise<Response>
    const handle = (): void => void (result = handler(request))
    if (this.#record === null) handle()
    else this.#record.run(handle)
    if (typeof (result as Promise<Response> | undefined)?.then !== 'function') return result
    const { running } = this.#owner
    running.enter(this)
    return Promise.resolve(result).finally(() => running.leave(this))
  }

  onFailure(error: unknown): void {
    this.#record?.fail(error)
  }

  onRefusal(code: Refusal): void {
    if (code === 'BUSBAR_HANDLER_TIMEOUT') this.#record?.mark('timeout')
    this.#owner.refused(code, this.#client)
  }

  /**
   * The driver begins to write a response. The length of a stream without a `content-length` isn't known: then the bytes
   * count that the driver writes for it.
   */
  begin(status: number, method: string, response: Response): void {
    if (this.#record === null) return
    const isBodiless = method === 'HEAD' || status === 204 || status === 304 || status < 200
    const body = isBodiless ? null : response.getBody()
    const isWhole = body === null || typeof body === 'string' || body instanceof Uint8Array
    const declared = isBodiless || response.isUpgraded() ? 0 : Number(response.getHeader('content-length') ?? -1)
    this.#countsWritten = !isWhole && declared < 0
    this.#record.answer(status, isWhole ? (body === null ? 0 : Buffer.byteLength(body)) : Math.max(declared, 0))
  }

  /** The driver has written bytes. */
  wrote(data: string | Uint8Array): void {
    if (this.#countsWritten) this.#record?.count(Buffer.byteLength(data))
  }

  /** The answer is over: written, cut off, or given up because the client has left. */
  end(outcome: 'sent' | 'aborted' | 'failed' | 'upgraded'): void {
    this.#countsWritten = false
    this.#record?.end(outcome)
  }

  /** The driver has failed to write the response. */
  endFailed(error: unknown): void {
    const isGone = clientExceptionIn(error) !== undefined
    if (!isGone) this.#record?.fail(error)
    this.end(isGone ? 'aborted' : 'failed')
  }
}
