/**
 * The rules for ranges, conditions and codings, as functions. RFC 9110 §8.8, §12.5.3, §13, §14.
 */
import test from 'ava'
import { preferredEncodings } from '../src/http/accept-encoding.ts'
import { formatHttpDate, parseHttpDate } from '../src/http/http-date.ts'
import { isRangeCurrent, judge } from '../src/http/preconditions.ts'
import type { ConditionalRequest } from '../src/http/preconditions.ts'
import { contentRange, parseRange } from '../src/http/range.ts'

const RANGES: [string, number, string | null][] = [
  // field, size, ranges to give; null: the field is ignored
  ['bytes=0-1', 10, '0-1'],
  ['BYTES=0-1', 10, '0-1'],
  ['bytes=0-', 10, '0-9'],
  ['bytes=4-', 10, '4-9'],
  ['bytes=9-9', 10, '9-9'],
  ['bytes=5-100', 10, '5-9'],
  ['bytes=-3', 10, '7-9'],
  ['bytes=-100', 10, '0-9'],
  ['bytes=0-99999999999999999999', 10, '0-9'],
  ['bytes=99999999999999999999-', 10, ''],
  ['bytes=10-', 10, ''],
  ['bytes=10-20', 10, ''],
  ['bytes=-0', 10, ''],
  ['bytes=-0,20-', 10, ''],
  ['bytes=0-0,-1', 10, '0-0 9-9'],
  ['bytes=-1,0-0', 10, '9-9 0-0'],
  ['bytes= 0-0 , ,\t-1 ,', 10, '0-0 9-9'],
  ['bytes=0-0,20-30', 10, '0-0'],
  ['bytes=0-2,3-4', 10, '0-4'],
  ['bytes=0-2,2-4', 10, '0-4'],
  ['bytes=6-7,0-1,1-2', 10, '6-7 0-2'],
  ['bytes=0-1,6-7,1-6', 10, '0-7'],
  ['bytes=0-,0-', 10, null],
  ['bytes=0-6,2-6', 10, null],
  [`bytes=${Array.from({ length: 16 }, (_, at) => `${at * 2}-${at * 2}`).join()}`, 100, Array.from({ length: 16 }, (_, at) => `${at * 2}-${at * 2}`).join(' ')],
  [`bytes=${Array.from({ length: 17 }, (_, at) => `${at * 2}-${at * 2}`).join()}`, 100, null],
  ['bytes=5-2', 10, null],
  ['bytes=0-1,5-2', 10, null],
  ['bytes=', 10, null],
  ['bytes=,', 10, null],
  ['bytes=-', 10, null],
  ['bytes=a-b', 10, null],
  ['bytes=+1-2', 10, null],
  ['bytes=1-2-3', 10, null],
  ['bytes 0-1', 10, null],
  ['lines=0-1', 10, null],
  ['', 10, null],
  ['bytes=0-', 0, null],
  ['bytes=-5', 0, null],
]
for (const [field, size, expected] of RANGES) {
  test(`${JSON.stringify(field)} of ${size} bytes gives ${expected === '' ? 'nothing' : (expected ?? 'the whole')}`, (t) => {
    const given = parseRange(field, size)
    t.is(given === null ? null : given.map(({ start, end }) => `${start}-${end - 1}`).join(' '), expected)
  })
}

test('content-range tells the part and the size', (t) => {
  t.is(contentRange({ start: 0, end: 2 }, 10), 'bytes 0-1/10')
  t.is(contentRange(null, 10), 'bytes */10')
})

const TIME = Date.UTC(1994, 10, 6, 8, 49, 37)
for (const text of ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994']) {
  test(`${text} is a date`, (t) => t.is(parseHttpDate(text), TIME))
}

test('two digits of a year are never more than 50 years ahead', (t) => {
  const year = new Date().getUTCFullYear()
  const two = (full: number): string => String(full % 100).padStart(2, '0')
  t.is(parseHttpDate(`Sunday, 06-Nov-${two(year + 50)} 08:49:37 GMT`), Date.UTC(year + 50, 10, 6, 8, 49, 37))
  t.is(parseHttpDate(`Sunday, 06-Nov-${two(year + 51)} 08:49:37 GMT`), Date.UTC(year - 49, 10, 6, 8, 49, 37))
})

for (const text of [
  '', 'never', '0', '1994-11-06T08:49:37Z', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 CET', 'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 31 Feb 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 24:00:00 GMT', 'Sun, 06 Nov 1994 08:60:00 GMT', 'Sun, 00 Nov 1994 08:49:37 GMT', 'Sun, 06 Xyz 1994 08:49:37 GMT',
]) {
  test(`${JSON.stringify(text)} is no date`, (t) => t.is(parseHttpDate(text), null))
}

/** A request with such fields, a list for several lines. */
function asking(fields: Readonly<Record<string, string | readonly string[]>>): ConditionalRequest {
  const all = (name: string): readonly string[] => [fields[name] ?? []].flat()
  return { getHeader: (name) => all(name)[0] ?? null, getHeaderLine: (name) => (all(name).length === 0 ? null : all(name).join(', ')) }
}

const NOW = formatHttpDate(TIME)
const BEFORE = formatHttpDate(TIME - 1000)
const AFTER = formatHttpDate(TIME + 1000)
const VERDICTS: [string, Readonly<Record<string, string | readonly string[]>>][] = [
  ['proceed', {}],
  ['proceed', { 'if-match': '"a"' }],
  ['proceed', { 'if-match': '*' }],
  ['proceed', { 'if-match': '"b", "a"' }],
  ['proceed', { 'if-match': ['"b"', '"a"'] }],
  ['failed', { 'if-match': '"b"' }],
  ['failed', { 'if-match': 'W/"a"' }],
  ['failed', { 'if-match': 'a' }],
  ['not-modified', { 'if-none-match': '"a"' }],
  ['not-modified', { 'if-none-match': 'W/"a"' }],
  ['not-modified', { 'if-none-match': '*' }],
  ['not-modified', { 'if-none-match': '"b",W/"c" , "a"' }],
  ['not-modified', { 'if-none-match': '"b, \\", "a"' }],
  ['not-modified', { 'if-none-match': ['"b"', '"a"'] }],
  ['proceed', { 'if-none-match': '"b"' }],
  ['proceed', { 'if-none-match': '"A"' }],
  ['proceed', { 'if-none-match': 'a' }],
  ['not-modified', { 'if-modified-since': NOW }],
  ['not-modified', { 'if-modified-since': AFTER }],
  ['proceed', { 'if-modified-since': BEFORE }],
  ['proceed', { 'if-modified-since': 'yesterday' }],
  ['proceed', { 'if-unmodified-since': NOW }],
  ['proceed', { 'if-unmodified-since': AFTER }],
  ['proceed', { 'if-unmodified-since': 'yesterday' }],
  ['failed', { 'if-unmodified-since': BEFORE }],
  // The tag decides where both are given.
  ['proceed', { 'if-none-match': '"b"', 'if-modified-since': NOW }],
  ['not-modified', { 'if-none-match': '"a"', 'if-modified-since': BEFORE }],
  ['proceed', { 'if-match': '"a"', 'if-unmodified-since': BEFORE }],
  ['failed', { 'if-match': '"b"', 'if-unmodified-since': NOW }],
  // What fails goes before what isn't modified, and both may be asked.
  ['failed', { 'if-match': '"b"', 'if-none-match': '"a"' }],
  ['not-modified', { 'if-match': '"a"', 'if-none-match': '"a"' }],
  ['failed', { 'if-unmodified-since': BEFORE, 'if-modified-since': NOW }],
]
for (const [verdict, fields] of VERDICTS) {
  test(`${verdict}: ${JSON.stringify(fields)}`, (t) => t.is(judge(asking(fields), { etag: '"a"', lastModified: TIME }), verdict as never))
}

test('without validators only * matches', (t) => {
  const none = { etag: null, lastModified: null }
  t.is(judge(asking({ 'if-none-match': '"a"', 'if-modified-since': NOW }), none), 'proceed')
  t.is(judge(asking({ 'if-none-match': '*' }), none), 'not-modified')
  t.is(judge(asking({ 'if-match': '*' }), none), 'proceed')
  t.is(judge(asking({ 'if-match': '"a"' }), none), 'failed')
  t.is(judge(asking({ 'if-modified-since': NOW, 'if-unmodified-since': BEFORE }), none), 'proceed')
})

for (const [condition, etag, expected] of [
  ['"a"', '"a"', true],
  ['"b"', '"a"', false],
  ['W/"a"', '"a"', false],
  ['W/"a"', 'W/"a"', false],
  ['"a"', 'W/"a"', false],
  [NOW, '"a"', true],
  [BEFORE, '"a"', false],
  [AFTER, '"a"', false],
  ['yesterday', '"a"', false],
  ['', '"a"', false],
] as const) {
  test(`If-Range: ${condition} gives ${expected ? 'the range' : 'the whole'} of ${etag}`, (t) => {
    t.is(isRangeCurrent(asking({ 'if-range': condition }), { etag, lastModified: TIME }), expected)
  })
}

const ENCODINGS: [string | null, string][] = [
  [null, 'none'],
  ['', 'none'],
  ['gzip', 'gzip none'],
  ['gzip, br', 'br gzip none'],
  ['GZIP , BR', 'br gzip none'],
  ['x-gzip', 'gzip none'],
  ['gzip;q=1, br;q=0.5', 'gzip br none'],
  ['gzip ; q=0.2 , br ;q=0.3', 'br gzip none'],
  ['*', 'br zstd gzip none'],
  ['*;q=0.1, gzip', 'gzip br zstd none'],
  ['br;q=0, *', 'zstd gzip none'],
  ['br;q=0', 'none'],
  ['identity', 'none'],
  ['identity, gzip;q=0.5', 'none'],
  ['identity;q=0.5, gzip', 'gzip none'],
  ['identity;q=0, gzip', 'gzip none'],
  ['identity;q=0', 'none'],
  ['*;q=0', 'none'],
  ['gzip;q=2, br;q=x, zstd;q=0.0001', 'none'],
  ['deflate, compress', 'none'],
]
for (const [field, expected] of ENCODINGS) {
  test(`Accept-Encoding: ${field} takes ${expected}`, (t) => {
    t.is(preferredEncodings(field, ['br', 'zstd', 'gzip']).map((encoding) => encoding ?? 'none').join(' '), expected)
  })
}
