/**
 * Files as bodies: opened when the response is sent, read as fast as the client takes them.
 *
 *   path ──► the file, or the index of the directory ──► the file beside it in a coding ──► below the root?
 *        ──► descriptor and facts ──► the whole file, or the chosen parts
 *
 * Out of scope: which status, coding and parts a request gets (file-answer).
 */
import type { BigIntStats } from 'node:fs'
import { close, constants, fileURLToPath, fstat, open, read, realpath, resolve, sep, stat } from '../core/builtin.ts'
import { HandlerError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { ENDINGS, factsOf, remember, unknownFacts } from './file-facts.ts'
import type { Encoding, FileFacts } from './file-facts.ts'
import type { FileRules } from './file-settings.ts'
import type { PieceSource } from './source.ts'

/** Bytes to send: given ones, or those of the file from `start` to before `end`. */
export type FilePart = Uint8Array | { readonly start: number; readonly end: number }

/** An open file. */
interface Opened {
  readonly descriptor: number
  readonly stats: BigIntStats
}

/** Bytes per read. */
const READ_SIZE = 64 * 1024

/** Bytes per read, once so many bytes were read: each read costs a change of threads, which short files don't repay. */
const LONG_READ_SIZE = 256 * 1024
const LONG = 1024 * 1024

/** Without O_NONBLOCK the opening of a pipe or a device would wait for its other side. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Error codes for a path at which no readable file exists. */
const MISSING: ReadonlySet<string | undefined> = new Set([
  'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO', 'ENODEV', 'ERR_INVALID_ARG_VALUE',
])

/** The content of one file. */
export class FileBody implements PieceSource, AsyncIterable<Uint8Array> {
  readonly givesAway = false
  readonly rules: FileRules
  /** Status and fields of its response are set. */
  isAnswered = false
  readonly #given: string | URL
  #descriptor = -1
  /** The facts of the file that was opened. */
  #facts: FileFacts | null = null
  /** The parts that are sent; null: the whole file. */
  #chosen: readonly FilePart[] | null = null
  /** Parts that aren't read yet. */
  #parts: FilePart[] = []
  /** Bytes that were read to check the size. */
  #first: Uint8Array | null = null
  #isCancelled = false
  #isReading = false
  #buffer: Buffer | null = null
  /** Bytes that were read. */
  #taken = 0

  /** With a root, `path` is relative to it, even if it begins with a slash. */
  constructor(path: string | URL, rules: FileRules) {
    this.#given = path
    this.rules = rules
  }

  /** The key of its facts in the cache. */
  name(encoding: Encoding | null): string {
    const { root, index } = this.rules
    const path = root === null ? String(this.#given) : `${String(root)}\0${String(this.#given)}`
    const plain = index.length === 0 ? path : `${index.join('/')}\0${path}`
    return encoding === null ? plain : `${encoding}\0${plain}`
  }

  /**
   * Opens the file in the first of these codings in which it exists; null stands for no coding. Throws a 404 when
   * the file is missing or isn't below the root.
   */
  async open(encodings: readonly (Encoding | null)[]): Promise<FileFacts> {
    const { path, opened: plain } = await this.#openPlain()
    let opened = plain
    try {
      let facts = await this.#factsOf(plain, path, path, null)
      for (const encoding of encodings) {
        if (encoding === null) break
        const beside = path + ENDINGS[encoding]
        const found = await this.#openFile(beside)
        if (found === null) {
          remember(this.name(encoding), null)
          continue
        }
        closeQuietly(plain.descriptor)
        opened = found
        facts = await this.#factsOf(found, beside, path, encoding)
        break
      }
      this.#take(opened, facts)
      return facts
    } catch (error) {
      closeQuietly(opened.descriptor)
      throw error
    }
  }

  #take({ descriptor }: Opened, facts: FileFacts): void {
    this.#descriptor = descriptor
    this.#facts = facts
    this.#begin()
    if (this.#isCancelled) this.#close()
  }

  /** Sets the parts that are to be read. */
  #begin(): void {
    const size = this.#facts?.size ?? 0
    if (this.#chosen !== null) this.#parts = [...this.#chosen]
    else if (size >= 0) this.#parts = size === 0 ? [] : [{ start: 0, end: size }]
    else this.#parts = [...(this.#first === null ? [] : [this.#first]), { start: this.#first?.length ?? 0, end: Infinity }]
    this.#first = null
  }

  /** Restricts what is sent to these parts. */
  choose(parts: readonly FilePart[]): void {
    this.#chosen = parts
    this.#begin()
  }

  /** Descriptor and range when one range of the file is all that is sent; null otherwise. Valid until the first read. */
  wholePart(): { descriptor: number; start: number; size: number } | null {
    const [part] = this.#parts
    if (this.#descriptor < 0 || this.#parts.length !== 1 || part === undefined || part instanceof Uint8Array || part.end === Infinity) return null
    return { descriptor: this.#descriptor, start: part.start, size: part.end - part.start }
  }

  /** Closes the file; iteration opens it again. */
  release(): void {
    this.#close()
  }

  async #openPlain(): Promise<{ path: string; opened: Opened }> {
    const path = this.#path()
    const { index } = this.rules
    const opened = await this.#openFile(path, index.length > 0)
    if (opened !== null && opened.stats.isFile()) return { path, opened }
    if (opened !== null) closeQuietly(opened.descriptor)
    for (const name of index) {
      const inside = resolve(path, name)
      const found = await this.#openFile(inside)
      if (found !== null) return { path: inside, opened: found }
    }
    throw new HttpErrorException(404)
  }

  /** The path for the system. A path that ends with a slash, or a dot segment, names a directory, never a file. */
  #path(): string {
    const given = this.#given instanceof URL ? fileURLToPath(this.#given) : this.#given
    const { root } = this.rules
    const path = root === null ? resolve(given) : resolve(directoryOf(root), `.${sep}${given}`)
    const namesDirectory = /(?:^|\/)\.{0,2}$/.test(given.replaceAll(sep, '/'))
    return namesDirectory && !path.endsWith(sep) ? path + sep : path
  }

  /** Opens a file, or a directory where that is allowed; null when it is missing or isn't below the root. */
  async #openFile(path: string, allowsDirectory = false): Promise<Opened | null> {
    let descriptor = -1
    try {
      descriptor = await promised<number>((done) => open(path, OPEN_FLAGS, done))
      const stats = await promised<BigIntStats>((done) => fstat(descriptor, { bigint: true }, done))
      const isRight = stats.isFile() || (allowsDirectory && stats.isDirectory())
      if (isRight && (await this.#isConfined(path, stats))) return { descriptor, stats }
    } catch (error) {
      if (!MISSING.has((error as NodeJS.ErrnoException).code)) {
        closeQuietly(descriptor)
        throw error
      }
    }
    closeQuietly(descriptor)
    return null
  }

  /** Whether the opened file is below the root after all links are followed. Compares inodes, since the path may change. */
  async #isConfined(path: string, opened: BigIntStats): Promise<boolean> {
    const { root } = this.rules
    if (root === null) return true
    const [realRoot, real] = await Promise.all([realPath(directoryOf(root)), realPath(path)])
    const below = realRoot.endsWith(sep) ? realRoot : realRoot + sep
    if (!real.startsWith(below) && !(opened.isDirectory() && real === realRoot)) return false
    const found = await promised<BigIntStats>((done) => stat(real, { bigint: true }, done))
    return found.ino === opened.ino && found.dev === opened.dev
  }

  async #factsOf({ descriptor, stats }: Opened, path: string, plainPath: string, encoding: Encoding | null): Promise<FileFacts> {
    const isReliable = stats.size > 0n && stats.blocks !== 0n
    const facts = isReliable || (await this.#hasItsSize(descriptor, stats)) ? factsOf(stats, path, plainPath, encoding) : unknownFacts(path, plainPath, encoding)
    remember(this.name(encoding), facts)
    return facts
  }

  /**
   * Whether a file without blocks on a disk has the size that the system reports. The files of /proc and /sys are made
   * while they are read; their reported size is 0 or a page.
   */
  async #hasItsSize(descriptor: number, stats: BigIntStats): Promise<boolean> {
    const expected = Math.min(READ_SIZE, Number(stats.size))
    const buffer = Buffer.allocUnsafeSlow(READ_SIZE)
    const count = await promised<number>((done) => read(descriptor, buffer, 0, READ_SIZE, null, done))
    this.#first = buffer.subarray(0, count)
    return count === expected
  }

  /** The next piece; its memory is reused for the one after it. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    const [part] = this.#parts
    if (part === undefined || this.#descriptor < 0) {
      this.#close()
      return { done: true, value: undefined }
    }
    if (part instanceof Uint8Array) {
      this.#parts.shift()
      return { done: false, value: part }
    }
    const { start, end } = part
    const wanted = Math.min(this.#taken < LONG ? READ_SIZE : LONG_READ_SIZE, end - start)
    if (this.#buffer === null || this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafeSlow(wanted)
    const buffer = this.#buffer
    this.#isReading = true
    try {
      const count = await promised<number>((done) => read(this.#descriptor, buffer, 0, wanted, start, done))
      if (count === 0 && end !== Infinity) {
        throw new HandlerError(`the file ended ${end - start} bytes early: it has shrunk while it was being sent`)
      }
      this.#taken += count
      if (count === 0 || start + count === end) this.#parts.shift()
      else this.#parts[0] = { start: start + count, end }
      if (count > 0) return { done: false, value: buffer.subarray(0, count) }
    } catch (error) {
      this.#isCancelled = true
      throw error
    } finally {
      this.#isReading = false
      if (this.#isCancelled) this.#close()
    }
    return this.next()
  }

  cancel(): void {
    this.#isCancelled = true
    // A read that is under way closes the file when it ends.
    if (!this.#isReading) this.#close()
  }

  /** Closes the file of an iteration that hasn't begun. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The content for `response.buffer()` and injected requests; each piece has memory of its own. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const encoding = this.#facts?.encoding ?? null
    await this.open([encoding, null])
    try {
      for (let item; (item = await this.next()).done !== true; ) yield Uint8Array.from(item.value)
    } finally {
      this.cancel()
    }
  }

  #close(): void {
    if (this.#descriptor < 0) return
    closeQuietly(this.#descriptor)
    this.#descriptor = -1
    this.#buffer = null
  }
}

/** The directory of a root, as an absolute path. */
export function directoryOf(root: string | URL): string {
  return resolve(root instanceof URL ? fileURLToPath(root) : root)
}

function realPath(path: string): Promise<string> {
  return promised((done) => realpath(path, done))
}

function closeQuietly(descriptor: number): void {
  if (descriptor >= 0) close(descriptor, () => {})
}

function promised<T>(start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void): Promise<T> {
  return new Promise((fulfil, reject) => {
    start((error, value) => (error === null ? fulfil(value) : reject(error)))
  })
}
