/**
 * What is known of files: what tells their versions apart, and how it was found out a moment ago.
 *
 * A file that was looked at is taken for unchanged for as long as `revalidate` says, a second by default. That
 * spares the system a look per request, and lets a request whose client has the file be answered at once. The
 * content isn't kept.
 */
import type { BigIntStats } from 'node:fs'

/** Codings of files beside a file, best first, with the ending of their names. */
export const ENDINGS = { br: '.br', zstd: '.zst', gzip: '.gz' } as const

/** A coding that a file may stand in beside itself. */
export type Encoding = keyof typeof ENDINGS

/** The codings, best first. */
export const ENCODINGS = Object.keys(ENDINGS) as readonly Encoding[]

/** What is known of one file. */
export interface FileFacts {
  /** Where it is: the name of an index, or the ending of a coding, included. */
  readonly path: string
  /** The same without the ending: its name tells the media type. */
  readonly plainPath: string
  /** The coding of its content; null for none. */
  readonly encoding: Encoding | null
  /** Bytes; -1 where only reading tells. */
  readonly size: number
  /** Its entity tag; null where only reading tells. */
  readonly etag: string | null
  /** When it was modified, Unix time in milliseconds, whole seconds; null where only reading tells. */
  readonly lastModified: number | null
}

/** What is kept, with the time at which it was found out. */
interface Kept {
  /** Null: there is no such file. */
  readonly facts: FileFacts | null
  readonly time: number
}

/** Files of which something is kept, and characters of a path that is. */
const KEPT = 2048
const PATH_KEPT = 1024

const kept = new Map<string, Kept>()

/** The facts of an open file whose size can be relied upon. */
export function factsOf(stats: BigIntStats, path: string, plainPath: string, encoding: Encoding | null): FileFacts {
  const seconds = Math.floor(Number(stats.mtimeMs) / 1000)
  // Nanoseconds and the size: the tag is strong, since no two versions have both in common.
  const tag = `${stats.size.toString(16)}-${stats.mtimeNs.toString(16)}`
  return {
    path,
    plainPath,
    encoding,
    size: Number(stats.size),
    etag: encoding === null ? `"${tag}"` : `"${tag}-${encoding}"`,
    lastModified: seconds * 1000,
  }
}

/** The facts of one whose size says nothing, as in /proc. */
export function unknownFacts(path: string, plainPath: string, encoding: Encoding | null): FileFacts {
  return { path, plainPath, encoding, size: -1, etag: null, lastModified: null }
}

/** What is known by a name, if it isn't older than so many seconds; undefined: nothing. */
export function recall(name: string, maxAge: number): FileFacts | null | undefined {
  const found = kept.get(name)
  return found === undefined || Date.now() - found.time >= maxAge * 1000 ? undefined : found.facts
}

/** Keeps what was found out by a name; the longest kept gives way. */
export function remember(name: string, facts: FileFacts | null): void {
  if (name.length > PATH_KEPT) return
  kept.delete(name)
  kept.set(name, { facts, time: Date.now() })
  if (kept.size <= KEPT) return
  for (const oldest of kept.keys()) return void kept.delete(oldest)
}
