/**
 * Ranges: the parts of a representation that a client requests. RFC 9110 §14.
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

/** A field with more ranges is a mistake or an attack, and is ignored. */
const RANGES = 16

const BYTES_UNIT = /^bytes=/i
const RANGE = /^(\d*)-(\d*)$/

/**
 * The ranges of a representation with `size` bytes, in the order of the field; overlapping and adjacent ones are joined.
 * Null when the field is ignored: it can't be parsed, its ranges sum up to more than `size`, or `size` is 0. Empty when
 * no range can be satisfied.
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

/** One range; empty when it can't be satisfied, null when it can't be parsed. */
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

/** The value of `content-range`; the range is null in a 416. */
export function contentRange(range: ByteRange | null, size: number): string {
  return range === null ? `bytes */${size}` : `bytes ${range.start}-${range.end - 1}/${size}`
}
