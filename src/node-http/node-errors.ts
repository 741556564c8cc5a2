/**
 * Errors as Node's own modules throw them: applications and libraries look at their codes.
 */
import { getSystemErrorMap, inspect } from 'node:util'
import type { Unparsed } from '../server/refusals.ts'

type ErrorClass = new (message: string) => Error

const MESSAGES = {
  ERR_HTTP_HEADERS_SENT: (what: string) => `Cannot ${what} headers after they are sent to the client`,
  ERR_HTTP_INVALID_STATUS_CODE: (code: string) => `Invalid status code: ${code}`,
  ERR_HTTP_TRAILER_INVALID: () => 'Trailers are invalid with this transfer encoding',
  ERR_HTTP_BODY_NOT_ALLOWED: () => 'Adding content for this request method or response status is not allowed.',
  ERR_HTTP_SOCKET_ENCODING: () => 'Changing the socket encoding is not allowed per RFC7230 Section 3.',
  ERR_HTTP_SOCKET_ASSIGNED: () => 'ServerResponse has an already assigned socket',
  ERR_INVALID_CHAR: (where: string) => `Invalid character in ${where}`,
  ERR_SERVER_ALREADY_LISTEN: () => 'Listen method has been called more than once without closing.',
  ERR_SERVER_NOT_RUNNING: () => 'Server is not running.',
  ERR_STREAM_ALREADY_FINISHED: (what: string) => `Cannot call ${what} after a stream was finished`,
  ERR_STREAM_DESTROYED: (what: string) => `Cannot call ${what} after a stream was destroyed`,
  ERR_STREAM_NULL_VALUES: () => 'May not write null values to stream',
  ERR_STREAM_WRITE_AFTER_END: () => 'write after end',
} as const

const CLASSES: Partial<Record<keyof typeof MESSAGES, ErrorClass>> = {
  ERR_HTTP_INVALID_STATUS_CODE: RangeError,
  ERR_INVALID_CHAR: TypeError,
  ERR_STREAM_NULL_VALUES: TypeError,
}

/** Node's error with a code. `detail` is the part of its message that varies. */
export function nodeError(code: keyof typeof MESSAGES, detail = ''): NodeJS.ErrnoException {
  const Class = CLASSES[code] ?? Error
  return withCode(new Class(MESSAGES[code](detail)), code)
}

/** The error for a chunk that is neither text nor bytes. */
export function invalidChunk(chunk: unknown): NodeJS.ErrnoException {
  return invalidType('chunk', 'string or an instance of Buffer or Uint8Array', chunk)
}

function invalidType(name: string, expected: string, value: unknown): NodeJS.ErrnoException {
  return withCode(new TypeError(`The "${name}" argument must be of type ${expected}. Received ${received(value)}`), 'ERR_INVALID_ARG_TYPE')
}

/** The error for an argument whose value can't be. */
export function invalidValue(name: string, value: unknown): NodeJS.ErrnoException {
  return withCode(new TypeError(`The argument '${name}' is invalid. Received ${inspect(value)}`), 'ERR_INVALID_ARG_VALUE')
}

/** Throws for what Node's sockets don't take as a timeout, in milliseconds, or as its callback. */
export function checkTimeout(millis: unknown, callback: unknown): void {
  if (typeof millis !== 'number') throw invalidType('msecs', 'number', millis)
  if (!(millis >= 0 && Number.isFinite(millis))) {
    throw withCode(new RangeError(`The value of "msecs" is out of range. It must be a non-negative finite number. Received ${millis}`), 'ERR_OUT_OF_RANGE')
  }
  if (callback !== undefined && typeof callback !== 'function') throw invalidType('callback', 'function', callback)
}

/** A value as Node's messages describe it. */
function received(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value !== 'object') return `type ${typeof value} (${inspect(value).slice(0, 28)})`
  const name = (value as { constructor?: { name?: string } }).constructor?.name
  return name === undefined || name === '' ? inspect(value, { depth: -1 }) : `an instance of ${name}`
}

/** The error for a body that isn't as long as its content-length. */
export function lengthMismatch(bytes: number, length: number): NodeJS.ErrnoException {
  const message = `Response body's content-length of ${bytes} byte(s) does not match the content-length of ${length} byte(s) set in header`
  return withCode(new Error(message), 'ERR_HTTP_CONTENT_LENGTH_MISMATCH')
}

/** The error of a request whose client has disconnected. */
export function connectionReset(message = 'aborted'): NodeJS.ErrnoException {
  return withCode(new Error(message), 'ECONNRESET')
}

/** Codes of Node's parser by those of ours. Where Node has no such rule, the code of a neighbouring one. */
const PARSE_CODES: Readonly<Record<string, string>> = {
  BUSBAR_SYNTAX_METHOD: 'HPE_INVALID_METHOD',
  BUSBAR_UNKNOWN_METHOD: 'HPE_INVALID_METHOD',
  BUSBAR_TLS_ON_PLAIN_PORT: 'HPE_INVALID_METHOD',
  BUSBAR_PROXY_HEADER_UNEXPECTED: 'HPE_INVALID_METHOD',
  BUSBAR_HEAD_CUT: 'HPE_INVALID_EOF_STATE',
  BUSBAR_SYNTAX_TARGET: 'HPE_INVALID_URL',
  BUSBAR_TARGET: 'HPE_INVALID_URL',
  BUSBAR_SYNTAX_VERSION: 'HPE_INVALID_CONSTANT',
  BUSBAR_VERSION: 'HPE_INVALID_VERSION',
  BUSBAR_SYNTAX_FIELD: 'HPE_INVALID_HEADER_TOKEN',
  BUSBAR_SYNTAX_CONTENT_LENGTH: 'HPE_INVALID_CONTENT_LENGTH',
  BUSBAR_CONTENT_LENGTH: 'HPE_INVALID_CONTENT_LENGTH',
  BUSBAR_SYNTAX_LENGTH_AND_ENCODING: 'HPE_UNEXPECTED_CONTENT_LENGTH',
  BUSBAR_SYNTAX_TRANSFER_ENCODING: 'HPE_INVALID_TRANSFER_ENCODING',
  BUSBAR_UNKNOWN_ENCODING: 'HPE_INVALID_TRANSFER_ENCODING',
  BUSBAR_EMPTY_ENCODING: 'HPE_INVALID_TRANSFER_ENCODING',
  BUSBAR_ENCODING_IN_HTTP10: 'HPE_INVALID_TRANSFER_ENCODING',
  BUSBAR_SYNTAX_CHUNK: 'HPE_INVALID_CHUNK_SIZE',
  BUSBAR_SYNTAX_LINE_END: 'HPE_LF_EXPECTED',
  BUSBAR_SYNTAX_LINE: 'HPE_STRICT',
  BUSBAR_HTTP2_PREFACE: 'HPE_PAUSED_H2_UPGRADE',
  BUSBAR_EXTENSIONS_TOO_LARGE: 'HPE_CHUNK_EXTENSIONS_OVERFLOW',
}
const STATUS_CODES: Readonly<Record<number, string>> = { 408: 'ERR_HTTP_REQUEST_TIMEOUT', 414: 'HPE_HEADER_OVERFLOW', 431: 'HPE_HEADER_OVERFLOW' }

/** Words of Node's parser for codes that say all there is to say. */
const PARSE_WORDS: Readonly<Record<string, string>> = {
  HPE_INVALID_METHOD: 'Invalid method encountered',
  HPE_INVALID_VERSION: 'Invalid HTTP version',
  HPE_HEADER_OVERFLOW: 'Header overflow',
  HPE_INVALID_CHUNK_SIZE: 'Invalid character in chunk size',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'Chunk extensions overflow',
}

/** The error of bytes that were refused with a status, for a reason with its code in parentheses. */
export function parseError(status: number, reason: string): NodeJS.ErrnoException {
  const [, ours = reason, code = ''] = /^(?:a request of .* was refused: )?(.*) \((BUSBAR_\w+)/s.exec(reason) ?? []
  const nodes = STATUS_CODES[status] ?? PARSE_CODES[code] ?? 'HPE_INVALID_CONSTANT'
  const words = PARSE_WORDS[nodes] ?? ours
  const error = withCode(new Error(status === 408 ? 'Request timeout' : `Parse Error: ${words}`), nodes)
  return status === 408 ? error : Object.assign(error, { reason: words })
}

/** The error of bytes that the application hears of. */
export interface UnparsedError extends NodeJS.ErrnoException {
  /** How many of them were parsed. */
  readonly bytesParsed: number
  /** All of them. */
  readonly rawPacket: Buffer
}

/** The same of bytes that the engine has handed over. */
export function unparsedError(status: number, { text, parsed, packet }: Unparsed): UnparsedError {
  return Object.assign(parseError(status, text), { bytesParsed: parsed, rawPacket: packet })
}

/** The error of a connection whose TLS has failed, for a reason that has its code. */
export function tlsError(reason: string): NodeJS.ErrnoException {
  const [, code = 'ECONNRESET', detail = reason] = /failed: (\w+): (.*)$/s.exec(reason) ?? []
  return Object.assign(withCode(new Error(detail), code), { reason: detail })
}

/** The error of a failed `listen`, by the system's name of the error. */
export function listenFailure(code: string, address: string, port: number | null): NodeJS.ErrnoException {
  const [errno, text] = systemError(code)
  const place = port === null ? address : `${address}:${port}`
  const error = withCode(new Error(`listen ${code}: ${text} ${place}`), code)
  Object.assign(error, { errno, syscall: 'listen', address }, port === null ? {} : { port })
  return error
}

function systemError(code: string): [number, string] {
  for (const [errno, [name, text]] of getSystemErrorMap()) if (name === code) return [errno, text]
  return [-1, 'unknown error']
}

function withCode(error: Error, code: string): NodeJS.ErrnoException {
  const coded: NodeJS.ErrnoException = error
  coded.code = code
  // As with Node's own, the first line of the stack has the code, which the message hasn't.
  if (code.startsWith('ERR_')) error.stack = error.stack?.replace(error.name, `${error.name} [${code}]`) ?? ''
  return coded
}

/** Throws what the application has thrown, in a place where it is uncaught. */
export function rethrow(error: unknown): never {
  throw error
}

/** Makes an error of the application an uncaught exception, in its context. The code that runs continues first. */
export function throwLater(error: unknown): void {
  process.nextTick(rethrow, error)
}
