/**
 * A connection that is driven by a parser written in JavaScript.
 *
 * ```text
 *            bytes                     a promise
 *   waits ──────────► runs ───────────────────────► paused
 *     ▲                │ yields nothing               │ it settles
 *     └────────────────┴──────────────────────────────┘
 * ```
 * Nothing is read while it runs or is paused. The session ends when the connection has closed, was ended by
 * `write(…, true)`, or was handed to another driver: then `return` is called on the parser, so that it can clean up.
 */
import { AsyncResource } from 'node:async_hooks'
import { checkDriver } from './driver.ts'
import type { DriverHost } from './driver-host.ts'
import { markEnded, markExported } from '../connection/client.ts'
import type { Client, ActiveDriver } from '../connection/client.ts'
import type { Driver, HttpDriver } from './driver.ts'
import type { Parser, ParserInput, ParserYield } from '../connection/driver-kinds.ts'
import { HandoverSignal } from '../core/handover.ts'
import { OptionError, StateError } from '../core/errors.ts'
import { ClientException, clientExceptionIn } from '../connection/client-exception.ts'
import { inject } from '../handler/inject.ts'
import { handled } from '../core/outcome.ts'
import { HIGH_WATER } from '../connection/raw-connection.ts'
import type { RawConnection, RawReceiver } from '../connection/raw-connection.ts'
import { ParsedExchange } from './parsed-exchange.ts'
import { ParsedRequestSource } from './parsed-request.ts'
import { Request, adoptRequest } from '../message/request.ts'
import { markSent, discardResponse, extrasOf } from '../message/response.ts'
import type { Response } from '../message/response.ts'

const WAITS = 0
const RUNS = 1
const PAUSED = 2
/** The parser has returned; the connection stays open. */
const DONE = 3

/** Milliseconds that the peer may take to close its side after ours. */
const LINGER = 1000

/** One connection and its driver. */
export class ParserSession implements RawReceiver, ActiveDriver {
  readonly #raw: RawConnection
  readonly #client: Client
  readonly #driver: HttpDriver
  readonly #selector: DriverHost
  #parser: Parser | null = null
  #state = RUNS
  /** No more bytes are parsed. */
  #isFinished = false
  /** Our sending side is ended. */
  #isEnded = false
  /** Bytes that were read and not parsed yet. */
  #unread: Uint8Array[] = []
  #pendingResponses = 0
  #runningHandlers = 0
  /** The signals of unanswered requests. */
  readonly #signals = new Set<HandoverSignal>()
  readonly #unanswered = new Set<ParsedExchange>()
  /** The longest piece for the parser, in bytes. */
  readonly #chunkSize: number
  /** Writes that wait until the unsent bytes are sent. */
  #drains: (() => void)[] = []
  #linger: NodeJS.Timeout | null = null

  constructor(raw: RawConnection, driver: HttpDriver, selector: DriverHost) {
    this.#raw = raw
    this.#client = raw.client
    this.#driver = driver
    this.#selector = selector
    this.#chunkSize = raw.client.getOptions().getChunkSize()
  }

  /** Runs the parser to its first `yield`, then gives it the bytes that were read before. */
  start(unread: Uint8Array | null): void {
    this.#raw.setReceiver(this)
    if (unread !== null) this.#keep(unread)
    try {
      this.#parser = this.#driver.setup(
        this.#client,
        (request, leftover) => handled(this.#onMessage(request, leftover)),
        (data, close) => handled(this.#write(data, close)),
      )
    } catch (error) {
      return this.#crash(error)
    }
    this.#advance()
  }

  #advance(...first: [ParserInput] | []): void {
    let input: [ParserInput] | [] = first
    for (;;) {
      const step = this.#step(input)
      if (step === null) return
      if (step.done === true) {
        this.#state = DONE
        this.#unread = []
        return this.#proceed()
      }
      if (step.value !== null && step.value !== undefined) return this.#pause(step.value)
      const bytes = this.#unread.shift()
      if (bytes === undefined) {
        this.#state = WAITS
        return this.#proceed()
      }
      input = [bytes]
    }
  }

  /** One step of the parser; null when the session has ended. */
  #step(input: [ParserInput] | []): IteratorResult<ParserYield, void> | null {
    this.#state = RUNS
    let step
    try {
      step = this.#parser!.next(...(input as [ParserInput]))
    } catch (error) {
      this.#parser = null
      this.#crash(error)
      return null
    }
    this.#state = PAUSED
    if (!this.#isFinished) return step
    if (step.done !== true && step.value !== null && step.value !== undefined) handled(Promise.resolve(step.value))
    this.#dropParser()
    return null
  }

  #pause(settled: PromiseLike<unknown>): void {
    const resume = (): void => {
      if (!this.#isFinished) this.#advance(null)
    }
    Promise.resolve(settled).then(resume, (exception: unknown) => {
      if (this.#isFinished) return
      if (clientExceptionIn(exception) === undefined) this.#log('a promise that a driver yielded was rejected', exception)
      this.#client.close()
    })
  }

  /** Reads more, or ends when the peer has ended. */
  #proceed(): void {
    if (!this.#raw.hasEnded) return this.#raw.read()
    this.#finish()
    this.#endIfIdle()
  }

  /** Ends our side after the last response when the peer has ended its side. */
  #endIfIdle(): void {
    if (this.#raw.hasEnded && this.#isFinished && this.#pendingResponses === 0) this.#end()
  }

  onBytes(bytes: Buffer): void {
    if (this.#isFinished || this.#state === DONE) return this.#raw.read()
    this.#keep(bytes)
    if (this.#state !== WAITS) return
    const first = this.#unread.shift()
    if (first === undefined) this.#raw.read()
    else this.#advance(first)
  }

  /** Keeps bytes for the parser, in pieces of at most the chunk size. */
  #keep(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#chunkSize) this.#unread.push(bytes.subarray(at, at + this.#chunkSize))
  }

  onEnd(): void {
    if (this.#state === WAITS || this.#state === DONE || this.#isFinished) this.#proceed()
  }

  onDrained(): void {
    const drains = this.#drains
    this.#drains = []
    for (const drained of drains) drained()
    if (this.#isEnded) this.#linger ??= setTimeout(() => this.#client.close(), LINGER).unref()
  }

  onClosed(): void {
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#leave()
  }

  /** The connection has closed, or belongs to another driver. */
  #leave(): void {
    this.#finish()
    this.#selector.deadlines.delete(this.#client)
    const drains = this.#drains
    this.#drains = []
    for (const drained of drains) drained()
    for (const exchange of this.#unanswered) exchange.end('aborted')
    this.#unanswered.clear()
    for (const signal of this.#signals) signal.abort()
    this.#signals.clear()
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    // A running parser can't be returned to: that happens at its next `yield`.
    if (this.#state !== RUNS) this.#dropParser()
  }

  #dropParser(): void {
    const parser = this.#parser
    this.#parser = null
    try {
      parser?.return()
    } catch (error) {
      this.#log('a driver failed when its connection ended', error)
    }
  }

  #crash(exception: unknown): void {
    this.#selector.logger.critical(`the driver of client ${this.#client.getId()} failed`, { exception })
    this.#client.close()
  }

  #log(message: string, exception: unknown): void {
    this.#selector.logger.error(`${message}: client ${this.#client.getId()}`, { exception })
  }

  #write(data: string | Uint8Array, close = false): Promise<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new OptionError('data', data, 'a string or a Uint8Array')
    }
    const waiting = this.#isEnded || !this.#isOurs() ? -1 : this.#raw.write(data)
    if (waiting >= 0) for (const exchange of this.#unanswered) exchange.wrote(data)
    if (waiting < 0) return Promise.reject(new ClientException(this.#client, 'the client takes no more bytes'))
    if (close) {
      this.#finish()
      this.#end()
    }
    return waiting <= HIGH_WATER ? Promise.resolve() : new Promise((resolve) => this.#drains.push(resolve))
  }

  #isOurs(): boolean {
    return !this.#client.isClosed() && this.#selector.isDrivenBy(this.#client, this)
  }

  #end(): void {
    if (this.#isEnded || !this.#isOurs()) return
    this.#isEnded = true
    markEnded(this.#client)
    this.#raw.end()
    // Bytes that still arrive are read and dropped: unread ones would turn the close into a reset.
    this.#raw.read()
  }

  #onMessage(request: Request, leftover: Uint8Array | null = null): Promise<void> {
    if (!(request instanceof Request)) throw new OptionError('request', request, 'made by Request.create')
    if (!this.#isOurs()) return Promise.reject(new ClientException(this.#client, 'the client disconnected', 408))
    const signal = new HandoverSignal()
    const copy = adoptRequest(request, new ParsedRequestSource(this.#client, signal, this.#raw.stops(), request))
    const resource = new AsyncResource('busbar.Request', { requireManualDestroy: true })
    const exchange = new ParsedExchange(this.#selector.requests, this.#client, copy)
    this.#signals.add(signal)
    this.#unanswered.add(exchange)
    this.#pendingResponses++
    this.#runningHandlers++
    const answered = resource.runInAsyncScope(async () => {
      try {
        const response = await this.#ask(copy, exchange)
        this.#runningHandlers--
        if (response === null) this.#answered(signal, exchange, 'aborted')
        else this.#answer(request, response, leftover, signal, exchange)
      } catch (error) {
        exchange.endFailed(error)
        this.#answered(signal, exchange, 'failed')
        throw error
      }
    })
    resource.emitDestroy()
    return answered
  }

  /** The handler's response; null when it can't be sent any more. */
  async #ask(request: Request, exchange: ParsedExchange): Promise<Response | null> {
    const answering = { ...this.#selector.answering, watch: exchange, runner: exchange }
    try {
      const response = await inject(request, answering)
      if (!this.#isOurs() || this.#isEnded) {
        discardResponse(response, (error) => this.#log('a response that was not sent could not be disposed of', error))
        return null
      }
      markSent(response)
      return response
    } catch (error) {
      if (clientExceptionIn(error) !== undefined) {
        void this.#client.stop(1000).catch(() => {})
        return null
      }
      // The response can't be sent, which is an error of the handler.
      const page = await inject(request, { ...answering, runner: null, handler: () => Promise.reject(error as Error) })
      markSent(page)
      return page
    }
  }

  #answer(
    request: Request,
    response: Response,
    leftover: Uint8Array | null,
    signal: HandoverSignal,
    exchange: ParsedExchange,
  ): void {
    const extras = extrasOf(response)
    const done = (outcome: 'sent' | 'upgraded' | 'aborted' | 'failed'): void => {
      extras?.dispose((exception) => this.#log('a dispose hook of a response failed', exception))
      this.#answered(signal, exchange, outcome)
    }
    if (!this.#isOurs() || this.#isEnded) return done('aborted')
    const takeover = extras?.takeover ?? null
    if (takeover !== null) markExported(this.#client)
    const isTunnel = takeover?.isDetached === false && request.getMethod() === 'CONNECT'
    exchange.begin(isTunnel ? 200 : response.getStatus(), request.getMethod(), response)
    const write = async (): Promise<void> => {
      if (takeover?.isDetached !== true) await this.#driver.write(request, response)
    }
    write().then(
      () => {
        done(takeover !== null ? 'upgraded' : this.#client.isClosed() ? 'aborted' : 'sent')
        if (takeover === null || !this.#isOurs()) return
        const rest = Buffer.concat([...(leftover === null ? [] : [leftover]), ...this.#unread])
        this.#leave()
        const { handler, context } = takeover
        this.#selector.export(this.#raw, rest, (socket) => handler(socket, request, response), context)
      },
      (exception: unknown) => {
        exchange.endFailed(exception)
        done('failed')
        if (clientExceptionIn(exception) === undefined) this.#log('a driver failed to write a response', exception)
        this.#client.close()
      },
    )
  }

  #answered(signal: HandoverSignal, exchange: ParsedExchange, outcome: 'sent' | 'upgraded' | 'aborted' | 'failed'): void {
    this.#unanswered.delete(exchange)
    exchange.end(outcome)
    this.#pendingResponses--
    this.#signals.delete(signal)
    this.#raw.stops().delete(signal)
    signal.release()
    this.#endIfIdle()
  }

  pendingRequests(): number {
    return this.#driver.getPendingRequestCount()
  }

  pendingResponses(): number {
    return this.#pendingResponses
  }

  isWaitingOnResponse(): boolean {
    return this.#runningHandlers > this.pendingRequests()
  }

  expiration(): number {
    return this.#selector.deadlines.get(this.#client)
  }

  extendExpiration(unixSeconds: number): void {
    this.#selector.deadlines.extend(this.#client, unixSeconds)
  }

  async stop(): Promise<void> {
    await this.#driver.stop()
    this.#finish()
    this.#end()
  }

  switchDriver(driver: Driver, unread: Uint8Array | null): void {
    checkDriver(driver)
    if (this.#isEnded) throw new StateError(`client ${this.#client.getId()} has been ended; it can't change its driver`)
    const rest = Buffer.concat([...(unread === null ? [] : [unread]), ...this.#unread])
    this.#unread = []
    this.#leave()
    this.#selector.drive(this.#raw, driver, rest)
  }
}
