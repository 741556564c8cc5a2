/**
 * Responses: what handlers answer with.
 */
import { ResponseCookie, byName } from '../http/cookie.ts'
import { HandlerError, InvalidCookieException, OptionError, StateError, show } from '../core/errors.ts'
import { Fields, Role, arePairs, eachField, emptiedNames, lineOf, nameOf, valueOf } from '../http/fields.ts'
import type { FieldName, FieldValue, FieldsInit } from '../http/fields.ts'
import { FileBody, checkFileSettings } from '../body/file-body.ts'
import type { FileSettings } from '../body/file-body.ts'
import type { UpgradedSocket } from '../connection/upgraded-socket.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { ANSWER_WORDS, Answer, AnswerFlag } from '../native.ts'
import type { HotFunctions } from '../native.ts'
import { ResponseExtras } from './response-extras.ts'
import type { Framing } from './response-extras.ts'
import { bytesOf, isStreamed, sourceOf } from '../body/source.ts'
import type { Streamed } from '../body/source.ts'
import { checkStatus, reasonPhrase } from '../http/status.ts'
import { Trailers } from '../http/trailers.ts'
import type { Request } from './request.ts'

/** A body that is there as a whole. */
export type Content = string | Uint8Array
/** A body of either kind. */
export type Body = Content | Streamed

/** Gets the socket of an upgraded or detached connection. An error in it is logged and closes the client. */
export type UpgradeHandler = (socket: UpgradedSocket, request: Request, response: Response) => void | Promise<void>

/** What becomes of the connection behind a response. */
export interface Takeover {
  readonly handler: UpgradeHandler
  /** Nothing is written ahead. */
  readonly isDetached: boolean
}

/** What few responses have. */
export type Extras = ResponseExtras<Takeover>

/**
 * Sends a response for the request whose slot and request id stand in the words already. 0 when the engine took it,
 * `BODY_TOO_SHORT` when it did and the body is shorter than was declared. Throws when it was sent before.
 */
export let sendResponse: (response: Response, words: Uint32Array, hot: HotFunctions) => number
/** Marks a response as sent that isn't sent as a whole. Throws when it was sent before. */
export let markSent: (response: Response) => void
/** The same as `sendResponse` for one that was claimed: its body follows. */
export let openResponse: (response: Response, words: Uint32Array, hot: HotFunctions, framing: Framing) => number
/** Lets go of a response that is not to be sent: cancels its body and runs its hooks. Nothing happens if it was sent. */
export let discardResponse: (response: Response, report: (error: unknown) => void) => void
/** What few responses have; null for all others. */
export let extrasOf: (response: Response) => Extras | null

/** What `sendResponse` says of a body that is shorter than its length. */
export const BODY_TOO_SHORT = 2

/** Content from this length on is written in portions, as fast as the client takes it. */
const STREAM_ABOVE = 256 * 1024

const { hasOwnProperty } = Object.prototype

/** What has to be percent-encoded in a URI; what is encoded already stays as it is. */
const NOT_IN_A_LOCATION = /[^!#-;=?-[\]_a-z~]+/g

const TEXT = 'content-type: text/plain; charset=utf-8\r\n'
const HTML = 'content-type: text/html; charset=utf-8\r\n'
const JSON_TYPE = 'content-type: application/json\r\n'

/**
 * An answer to a request.
 *
 * @example new Response(200, { 'content-type': 'text/plain' }, 'Hello')
 */
export class Response {
  #status: number
  #reason: string | undefined = undefined
  /** Checked fields as they are sent; out of date once `#fields` exists. */
  #lines = ''
  #fields: Fields | null = null
  #body: Body | undefined = undefined
  #declaredLength = -1
  #closes = false
  #isSent = false
  #extras: Extras | null = null

  /**
   * Status first, then headers, then the body, then what follows it. A wrong header throws here, naming it.
   * A body that comes piece by piece is read as fast as the client takes it, and cancelled when it leaves.
   *
   * @example new Response(200, { 'content-type': 'text/plain' }, createReadStream('log.txt'))
   */
  constructor(status = 200, headers?: FieldsInit | null, body: Body | null = null, trailers: Trailers | null = null) {
    if (typeof status !== 'number') {
      throw new HandlerError(
        `the status comes first; for a body alone use Response.text(body). Got ${show(status)} as status`,
      )
    }
    this.#status = checkStatus(status)
    if (headers !== undefined && headers !== null) this.#setLines(headers)
    if (body !== null) this.#setBody(body)
    if (this.#declaredLength >= 0) this.#declareLength(this.#declaredLength)
    if (trailers !== null) this.setTrailers(trailers)
  }

  /**
   * An answer of plain text; a content-type among the headers replaces its own.
   *
   * @example () => Response.text('Hello')
   */
  static text(body: string, status = 200, headers?: FieldsInit): Response {
    return Response.#of(status, TEXT, body, headers)
  }

  /**
   * An answer of HTML. Nothing is escaped.
   *
   * @example () => Response.html('<h1>Hello</h1>')
   */
  static html(body: string, status = 200, headers?: FieldsInit): Response {
    return Response.#of(status, HTML, body, headers)
  }

  /**
   * An answer of JSON.
   *
   * @example () => Response.json({ ok: true })
   */
  static json(value: unknown, status = 200, headers?: FieldsInit): Response {
    const body = JSON.stringify(value) as string | undefined
    if (body === undefined) throw new HandlerError(`Response.json needs a value that JSON can hold; got ${show(value)}`)
    return Response.#of(status, JSON_TYPE, body, headers)
  }

  /**
   * Sends the client elsewhere: 303 tells it to GET there, 307 and 308 to repeat the request.
   *
   * @example () => Response.redirect('/login')
   */
  static redirect(location: string | URL, status = 303): Response {
    if (!Number.isInteger(status) || status < 300 || status > 399) {
      throw new OptionError('status', status, 'an integer from 300 to 399')
    }
    // By way of bytes, so that half a surrogate pair is encoded as well and not refused.
    const text = Buffer.from(String(location)).toString()
    return new Response(status, { location: text.replace(NOT_IN_A_LOCATION, encodeURIComponent) })
  }

  /**
   * An answer with the content of a file, which is opened when the answer is sent: a 404 by the error handler
   * when it is missing. With a root, the path is one below it, and no link leads out of it; without one,
   * whatever the application names is opened. Content type, length, Last-Modified and ETag are set unless
   * the headers have them.
   *
   * @example () => Response.file('logo.svg', { root: 'public' })
   */
  static file(path: string | URL, settings: FileSettings = {}): Response {
    const { root, headers } = checkFileSettings(path, settings)
    const response = new Response(200, headers, new FileBody(path, root))
    if (headers === undefined || !response.hasHeader('content-type')) {
      response.#prepend(`content-type: ${mediaTypeOf(String(path))}\r\n`)
    }
    return response
  }

  static #of(status: number, type: string, body: string, headers?: FieldsInit): Response {
    const response = new Response(status, headers)
    // A content-type of the application's own comes first and counts.
    if (headers === undefined || !response.hasHeader('content-type')) response.#prepend(type)
    response.#setBody(body)
    return response
  }

  #prepend(line: string): void {
    this.#lines = line + (this.#fields === null ? this.#lines : this.#fields.toLines())
    this.#fields = null
  }

  /**
   * The status code.
   *
   * @example response.getStatus() // 200
   */
  getStatus(): number {
    return this.#status
  }

  /**
   * The phrase behind the status: the standard one unless another was set; HTTP/2 has none.
   *
   * @example response.getReason() // 'OK'
   */
  getReason(): string {
    return this.#reason ?? reasonPhrase(this.#status)
  }

  /**
   * Changes the status; without a reason the standard phrase goes with it. Any but 101 cancels an upgrade.
   *
   * @example response.setStatus(404)
   */
  setStatus(status: number, reason: string | null = null): void {
    this.#status = checkStatus(status)
    if (status !== 101 && this.#extras !== null) this.#extras.takeover = null
    this.#reason = reason === null ? undefined : valueOf('reason phrase', reason)
  }

  /**
   * The body as it was given; null when there is none.
   *
   * @example response.getBody()
   */
  getBody(): Body | null {
    return this.#body ?? null
  }

  /**
   * Replaces the body. The length of content is sent with it; a length that was set before is forgotten, and
   * may be set again for a body that comes piece by piece.
   *
   * @example response.setBody('Hello')
   */
  setBody(body: Body | null): void {
    this.#declaredLength = -1
    this.#body = undefined
    if (this.#extras !== null) this.#extras.isStreamed = false
    if (body !== null) this.#setBody(body)
  }

  /**
   * Everything in the body as bytes, as a test wants it. A body that comes piece by piece is read for it.
   *
   * @example const bytes = await (await server.inject(request)).buffer()
   */
  async buffer(): Promise<Uint8Array> {
    const body = this.#body
    if (body === undefined) return new Uint8Array(0)
    if (typeof body === 'string') return Buffer.from(body)
    if (body instanceof Uint8Array) return body
    const source = sourceOf(body)
    const pieces: Uint8Array[] = []
    for (let item; (item = await source.next()).done !== true; ) pieces.push(bytesOf(item.value))
    return Buffer.concat(pieces)
  }

  /**
   * Everything in the body as text.
   *
   * @example t.is(await (await server.inject(request)).text(), 'Hello')
   */
  async text(): Promise<string> {
    return typeof this.#body === 'string' ? this.#body : new TextDecoder().decode(await this.buffer())
  }

  /**
   * Everything in the body as JSON.
   *
   * @example const { ok } = await (await server.inject(request)).json<{ ok: boolean }>()
   */
  async json<T = unknown>(): Promise<T> {
    return JSON.parse(await this.text()) as T
  }

  /**
   * What follows the body; null when nothing does.
   *
   * @example response.getTrailers()?.getFields()
   */
  getTrailers(): Trailers | null {
    return this.#extras?.trailers ?? null
  }

  /**
   * Has fields follow the body, where the protocol can: not in HTTP/1.0, and not behind an answer that has
   * no body. They are announced in a `trailer` field unless one is set.
   *
   * @example response.setTrailers(new Trailers(() => ({ 'x-rows': rows }), ['x-rows']))
   */
  setTrailers(trailers: Trailers): void {
    if (!(trailers instanceof Trailers)) throw new HandlerError(`setTrailers takes Trailers; got ${show(trailers)}`)
    this.#ownExtras().trailers = trailers
  }

  /**
   * Takes back what `setTrailers` set.
   *
   * @example response.removeTrailers()
   */
  removeTrailers(): void {
    if (this.#extras !== null) this.#extras.trailers = null
  }

  /**
   * Cuts the answer off: its client sees that it isn't complete, and nothing is logged. True when there was
   * anything left to cut.
   *
   * @example if (quota.isUsedUp()) response.abort()
   */
  abort(): boolean {
    const extras = this.#ownExtras()
    if (this.#isSent) return extras.sender?.cut() ?? false
    extras.isCut = true
    return true
  }

  /**
   * All fields by lower-case name, in an object without a prototype.
   *
   * @example response.getHeaders()['content-type'] // ['text/plain']
   */
  getHeaders(): Record<string, string[]> {
    const headers = this.#materialise().toRecord()
    const length = this.#length()
    if (length !== null) headers['content-length'] = [length]
    return headers
  }

  /**
   * All fields in order, with names as they were written.
   *
   * @example for (const [name, value] of response.getRawHeaders()) console.log(name, value)
   */
  getRawHeaders(): [string, string][] {
    const pairs = this.#materialise().toPairs()
    const length = this.#length()
    return length === null ? pairs : [...pairs, ['content-length', length]]
  }

  /**
   * The first value of a field; null when it isn't there.
   *
   * @example response.getHeader('content-type')
   */
  getHeader(name: FieldName): string | null {
    const lower = name.toLowerCase()
    return lower === 'content-length' ? this.#length() : this.#materialise().get(lower)
  }

  /**
   * All values of a field.
   *
   * @example response.getHeaderArray('set-cookie')
   */
  getHeaderArray(name: FieldName): string[] {
    const lower = name.toLowerCase()
    if (lower !== 'content-length') return this.#materialise().all(lower)
    const length = this.#length()
    return length === null ? [] : [length]
  }

  /**
   * All values of a field joined by commas; null when it isn't there.
   *
   * @example response.getHeaderLine('vary') // 'accept, origin'
   */
  getHeaderLine(name: FieldName): string | null {
    const values = this.getHeaderArray(name)
    return values.length === 0 ? null : values.join(', ')
  }

  /**
   * Whether a field is there.
   *
   * @example response.hasHeader('etag')
   */
  hasHeader(name: FieldName): boolean {
    return this.getHeader(name) !== null
  }

  /**
   * Replaces a field; an empty list removes it.
   *
   * @example response.setHeader('cache-control', 'no-store')
   */
  setHeader(name: FieldName, value: FieldValue): void {
    if (this.#isSpecial(name)) {
      const values = listOf(value).map((item) => valueOf(name, item))
      if (nameOf(name).role === Role.Connection || values.length === 0) this.removeHeader(name)
      for (const item of values) this.#setSpecial(name, item)
      return
    }
    this.#materialise().set(name, value)
  }

  /**
   * Adds a line, or several, to a field.
   *
   * @example response.addHeader('vary', 'origin')
   */
  addHeader(name: FieldName, value: FieldValue): void {
    if (this.#isSpecial(name)) for (const item of listOf(value)) this.#setSpecial(name, item)
    else this.#materialise().add(name, value)
  }

  /**
   * Removes a field; nothing happens when it isn't there.
   *
   * @example response.removeHeader('etag')
   */
  removeHeader(name: FieldName): void {
    const { lower, role } = nameOf(name)
    if (role === Role.Length) this.#declaredLength = -1
    else if (role === Role.Connection) this.#closes = false
    else this.#materialise().delete(lower)
  }

  /**
   * Sets several fields and keeps the others. If one is invalid, nothing changes.
   *
   * @example response.setHeaders({ etag: '"1"', vary: ['accept', 'origin'] })
   */
  setHeaders(headers: FieldsInit): void {
    const checked = new Response(this.#status, headers)
    const emptied = emptiedNames(headers)
    for (const name of emptied) nameOf(name)
    if (checked.#declaredLength >= 0) this.#declareLength(checked.#declaredLength)
    this.#materialise().setAll(checked.#materialise().toPairs())
    this.#closes ||= checked.#closes
    for (const name of emptied) this.removeHeader(name)
  }

  /**
   * The same as `setHeaders`.
   *
   * @example response.replaceHeaders({ etag: '"2"' })
   */
  replaceHeaders(headers: FieldsInit): void {
    this.setHeaders(headers)
  }

  /**
   * The cookies that are set, by name, in an object without a prototype.
   *
   * @example response.getCookies()['session']?.getMaxAge()
   */
  getCookies(): Record<string, ResponseCookie> {
    const cookies = this.getHeaderArray('set-cookie').map((line) => ResponseCookie.fromHeader(line))
    return byName(cookies.filter((cookie) => cookie !== null))
  }

  /**
   * The cookie of that name; null when none is set.
   *
   * @example response.getCookie('session')
   */
  getCookie(name: string): ResponseCookie | null {
    return this.getCookies()[name] ?? null
  }

  /**
   * Sets a cookie; one of the same name is replaced. Each is a `set-cookie` line of its own.
   *
   * @example response.setCookie(new ResponseCookie('theme', 'dark'))
   */
  setCookie(cookie: ResponseCookie): void {
    if (!(cookie instanceof ResponseCookie)) {
      throw new InvalidCookieException(`response.setCookie takes a ResponseCookie; got ${show(cookie)}`)
    }
    this.removeCookie(cookie.getName())
    this.addHeader('set-cookie', cookie.toString())
  }

  /**
   * Takes back what `setCookie` set. A cookie that the client has stays there: set it with a max-age of
   * 0 to delete it.
   *
   * @example response.removeCookie('theme')
   */
  removeCookie(name: string): void {
    const lines = this.getHeaderArray('set-cookie')
    this.setHeader('set-cookie', lines.filter((line) => ResponseCookie.fromHeader(line)?.getName() !== name))
  }

  /**
   * Runs a function once the response is done with: sent, failed, replaced, or dropped because the
   * client left.
   *
   * @example response.onDispose(() => lock.release())
   */
  onDispose(callback: () => unknown): void {
    if (typeof callback !== 'function') throw new OptionError('callback', callback, 'a function')
    this.#ownExtras().disposers.push(callback)
  }

  /**
   * Switches protocols: sends the headers with a 101, after everything that was asked before, and hands the
   * connection to a function. Name the protocol in the header `upgrade`; `connection` is sent by itself. A
   * body that nobody read is read and dropped first. CONNECT is answered with a 200 instead. The function
   * isn't called when the client leaves before.
   *
   * @example (request) => new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.pipe(socket))
   */
  upgrade(callback: UpgradeHandler): this {
    this.#setTakeover(callback, false)
    return this
  }

  /**
   * Hands the connection to a function with nothing written, after all earlier answers: for libraries that
   * answer by themselves. No other request may stand behind the one that it answers.
   *
   * @example () => Response.detach((socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\n…'))
   */
  static detach(callback: UpgradeHandler): Response {
    const response = new Response(101)
    response.#setTakeover(callback, true)
    return response
  }

  #setTakeover(handler: UpgradeHandler, isDetached: boolean): void {
    if (typeof handler !== 'function') {
      throw new HandlerError(`an upgrade needs a function (socket, request, response); got ${show(handler)}`)
    }
    this.setStatus(101)
    const extras = this.#ownExtras()
    extras.takeover = { handler, isDetached }
    extras.trailers = null
  }

  /**
   * Whether it hands the connection over.
   *
   * @example response.isUpgraded()
   */
  isUpgraded(): boolean {
    return this.getUpgradeHandler() !== null
  }

  /**
   * The function that gets the connection; null when none does.
   *
   * @example response.getUpgradeHandler()
   */
  getUpgradeHandler(): UpgradeHandler | null {
    return this.#extras?.takeover?.handler ?? null
  }

  #isSpecial(name: string): boolean {
    return nameOf(name).role !== Role.Ordinary
  }

  /** A field that the server writes: what it means is noted, if anything. */
  #setSpecial(name: string, value: unknown): void {
    const text = valueOf(name, value)
    const { role } = nameOf(name)
    if (role === Role.Connection) {
      this.#closes ||= text.split(',').some((token) => token.trim().toLowerCase() === 'close')
    } else if (role === Role.Length) {
      if (!/^\d{1,15}$/.test(text)) throw new OptionError('content-length', value, 'a plain number of bytes')
      this.#declareLength(Number(text))
    }
  }

  #setLines(headers: FieldsInit): void {
    if (arePairs(headers)) {
      eachField(headers, (name, value) => this.#addLine(name, value))
      return
    }
    for (const name in headers) {
      if (!hasOwnProperty.call(headers, name)) continue
      const value = (headers as Readonly<Record<string, unknown>>)[name]
      if (Array.isArray(value)) for (const item of value) this.#addLine(name, item)
      else this.#addLine(name, value)
    }
  }

  #addLine(name: string, value: unknown): void {
    const known = nameOf(name)
    if (known.role === Role.Ordinary) this.#lines += lineOf(name, known, value)
    else this.#setSpecial(name, value)
  }

  #setBody(body: Body): void {
    if (typeof body === 'string' ? body.length >= STREAM_ABOVE : !(body instanceof Uint8Array) || body.length >= STREAM_ABOVE) {
      this.#setStreamed(body)
    }
    this.#body = body
  }

  #setStreamed(body: Body): void {
    if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
      if (!isStreamed(body)) {
        throw new HandlerError(`a body must be a string, a Uint8Array, a stream of them, or null; got ${show(body)}`)
      }
      if (body instanceof Blob && this.#declaredLength < 0) this.#declaredLength = body.size
    }
    this.#ownExtras().isStreamed = true
  }

  #ownExtras(): Extras {
    return (this.#extras ??= new ResponseExtras())
  }

  #materialise(): Fields {
    return (this.#fields ??= Fields.fromLines(this.#lines))
  }

  #bodyLength(): number {
    if (this.#body === undefined) return 0
    if (typeof this.#body === 'string') return Buffer.byteLength(this.#body)
    return this.#body instanceof Uint8Array ? this.#body.byteLength : -1
  }

  #length(): string | null {
    if (this.#declaredLength >= 0) return String(this.#declaredLength)
    const length = this.#body === undefined ? -1 : this.#bodyLength()
    return length < 0 ? null : String(length)
  }

  /** Notes a length, or leaves everything as it was if the body is longer. */
  #declareLength(declared: number): void {
    const length = this.#bodyLength()
    if (length > declared) throw new HandlerError(`the body has ${length} bytes, more than the content-length of ${declared}`)
    this.#declaredLength = declared
  }

  #markSent(): void {
    if (this.#isSent) throw new StateError('this Response was sent already; make a new one for each request')
    const status = this.#status
    if (status < 200 && !this.isUpgraded()) {
      throw new HandlerError(`a handler can't answer with ${status}; see request.inform and response.upgrade`)
    }
    this.#isSent = true
  }

  #discard(report: (error: unknown) => void): void {
    if (this.#isSent) return
    this.#isSent = true
    const body = this.#body
    if (isStreamed(body)) sourceOf(body).cancel(report)
    this.#extras?.dispose(report)
  }

  #send(words: Uint32Array, hot: HotFunctions): number {
    this.#markSent()
    const body = this.#body as Content | undefined
    let flags = body === undefined ? 0 : typeof body === 'string' ? AnswerFlag.Text : AnswerFlag.Bytes
    if (this.#closes) flags |= AnswerFlag.Close
    if (this.#extras !== null) flags |= AnswerFlag.TellWritten
    if (this.#reason !== undefined) flags |= AnswerFlag.Reason
    if (this.#declaredLength >= 0) {
      flags |= AnswerFlag.Length
      words[ANSWER_WORDS + Answer.LengthLow] = this.#declaredLength
      words[ANSWER_WORDS + Answer.LengthHigh] = this.#declaredLength / 2 ** 32
    }
    words[ANSWER_WORDS + Answer.Status] = this.#status
    words[ANSWER_WORDS + Answer.Flags] = flags
    const lines = this.#fields === null ? this.#lines : this.#fields.toLines()
    const result = hot.respond(lines, body, this.#reason)
    return result === 0 && this.#declaredLength > 0 && this.#bodyLength() < this.#declaredLength ? BODY_TOO_SHORT : result
  }

  #open(words: Uint32Array, hot: HotFunctions, { length, lines }: Framing): number {
    let flags: number = AnswerFlag.TellWritten
    if (this.#closes) flags |= AnswerFlag.Close
    if (this.#reason !== undefined) flags |= AnswerFlag.Reason
    if (length >= 0) {
      flags |= AnswerFlag.Length
      words[ANSWER_WORDS + Answer.LengthLow] = length
      words[ANSWER_WORDS + Answer.LengthHigh] = length / 2 ** 32
    }
    words[ANSWER_WORDS + Answer.Status] = this.#status
    words[ANSWER_WORDS + Answer.Flags] = flags
    const own = this.#fields === null ? this.#lines : this.#fields.toLines()
    return hot.startStream(own + lines, undefined, this.#reason)
  }

  static {
    sendResponse = (response, words, hot) => response.#send(words, hot)
    markSent = (response) => response.#markSent()
    openResponse = (response, words, hot, framing) => response.#open(words, hot, framing)
    // What merely has the class, as a proxy does, has nothing to let go of.
    discardResponse = (response, report) => {
      if (#isSent in response) response.#discard(report)
    }
    extrasOf = (response) => response.#extras
  }
}

function listOf(value: FieldValue): readonly (string | number)[] {
  return Array.isArray(value) ? (value as readonly (string | number)[]) : [value as string | number]
}
