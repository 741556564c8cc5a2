/**
 * Short files in memory, with the lines of their responses.
 *
 * A file is looked at again `revalidate` seconds after the last look, as the facts of `Response.file` are. The files
 * that were used longest ago make room.
 */
import { describe } from '../body/file-answer.ts'
import { directoryOf } from '../body/file-body.ts'
import type { FileBody } from '../body/file-body.ts'
import type { FileSettings } from '../body/file-settings.ts'
import { resolve } from '../core/builtin.ts'
import { FIELDS } from '../http/http-message.ts'
import { Response } from '../message/response.ts'

/** A file that was opened. */
export interface LoadedFile {
  /** The path and settings for `Response.file`. */
  readonly path: string
  readonly settings: FileSettings
  /** The path names a directory, and this is its index. */
  readonly isDirectory: boolean
  /** The fields of a response of 200, `name: value\r\n…`. */
  readonly lines: string
  /** Null for a file that is sent as it is read. */
  readonly bytes: Uint8Array | null
}

/** Content up to so many bytes is kept. */
const KEPT_BELOW = 64 * 1024

/** Bytes of memory that each entry takes beside its content and its key. */
const ENTRY = 512

/** Opens a file in the first of these codings in which it exists. Throws a 404 when it is missing. */
export async function loadFile(path: string, settings: FileSettings, codings: Parameters<FileBody['open']>[0]): Promise<LoadedFile> {
  const response = Response.file(path, settings)
  const body = response.getBody() as FileBody
  const facts = await body.open(codings)
  try {
    describe(response, facts, body.rules, Date.now())
    const direct = resolve(directoryOf(settings.root ?? '.'), `.${path}`)
    const isShort = facts.size >= 0 && facts.size <= KEPT_BELOW
    const bytes = isShort ? await contentOf(body, facts.size) : null
    return { path, settings, isDirectory: facts.plainPath !== direct, lines: response[FIELDS]().toLines(), bytes }
  } finally {
    body.release()
  }
}

/** The whole content; null when the file has changed meanwhile. */
async function contentOf(body: FileBody, size: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = []
  try {
    for (let item; (item = await body.next()).done !== true; ) pieces.push(Uint8Array.from(item.value))
  } catch {
    return null
  }
  const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  return bytes.length === size ? bytes : null
}

/** An entry of the memory. */
interface Kept {
  readonly file: LoadedFile
  readonly size: number
  readonly time: number
}

/** Files by key. */
export class FileMemory {
  readonly #limit: number
  readonly #milliseconds: number
  readonly #kept = new Map<string, Kept>()
  /** Files that are being opened: requests for the same one wait for it. */
  readonly #loading = new Map<string, Promise<LoadedFile>>()
  #size = 0

  /** Keeps so many bytes, each file for so many seconds after it was looked at. */
  constructor(limit: number, revalidate: number) {
    this.#limit = limit
    this.#milliseconds = revalidate * 1000
  }

  /** A file that needs no look. */
  get(key: string): LoadedFile | undefined {
    const found = this.#kept.get(key)
    if (found === undefined || Date.now() - found.time >= this.#milliseconds) return undefined
    return found.file
  }

  /** Opens a file, and keeps what is worth it. */
  load(key: string, open: () => Promise<LoadedFile>): Promise<LoadedFile> {
    const underWay = this.#loading.get(key)
    if (underWay !== undefined) return underWay
    const loading = open()
      .then((file) => {
        this.#keep(key, file)
        return file
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }

  #keep(key: string, file: LoadedFile): void {
    this.#drop(key)
    const size = (file.bytes?.length ?? 0) + file.lines.length + 2 * key.length + ENTRY
    if (this.#milliseconds <= 0 || size > this.#limit) return
    this.#kept.set(key, { file, size, time: Date.now() })
    this.#size += size
    // Those that were looked at longest ago come first: each look sets the entry anew.
    for (const oldest of this.#kept.keys()) {
      if (this.#size <= this.#limit) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const found = this.#kept.get(key)
    if (found === undefined) return
    this.#kept.delete(key)
    this.#size -= found.size
  }
}
