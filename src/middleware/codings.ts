/**
 * The content codings that can be made here, on the zlib of Node. RFC 9110 §8.4.1, RFC 7932, RFC 8878.
 *
 * Out of scope: deflate, which clients have read in two ways (RFC 9110 §8.4.1.2).
 */
import type { Transform } from 'node:stream'
import type * as Zlib from 'node:zlib'

/** A content coding. */
export type Coding = 'zstd' | 'br' | 'gzip'

/** A compressor. Its output is in its `data` events. */
export interface Compressor extends Transform {
  flush(kind: number, done: () => void): void
}

/** How hard a coding works: gzip 1 to 9, br 0 to 11, zstd 1 to 19. */
export type Levels = Readonly<Record<Coding, number>>

/**
 * The best first. zstd takes a quarter of the time of gzip for the same size, where clients know it; br at this level
 * takes the time of gzip and is smaller.
 */
export const CODINGS: readonly Coding[] = ['zstd', 'br', 'gzip']

/** Levels above these take twice the time for 5 % less. */
export const LEVELS: Levels = { zstd: 3, br: 4, gzip: 4 }

/** The best first for streams that stay open: gzip has the smallest state for its result. */
export const LASTING_CODINGS: readonly Coding[] = ['gzip', 'zstd', 'br']

/** What a body is like. */
export interface BodyKind {
  /** It may stay open for hours with little to send, so the compressor must be small. */
  readonly isLasting: boolean
  readonly levels: Levels
}

type Options = Zlib.ZlibOptions | Zlib.BrotliOptions

/** The zlib of a Node that has zstd: 22.15, 23.8. */
interface WithZstd {
  createZstdCompress?(options: Options): Compressor
  zstdCompress?(content: Uint8Array, options: Options, done: Done): void
  zstdCompressSync?(content: Uint8Array, options: Options): Uint8Array
}

type Done = (error: Error | null, result: Uint8Array) => void

/** Loaded when a body is compressed for the first time. */
const zlib = (): typeof Zlib & WithZstd => process.getBuiltinModule('node:zlib') as typeof Zlib & WithZstd

/** Parameters of zstd, by their numbers in its API: Node's names for them are missing in older types. */
const ZSTD = { level: 100, windowLog: 101, hashLog: 102, chainLog: 103, flush: 1 } as const

/** Whether this Node has a coding. */
export function isAvailable(coding: Coding): boolean {
  return coding !== 'zstd' || typeof zlib().createZstdCompress === 'function'
}

/**
 * Makes a compressor. One for a stream that stays open has a small window: 20 KB of state instead of 270 KB for gzip,
 * and of 800 KB for zstd.
 */
export function createCompressor(coding: Coding, { isLasting, levels }: BodyKind): Compressor {
  const { createBrotliCompress, createGzip, createZstdCompress } = zlib()
  const options = optionsOf(coding, levels, isLasting)
  const compressor = coding === 'br' ? createBrotliCompress(options) : coding === 'gzip' ? createGzip(options as Zlib.ZlibOptions) : createZstdCompress!(options)
  return compressor as Compressor
}

/** Compresses content in this thread. */
export function compressHere(coding: Coding, content: Uint8Array, levels: Levels): Uint8Array {
  const { brotliCompressSync, gzipSync, zstdCompressSync } = zlib()
  const options = optionsOf(coding, levels, false, content.length)
  return coding === 'br' ? brotliCompressSync(content, options) : coding === 'gzip' ? gzipSync(content, options as Zlib.ZlibOptions) : zstdCompressSync!(content, options)
}

/** Compresses content in another thread. */
export function compressElsewhere(coding: Coding, content: Uint8Array, levels: Levels): Promise<Uint8Array> {
  const { brotliCompress, gzip, zstdCompress } = zlib()
  const options = optionsOf(coding, levels, false, content.length)
  return new Promise((resolve, reject) => {
    const done: Done = (error, result) => (error === null ? resolve(result) : reject(error))
    if (coding === 'br') brotliCompress(content, options, done)
    else if (coding === 'gzip') gzip(content, options as Zlib.ZlibOptions, done)
    else zstdCompress!(content, options, done)
  })
}

/** The flush that makes everything written so far readable for the client. */
export function flushOf(coding: Coding): number {
  const { constants } = zlib()
  return coding === 'br' ? constants.BROTLI_OPERATION_FLUSH : coding === 'gzip' ? constants.Z_SYNC_FLUSH : ZSTD.flush
}

function optionsOf(coding: Coding, levels: Levels, isLasting: boolean, size = 0): Options {
  const { constants } = zlib()
  const level = levels[coding]
  const chunkSize = isLasting ? 1024 : 16 * 1024
  if (coding === 'gzip') return isLasting ? { level, chunkSize, windowBits: 12, memLevel: 4 } : { level, chunkSize }
  if (coding === 'zstd') {
    const small = { [ZSTD.level]: 1, [ZSTD.windowLog]: 14, [ZSTD.hashLog]: 11, [ZSTD.chainLog]: 10 }
    return { chunkSize, params: isLasting ? small : { [ZSTD.level]: level } }
  }
  const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants
  const small = { [BROTLI_PARAM_QUALITY]: 1, [BROTLI_PARAM_LGWIN]: 12 }
  return { chunkSize, params: isLasting ? small : { [BROTLI_PARAM_QUALITY]: level, [BROTLI_PARAM_SIZE_HINT]: size } }
}
