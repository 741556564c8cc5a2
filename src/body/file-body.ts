/**
 * Files as bodies: opened when the response is sent, read as fast as the client takes them.
 */
import type { BigIntStats } from 'node:fs'
import { close, constants, fileURLToPath, fstat, open, read, realpath, resolve, sep, stat } from '../core/builtin.ts'
import { HandlerError, OptionError } from '../core/errors.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { FieldName, FieldValue, FieldsInit } from '../http/fields.ts'
import type { PieceSource } from './source.ts'

/** Settings of `Response.file`. */
export interface FileSettings {
  /** Directory that must contain the file. */
  readonly root?: string | URL | null
  /** Further headers. */
  readonly headers?: FieldsInit
}

/** The head of a response whose body is a file. */
export interface FileHead {
  getHeader(name: FieldName): string | null
  hasHeader(name: FieldName): boolean
  setHeader(name: FieldName, value: FieldValue): void
}

/**
 * Checks the arguments of `Response.file`. Unknown settings are refused: a misspelt root would confine no path.
 */
export function checkFileSettings(path: string | URL, settings: FileSettings): { root: string | URL | null; headers: FieldsInit | undefined } {
  if (!isPath(path)) throw new OptionError('path', path, 'a string or a URL')
  if (typeof settings !== 'object' || settings === null) {
    throw new OptionError('settings', settings, 'an object such as { root: directory, headers }')
  }
  const { root = null, headers, ...unknown } = settings
  if (root !== null && !isPath(root)) throw new OptionError('root', root, 'a directory as a string or a URL')
  for (const [name, value] of Object.entries(unknown)) throw new OptionError(name, value, 'root or headers')
  return { root, headers }
}

function isPath(value: unknown): value is string | URL {
  return typeof value === 'string' || value instanceof URL
}

/** Bytes per read. */
const READ_SIZE = 64 * 1024

/** Without O_NONBLOCK the opening of a pipe or a device would wait for its other side. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Error codes for a path at which no readable file exists. */
const MISSING: ReadonlySet<string | undefined> = new Set([
  'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO', 'ENODEV', 'ERR_INVALID_ARG_VALUE',
])

/** The content of one file. */
export class FileBody implements PieceSource, AsyncIterable<Uint8Array> {
  readonly #path: string
  readonly #root: string | null
  #descriptor = -1
  #left = 0
  #isCancelled = false
  #isReading = false
  #buffer: Buffer | null = null

  /** With a root, `path` is relative to it, even if it begins with a slash. */
  constructor(path: string | URL, root: string | URL | null) {
    const text = path instanceof URL ? fileURLToPath(path) : path
    this.#root = root === null ? null : resolve(root instanceof URL ? fileURLToPath(root) : root)
    const resolved = this.#root === null ? resolve(text) : resolve(this.#root, `.${sep}${text}`)
    // `resolve` drops the end that says that a directory is meant; with it the system opens no file.
    const namesDirectory = /(?:^|\/)\.{0,2}$/.test(text.replaceAll(sep, '/'))
    this.#path = namesDirectory ? resolved + sep : resolved
  }

  /**
   * Opens the file and sets length, last-modified and etag of the response. Throws a 404 when the file is missing or
   * isn't below the root.
   */
  async describe(response: FileHead): Promise<void> {
    const stats = await this.#open()
    const size = Number(stats.size)
    if (response.getHeader('content-length') === null) response.setHeader('content-length', size)
    if (!response.hasHeader('last-modified')) response.setHeader('last-modified', stats.mtime.toUTCString())
    if (!response.hasHeader('etag')) response.setHeader('etag', `W/"${size.toString(16)}-${stats.mtimeMs.toString(16)}"`)
  }

  /** Descriptor and size of the open file; valid until the first read. */
  opened(): { descriptor: number; size: number } {
    return { descriptor: this.#descriptor, size: this.#left }
  }

  /** Like `describe`, but closes the file again. */
  async probe(response: FileHead): Promise<void> {
    await this.describe(response)
    this.#close()
  }

  async #open(): Promise<BigIntStats> {
    try {
      this.#descriptor = await promised<number>((done) => open(this.#path, OPEN_FLAGS, done))
      const stats = await promised<BigIntStats>((done) => fstat(this.#descriptor, { bigint: true }, done))
      if (!stats.isFile() || !(await this.#isConfined(stats))) throw new HttpErrorException(404)
      this.#left = Number(stats.size)
      if (this.#isCancelled) this.#close()
      return stats
    } catch (error) {
      this.#close()
      throw MISSING.has((error as NodeJS.ErrnoException).code) ? new HttpErrorException(404, null, error) : error
    }
  }

  /** Whether the opened file is below the root after all links are followed. Compares inodes, since the path may change. */
  async #isConfined(opened: BigIntStats): Promise<boolean> {
    const root = this.#root
    if (root === null) return true
    const realRoot = await promised<string>((done) => realpath(root, done))
    const real = await promised<string>((done) => realpath(this.#path, done))
    if (!real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return false
    const found = await promised<BigIntStats>((done) => stat(real, { bigint: true }, done))
    return found.ino === opened.ino && found.dev === opened.dev
  }

  /** The next piece; its memory is reused for the one after it. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#left === 0 || this.#descriptor < 0) {
      this.#close()
      return { done: true, value: undefined }
    }
    const buffer = (this.#buffer ??= Buffer.allocUnsafeSlow(Math.min(READ_SIZE, this.#left)))
    const wanted = Math.min(buffer.length, this.#left)
    this.#isReading = true
    try {
      const count = await promised<number>((done) => read(this.#descriptor, buffer, 0, wanted, null, done))
      if (count === 0) throw new HandlerError(`the file shrank while it was sent: ${this.#left} bytes are missing`)
      this.#left -= count
      return { done: false, value: buffer.subarray(0, count) }
    } catch (error) {
      this.#isCancelled = true
      throw error
    } finally {
      this.#isReading = false
      if (this.#isCancelled) this.#close()
    }
  }

  cancel(): void {
    this.#isCancelled = true
    // During a read, its end closes the file.
    if (!this.#isReading) this.#close()
  }

  /** For readers in the application, such as tests: each piece has memory of its own. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#open()
    try {
      for (let item; (item = await this.next()).done !== true; ) yield Uint8Array.from(item.value)
    } finally {
      this.cancel()
    }
  }

  #close(): void {
    if (this.#descriptor < 0) return
    close(this.#descriptor, () => {})
    this.#descriptor = -1
    this.#buffer = null
  }
}

function promised<T>(start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve_, reject) => {
    start((error, value) => (error === null ? resolve_(value) : reject(error)))
  })
}
