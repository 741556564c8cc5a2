/**
 * Forms: fields and files in the body of a request, `multipart/form-data` (RFC 7578) and
 * `application/x-www-form-urlencoded`.
 *
 * What is larger than its limit is a 413, what can't be read as a form a 400, and what says that it is none a 415.
 *
 * Out of scope: parsing multipart (multipart), which is loaded when the first such form comes.
 */
import { ClientException } from '../connection/client-exception.ts'
import { HandlerError, OptionError, StateError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { FormWords } from './multipart.ts'
import type { RequestBody } from './request-body.ts'

/** How large a form may be. `bodySizeLimit` holds for all of it, whatever these say. */
export interface FormLimits {
  /** Fields that aren't files; 1,000 when left out. */
  readonly fields?: number | undefined
  /** Bytes of one field's value, and of its name; 1 MiB when left out. */
  readonly fieldSize?: number | undefined
  /** Files; 100 when left out. */
  readonly files?: number | undefined
  /** Bytes of one file; unlimited when left out. */
  readonly fileSize?: number | undefined
}

/** The same, checked. */
export type CheckedLimits = { readonly [Name in keyof FormLimits]-?: number }

const DEFAULTS: CheckedLimits = { fields: 1000, fieldSize: 1024 * 1024, files: 100, fileSize: Infinity }

/** A field or file of a form. What isn't read of it is dropped when the next one is asked for. */
export class FormPart implements AsyncIterable<Uint8Array> {
  readonly #name: string
  readonly #filename: string | null
  readonly #contentType: string
  readonly #isFile: boolean
  #content: string | AsyncIterable<Uint8Array> | null

  /** @internal */
  constructor(name: string, filename: string | null, contentType: string, content: string | AsyncIterable<Uint8Array>) {
    this.#name = name
    this.#filename = filename
    this.#contentType = contentType
    this.#isFile = typeof content !== 'string'
    this.#content = content
  }

  /** @example part.getName() // 'avatar' */
  getName(): string {
    return this.#name
  }

  /**
   * Whether it is a file.
   *
   * @example if (part.isFile()) await writeFile(target, part)
   */
  isFile(): boolean {
    return this.#isFile
  }

  /**
   * The name that the client gives for a file, without directories; null when it gives none. Never make a path
   * of it unseen.
   *
   * @example part.getFilename() // 'me.png'
   */
  getFilename(): string | null {
    return this.#filename
  }

  /**
   * The media type that the client gives; `text/plain` when it gives none.
   *
   * @example part.getContentType() // 'image/png'
   */
  getContentType(): string {
    return this.#contentType
  }

  /**
   * The content as bytes.
   *
   * @example const bytes = await part.buffer()
   */
  async buffer(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this) pieces.push(piece)
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /**
   * The content as text.
   *
   * @example const title = await part.text()
   */
  async text(): Promise<string> {
    const content = this.#content
    if (typeof content !== 'string') return new TextDecoder().decode(await this.buffer())
    this.#content = null
    return content
  }

  /**
   * The content piece by piece, as it comes. A client that sends faster than it is read is held up.
   *
   * @example for await (const piece of part) hash.update(piece)
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const content = this.#content
    if (content === null) throw new StateError(`the part ${this.#name} of a form was read already`)
    this.#content = null
    if (typeof content !== 'string') yield* content
    else if (content !== '') yield Buffer.from(content)
  }
}

const WORDS: FormWords = {
  part: (name, filename, contentType, content) => new FormPart(name, filename, contentType, content),
  tooLarge,
  malformed,
  explained,
}

/** The parts of a form, in the order they were sent. */
export async function* partsOf(body: RequestBody, contentType: string | null, limits: FormLimits | undefined): AsyncGenerator<FormPart, void, undefined> {
  const checked = checkLimits(limits)
  try {
    switch (mediaTypeIn(contentType)) {
      case 'application/x-www-form-urlencoded':
        return yield* urlencoded(await body.text(), checked)
      case 'multipart/form-data': {
        const { multipart } = await import('./multipart.ts')
        return yield* multipart(body, contentType!, checked, WORDS)
      }
    }
  } catch (error) {
    throw explained(error)
  }
  throw new HttpErrorException(415, { cause: new HandlerError(`a form was expected; its content-type is ${contentType ?? 'missing'}`) })
}

/** All of a form. */
export async function formDataOf(body: RequestBody, contentType: string | null, limits: FormLimits | undefined): Promise<FormData> {
  const form = new FormData()
  for await (const part of partsOf(body, contentType, limits)) {
    if (!part.isFile()) form.append(part.getName(), await part.text())
    else form.append(part.getName(), new File([(await part.buffer()) as Uint8Array<ArrayBuffer>], part.getFilename() ?? 'blob', { type: part.getContentType() }))
  }
  return form
}

function checkLimits(limits: FormLimits | undefined): CheckedLimits {
  if (limits === undefined) return DEFAULTS
  if (typeof limits !== 'object' || limits === null) throw new OptionError('limits', limits, 'an object such as { files: 10 }')
  const checked = { ...DEFAULTS }
  for (const name of Object.keys(limits)) {
    const value: unknown = limits[name as keyof FormLimits]
    if (!Object.hasOwn(DEFAULTS, name)) throw new OptionError(name, value, 'fields, fieldSize, files or fileSize')
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value >= 0)) throw new OptionError(name, value, 'a number, at least 0')
    checked[name as keyof FormLimits] = value
  }
  return checked
}

/** A 413 with its reason. */
function tooLarge(what: string): HttpErrorException {
  return new HttpErrorException(413, { cause: new HandlerError(`a form has ${what}`) })
}

/** A 400 with its reason. */
function malformed(cause: unknown): HttpErrorException {
  return new HttpErrorException(400, { cause })
}

/** A form that is too large for the body has to say which limit it met: uploads meet it more often than all else. */
function explained(error: unknown): unknown {
  if (!(error instanceof ClientException) || error.getCode() !== 413) return error
  const text = 'the form is larger than bodySizeLimit allows; for this request alone request.getBody().increaseSizeLimit(bytes) raises it'
  return new ClientException(error.getClient(), text, 413, error)
}

function mediaTypeIn(contentType: string | null): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

function* urlencoded(text: string, { fields, fieldSize }: CheckedLimits): Generator<FormPart, void, undefined> {
  let count = 0
  for (let start = 0; start < text.length; ) {
    const next = text.indexOf('&', start)
    const end = next < 0 ? text.length : next
    const pair = text.slice(start, end)
    start = end + 1
    if (pair === '') continue
    if (++count > fields) throw tooLarge(`more than ${fields} fields`)
    for (const [name, value] of new URLSearchParams(pair)) {
      if (isLonger(name, fieldSize) || isLonger(value, fieldSize)) throw tooLarge(`a field of more than ${fieldSize} bytes`)
      yield new FormPart(name, null, 'text/plain', value)
    }
  }
}

function isLonger(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes)
}
