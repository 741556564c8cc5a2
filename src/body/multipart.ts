/**
 * Forms of `multipart/form-data` (RFC 7578), part by part as they come.
 *
 *   body ──► parser ──► fields, and files whose bytes follow ──► queue ──► the application
 *                                                                 │
 *   no more of the body is asked for while a part waits here, or a file that is being read has enough
 *
 * What it makes, and fails with, it is given: importing that would split what every server loads at start.
 */
import type { Readable } from 'node:stream'
import busboy from '@fastify/busboy'
import type { BusboyInstance } from '@fastify/busboy'
import type { CheckedLimits, FormPart } from './form.ts'
import type { RequestBody } from './request-body.ts'

/** Bytes and lines of the head of one part: what browsers send has three short lines. */
const HEAD_SIZE = 16 * 1024
const HEAD_LINES = 100

/** What the parts and errors of a form are made by. */
export interface FormWords {
  part(name: string, filename: string | null, contentType: string, content: string | AsyncIterable<Uint8Array>): FormPart
  tooLarge(what: string): Error
  malformed(cause: unknown): Error
  explained(error: unknown): unknown
}

/** The parts of such a body. */
export async function* multipart(
  body: RequestBody,
  contentType: string,
  limits: CheckedLimits,
  words: FormWords,
): AsyncGenerator<FormPart, void, undefined> {
  const run = new MultipartRun(body, contentType, limits, words)
  try {
    for (let part; (part = await run.next()) !== null; ) yield part
  } finally {
    run.end()
  }
}

/** A part that waits to be taken, with the stream of its file. */
interface Waiting {
  readonly part: FormPart
  readonly file: Readable | null
}

/** One body that is being parsed. */
class MultipartRun {
  readonly #body: RequestBody
  readonly #parser: BusboyInstance
  readonly #limits: CheckedLimits
  readonly #words: FormWords
  readonly #queue: Waiting[] = []
  /** Files whose end hasn't come. */
  readonly #files = new Set<Readable>()
  /** That of the part that was taken last. */
  #current: Readable | null = null
  #isOver = false
  #hasBegun = false
  #error: unknown = null
  /** The application waits for a part. */
  #onPart: (() => void) | null = null
  /** A part waits for the application. */
  #onTaken: (() => void) | null = null
  /** The parser is busy with a piece. */
  #onParsed: (() => void) | null = null

  constructor(body: RequestBody, contentType: string, limits: CheckedLimits, words: FormWords) {
    this.#body = body
    this.#words = words
    this.#limits = limits
    const { fields, fieldSize, files, fileSize } = limits
    const limited = { fields, fieldSize, files, fileSize, headerSize: HEAD_SIZE, headerPairs: HEAD_LINES }
    try {
      this.#parser = new busboy.Busboy({ headers: { 'content-type': contentType }, limits: limited })
    } catch (error) {
      throw words.malformed(error)
    }
    this.#listen()
  }

  #listen(): void {
    const { fields, fieldSize, files } = this.#limits
    const parser = this.#parser
    parser.on('field', (name, value, isNameCut, isValueCut, _encoding, type) => {
      if (isNameCut || isValueCut) this.#fail(this.#words.tooLarge(`a field of more than ${fieldSize} bytes`))
      else this.#push(name, null, type, value, null)
    })
    parser.on('file', (name, file, filename, _encoding, type) => this.#pushFile(name, file, filename, type))
    parser.on('fieldsLimit', () => this.#fail(this.#words.tooLarge(`more than ${fields} fields`)))
    parser.on('filesLimit', () => this.#fail(this.#words.tooLarge(`more than ${files} files`)))
    parser.on('error', (error) => this.#fail(this.#words.malformed(error)))
    parser.on('finish', () => {
      this.#isOver = true
      this.#wake()
    })
  }

  /** The next part; null behind the last. What is left of the one before is dropped. */
  async next(): Promise<FormPart | null> {
    if (!this.#hasBegun) void this.#feed()
    this.#hasBegun = true
    this.#current?.resume()
    for (;;) {
      if (this.#error !== null) throw this.#error
      const waiting = this.#queue.shift()
      if (waiting !== undefined) {
        this.#current = waiting.file
        this.#onTaken?.()
        return waiting.part
      }
      if (this.#isOver) return null
      await new Promise<void>((resolve) => (this.#onPart = resolve))
    }
  }

  /** No more is wanted. */
  end(): void {
    if (!this.#isOver) this.#body.close()
    this.#isOver = true
    for (const file of this.#files) file.destroy()
    this.#wake()
  }

  async #feed(): Promise<void> {
    try {
      for (let piece; !this.#isOver && (piece = await this.#body.read()) !== null; ) {
        await this.#parse(piece)
        while (this.#queue.length > 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#onTaken = resolve))
      }
      if (!this.#isOver) this.#parser.end()
    } catch (error) {
      this.#fail(this.#words.explained(error))
    }
  }

  #parse(piece: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#onParsed = resolve
      this.#parser.write(piece, () => resolve())
    })
  }

  #push(name: string | undefined, filename: string | null, type: string, content: string | AsyncIterable<Uint8Array>, file: Readable | null): void {
    if (name === undefined) return this.#fail(this.#words.malformed(new Error('a part of the form has no name')))
    this.#queue.push({ part: this.#words.part(unescaped(name), filename, type, content), file })
    this.#onPart?.()
  }

  #pushFile(name: string | undefined, file: Readable, filename: string | undefined, type: string): void {
    this.#files.add(file)
    // The error of a file is that of the whole form; a file that isn't read needs no listener for it.
    file.on('error', () => {})
    file.on('close', () => this.#files.delete(file))
    file.on('limit', () => this.#fail(this.#words.tooLarge(`a file of more than ${this.#limits.fileSize} bytes`)))
    this.#push(name, filename === undefined ? null : unescaped(filename), type, this.#contentOf(file), file)
  }

  /** A reader that stops early doesn't destroy the file: the parser waits for its end. */
  async *#contentOf(file: Readable): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* file.iterator({ destroyOnReturn: false })
    } catch (error) {
      throw this.#error ?? this.#words.malformed(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    this.#body.close()
    for (const file of this.#files) file.destroy(error as Error)
    this.#wake()
  }

  #wake(): void {
    this.#onPart?.()
    this.#onTaken?.()
    this.#onParsed?.()
  }
}

/** Names as browsers escape them: what would end the name, and nothing else. */
function unescaped(name: string): string {
  return name.replace(/%22|%0D|%0A/gi, decodeURIComponent)
}
