/**
 * A response as the web's `Response`, without what makes one of the platform's slow: its stream is made when it is
 * asked for, and content in memory is sent as it was given.
 *
 *   new Response(content, init) ──► checked lines and content ──► Response of the server
 *                                      └─ `.body`, `.text()` … ──► one of the platform's, which has the body from then on
 */
import { INSPECT } from '../core/inspection.ts'
import { Fields } from '../http/fields.ts'
import { isReasonPhrase } from '../http/status.ts'
import { isDisturbed } from './disturbed.ts'
import { FetchHeaders, linesOf } from './fetch-headers.ts'
import type { FieldLines } from './fetch-headers.ts'
import { NativeResponse, standsIn } from './platform.ts'

/** A body that is sent as it is. */
export type FetchContent = string | Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null

/** The parts of a response, to be sent. */
export interface FetchParts {
  readonly status: number
  readonly statusText: string
  readonly lines: string
  /** There are fields that the server handles itself. */
  readonly isSpecial: boolean
  readonly content: FetchContent
}

/** What is sent for a response; throws a `TypeError` when its body was read. */
export let partsOf: (response: FetchResponse) => FetchParts

/** Statuses whose responses have no content. https://fetch.spec.whatwg.org/#null-body-status */
const NULL_BODY = new Set([101, 103, 204, 205, 304])

const TEXT = 'content-type: text/plain;charset=UTF-8\r\n'
const FORM = 'content-type: application/x-www-form-urlencoded;charset=UTF-8\r\n'

/** The content of streams that were made of it, while nothing was read from them. */
const contents = new WeakMap<ReadableStream, string | Uint8Array | Blob>()

const NO_INIT: ResponseInit = {}

/** A response that an application makes. */
export class FetchResponse {
  readonly #status: number
  readonly #statusText: string
  readonly #given: FieldLines
  #content: FetchContent
  #lines: string
  #headers: FetchHeaders | null = null
  #native: globalThis.Response | null = null

  constructor(body: BodyInit | AsyncIterable<Uint8Array> | null | undefined = null, init: ResponseInit | null = NO_INIT) {
    const { status, statusText, headers } = init ?? NO_INIT
    this.#status = status === undefined ? 200 : statusOf(status)
    this.#statusText = statusText === undefined || statusText === '' ? '' : reasonOf(statusText)
    this.#given = linesOf(headers)
    this.#lines = this.#given.lines
    this.#content = null
    if (body !== null) this.#take(body)
  }

  #take(body: BodyInit | AsyncIterable<Uint8Array>): void {
    if (NULL_BODY.has(this.#status)) throw new TypeError(`a response with status ${this.#status} has no body`)
    if (typeof body === 'string') {
      this.#content = body
      if (!this.#given.hasContentType) this.#lines += TEXT
    } else this.#takeObject(body)
  }

  #takeObject(body: Exclude<BodyInit, string> | AsyncIterable<Uint8Array>): void {
    let type = ''
    if (body instanceof Blob) {
      this.#content = body
      if (body.type !== '') type = `content-type: ${body.type}\r\n`
    } else if (ArrayBuffer.isView(body)) {
      // A copy, as the web has it: the application may use the memory again.
      this.#content = new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()
    } else if (body instanceof ArrayBuffer || (typeof SharedArrayBuffer === 'function' && body instanceof SharedArrayBuffer)) {
      this.#content = new Uint8Array(body as ArrayBuffer).slice()
    } else if (body instanceof URLSearchParams) {
      this.#content = String(body)
      type = FORM
    } else if (body instanceof ReadableStream) {
      if (body.locked || isDisturbed(body)) throw new TypeError('the stream of a response is locked, or was read from')
      this.#content = contents.get(body) ?? (body as ReadableStream<Uint8Array>)
    } else if (body instanceof FormData) {
      const encoded = new NativeResponse(body)
      this.#content = encoded.body
      type = `content-type: ${encoded.headers.get('content-type')}\r\n`
    } else if (typeof body === 'object' && Symbol.asyncIterator in body) {
      this.#content = body
    } else {
      this.#content = String(body)
      type = TEXT
    }
    if (!this.#given.hasContentType) this.#lines += type
  }

  static json(data: unknown, init?: ResponseInit | null): FetchResponse {
    const text = JSON.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError('Response.json needs a value that JSON can hold')
    const response = new FetchResponse(null, init)
    response.#content = text
    if (NULL_BODY.has(response.#status)) throw new TypeError(`a response with status ${response.#status} has no body`)
    if (!response.#given.hasContentType) response.#lines += 'content-type: application/json\r\n'
    return response
  }

  static redirect(url: string | URL, status = 302): FetchResponse {
    const location = new URL(url).href
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is no status of a redirect`)
    return new FetchResponse(null, { status, headers: { location } })
  }

  get status(): number {
    return this.#status
  }

  get statusText(): string {
    return this.#statusText
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  get headers(): FetchHeaders {
    return (this.#headers ??= new FetchHeaders(Fields.fromLines(this.#lines)))
  }

  get type(): ResponseType {
    return 'default'
  }

  get url(): string {
    return ''
  }

  get redirected(): boolean {
    return false
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#content === null) return null
    const { body } = this.#ownNative()
    if (body !== null && isInMemory(this.#content)) contents.set(body, this.#content)
    return body
  }

  get bodyUsed(): boolean {
    return this.#native?.bodyUsed === true
  }

  text(): Promise<string> {
    return this.#ownNative().text()
  }

  json(): Promise<unknown> {
    return this.#ownNative().json()
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#ownNative().arrayBuffer()
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.#ownNative().arrayBuffer())
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.arrayBuffer()], { type: this.headers.get('content-type') ?? '' })
  }

  formData(): Promise<FormData> {
    return this.#ownNative().formData()
  }

  clone(): globalThis.Response {
    const native = this.#native
    if (native?.bodyUsed === true || native?.body?.locked === true) throw new TypeError('a response whose body was read can not be cloned')
    if (this.#content !== null && !isInMemory(this.#content)) return this.#ownNative().clone()
    const { status, statusText, headers } = this
    const copy = new FetchResponse(null, { status, statusText, headers: headers as unknown as Headers })
    copy.#content = this.#content
    return copy as unknown as globalThis.Response
  }

  /** One of the platform's with the same content; its headers are those that an application had set by then. */
  #ownNative(): globalThis.Response {
    if (this.#native === null) {
      const { status, statusText, headers } = this
      const init = { status, statusText, headers: [...headers] as [string, string][] }
      this.#native = new NativeResponse(this.#content as BodyInit | null, init)
    }
    return this.#native
  }

  #parts(): FetchParts {
    const headers = this.#headers
    return {
      status: this.#status,
      statusText: this.#statusText,
      lines: headers === null ? this.#lines : linesOf(headers as unknown as Headers).lines,
      isSpecial: headers === null ? this.#given.isSpecial : linesOf(headers as unknown as Headers).isSpecial,
      content: this.#native === null ? this.#content : this.#rest(this.#native),
    }
  }

  /** What is left of the body. */
  #rest({ body }: globalThis.Response): FetchContent {
    if (body === null) return null
    if (body.locked || isDisturbed(body)) throw new TypeError('the body of the response was read before it was sent; use clone()')
    return isInMemory(this.#content) ? this.#content : body
  }

  /** @internal What `util.inspect` shows. */
  [INSPECT](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): string {
    const shown = { status: this.status, statusText: this.statusText, headers: this.headers }
    return `Response ${inspect === undefined ? JSON.stringify(shown) : inspect(shown, options)}`
  }

  static {
    partsOf = (response) => response.#parts()
  }
}
standsIn(FetchResponse, NativeResponse)

function isInMemory(content: FetchContent): content is string | Uint8Array | Blob {
  return typeof content === 'string' || content instanceof Uint8Array || content instanceof Blob
}

function statusOf(status: unknown): number {
  const number = Math.trunc(Number(status))
  if (number >= 200 && number <= 599) return number
  throw new RangeError(`the status of a response must be from 200 to 599; got ${String(status)}`)
}

function reasonOf(text: unknown): string {
  const reason = String(text)
  if (!isReasonPhrase(reason)) throw new TypeError('statusText has a character that no reason phrase can hold')
  return reason
}
