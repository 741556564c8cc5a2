/**
 * From the fields that an application has set to the head that the engine sends.
 *
 * The fields are sent as they were given. The engine adds the status line and behind the fields `Date`, what is said of
 * the connection, and the length or the coding, each unless the application has said it.
 */
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http'
import type { OutgoingHttpHeader } from 'node:http'
import { reasonPhrase } from '../http/status.ts'
import { AnswerFlag } from '../native.ts'
import type { AnswerHead } from './exchange.ts'
import { invalidValue, nodeError } from './node-errors.ts'
import { UNIQUE_HEADERS } from './symbols.ts'

/** What of a response decides about its head. */
export interface HeadOwner {
  readonly req: { readonly httpVersionMajor: number; readonly httpVersionMinor: number }
  statusCode: number
  readonly statusMessage: string | undefined
  sendDate: boolean
  shouldKeepAlive: boolean
  maxRequestsOnConnectionReached: boolean
  chunkedEncoding: boolean
  useChunkedEncodingByDefault: boolean
  readonly _hasBody: boolean
  _contentLength: number | null
  _removedConnection: boolean
  _removedContLen: boolean
  _removedTE: boolean
  _last: boolean
  /** Cleared by a `keep-alive` field of the application's. */
  _defaultKeepAlive: boolean
  /** Milliseconds and requests that `keep-alive` tells, where requests are counted. */
  readonly _keepAliveTimeout: number
  readonly _maxRequestsPerSocket: number
  [UNIQUE_HEADERS]?: ReadonlySet<string> | null
}

/** Fields as they are kept: name and value by lower-case name. */
export type KeptFields = Readonly<Record<string, readonly [string, OutgoingHttpHeader]>>

/** What a head says, while it is put together. */
interface Said {
  lines: string
  length: number
  /** The line of the length, which is among the lines. */
  lengthLine: string
  hasDate: boolean
  hasConnection: boolean
  hasCoding: boolean
  hasTrailer: boolean
}

/** Phrases of Node's that the engine has none or another for. */
const PHRASES = new Set(Object.entries(STATUS_CODES).filter(([code, phrase]) => reasonPhrase(Number(code)) !== phrase).map(([code]) => Number(code)))

const CLOSE = /(?:^|\W)close(?:$|\W)/i
const KEEPS = /^\s*keep-alive\s*$/i
const CHUNKED = /(?:^|\W)chunked(?:$|\W)/i

/** Whether a phrase has to be sent along: it isn't the engine's. */
function phraseOf(owner: HeadOwner): string | undefined {
  const { statusCode, statusMessage } = owner
  const usual = STATUS_CODES[statusCode]
  const phrase = statusMessage === undefined ? (usual ?? 'unknown') : statusMessage
  return phrase === usual && !PHRASES.has(statusCode) ? undefined : phrase
}

/** The head of a response from the fields that `setHeader` has kept, which were checked there. */
export function headOfKept(owner: HeadOwner, fields: KeptFields | null, isHttp2: boolean): AnswerHead {
  const said = nothingSaid()
  if (fields !== null) {
    for (const key in fields) {
      const [name, value] = fields[key]!
      put(owner, said, key, name, value, isHttp2)
    }
  }
  return finish(owner, said)
}

/** The head of a response from what `writeHead` was given. */
export function headOfGiven(owner: HeadOwner, given: unknown, isHttp2: boolean): AnswerHead {
  const said = nothingSaid()
  eachField(given, (name, value) => {
    validateHeaderName(name)
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string)
    put(owner, said, name.toLowerCase(), name, value, isHttp2)
  })
  return finish(owner, said)
}

/** Throws for what `writeEarlyHints` was given and can't be sent. What else is wrong with it Node says. */
export function checkHints(hints: unknown): void {
  if (typeof hints !== 'object' || hints === null) return
  for (const [name, value] of Object.entries(hints)) {
    if (value === null || value === undefined) continue
    validateHeaderName(name)
    validateHeaderValue(name, String(value))
  }
}

function nothingSaid(): Said {
  return { lines: '', length: -1, lengthLine: '', hasDate: false, hasConnection: false, hasCoding: false, hasTrailer: false }
}

function eachField(given: unknown, take: (name: string, value: OutgoingHttpHeader) => void): void {
  if (given === null || given === undefined) return
  if (!Array.isArray(given)) {
    const fields = given as Record<string, OutgoingHttpHeader>
    for (const name in fields) if (Object.hasOwn(fields, name)) take(name, fields[name]!)
  } else if (given.length > 0 && Array.isArray(given[0])) {
    for (const [name, value] of given as [string, OutgoingHttpHeader][]) take(name, value)
  } else {
    if (given.length % 2 !== 0) {
      throw invalidValue('headers', given)
    }
    for (let at = 0; at < given.length; at += 2) take(given[at] as string, given[at + 1] as OutgoingHttpHeader)
  }
}

/** Adds a field; `key` is its name in lower case. */
function put(owner: HeadOwner, said: Said, key: string, name: string, value: OutgoingHttpHeader, isHttp2: boolean): void {
  if (typeof value === 'string' && !isSpecial(key)) {
    said.lines += `${name}: ${value}\r\n`
    return
  }
  putRare(owner, said, key, name, value, isHttp2)
}

/** Whether a field of that name says something about the message or its connection. All such names begin alike. */
function isSpecial(key: string): boolean {
  switch (key) {
    case 'connection':
    case 'content-length':
    case 'transfer-encoding':
    case 'date':
    case 'trailer':
    case 'keep-alive':
    case 'cookie':
    case 'content-disposition':
    case 'proxy-connection':
    case 'upgrade':
      return true
    default:
      return false
  }
}

function putRare(owner: HeadOwner, said: Said, key: string, name: string, value: OutgoingHttpHeader, isHttp2: boolean): void {
  if (Array.isArray(value) && !isJoined(owner, key, value)) {
    for (const one of value) putOne(owner, said, key, name, one, isHttp2)
  } else putOne(owner, said, key, name, Array.isArray(value) ? value.join('; ') : String(value), isHttp2)
}

/** Whether several values of one field are sent as one. */
function isJoined(owner: HeadOwner, key: string, values: readonly string[]): boolean {
  return (values.length >= 2 && key === 'cookie') || owner[UNIQUE_HEADERS]?.has(key) === true
}

function putOne(owner: HeadOwner, said: Said, key: string, name: string, value: string, isHttp2: boolean): void {
  switch (key) {
    case 'connection':
      // Where the request says the close, the application can't have the connection stay.
      if (!owner.shouldKeepAlive && KEEPS.test(value)) return
      said.hasConnection = true
      owner._removedConnection = false
      if (CLOSE.test(value)) owner._last = true
      else owner.shouldKeepAlive = true
      if (isHttp2) return
      break
    case 'keep-alive':
      owner._defaultKeepAlive = false
      if (isHttp2) return
      break
    case 'proxy-connection':
    case 'upgrade':
      // RFC 9113 §8.2.2: HTTP/2 has no fields about the connection.
      if (isHttp2) return
      break
    case 'content-length':
      return putLength(owner, said, name, value, isHttp2)
    case 'transfer-encoding':
      return putCoding(owner, said, name, value)
    case 'date':
      said.hasDate = true
      break
    case 'trailer':
      said.hasTrailer = true
      break
    case 'content-disposition':
      // As Node does: a name with other than ASCII characters is sent as latin1 where there is a length.
      if (owner._contentLength !== null) {
        said.lines += `${name}: ${Buffer.from(value, 'latin1').toString('latin1')}\r\n`
        return
      }
  }
  said.lines += `${name}: ${value}\r\n`
}

/** A length that is none isn't sent, nor is a second one, or one of a message that has none. RFC 9110 §8.6. */
function putLength(owner: HeadOwner, said: Said, name: string, value: string, isHttp2: boolean): void {
  owner._contentLength = Number(value)
  owner._removedContLen = false
  if (!/^\d{1,15}$/.test(String(value).trim()) || said.length >= 0) return
  said.length = Number(value)
  if (isHttp2 || owner.statusCode === 204 || owner.statusCode === 205) return
  said.lengthLine = `${name}: ${value}\r\n`
  said.lines += said.lengthLine
}

/** Behind other codings than `chunked` the engine adds its own line. RFC 9112 §6.1. */
function putCoding(owner: HeadOwner, said: Said, name: string, value: string): void {
  owner._removedTE = false
  owner.chunkedEncoding = true
  // Nor are there codings in HTTP/1.0, whose responses end with the connection.
  if (owner.req.httpVersionMajor !== 1 || owner.req.httpVersionMinor === 0 || owner.statusCode === 204 || owner.statusCode === 304) return
  const codings = value.split(',').map((coding) => coding.trim()).filter((coding) => coding !== '' && !/^identity$/i.test(coding))
  const others = codings.filter((coding) => !CHUNKED.test(coding))
  if (others.length === codings.length - 1 && CHUNKED.test(codings.at(-1)!) && !said.hasCoding) {
    said.hasCoding = true
    said.lines += `${name}: ${value}\r\n`
  } else if (others.length > 0) said.lines += `${name}: ${others.join(', ')}\r\n`
}

/** Decides about the length, the coding and the end of the connection. */
function finish(owner: HeadOwner, said: Said): AnswerHead {
  if (owner.chunkedEncoding && (owner.statusCode === 204 || owner.statusCode === 304)) {
    owner.chunkedEncoding = false
    owner.shouldKeepAlive = false
  }
  if (!owner.shouldKeepAlive) owner._last = true
  let isUntilClose = false
  if (said.length < 0 && !owner.chunkedEncoding && owner._hasBody) {
    const isKnown = !said.hasTrailer && !owner._removedContLen && typeof owner._contentLength === 'number'
    if (!owner.useChunkedEncodingByDefault || (!isKnown && owner._removedTE)) isUntilClose = owner._last = true
    else if (!isKnown) owner.chunkedEncoding = true
  }
  if (!owner.chunkedEncoding && said.hasTrailer) throw nodeError('ERR_HTTP_TRAILER_INVALID')
  // A length beside chunks is none. RFC 9112 §6.2.
  if (owner.chunkedEncoding && said.lengthLine !== '') said.lines = said.lines.replace(said.lengthLine, '')
  const lines = said.lines + connectionLines(owner, said)
  let flags = owner._last ? AnswerFlag.Close : 0
  if (said.hasConnection || owner._removedConnection) flags |= AnswerFlag.OwnConnection
  else if (lines !== said.lines) flags |= AnswerFlag.OwnKeepAlive
  // Of a HEAD whose body isn't known yet nothing is said.
  const isUnknown = !owner._hasBody && owner.statusCode !== 205 && said.length < 0 && typeof owner._contentLength !== 'number'
  if (owner.chunkedEncoding ? said.hasCoding : said.lengthLine !== '' || isUnknown) flags |= AnswerFlag.OwnFraming
  if (isUntilClose) flags |= AnswerFlag.UntilClose
  const reason = phraseOf(owner)
  if (reason !== undefined) flags |= AnswerFlag.Reason
  if (said.hasDate || !owner.sendDate) flags |= AnswerFlag.OwnDate
  return { status: owner.statusCode, reason, lines, length: owner.chunkedEncoding ? -1 : said.length, flags }
}

/** What is said of the connection where the engine would say something else; else nothing. */
function connectionLines(owner: HeadOwner, { hasConnection }: Said): string {
  if (hasConnection || owner._removedConnection || owner._last) return ''
  // As with Node, that doesn't close it: further requests get a 503.
  if (owner.maxRequestsOnConnectionReached) return 'Connection: close\r\n'
  if (!owner._defaultKeepAlive) return 'Connection: keep-alive\r\n'
  const most = Math.trunc(owner._maxRequestsPerSocket)
  if (most <= 0) return ''
  return `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(owner._keepAliveTimeout / 1000)}, max=${most}\r\n`
}
