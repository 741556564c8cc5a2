/**
 * The response to a request for a file: the whole file, parts of it, or a 304. RFC 9110 §13, §14.
 *
 *   405 ◄── another method than GET and HEAD, with `getOnly`
 *   coding ──► open ──► If-Match … 412, If-None-Match … 304 ──► Range, If-Range … 206, 416 ──► 200
 *
 * Conditions and ranges apply to GET and HEAD if the response would be a 200. Fields that the application has set are
 * kept: conditions are compared with its ETag and Last-Modified, and its Content-Encoding excludes another one.
 *
 * Out of scope: reading the file (file-body) and the cache of its facts (file-facts).
 */
import { preferredEncodings } from '../http/accept-encoding.ts'
import { parseHttpDate, formatHttpDate } from '../http/http-date.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { isRangeCurrent, judge } from '../http/preconditions.ts'
import type { ConditionalRequest, Validators } from '../http/preconditions.ts'
import { contentRange, parseRange } from '../http/range.ts'
import { addVary } from '../http/vary.ts'
import type { ByteRange } from '../http/range.ts'
import type { FileBody, FilePart } from './file-body.ts'
import { ENCODINGS, recall } from './file-facts.ts'
import type { Encoding, FileFacts } from './file-facts.ts'
import { NO_MAX_AGE } from './file-settings.ts'
import type { FileRules } from './file-settings.ts'

/** The request for the file. */
export interface FileRequest extends ConditionalRequest {
  getMethod(): string
}

/** The response whose body is the file. */
export interface FileResponse {
  getStatus(): number
  setStatus(status: number): void
  getHeader(name: string): string | null
  getHeaderLine(name: string): string | null
  hasHeader(name: string): boolean
  setHeader(name: string, value: string | number): void
  addHeader(name: string, value: string): void
  removeHeader(name: string): void
  setBody(body: null): void
}

const NO_CODING: readonly (Encoding | null)[] = [null]

/** Fields that describe content, of which a 304 has none. RFC 9110 §15.4.5. */
const OF_THE_CONTENT = ['content-type', 'content-length', 'content-encoding', 'content-language', 'content-range', 'accept-ranges']

/**
 * Opens the file and sets status, fields and parts of the response, once. Throws an `HttpErrorException` of 404, 405,
 * 412 or 416.
 */
export async function answerWithFile(request: FileRequest, response: FileResponse, body: FileBody): Promise<void> {
  if (body.isAnswered) return
  const { rules } = body
  const method = request.getMethod()
  const isRead = method === 'GET' || method === 'HEAD'
  if (rules.getOnly && !isRead) throw new HttpErrorException(405, { headers: { allow: 'GET, HEAD' } })
  const now = Date.now()
  const facts = await body.open(codingsFor(request, response, rules))
  body.isAnswered = true
  describe(response, facts, rules, now)
  if (response.getStatus() !== 200 || !isRead) return
  const current = validatorsOf(response)
  const verdict = judge(request, current)
  if (verdict === 'failed') throw new HttpErrorException(412)
  if (verdict === 'not-modified') return makeNotModified(response)
  if (method === 'GET' && facts.size >= 0) giveRanges(request, response, body, facts.size, current)
}

/**
 * The cached facts of the file if they make the response a 304; null when the file has to be opened. `response` is
 * null when the application has set no field.
 */
export function knownUnmodified(request: FileRequest, response: FileResponse | null, body: FileBody): FileFacts | null {
  const { rules } = body
  const method = request.getMethod()
  if (rules.revalidate === 0 || (method !== 'GET' && method !== 'HEAD')) return null
  const facts = recallFacts(request, response, body)
  if (facts === null || facts.etag === null) return null
  return judge(request, response === null ? facts : ownValidators(response, facts)) === 'not-modified' ? facts : null
}

function ownValidators(response: FileResponse, facts: FileFacts): Validators {
  const { etag, lastModified } = validatorsOf(response)
  return { etag: etag ?? facts.etag, lastModified: response.hasHeader('last-modified') ? lastModified : facts.lastModified }
}

function recallFacts(request: FileRequest, response: FileResponse | null, body: FileBody): FileFacts | null {
  const { rules } = body
  if (!rules.precompressed) return recall(body.name(null), rules.revalidate) ?? null
  for (const encoding of codingsFor(request, response, rules)) {
    const facts = recall(body.name(encoding), rules.revalidate)
    if (facts !== null) return facts ?? null
  }
  return null
}

/** Codings that the client accepts, best first; null stands for no coding. */
export function codingsFor(
  request: Pick<FileRequest, 'getHeaderLine'>,
  response: FileResponse | null,
  rules: Pick<FileRules, 'precompressed'>,
): readonly (Encoding | null)[] {
  if (!rules.precompressed || response?.hasHeader('content-encoding') === true) return NO_CODING
  return preferredEncodings(request.getHeaderLine('accept-encoding'), ENCODINGS)
}

/** Sets the fields that describe the file, unless the application has set them. */
export function describe(response: FileResponse, facts: FileFacts, rules: FileRules, now: number): void {
  const { size, etag, lastModified, encoding } = facts
  // Without an index, `Response.file` has set the type.
  if (rules.index.length > 0 && !response.hasHeader('content-type')) response.setHeader('content-type', mediaTypeOf(facts.plainPath))
  if (size >= 0) {
    if (!response.hasHeader('content-length')) response.setHeader('content-length', size)
    if (!response.hasHeader('accept-ranges')) response.setHeader('accept-ranges', 'bytes')
  }
  if (encoding !== null) response.setHeader('content-encoding', encoding)
  validate(response, etag, lastModified, now)
  const line = cacheControlOf(rules)
  if (line !== null && !response.hasHeader('cache-control')) response.setHeader('cache-control', line)
  if (rules.precompressed) addVary(response, 'accept-encoding')
}

function validate(response: FileResponse, etag: string | null, lastModified: number | null, now: number): void {
  if (etag !== null && !response.hasHeader('etag')) response.setHeader('etag', etag)
  if (lastModified === null || response.hasHeader('last-modified')) return
  // A wrong clock: Last-Modified is never later than Date (RFC 9110 §8.8.2.1).
  response.setHeader('last-modified', formatHttpDate(Math.min(lastModified, now)))
}

/** The value of `cache-control`; null when it isn't sent. */
function cacheControlOf({ maxAge }: FileRules): string | null {
  return maxAge === NO_MAX_AGE ? null : `max-age=${maxAge}`
}

function validatorsOf(response: FileResponse): Validators {
  const date = response.getHeader('last-modified')
  return { etag: response.getHeader('etag'), lastModified: date === null ? null : parseHttpDate(date) }
}

/** Makes a response a 304 of the file with these facts. */
export function describeNotModified(response: FileResponse, { etag, lastModified }: FileFacts, rules: FileRules): void {
  validate(response, etag, lastModified, Date.now())
  const line = cacheControlOf(rules)
  if (line !== null && !response.hasHeader('cache-control')) response.setHeader('cache-control', line)
  if (rules.precompressed) addVary(response, 'accept-encoding')
  makeNotModified(response)
}

/** The lines of the same 304, when the application has set no field. */
export function notModifiedLines({ etag }: FileFacts, rules: FileRules): string {
  const line = cacheControlOf(rules)
  const lines = line === null ? `etag: ${etag}\r\n` : `etag: ${etag}\r\ncache-control: ${line}\r\n`
  return rules.precompressed ? `${lines}vary: accept-encoding\r\n` : lines
}

function makeNotModified(response: FileResponse): void {
  response.setStatus(304)
  response.setBody(null)
  for (const name of OF_THE_CONTENT) response.removeHeader(name)
  // Where there is a tag, Last-Modified adds nothing.
  if (response.hasHeader('etag')) response.removeHeader('last-modified')
}

function giveRanges(request: FileRequest, response: FileResponse, body: FileBody, size: number, current: Validators): void {
  const field = request.getHeader('range')
  if (field === null || response.getHeader('accept-ranges')?.toLowerCase() === 'none' || !isRangeCurrent(request, current)) return
  const ranges = parseRange(field, size)
  if (ranges === null) return
  if (ranges.length === 0) throw new HttpErrorException(416, { headers: { 'content-range': contentRange(null, size) } })
  response.setStatus(206)
  const [first] = ranges
  if (ranges.length === 1) {
    response.setHeader('content-range', contentRange(first!, size))
    response.setHeader('content-length', first!.end - first!.start)
    body.choose([first!])
  } else {
    const { parts, length, boundary } = multipart(ranges, size, response.getHeader('content-type'))
    response.setHeader('content-type', `multipart/byteranges; boundary=${boundary}`)
    response.setHeader('content-length', length)
    body.choose(parts)
  }
}

/** A body of several ranges, each with a head of its own. RFC 9110 §14.6. */
function multipart(ranges: readonly ByteRange[], size: number, type: string | null): { parts: FilePart[]; length: number; boundary: string } {
  // Random, so that no file can contain it on purpose.
  const boundary = process.getBuiltinModule('node:crypto').randomUUID()
  const typeLine = type === null ? '' : `content-type: ${type}\r\n`
  const parts: FilePart[] = []
  let length = 0
  const add = (part: Uint8Array): void => {
    parts.push(part)
    length += part.length
  }
  for (const range of ranges) {
    const lead = parts.length === 0 ? '' : '\r\n'
    add(Buffer.from(`${lead}--${boundary}\r\n${typeLine}content-range: ${contentRange(range, size)}\r\n\r\n`, 'latin1'))
    parts.push(range)
    length += range.end - range.start
  }
  add(Buffer.from(`\r\n--${boundary}--\r\n`))
  return { parts, length, boundary }
}
