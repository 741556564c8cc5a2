/**
 * Responses: what handlers answer with.
 */
import { HandlerError, OptionError, StateError, show } from '../core/errors.ts'
import { Handover } from '../core/handover.ts'
import { Fields, Role, START, arePairs, eachField, emptiedNames, lineOf, nameAfter, nameOf, valueOf } from '../http/fields.ts'
import type { FieldsInit, Name } from '../http/fields.ts'
import { FIELDS } from '../http/http-message.ts'
import { FileBody } from '../body/file-body.ts'
import { checkFileSettings } from '../body/file-settings.ts'
import type { FileSettings } from '../body/file-settings.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { AnswerFlag, respond, writeAnswer } from '../native.ts'
import type { HotFunctions } from '../native.ts'
import { checkLength } from './content-length.ts'
import type { RequestSource } from './request-source.ts'
import { EXTRAS, IS_SENT, OWN_EXTRAS, ResponseDelivery, SET_TAKEOVER } from './response-delivery.ts'
import type { Extras } from './response-delivery.ts'
import { ResponseExtras } from './response-extras.ts'
import type { Framing } from './response-extras.ts'
import { CONTENT_LENGTH, SET_SPECIAL, lengthFrom, ownOptions, upgradeOption } from './response-head.ts'
import { takeoverOf } from './takeover.ts'
import type { DetachSettings, UpgradeHandler } from './takeover.ts'
import { collected, isStreamed, sourceOf } from '../body/source.ts'
import type { Body, Content, Streamed } from '../body/source.ts'
import { hasElement } from '../http/lists.ts'
import { checkStatus, reasonPhrase } from '../http/status.ts'
import { encodeLocation } from '../http/target.ts'
import { Trailers } from '../http/trailers.ts'

/**
 * Sends a response for the request whose slot and request id are in `words`. Returns what `respond` does. Throws when it was
 * sent before, and when its content-length isn't that of its body. `content` is sent in place of the body, if it is given.
 */
export let sendResponse: (
  response: Response,
  words: Uint32Array,
  hot: HotFunctions,
  request: Pick<RequestSource, 'method'>,
  tellsWritten: boolean,
  content?: Content,
) => 1 | 4 | undefined
/** Marks a response as sent whose body is streamed or whose connection is taken over. Throws when it was sent before. */
export let markSent: (response: Response) => void
/** Sends the head of a response that is marked as sent; its body follows. */
export let openResponse: (response: Response, words: Uint32Array, hot: HotFunctions, framing: Framing) => number
/** Cancels the body of a response that won't be sent and runs its hooks. Ignored if it was sent. */
export let discardResponse: (response: Response, report: (error: unknown) => void) => void
/** A response is given in place of another one, which is discarded when it is over. */
export let replaceResponse: (response: Response, replaced: Response) => void
/** Replaces the body by one that gives the same in a coding. It runs where the old one was handed over. */
export let recodeBody: (response: Response, body: Streamed) => void
/** Whether the fields of a response were read or changed after its constructor. */
export let hasOwnFields: (response: Response) => boolean
/** Replaces status and all fields of a response, and removes its body. */
export let replaceLines: (response: Response, status: number, lines: string) => void
/** The rarer parts of a response; null for most. */
export let extrasOf: (response: Response) => Extras | null

/** A body of this many characters or bytes is long: it is sent from where it is, or piece by piece. The engine's `HELD_FROM`. */
const LONG_FROM = 256 * 1024

const { hasOwnProperty } = Object.prototype

const TEXT = 'content-type: text/plain; charset=utf-8\r\n'
const HTML = 'content-type: text/html; charset=utf-8\r\n'
const JSON_TYPE = 'content-type: application/json\r\n'

/**
 * An answer to a request.
 *
 * @example new Response(200, { 'content-type': 'text/plain' }, 'Hello')
 */
export class Response extends ResponseDelivery {
  #status: number
  #reason: string | undefined = undefined
  /** Checked fields as they are sent; out of date once `#fields` exists. */
  #lines = ''
  #fields: Fields | null = null
  #body: Body | undefined = undefined
  #declaredLength = -1
  /** The connection closes after this response. */
  #closes = false
  #isSent = false
  #extras: Extras | null = null

  /**
   * The status comes first, then headers, body and trailers. An invalid header throws an `InvalidHeaderException` that
   * names it. A stream is read as fast as the client takes it, and cancelled when the client leaves.
   *
   * @example new Response(200, { 'content-type': 'text/plain' }, createReadStream('log.txt'))
   */
  constructor(status = 200, headers?: FieldsInit | null, body: Body | null = null, trailers: Trailers | null = null) {
    super()
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
   * A response of plain text. A content-type in `headers` replaces the default.
   *
   * @example () => Response.text('Hello')
   */
  static text(body: string, status = 200, headers?: FieldsInit): Response {
    return Response.#of(status, TEXT, body, headers)
  }

  /**
   * A response of HTML. Nothing is escaped.
   *
   * @example () => Response.html('<h1>Hello</h1>')
   */
  static html(body: string, status = 200, headers?: FieldsInit): Response {
    return Response.#of(status, HTML, body, headers)
  }

  /**
   * A response of JSON.
   *
   * @example () => Response.json({ ok: true })
   */
  static json(value: unknown, status = 200, headers?: FieldsInit): Response {
    const body = JSON.stringify(value) as string | undefined
    if (body === undefined) throw new HandlerError(`Response.json needs a value that JSON can hold; got ${show(value)}`)
    return Response.#of(status, JSON_TYPE, body, headers)
  }

  /**
   * Redirects the client: after a 303 it sends a GET, after a 307 or 308 it repeats the request.
   *
   * @example () => Response.redirect('/login')
   */
  static redirect(location: string | URL, status = 303): Response {
    if (!Number.isInteger(status) || status < 300 || status > 399) {
      throw new OptionError('status', status, 'an integer from 300 to 399')
    }
    return new Response(status, { location: encodeLocation(String(location)) })
  }

  /**
   * A response with the content of a file, which is opened when the response is sent; a missing file is a 404 of the
   * error handler. With a root, the path is below it, and links that lead out of it are refused; without a root, any
   * file that the process can read is opened. Content type, length, Last-Modified and ETag are set unless `headers`
   * has them. Ranges and conditions of a GET or HEAD are evaluated when the response is sent.
   *
   * @example (request) => Response.file(request.getPath(), { root: 'public', index: 'index.html', maxAge: 3600 })
   */
  static file(path: string | URL, settings?: FileSettings): Response {
    const rules = checkFileSettings(path, settings)
    const { headers, index } = rules
    const response = new Response(200, headers, new FileBody(path, rules))
    // With an index, the name of the file isn't known yet.
    if (index.length === 0 && (headers === undefined || !response.hasHeader('content-type'))) {
      response.#prepend(`content-type: ${mediaTypeOf(String(path))}\r\n`)
    }
    return response
  }

  static #of(status: number, type: string, body: string, headers?: FieldsInit): Response {
    const response = new Response(status, headers)
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
  override getStatus(): number {
    return this.#status
  }

  /**
   * The reason phrase: the standard one unless another was set. HTTP/2 has none.
   *
   * @example response.getReason() // 'OK'
   */
  override getReason(): string {
    return this.#reason ?? reasonPhrase(this.#status)
  }

  /**
   * Changes the status; without a reason the standard phrase is sent. Any status but 101 cancels an upgrade.
   *
   * @example response.setStatus(404)
   */
  override setStatus(status: number, reason: string | null = null): void {
    this.#status = checkStatus(status)
    if (status !== 101 && this.#extras !== null) this.#extras.takeover = null
    this.#reason = reason === null ? undefined : valueOf('reason phrase', reason)
  }

  override setHeaders(headers: FieldsInit): void {
    const checked = new Response(this.#status, headers)
    const emptied = emptiedNames(headers)
    for (const name of emptied) nameOf(name)
    if (checked.#declaredLength >= 0) this.#declareLength(checked.#declaredLength)
    this[FIELDS]().setAll(checked[FIELDS]().toPairs())
    this.#closes ||= checked.#closes
    if (checked.#extras?.namesProtocol === true) this.#ownExtras().namesProtocol = true
    for (const name of emptied) this.removeHeader(name)
  }

  /** @internal */
  override [FIELDS](): Fields {
    return (this.#fields ??= Fields.fromLines(this.#lines))
  }

  /**
   * The body as it was given; null when there is none.
   *
   * @example response.getBody()
   */
  override getBody(): Body | null {
    return this.#body ?? null
  }

  /**
   * Replaces the body. A content-length that was set before is removed; the length of a string or of bytes is sent
   * anyway, and that of a stream may be set again.
   *
   * @example response.setBody('Hello')
   */
  setBody(body: Body | null): void {
    this.#declaredLength = -1
    this.#body = undefined
    if (this.#extras !== null) this.#extras.releaseBody()
    if (body !== null) this.#setBody(body)
  }

  /**
   * The whole body as bytes, for tests. A stream is read to its end.
   *
   * @example const bytes = await (await server.inject(request)).buffer()
   */
  async buffer(): Promise<Uint8Array> {
    const body = this.#body
    if (body === undefined) return new Uint8Array(0)
    if (typeof body === 'string') return Buffer.from(body)
    if (body instanceof Uint8Array) return body
    return this.#ownExtras().inBodyContext(() => collected(sourceOf(body)))
  }

  /**
   * The whole body as text.
   *
   * @example t.is(await (await server.inject(request)).text(), 'Hello')
   */
  async text(): Promise<string> {
    return typeof this.#body === 'string' ? this.#body : new TextDecoder().decode(await this.buffer())
  }

  /**
   * The whole body as JSON.
   *
   * @example const { ok } = await (await server.inject(request)).json<{ ok: boolean }>()
   */
  async json<T = unknown>(): Promise<T> {
    return JSON.parse(await this.text()) as T
  }

  /**
   * Calls a function with the connection after all earlier responses, without writing anything: for libraries that
   * write the response themselves. The request must be a CONNECT, or ask for an upgrade: to `protocol`, if that is
   * given. Other clients get a 426 of the error handler that names `protocol`, else `websocket`.
   *
   * @example () => Response.detach((socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\n…'))
   */
  static detach(callback: UpgradeHandler, settings: DetachSettings = {}): Response {
    const response = new Response(101)
    response[SET_TAKEOVER](takeoverOf(callback, settings))
    return response
  }

  #setLines(headers: FieldsInit): void {
    if (arePairs(headers)) {
      eachField(headers, (name, value) => this.#addLine(name, nameOf(name), value))
      return
    }
    let known = START
    for (const name in headers) {
      if (!hasOwnProperty.call(headers, name)) continue
      const value = (headers as Readonly<Record<string, unknown>>)[name]
      known = nameAfter(known, name)
      if (Array.isArray(value)) for (const item of value) this.#addLine(name, known, item)
      else this.#addLine(name, known, value)
    }
  }

  #addLine(name: string, known: Name, value: unknown): void {
    if (known.role === Role.Ordinary) this.#lines += lineOf(name, known, value)
    else if (known.role === Role.Upgrade) {
      this.#lines += lineOf(name, known, value)
      this.#ownExtras().namesProtocol = true
    }
    // The body isn't set yet: the constructor compares the two.
    else if (known.role === Role.Length) this.#declaredLength = lengthFrom(valueOf(name, value))
    else this[SET_SPECIAL](known.role, valueOf(name, value))
  }

  /** @internal */
  override [SET_SPECIAL](role: number, text: string | null): void {
    if (role === Role.Connection) this.#setConnection(text)
    else if (role === Role.Upgrade) this.#ownExtras().namesProtocol = true
    else if (role === Role.Length && text === null) this.#declaredLength = -1
    else if (role === Role.Length) this.#declareLength(lengthFrom(text!))
  }

  #setConnection(text: string | null): void {
    this.#closes = text !== null && (this.#closes || hasElement(text, 'close'))
    const options = text === null ? '' : ownOptions(text)
    if (text === null) this[FIELDS]().delete('connection')
    else if (options !== '' && this.#fields !== null) this.#fields.add('connection', options)
    else if (options !== '') this.#lines += `connection: ${options}\r\n`
  }

  /** Throws without a change when the body is longer. */
  #declareLength(declared: number): void {
    const length = this.#bodyLength()
    if (length > declared) throw new HandlerError(`the body has ${length} bytes, more than the content-length of ${declared}`)
    this.#declaredLength = declared
  }

  #setBody(body: Body): void {
    if (typeof body !== 'string' && !(body instanceof Uint8Array)) this.#setStreamed(body)
    else if (body.length >= LONG_FROM) this.#ownExtras().isLong = true
    this.#body = body
  }

  #setStreamed(body: Body): void {
    if (!isStreamed(body)) {
      throw new HandlerError(`a body must be a string, a Uint8Array, a stream of them, or null; got ${show(body)}`)
    }
    if (body instanceof Blob && this.#declaredLength < 0) this.#declaredLength = body.size
    const extras = this.#ownExtras()
    extras.isStreamed = true
    if (isOfApplication(body)) extras.bodyContext ??= new Handover()
  }

  /** @internal */
  override [EXTRAS](): Extras | null {
    return this.#extras
  }

  /** @internal */
  override [OWN_EXTRAS](): Extras {
    return this.#ownExtras()
  }

  /** @internal */
  override [IS_SENT](): boolean {
    return this.#isSent
  }

  #ownExtras(): Extras {
    return (this.#extras ??= new ResponseExtras())
  }

  #bodyLength(): number {
    const body = this.#body
    if (typeof body === 'string') return Buffer.byteLength(body)
    return body instanceof Uint8Array ? body.byteLength : -1
  }

  /** @internal */
  override [CONTENT_LENGTH](): number {
    return this.#declaredLength >= 0 ? this.#declaredLength : this.#bodyLength()
  }

  /** Writes status, flags and length of the head, and returns its lines. */
  #writeHead(words: Uint32Array, kind: number, length: number): string {
    let flags = kind
    if (this.#closes) flags |= AnswerFlag.Close
    if (this.#reason !== undefined) flags |= AnswerFlag.Reason
    writeAnswer(words, this.#status, flags, length)
    const lines = this.#fields === null ? this.#lines : this.#fields.toLines()
    return this.#extras === null ? lines : lines + this.#extraLines(this.#extras)
  }

  #extraLines(extras: Extras): string {
    const links = extras.links().map((link) => `link: ${link}\r\n`)
    return (extras.namesProtocol ? upgradeOption(this[FIELDS]()) : '') + links.join('')
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
    if (isStreamed(body)) this.#ownExtras().inBodyContext(() => sourceOf(body).cancel(report))
    this.#extras?.dispose(report)
  }

  #send(
    words: Uint32Array,
    hot: HotFunctions,
    request: Pick<RequestSource, 'method'>,
    tellsWritten: boolean,
    body = this.#body as Content | undefined,
  ): 1 | 4 | undefined {
    const length = this.#declaredLength
    // Before it counts as sent, so that it can be discarded.
    if (length >= 0) checkLength(this, request.method())
    this.#markSent()
    const kind = body === undefined ? 0 : typeof body === 'string' ? AnswerFlag.Text : AnswerFlag.Bytes
    const lines = this.#writeHead(words, tellsWritten ? kind | AnswerFlag.TellWritten : kind, length)
    return respond(hot, words, lines, body, this.#reason)
  }

  #open(words: Uint32Array, hot: HotFunctions, { length, lines }: Framing): number {
    const own = this.#writeHead(words, AnswerFlag.TellWritten, length)
    return hot.startStream(own + lines, undefined, this.#reason)
  }

  static {
    sendResponse = (response, words, hot, request, tellsWritten, content) =>
      response.#send(words, hot, request, tellsWritten, content)
    markSent = (response) => response.#markSent()
    openResponse = (response, words, hot, framing) => response.#open(words, hot, framing)
    // A proxy passes `instanceof` but has no private fields; skip it.
    discardResponse = (response, report) => {
      if (#isSent in response) response.#discard(report)
    }
    replaceResponse = (response, replaced) => {
      if (replaced.#extras === null) return
      ;(response.#ownExtras().replaced ??= []).push({ discard: (report) => replaced.#discard(report) })
    }
    recodeBody = (response, body) => {
      response.#declaredLength = -1
      response.#ownExtras().isStreamed = true
      response.#body = body
    }
    hasOwnFields = (response) => response.#fields !== null
    replaceLines = (response, status, lines) => {
      response.#status = status
      response.#reason = undefined
      response.#fields = null
      response.#lines = lines
      response.setBody(null)
    }
    extrasOf = (response) => response.#extras
  }
}

/** Whether code of the application gives the pieces of a body. */
function isOfApplication(body: Body): boolean {
  return typeof body === 'object' && !(body instanceof Uint8Array || body instanceof FileBody || body instanceof Blob)
}
