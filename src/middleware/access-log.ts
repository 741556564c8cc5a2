/**
 * The access log: a line for each finished answer, written to stdout in batches. What comes from clients is escaped,
 * so that it can neither forge lines nor command a terminal.
 */
import { escapeLine } from '../core/logger.ts'
import { withoutContext } from '../core/no-context.ts'
import type { Request } from '../message/request.ts'
import type { Outcome } from '../message/response-end.ts'
import type { SocketAddress } from '../net/socket-address.ts'

/** A finished answer, as `onResponse` is given it. */
export interface FinishedResponse {
  /** The request; null when what the client sent wasn't one. */
  readonly request: Request | null
  /** The client's address; null when it is unknown, as after a close. */
  readonly remoteAddress: SocketAddress | null
  /** The status that was sent; null when the client got no answer. */
  readonly status: number | null
  /** Bytes of the body that were sent, without their framing. */
  readonly bytesSent: number
  /** Milliseconds from the dispatch of the request to the end of its answer. */
  readonly duration: number
  /** How it ended. */
  readonly outcome: Outcome
}

/** What the access log knows of one answer. */
export interface AccessLogEntry {
  /** When the answer ended. */
  readonly time: Date
  /** The client's address, without its port; null when it is unknown. */
  readonly remoteAddress: string | null
  /** Method, target, version and fields are null when what the client sent was no request. */
  readonly method: string | null
  readonly target: string | null
  readonly protocolVersion: string | null
  readonly referer: string | null
  readonly userAgent: string | null
  /** Null when the client got no answer. */
  readonly status: number | null
  /** Bytes of the body that were sent. */
  readonly bytesSent: number
  /** Milliseconds from the dispatch of the request to the end of its answer. */
  readonly duration: number
  readonly outcome: Outcome
}

/**
 * The format `combined` of Apache and nginx, a JSON object a line, or a function that is given each entry.
 *
 * @example new HttpServer(8080, handler, { accessLog: 'combined' })
 */
export type AccessLog = 'combined' | 'json' | ((entry: AccessLogEntry) => void)

/** Bytes that are gathered at most before they are written. */
const BATCH = 64 * 1024
/** Milliseconds that a line may wait for others. */
const WAIT = 100
/** Bytes that may wait for a slow reader of stdout; further lines are dropped and counted. */
const MOST_UNREAD = 16 * 1024 * 1024
/** The status that nginx logs for clients who left without an answer: tools expect a number. */
const NO_ANSWER = 499
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The hook that writes the access log. */
export function accessLogHook(log: AccessLog): (response: FinishedResponse) => void {
  if (typeof log === 'function') return (response) => log(entryOf(response))
  const format = log === 'json' ? asJson : asCombined
  return (response) => output.add(format(response, Date.now()))
}

function entryOf({ request, remoteAddress, status, bytesSent, duration, outcome }: FinishedResponse): AccessLogEntry {
  return {
    time: new Date(),
    remoteAddress: remoteAddress?.getHost() ?? null,
    method: request?.getMethod() ?? null,
    target: request?.getTarget() ?? null,
    protocolVersion: request?.getProtocolVersion() ?? null,
    referer: request?.getHeader('referer') ?? null,
    userAgent: request?.getHeader('user-agent') ?? null,
    status,
    bytesSent,
    duration,
    outcome,
  }
}

/** A JSON object in ASCII, with the members of an entry. `now` is Unix time in milliseconds. */
function asJson({ request, remoteAddress, status, bytesSent, duration, outcome }: FinishedResponse, now: number): string {
  const client = `"remoteAddress":${jsonOf(remoteAddress?.getHost())},"method":${jsonOf(request?.getMethod())},"target":${jsonOf(request?.getTarget())}`
  const version = `"protocolVersion":${jsonOf(request?.getProtocolVersion())}`
  const fields = `"referer":${jsonOf(request?.getHeader('referer'))},"userAgent":${jsonOf(request?.getHeader('user-agent'))}`
  const answer = `"status":${status},"bytesSent":${bytesSent},"duration":${Math.round(duration * 1000) / 1000},"outcome":"${outcome}"`
  takeSecond(now)
  const time = `${iso}${String(now % 1000).padStart(3, '0')}Z`
  return `{"time":"${time}",${client},${version},${fields},${answer}}`
}

const NOT_PLAIN = /[^ !#-[\]-~]/

function jsonOf(text: string | null | undefined): string {
  if (text === null || text === undefined) return 'null'
  if (!NOT_PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The format `combined`. `now` is Unix time in milliseconds. */
function asCombined({ request, remoteAddress, status, bytesSent }: FinishedResponse, now: number): string {
  const line = request === null ? '-' : `${shown(request.getMethod())} ${shown(request.getTarget())} HTTP/${request.getProtocolVersion()}`
  const referer = request === null ? '-' : shown(request.getHeader('referer'))
  const userAgent = request === null ? '-' : shown(request.getHeader('user-agent'))
  const host = shown(remoteAddress?.getHost() || null)
  // The path of a unix socket may have a space, which would end the first column.
  const column = host.includes(' ') ? host.replaceAll(' ', '\\x20') : host
  takeSecond(now)
  return `${column} - - [${date}] "${line}" ${status ?? NO_ANSWER} ${bytesSent} "${referer}" "${userAgent}"`
}

function shown(value: string | null): string {
  if (value === null) return '-'
  // Few values have anything to escape, and a replacement takes longer than a search.
  return NOT_PLAIN.test(value) ? escapeLine(value) : value
}

/** The last second whose date was made, in both forms: it is that of many lines. */
let second = Number.NaN
let date = ''
let iso = ''

function takeSecond(now: number): void {
  const current = Math.floor(now / 1000)
  if (current === second) return
  second = current
  const time = new Date(now)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`
  date = `${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`
  iso = time.toISOString().slice(0, -4)
}

/** Stdout, to which all servers of the process write. */
class Output {
  #lines = ''
  #dropped = 0
  #timer: NodeJS.Timeout | null = null
  #isWatchingExit = false

  add(line: string): void {
    if (process.stdout.writableLength > MOST_UNREAD) {
      this.#dropped++
      return
    }
    this.#lines += `${line}\n`
    if (this.#lines.length >= BATCH) return this.flush()
    // An exit in the meantime writes what is left.
    if (!this.#isWatchingExit) process.once('exit', () => this.flush())
    this.#isWatchingExit = true
    this.#timer ??= withoutContext(() => setTimeout(() => this.flush(), WAIT).unref())
  }

  /** Writes what is gathered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const lines = this.#lines
    if (lines === '') return
    this.#lines = ''
    if (this.#dropped > 0) process.stderr.write(`busbar warning: ${this.#dropped} lines of the access log were dropped: stdout isn't read fast enough\n`)
    this.#dropped = 0
    process.stdout.write(lines)
  }
}

const output = new Output()
