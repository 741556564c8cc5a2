/**
 * Ranges: parts of a representation that a client asks for. RFC 9110 §14.
 *
 *   bytes=0-499      the first 500 bytes
 *   bytes=500-       all but the first 500
 *   bytes=-500       the last 500
 *   bytes=0-0,-1     the first and the last
 */

/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** More ranges than this are a mistake or an attack; the field is ignored then. */
const RANGES = 16

const BYTES_UNIT = /^bytes=/i
const RANGE = /^(\d*)-(\d*)$/

/**
 * The ranges to give of so many bytes, in the order they were asked for, overlapping and adjoining ones joined.
 * Null: the field is to be ignored, as it is when it can't be read, asks for more than there is, or there are
 * no bytes at all. Empty: none of the ranges can be satisfied.
 */
export function parseRange(field: string, size: number): ByteRange[] | null {
  if (size === 0 || !BYTES_UNIT.test(field)) return null
  const specs = field.slice('bytes='.length).split(',').map((spec) => spec.trim()).filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > RANGES) return null
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const range = rangeOf(spec, size)
    if (range === null) return null
    if (range.start < range.end) ranges.push(range)
  }
  const sum = ranges.reduce((total, { start, end }) => total + end - start, 0)
  return sum > size ? null : joined(ranges)
}

/** One range; an empty one when it can't be satisfied, null when it can't be read. */
function rangeOf(spec: string, size: number): ByteRange | null {
  const [, first = '', last = ''] = RANGE.exec(spec) ?? []
  if (first === '') return last === '' ? null : { start: Math.max(0, size - Number(last)), end: size }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}

function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const result: ByteRange[] = []
  for (const range of ranges) {
    let { start, end } = range
    let place = result.length
    for (let at = result.length - 1; at >= 0; at--) {
      const other = result[at]!
      if (other.start > end || start > other.end) continue
      start = Math.min(start, other.start)
      end = Math.max(end, other.end)
      result.splice(at, 1)
      place = at
    }
    result.splice(place, 0, { start, end })
  }
  return result
}

/** The value of `content-range` for a range of so many bytes; null: for none of them. */
export function contentRange(range: ByteRange | null, size: number): string {
  return range === null ? `bytes */${size}` : `bytes ${range.start}-${range.end - 1}/${size}`
}
