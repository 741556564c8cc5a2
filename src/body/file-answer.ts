/**
 * What a request is given of a file: all of it, parts, or word that it has the file. RFC 9110 §13, §14.
 *
 *   405 ◄── not GET or HEAD, where only they are served
 *   coding ──► open ──► If-Match … 412, If-None-Match … 304 ──► Range, If-Range … 206, 416 ──► 200
 *
 * The conditions hold for GET and HEAD of an answer that would be a 200. What the application has set counts: its
 * ETag and Last-Modified are what conditions are held against, its Content-Encoding rules out another one, and
 * any other status leaves the file whole.
 *
 * Out of scope: reading the file (file-body), and what is known of it (file-facts).
 */
import { preferredEncodings } from '../http/accept-encoding.ts'
import { parseHttpDate, formatHttpDate } from '../http/http-date.ts'
import { HttpErrorException } from '../http/http-error.ts'
import { mediaTypeOf } from '../http/media-type.ts'
import { isRangeCurrent, judge } from '../http/preconditions.ts'
import type { ConditionalRequest, Validators } from '../http/preconditions.ts'
import { contentRange, parseRange } from '../http/range.ts'
import type { ByteRange } from '../http/range.ts'
import type { FileBody, FilePart } from './file-body.ts'
import { ENCODINGS, recall } from './file-facts.ts'
import type { Encoding, FileFacts } from './file-facts.ts'
import { NO_MAX_AGE } from './file-settings.ts'
import type { FileRules } from './file-settings.ts'

/** The request that is answered. */
export interface FileRequest extends ConditionalRequest {
  getMethod(): string
}

/** The response that the file is the body of. */
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

/** Fields of a representation that isn't sent. RFC 9110 §15.4.5. */
const OF_THE_CONTENT = ['content-type', 'content-length', 'content-encoding', 'content-language', 'content-range', 'accept-ranges']

/**
 * Opens the file and makes the response what the request is given of it. Throws an HttpErrorException where
 * that is an error.
 */
export async function answerWithFile(request: FileRequest, response: FileResponse, body: FileBody): Promise<void> {
  const { rules } = body
  const method = request.getMethod()
  const isRead = method === 'GET' || method === 'HEAD'
  if (rules.getOnly && !isRead) throw new HttpErrorException(405, { headers: { allow: 'GET, HEAD' } })
  const now = Date.now()
  const facts = await body.open(codingsFor(request, response, rules))
  describe(response, facts, rules, now)
  if (response.getStatus() !== 200 || !isRead) return
  const current = validatorsOf(response)
  const verdict = judge(request, current)
  if (verdict === 'failed') throw new HttpErrorException(412)
  if (verdict === 'not-modified') return makeNotModified(response)
  if (method === 'GET' && facts.size >= 0) giveRanges(request, response, body, facts.size, current)
}

/**
 * The facts of the file, if the request's client has it by what is known of it; null when it has to be looked at.
 * `response` is null when the application has set nothing on it.
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

/** Codings that the client takes, best first; null stands for the file as it is. */
function codingsFor(request: FileRequest, response: FileResponse | null, rules: FileRules): readonly (Encoding | null)[] {
  if (!rules.precompressed || response?.hasHeader('content-encoding') === true) return NO_CODING
  return preferredEncodings(request.getHeaderLine('accept-encoding'), ENCODINGS)
}

/** Sets what is known of the file, but for what the application has set. */
function describe(response: FileResponse, facts: FileFacts, rules: FileRules, now: number): void {
  const { size, etag, lastModified, encoding } = facts
  // Without an index the type was known, and set, when the response was made.
  if (rules.index.length > 0 && !response.hasHeader('content-type')) response.setHeader('content-type', mediaTypeOf(facts.plainPath))
  if (size >= 0) {
    if (!response.hasHeader('content-length')) response.setHeader('content-length', size)
    if (!response.hasHeader('accept-ranges')) response.setHeader('accept-ranges', 'bytes')
  }
  if (encoding !== null) response.setHeader('content-encoding', encoding)
  validate(response, etag, lastModified, now)
  const line = cacheControlOf(rules)
  if (line !== null && !response.hasHeader('cache-control')) response.setHeader('cache-control', line)
  if (rules.precompressed) vary(response)
}

function validate(response: FileResponse, etag: string | null, lastModified: number | null, now: number): void {
  if (etag !== null && !response.hasHeader('etag')) response.setHeader('etag', etag)
  if (lastModified === null || response.hasHeader('last-modified')) return
  // A clock that was wrong, or is: never later than Date (RFC 9110 §8.8.2.1).
  response.setHeader('last-modified', formatHttpDate(Math.min(lastModified, now)))
}

/** The value of `cache-control`; null: none is sent. */
function cacheControlOf({ maxAge }: FileRules): string | null {
  return maxAge === NO_MAX_AGE ? null : `max-age=${maxAge}`
}

/** The answer depends on the coding that was asked for, whichever is given. */
function vary(response: FileResponse): void {
  const line = response.getHeaderLine('vary')
  const names = (line ?? '').split(',').map((name) => name.trim().toLowerCase())
  if (!names.includes('accept-encoding') && !names.includes('*')) response.addHeader('vary', 'accept-encoding')
}

function validatorsOf(response: FileResponse): Validators {
  const date = response.getHeader('last-modified')
  return { etag: response.getHeader('etag'), lastModified: date === null ? null : parseHttpDate(date) }
}

/** Makes a response a 304 of the file that these are the facts of. */
export function describeNotModified(response: FileResponse, { etag, lastModified }: FileFacts, rules: FileRules): void {
  validate(response, etag, lastModified, Date.now())
  const line = cacheControlOf(rules)
  if (line !== null && !response.hasHeader('cache-control')) response.setHeader('cache-control', line)
  if (rules.precompressed) vary(response)
  makeNotModified(response)
}

/** The lines of the same 304, where the application has set nothing. */
export function notModifiedLines({ etag }: FileFacts, rules: FileRules): string {
  const line = cacheControlOf(rules)
  const lines = line === null ? `etag: ${etag}\r\n` : `etag: ${etag}\r\ncache-control: ${line}\r\n`
  return rules.precompressed ? `${lines}vary: accept-encoding\r\n` : lines
}

function makeNotModified(response: FileResponse): void {
  response.setStatus(304)
  response.setBody(null)
  for (const name of OF_THE_CONTENT) response.removeHeader(name)
  // The tag says more, and what isn't needed isn't sent.
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

/** Several ranges, each with a head of its own. RFC 9110 §14.6. */
function multipart(ranges: readonly ByteRange[], size: number, type: string | null): { parts: FilePart[]; length: number; boundary: string } {
  // It mustn't stand in the file, so no client may foresee it.
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
