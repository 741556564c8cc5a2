/**
 * The body of one request, which is pushed into the request's buffer.
 *
 * As with Node, bytes are read until that buffer is full, whether or not the application reads: so a request whose
 * client leaves has what had arrived. A body that came with its head lies in the slab until it is wanted.
 */
import { IncomingBody } from '../body/incoming-body.ts'
import type { BodyTransport } from '../body/incoming-body.ts'
import type { ClientException } from '../connection/client-exception.ts'
import { connectionReset } from './node-errors.ts'
import type { Exchange } from './exchange.ts'

/** The body of one request. */
export class RequestBytes implements BodyTransport {
  readonly #exchange: Exchange
  #slab: Buffer | null = null
  #at = 0
  /** Length of a body that is here; -1 for one that arrives. */
  #length = -1
  #whole: Buffer | null = null
  #incoming: IncomingBody | null = null
  #isReading = false
  #hasEnded = false
  /** The client waits for a 100 that the application hasn't allowed yet. */
  isHeld = false
  /** The client has ended its side behind the body, which is still being read. */
  hasEndBehind = false

  private constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  /** A body that lies in a slab. */
  static inSlab(exchange: Exchange, slab: Buffer, at: number, length: number): RequestBytes {
    const body = new RequestBytes(exchange)
    body.#slab = slab
    body.#at = at
    body.#length = length
    return body
  }

  /** A body in memory of its own. */
  static whole(exchange: Exchange, bytes: Buffer): RequestBytes {
    const body = new RequestBytes(exchange)
    body.#whole = bytes
    body.#length = bytes.length
    return body
  }

  /** A body that arrives after its head. */
  static arriving(exchange: Exchange): RequestBytes {
    return new RequestBytes(exchange)
  }

  /** Whether it arrives after its head. */
  isArriving(): boolean {
    return this.#length < 0
  }

  /** Whether it has come, and has no bytes. */
  isEmpty(): boolean {
    return this.#length === 0
  }

  /** Whether more of it may come. */
  isOpen(): boolean {
    return this.#length < 0 && !this.#hasEnded
  }

  /** Copies the bytes out of the slab: a view would show the application the bytes of other requests. */
  leaveSlab(): void {
    if (this.#slab === null) return
    this.#whole = Buffer.allocUnsafe(this.#length)
    this.#slab.copy(this.#whole, 0, this.#at, this.#at + this.#length)
    this.#slab = null
  }

  /** The bytes of a body that is here, once. */
  take(): Buffer | null {
    this.leaveSlab()
    const whole = this.#whole
    this.#whole = null
    return whole
  }

  /** What takes the notices. */
  incoming(): IncomingBody {
    return (this.#incoming ??= new IncomingBody(this))
  }

  /** Reads on until the request has enough. */
  read(): void {
    if (this.#isReading || this.#hasEnded || this.isHeld || this.#length >= 0) return
    this.#isReading = true
    this.incoming().read().then(
      (piece) => this.#take(piece),
      () => this.fail(),
    )
  }

  #take(piece: Uint8Array | null): void {
    this.#isReading = false
    if (this.#hasEnded) return
    // As with Node, ticks that listeners of the last piece have planned run before 'end'.
    if (piece === null) return void process.nextTick(() => this.#end())
    this.#exchange.touch()
    if (this.#exchange.request.pushBytes(asBuffer(piece))) this.read()
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#exchange.request.pushEnd()
    this.#exchange.bodyOver()
  }

  /** No more of it comes: the client has left, or the engine has refused it. */
  fail(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#isReading = false
    this.#exchange.bodyOver()
  }

  /** The rest isn't wanted: the engine drops it. */
  drop(): void {
    this.#exchange.dropBody()
    this.fail()
  }

  declaredLength(): number {
    const text = this.#exchange.field(this.#exchange.owner.lengthField)
    return text === null ? Number.NaN : Number(text)
  }

  awaitBytes(isWhole: boolean): boolean {
    const { owner, connection, requestId } = this.#exchange
    this.#exchange.register()
    return owner.hot.awaitBody(connection.slot, requestId, isWhole ? 1 : 0) === 0
  }

  receive(memory: Buffer, isWhole: boolean): boolean {
    const { owner, connection, requestId } = this.#exchange
    this.#exchange.register()
    return owner.hot.receiveBody(connection.slot, requestId, memory, isWhole ? 1 : 0) === 0
  }

  release(): void {
    const { owner, connection, requestId } = this.#exchange
    owner.hot.releaseBody(connection.slot, requestId)
  }

  raiseLimit(limit: number): void {
    const { owner, connection, requestId } = this.#exchange
    owner.hot.raiseBodyLimit(connection.slot, requestId, limit)
  }

  gone(): Error {
    return connectionReset()
  }

  limitHit(): ClientException {
    return connectionReset() as never
  }

  outOfMemory(): ClientException {
    return connectionReset() as never
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
