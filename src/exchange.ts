/**
 * One request's tie to the engine: where its head lies, what answers it, who waits for it.
 */
import { Client, toAddress } from './client.ts'
import type { Dispatcher, Waiting } from './dispatch.ts'
import type { ClientException } from './errors.ts'
import { Fields } from './fields.ts'
import { Flag } from './native.ts'
import type { ClientFacts } from './native.ts'
import { RequestBody } from './request-body.ts'
import type { BodySource } from './request-body.ts'
import type { RequestOrigin } from './request.ts'

/** A request and its answer. */
export class Exchange implements RequestOrigin, BodySource, Waiting {
  readonly slot: number
  readonly ticket: number
  /** Somebody waits for something: it stands in the dispatcher's map. */
  isWaiting = false
  /** The engine has its answer. */
  isAnswered = false
  readonly #dispatcher: Dispatcher
  readonly #method: number
  readonly #flags: number
  #slab: Buffer
  #head: number
  #bodyAt = 0
  #bodyLength = -1
  #rare: Rare | null = null

  constructor(
    dispatcher: Dispatcher,
    slab: Buffer,
    head: number,
    slot: number,
    ticket: number,
    method: number,
    flags: number,
  ) {
    this.#dispatcher = dispatcher
    this.#slab = slab
    this.#head = head
    this.slot = slot
    this.ticket = ticket
    this.#method = method
    this.#flags = flags
  }

  /** The head lies in memory of its own. */
  moveHead(block: Buffer): void {
    this.#slab = block
    this.#head = 0
  }

  /** The whole body lies in the slab. */
  setPlace(at: number, length: number): void {
    this.#bodyAt = at
    this.#bodyLength = length
  }

  /** The whole body, in memory of its own. */
  setWhole(bytes: Buffer): void {
    this.#bodyLength = bytes.length
    this.#extra().whole = bytes
  }

  /** The slab is used up: what lies in it is copied out. */
  leaveSlab(): void {
    if (this.#bodyLength >= 0) this.whole()
    this.moveHead(this.#dispatcher.hot.copyHead(this.#slab, this.#head))
  }

  client(): Client {
    const extra = this.#extra()
    return (extra.client ??= this.#dispatcher.clientOf(this))
  }

  clientId(): number {
    return this.#dispatcher.hot.clientId(this.#slab, this.#head)
  }

  openFacts(): ClientFacts {
    return this.#dispatcher.engine.openClient(this.slot, this.#slab, this.#head)
  }

  header(lower: string): string | null {
    return this.#dispatcher.hot.header(this.#slab, this.#head, lower)
  }

  fields(): Fields {
    return Fields.fromBlock(this.#dispatcher.hot.headerBlock(this.#slab, this.#head))
  }

  target(): string {
    return this.#dispatcher.hot.target(this.#slab, this.#head)
  }

  method(): string {
    return this.#dispatcher.methods[this.#method] ?? ''
  }

  version(): string {
    return (this.#flags & Flag.Http10) === 0 ? '1.1' : '1.0'
  }

  base(): string {
    const address = toAddress(this.openFacts().localAddress())
    return `http://${address.getType() === 'unix' ? 'localhost' : address.toString()}`
  }

  body(): RequestBody {
    return new RequestBody((this.#flags & Flag.Body) === 0 ? null : this)
  }

  whole(): Uint8Array | null {
    if (this.#bodyLength < 0) return null
    const extra = this.#extra()
    extra.whole ??= Buffer.from(this.#slab.subarray(this.#bodyAt, this.#bodyAt + this.#bodyLength))
    return extra.whole
  }

  receive(): Promise<Uint8Array> {
    const extra = this.#extra()
    return new Promise((resolve, reject) => {
      extra.resolve = resolve
      extra.reject = reject
      if (this.#dispatcher.hot.wantBody(this.slot, this.ticket) === 0) this.#wait()
      else reject(this.#dispatcher.gone(this))
    })
  }

  raise(limit: number): void {
    this.#dispatcher.hot.raiseBodyLimit(this.slot, this.ticket, limit)
  }

  signal(): AbortSignal {
    const extra = this.#extra()
    extra.controller ??= new AbortController()
    if (extra.isExpired) extra.controller.abort()
    if (extra.isSettled || extra.isExpired) return extra.controller.signal
    const status = this.client().getStatus()
    const isPatient = this.#dispatcher.options.get('allowHalfClose')
    if (status === Client.CLOSED_RDWR || (status === Client.CLOSED_RD && !isPatient)) extra.controller.abort()
    else this.#wait()
    return extra.controller.signal
  }

  /** The handler has had its time: its signal fires. */
  expire(): void {
    const extra = this.#extra()
    extra.isExpired = true
    extra.controller?.abort()
  }

  inform(status: number, lines: string): void {
    this.#dispatcher.hot.inform(this.slot, this.ticket, status, lines)
  }

  /** The answer is given; `onWritten` is to be called when it is on its way. */
  settle(onWritten: (() => void) | null): void {
    const extra = this.#extra()
    extra.isSettled = true
    if (onWritten === null) {
      this.#dispatcher.waiting.delete(this.ticket)
    } else {
      extra.written = onWritten
      this.#wait()
    }
  }

  onBody(bytes: Uint8Array): void {
    this.#rare?.resolve?.(bytes)
  }

  onFailure(error: ClientException): void {
    this.#rare?.reject?.(error)
  }

  onAbort(): void {
    this.#rare?.controller?.abort()
  }

  onWritten(): void {
    this.#rare?.written?.()
  }

  #wait(): void {
    this.isWaiting = true
    this.#dispatcher.waiting.set(this.ticket, this)
  }

  #extra(): Rare {
    return (this.#rare ??= new Rare())
  }
}

/** What few requests need. */
class Rare {
  client: Client | null = null
  whole: Buffer | null = null
  resolve: ((bytes: Uint8Array) => void) | null = null
  reject: ((error: ClientException) => void) | null = null
  controller: AbortController | null = null
  written: (() => void) | null = null
  isSettled = false
  isExpired = false
}
