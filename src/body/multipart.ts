/**
 * Forms of `multipart/form-data` (RFC 7578), part by part while they arrive.
 *
 *   body ──► parser ──► fields, and files whose bytes follow ──► queue ──► the application
 *                                                                 │
 *   the body isn't read while a part waits in the queue, or while the buffer of the current file is full
 *
 * The constructors of parts and errors are parameters: importing them would split the file that every start loads.
 */
import type { Readable } from 'node:stream'
import busboy from '@fastify/busboy'
import type { BusboyInstance } from '@fastify/busboy'
import type { CheckedLimits, FormPart } from './form.ts'
import type { RequestBody } from './request-body.ts'

/** Bytes and lines of the head of one part. Browsers send three short lines. */
const HEAD_SIZE = 16 * 1024
const HEAD_LINES = 100

/** Constructors of parts and errors. */
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

/** A part in the queue, with the stream of its file. */
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
  /** Files that are open. */
  readonly #files = new Set<Readable>()
  /** The file of the part that was taken last. */
  #current: Readable | null = null
  #isOver = false
  #hasBegun = false
  #error: unknown = null
  /** Called when a part arrives. */
  #onPart: (() => void) | null = null
  /** Called when a part is taken from the queue. */
  #onTaken: (() => void) | null = null
  /** Called when the parser has taken a piece. */
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

  /** The next part; null after the last. The unread rest of the previous part is dropped. */
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

  /** Ends the run and drops what is left. */
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
    // An error of a file fails the whole form; without a listener it would end the process.
    file.on('error', () => {})
    file.on('close', () => this.#files.delete(file))
    file.on('limit', () => this.#fail(this.#words.tooLarge(`a file of more than ${this.#limits.fileSize} bytes`)))
    this.#push(name, filename === undefined ? null : unescaped(filename), type, this.#contentOf(file), file)
  }

  /** The content of a file. A reader that stops early must not destroy it: the parser waits for its end. */
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

/** Reverses the escapes of browsers in names: quotes and line ends. */
function unescaped(name: string): string {
  return name.replace(/%22|%0D|%0A/gi, decodeURIComponent)
}
