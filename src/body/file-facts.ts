/**
 * Facts of files: size, time and entity tag, and a cache of them.
 *
 * Facts are used for `revalidate` seconds, one by default. In that time a request whose client has the current
 * version is answered without a system call. The cache holds no content.
 */
import type { BigIntStats } from 'node:fs'

/** Codings of files beside a file, best first, with the ending of their names. */
export const ENDINGS = { br: '.br', zstd: '.zst', gzip: '.gz' } as const

/** A coding that a file may stand in beside itself. */
export type Encoding = keyof typeof ENDINGS

/** The codings, best first. */
export const ENCODINGS = Object.keys(ENDINGS) as readonly Encoding[]

/** The facts of one file. */
export interface FileFacts {
  /** Its path, with the name of an index and the ending of a coding. */
  readonly path: string
  /** The same without the ending: the media type depends on it. */
  readonly plainPath: string
  /** The coding of its content; null for none. */
  readonly encoding: Encoding | null
  /** Bytes; -1 when only reading shows how many there are. */
  readonly size: number
  /** Its entity tag; null when the size is unknown. */
  readonly etag: string | null
  /** When it was modified, Unix time in milliseconds, whole seconds; null when the size is unknown. */
  readonly lastModified: number | null
}

/** An entry of the cache. */
interface Kept {
  /** Null: the file doesn't exist. */
  readonly facts: FileFacts | null
  readonly time: number
}

/** Entries of the cache, and characters of a key at most. */
const KEPT = 2048
const PATH_KEPT = 1024

const kept = new Map<string, Kept>()

/** The facts of an open file whose size is right. */
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

/** The facts of a file whose size is unknown, as in /proc. */
export function unknownFacts(path: string, plainPath: string, encoding: Encoding | null): FileFacts {
  return { path, plainPath, encoding, size: -1, etag: null, lastModified: null }
}

/** Facts that are younger than so many seconds; null when the file didn't exist, undefined when there are none. */
export function recall(name: string, maxAge: number): FileFacts | null | undefined {
  const found = kept.get(name)
  return found === undefined || Date.now() - found.time >= maxAge * 1000 ? undefined : found.facts
}

/** Puts facts into the cache; the oldest entry makes room. */
export function remember(name: string, facts: FileFacts | null): void {
  if (name.length > PATH_KEPT) return
  kept.delete(name)
  kept.set(name, { facts, time: Date.now() })
  if (kept.size <= KEPT) return
  for (const oldest of kept.keys()) return void kept.delete(oldest)
}
