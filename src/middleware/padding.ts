/**
 * Random bytes in a coded body that decoders skip, so that its length tells less about its content (BREACH).
 */
import type { Coding } from './codings.ts'

/** Codings that have a place for such bytes. */
export const PADDED_CODINGS: readonly Coding[] = ['br', 'gzip']

/** Bytes of the head of a gzip member, as zlib writes it. RFC 1952 §2.3.1. */
const GZIP_HEAD = 10
/** Place of its flags; one says that a file name follows. */
const FLAGS = 3
const HAS_NAME = 8
const FILLER = 0x61

/** A random length from 1 to `most`. */
export function paddingLength(most: number): number {
  return process.getBuiltinModule('node:crypto').randomInt(1, most + 1)
}

/** The head of a gzip member with a file name of so many bytes. `start` begins with the head. */
export function padGzip(start: Uint8Array, length: number): Uint8Array {
  const name = Buffer.alloc(length, FILLER)
  // A name ends with a zero byte.
  name[length - 1] = 0
  const head = Buffer.from(start.subarray(0, GZIP_HEAD))
  head[FLAGS]! |= HAS_NAME
  return Buffer.concat([head, name, start.subarray(GZIP_HEAD)])
}

/**
 * A block of metadata for a brotli stream, `length` bytes in all, to stand where the stream is at a byte boundary, as after a
 * flush. RFC 7932 §9.2: ISLAST 0, MNIBBLES 11, a reserved 0, MSKIPBYTES 01, and MSKIPLEN - 1 in eight bits.
 */
export function brotliPadding(length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  // A block has three bytes at least, and 256 beside its head of two at most.
  for (let rest = Math.max(length, 3); rest > 0; ) {
    const skipped = Math.min(rest - 2, 256)
    const left = rest - 2 - skipped
    const taken = left > 0 && left < 3 ? skipped - (3 - left) : skipped
    const head = 0x16 | ((taken - 1) << 6)
    blocks.push(Buffer.from([head & 0xff, head >> 8]), Buffer.alloc(taken, FILLER))
    rest -= 2 + taken
  }
  return Buffer.concat(blocks)
}

/** Whether so much of a gzip stream has come that its head is complete. */
export function hasGzipHead(length: number): boolean {
  return length >= GZIP_HEAD
}
