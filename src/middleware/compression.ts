/**
 * Compresses responses. RFC 9110 §8.4, §12.5.3.
 *
 * ```text
 *   may it be compressed? ──► Vary ──► does the client accept a coding?
 *     short content ──► here        long content ──► another thread
 *     stream ──► read ahead until it is long enough, or for 100 ms ──► while it is sent
 * ```
 * Out of scope: the codings (codings) and the compression of a stream (compressed-body).
 */
import { FileBody } from '../body/file-body.ts'
import { WholeSource, sourceOf } from '../body/source.ts'
import type { PieceSource } from '../body/source.ts'
import { preferredEncodings } from '../http/accept-encoding.ts'
import { isStrong } from '../http/entity-tag.ts'
import { elementsOf } from '../http/lists.ts'
import { addVary } from '../http/vary.ts'
import { settleFile } from '../message/file-response.ts'
import type { Request } from '../message/request.ts'
import { extrasOf, recodeBody } from '../message/response.ts'
import type { Response } from '../message/response.ts'
import { LASTING_CODINGS, compressElsewhere, compressHere, isAvailable } from './codings.ts'
import type { Coding } from './codings.ts'
import { checkCompression } from './compression-settings.ts'
import type { CompressionRules, CompressionSettings } from './compression-settings.ts'
import { CompressedBody, readBeginning } from './compressed-body.ts'
import type { Begun } from './compressed-body.ts'
import type { Middleware, Next } from './middleware.ts'

/**
 * Content up to this many bytes is compressed in this thread: it takes 50 to 80 us, and the way to another thread takes
 * 30 us of this one and 50 us in all.
 */
const HERE = 8 * 1024
/** Content up to this many bytes is compressed before it is sent, so that its length is known. */
const WHOLE = 256 * 1024
/** Texts whose verdict is kept. */
const KEPT = 1024

/** Fields that would be wrong for other bytes: they are about the content as it is sent. RFC 9530 §2, RFC 9110 §14.4. */
const ABOUT_CONTENT = ['content-encoding', 'content-range', 'content-digest', 'content-md5', 'digest'] as const

/**
 * Compresses responses with zstd, br or gzip, as their client accepts it. Skips responses that are compressed already, that
 * are short, or whose type isn't worth it, parts (206), those with `cache-control: no-transform`, and those with
 * `response.setCompression(false)`. Streams are flushed when their source pauses, so events arrive at once. A strong
 * `etag` becomes weak, and `vary: accept-encoding` is added.
 *
 * A page that has a secret and repeats what a request says must not be compressed: see docs/compression.md.
 *
 * @example stack(handler, new CompressionMiddleware({ minimumLength: 1024, levels: { gzip: 6 } }))
 */
export class CompressionMiddleware implements Middleware {
  readonly #rules: CompressionRules
  /** Whether media types are compressed, by the text of the field. */
  readonly #types = new Map<string, boolean>()
  /** The coding by the text of `accept-encoding`, for content and for event streams. */
  readonly #codings = new Map<string, Coding | null>()
  readonly #lastingCodings = new Map<string, Coding | null>()

  constructor(settings: CompressionSettings = {}) {
    this.#rules = checkCompression(settings)
  }

  /**
   * Passes the request on and compresses the response.
   *
   * @example middleware.handleRequest(request, next)
   */
  handleRequest(request: Request, next: Next): Response | Promise<Response> {
    const result = next(request)
    return result instanceof Promise ? result.then((response) => this.#handle(request, response)) : this.#handle(request, result)
  }

  #handle(request: Request, response: Response): Response | Promise<Response> {
    const body = response.getBody()
    // Most answers of an API are short: they are passed on without a look at their fields.
    if (body === null && request.getMethod() !== 'HEAD') return response
    if (typeof body === 'string' && body.length < this.#rules.minimumLength && Buffer.byteLength(body) < this.#rules.minimumLength) return response
    if (!this.#isEligible(request, response)) return response
    if (!(body instanceof FileBody)) return this.#encode(request, response)
    // The opened file may make it another response: a part, or a 304.
    const encode = (): Response | Promise<Response> => (this.#isEligible(request, response) ? this.#encode(request, response) : response)
    return settleFile(request, response)?.then(encode) ?? encode()
  }

  /** Whether a response is one that is compressed for clients that accept it. */
  #isEligible(request: Request, response: Response): boolean {
    const status = response.getStatus()
    if (status < 200 || status === 204 || status === 205 || status === 206 || status === 304 || response.isUpgraded()) return false
    if (extrasOf(response)?.isCompressible === false || ABOUT_CONTENT.some((name) => response.hasHeader(name))) return false
    const type = response.getHeader('content-type')
    const body = response.getBody()
    // The type of an index is known when it is opened, which is in vain unless the client accepts a coding.
    if (type === null) return body instanceof FileBody && !body.isAnswered && this.#codingFor(request, '') !== null
    if (!this.#isType(type)) return false
    const length = response.getHeader('content-length')
    if (length !== null && Number(length) < this.#rules.minimumLength) return false
    if (length === null && body === null) return false
    const control = response.getHeaderLine('cache-control')
    return control === null || !elementsOf(control).some((directive) => directive.toLowerCase() === 'no-transform')
  }

  #isType(type: string): boolean {
    return kept(this.#types, type, () => this.#rules.types.test(mediaType(type)))
  }

  /** The coding for a client and a media type; null for none. */
  #codingFor(request: Request, type: string): Coding | null {
    const accepted = request.getHeader('accept-encoding')
    if (accepted === null) return null
    const { codings } = this.#rules
    if (!isEvents(type)) return kept(this.#codings, accepted, () => bestOf(accepted, codings))
    return kept(this.#lastingCodings, accepted, () => bestOf(accepted, LASTING_CODINGS.filter((coding) => codings.includes(coding))))
  }

  #encode(request: Request, response: Response): Response | Promise<Response> {
    addVary(response, 'accept-encoding')
    const coding = this.#codingFor(request, response.getHeader('content-type') ?? '')
    if (coding === null) return response
    const body = response.getBody()
    const isHead = request.getMethod() === 'HEAD'
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) {
      return isHead ? this.#stream(response, coding, new WholeSource('')) : this.#content(response, coding, body ?? '')
    }
    const source = body instanceof FileBody ? body : sourceOf(body)
    const isLongEnough = isHead || response.hasHeader('content-length') || isEvents(response.getHeader('content-type') ?? '')
    return isLongEnough ? this.#stream(response, coding, source) : this.#unknown(response, coding, source)
  }

  #content(response: Response, coding: Coding, content: string | Uint8Array): Response | Promise<Response> {
    const { levels, padding } = this.#rules
    const length = Buffer.byteLength(content)
    if (length > WHOLE || padding > 0) return this.#stream(response, coding, new WholeSource(content))
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    const take = (coded: Uint8Array): Response => {
      if (coded.length >= length) return response
      this.#describe(response, coding)
      response.setBody(coded)
      return response
    }
    return length <= HERE ? take(compressHere(coding, bytes, levels)) : compressElsewhere(coding, bytes, levels).then(take)
  }

  /** A stream of unknown length: a short one isn't worth it. */
  async #unknown(response: Response, coding: Coding, source: PieceSource): Promise<Response> {
    const { minimumLength, bufferTimeout } = this.#rules
    const extras = extrasOf(response)
    const begun = await readBeginning(source, minimumLength - 1, bufferTimeout, (call) => extras?.inBodyContext(call) ?? call()).catch((error: unknown) => {
      // It has ended by that: nothing is left to cancel.
      response.setBody(null)
      throw error
    })
    if (!begun.hasEnded) return this.#stream(response, coding, source, begun)
    response.setBody(Buffer.concat(begun.pieces))
    return response
  }

  #stream(response: Response, coding: Coding, source: PieceSource, begun?: Begun): Response {
    const { levels, padding } = this.#rules
    const isLasting = isEvents(response.getHeader('content-type') ?? '')
    const isFlushed = !(source instanceof FileBody || source instanceof WholeSource)
    this.#describe(response, coding)
    recodeBody(response, new CompressedBody(source, { coding, levels, padding, isLasting, isFlushed }, begun))
    return response
  }

  /** Sets the fields of a response that is compressed. */
  #describe(response: Response, coding: Coding): void {
    response.setHeader('content-encoding', coding)
    response.removeHeader('content-length')
    // Ranges would be those of the compressed bytes, which aren't the same each time.
    response.removeHeader('accept-ranges')
    const tag = response.getHeader('etag')
    if (tag !== null && isStrong(tag)) response.setHeader('etag', `W/${tag}`)
  }
}

function bestOf(accepted: string, codings: readonly Coding[]): Coding | null {
  return preferredEncodings(accepted, codings.filter(isAvailable))[0] ?? null
}

/** What a map keeps for a text, or what is made for it. */
function kept<Value>(map: Map<string, Value>, text: string, make: () => Value): Value {
  let value = map.get(text)
  if (value === undefined) {
    value = make()
    // Clients may send any number of texts.
    if (map.size >= KEPT) map.clear()
    map.set(text, value)
  }
  return value
}

function mediaType(type: string): string {
  return type.split(';', 1)[0]!.trim()
}

function isEvents(type: string): boolean {
  return mediaType(type).toLowerCase() === 'text/event-stream'
}
