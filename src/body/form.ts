/**
 * Forms: fields and files in the body of a request, `multipart/form-data` (RFC 7578) and
 * `application/x-www-form-urlencoded`.
 *
 * A form above a limit is a 413, one that can't be parsed a 400, and another content-type a 415.
 *
 * Out of scope: parsing multipart (multipart), which is loaded with the first such form.
 */
import { ClientException } from '../connection/client-exception.ts'
import { HandlerError, OptionError, StateError } from '../core/errors.ts'
import { handled } from '../core/outcome.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { FormWords } from './multipart.ts'
import type { RequestBody } from './request-body.ts'

/** Limits of a form. `bodySizeLimit` applies to the whole body besides. */
export interface FormLimits {
  /** Fields that aren't files; default: 1,000. */
  readonly fields?: number | undefined
  /** Bytes of one field's value, and of its name; default: 1 MiB. */
  readonly fieldSize?: number | undefined
  /** Files; default: 100. */
  readonly files?: number | undefined
  /** Bytes of one file; default: unlimited. */
  readonly fileSize?: number | undefined
}

/** Checked limits. */
export type CheckedLimits = { readonly [Name in keyof FormLimits]-?: number }

const DEFAULTS: CheckedLimits = { fields: 1000, fieldSize: 1024 * 1024, files: 100, fileSize: Infinity }

/** A field or file of a form. An unread rest is dropped when the next part is read. */
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
   * The name of a file as the client sent it, without directories; null without one. It may be anything: don't use it
   * as a path unchecked.
   *
   * @example part.getFilename() // 'me.png'
   */
  getFilename(): string | null {
    return this.#filename
  }

  /**
   * The media type as the client sent it; `text/plain` without one.
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
  buffer(): Promise<Uint8Array> {
    return handled(this.#read())
  }

  async #read(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this) pieces.push(piece)
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /**
   * The content as text.
   *
   * @example const title = await part.text()
   */
  text(): Promise<string> {
    const content = this.#content
    if (typeof content !== 'string') return handled(this.#read().then((bytes) => new TextDecoder().decode(bytes)))
    this.#content = null
    return Promise.resolve(content)
  }

  /**
   * The content piece by piece, while it arrives. Back-pressure slows a client that sends faster than it is read.
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

/** Names `bodySizeLimit` in the error of a body that is too large: it is the limit that uploads reach first. */
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
