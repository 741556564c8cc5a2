/**
 * From the fields that an application has set to the head that the engine sends.
 *
 * The engine writes the status line, `content-length` and `transfer-encoding` itself, `date` unless it is set, and
 * what is said of the connection. The rest is sent as it was given.
 */
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http'
import type { OutgoingHttpHeader } from 'node:http'
import { reasonPhrase } from '../http/status.ts'
import { AnswerFlag } from '../native.ts'
import type { AnswerHead } from './exchange.ts'
import { nodeError } from './node-errors.ts'
import { UNIQUE_HEADERS } from './symbols.ts'

/** What of a response decides about its head. */
export interface HeadOwner {
  statusCode: number
  statusMessage: string
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
  [UNIQUE_HEADERS]?: ReadonlySet<string> | null
}

/** Fields as they are kept: name and value by lower-case name. */
export type KeptFields = Readonly<Record<string, readonly [string, OutgoingHttpHeader]>>

/** What a head says, while it is put together. */
interface Said {
  lines: string
  length: number
  hasDate: boolean
  hasConnection: boolean
  hasCoding: boolean
  hasTrailer: boolean
}

/** Phrases of Node's that the engine has none or another for. */
const PHRASES = new Set(Object.entries(STATUS_CODES).filter(([code, phrase]) => reasonPhrase(Number(code)) !== phrase).map(([code]) => Number(code)))

const CLOSE = /(?:^|\W)close(?:$|\W)/i
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

function nothingSaid(): Said {
  return { lines: '', length: -1, hasDate: false, hasConnection: false, hasCoding: false, hasTrailer: false }
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
      const error: NodeJS.ErrnoException = new TypeError("The argument 'headers' is invalid: it must have an even length")
      error.code = 'ERR_INVALID_ARG_VALUE'
      throw error
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
      return putConnection(owner, said, value, isHttp2)
    case 'keep-alive':
      return
    case 'proxy-connection':
    case 'upgrade':
      // RFC 9113 §8.2.2: HTTP/2 has no fields about the connection.
      if (isHttp2) return
      break
    case 'content-length':
      owner._contentLength = Number(value)
      owner._removedContLen = false
      if (/^\d{1,15}$/.test(String(value).trim())) said.length = Number(value)
      return
    case 'transfer-encoding':
      owner._removedTE = false
      said.hasCoding = true
      // Behind other codings the engine adds its own. RFC 9112 §6.1.
      owner.chunkedEncoding = true
      if (CHUNKED.test(value) && !value.includes(',')) return
      value = value.split(',').filter((coding) => !CHUNKED.test(coding)).join(',').trim()
      if (value === '' || /^identity$/i.test(value)) return
      break
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

function putConnection(owner: HeadOwner, said: Said, value: string, isHttp2: boolean): void {
  said.hasConnection = true
  owner._removedConnection = false
  if (CLOSE.test(value)) owner._last = true
  else owner.shouldKeepAlive = true
  const rest = value.split(',').map((option) => option.trim()).filter((option) => !/^(?:close|keep-alive|)$/i.test(option))
  if (rest.length > 0 && !isHttp2) said.lines += `connection: ${rest.join(', ')}\r\n`
}

/** Decides about the length, the coding and the end of the connection. */
function finish(owner: HeadOwner, said: Said): AnswerHead {
  if (owner.chunkedEncoding && (owner.statusCode === 204 || owner.statusCode === 304)) {
    owner.chunkedEncoding = false
    owner.shouldKeepAlive = false
  }
  if (!owner.shouldKeepAlive || owner.maxRequestsOnConnectionReached) owner._last = true
  if (said.length < 0 && !said.hasCoding && owner._hasBody && owner.useChunkedEncodingByDefault) {
    const isKnown = !said.hasTrailer && !owner._removedContLen && typeof owner._contentLength === 'number'
    if (!isKnown && !owner._removedTE) owner.chunkedEncoding = true
  }
  if (!owner.chunkedEncoding && said.hasTrailer) throw nodeError('ERR_HTTP_TRAILER_INVALID')
  // With Node such a body ends with the connection. Here it has a length or chunks, and the connection ends all the same.
  const isUntilClose = said.length < 0 && owner._hasBody && !owner.chunkedEncoding && (owner._removedContLen || owner._removedTE || !owner.useChunkedEncodingByDefault)
  if (isUntilClose) owner._last = true
  let flags = owner._last ? AnswerFlag.Close : 0
  const reason = phraseOf(owner)
  if (reason !== undefined) flags |= AnswerFlag.Reason
  if (said.hasDate || !owner.sendDate) flags |= AnswerFlag.OwnDate
  return { status: owner.statusCode, reason, lines: said.lines, length: owner.chunkedEncoding ? -1 : said.length, flags }
}
