/**
 * One connection of a differential spec: bytes in, responses out as values that can be compared.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { IS_TLS } from '../transport.ts'

/** A response as a client has read it. */
export interface Received {
  /** The status line. */
  readonly line: string
  /** Fields in their order; the names that a server writes itself are in lower case. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  /** What ends the body: its length, chunks, the connection, or nothing. */
  readonly framing: 'length' | 'chunked' | 'close' | 'none'
}

/** Fields that servers write themselves, whose place among the others and whose case are theirs. */
const SERVERS_OWN = new Set(['connection', 'keep-alive', 'content-length', 'transfer-encoding'])

/** Milliseconds after which a response won't come any more. */
const PATIENCE = 20_000

interface Head {
  readonly line: string
  readonly pairs: readonly (readonly [name: string, value: string])[]
  readonly rest: string
}

function headOf(text: string): Head | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [line = '', ...lines] = text.slice(0, end).split('\r\n')
  return { line, pairs: lines.map(pairOf), rest: text.slice(end + 4) }
}

function pairOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

/** Those that the application wrote as they came, then the server's own by name. The date alone isn't compared. */
function comparable(pairs: Head['pairs']): string[] {
  const named = pairs.filter(([name]) => name.toLowerCase() !== 'date')
  const own = named.filter(([name]) => SERVERS_OWN.has(name.toLowerCase()))
  const others = named.filter(([name]) => !SERVERS_OWN.has(name.toLowerCase()))
  return [...others.map((pair) => pair.join(': ')), ...own.map(([name, value]) => `${name.toLowerCase()}: ${value}`).toSorted()]
}

/** Reads one response from the text of a connection; null while it isn't whole. `isOver` says that no more comes. */
export function readResponse(text: string, method: string, isOver: boolean): { response: Received; rest: string } | null {
  const head = headOf(text)
  if (head === null) return null
  const { line, pairs } = head
  const valueOf = (wanted: string): string | undefined => pairs.find(([name]) => name.toLowerCase() === wanted)?.[1]
  const made = (body: string, rest: string, framing: Received['framing'], trailers: string[] = []): { response: Received; rest: string } => ({
    response: { line, fields: comparable(pairs), body, trailers, framing },
    rest,
  })
  const status = Number(line.split(' ')[1])
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return made('', head.rest, 'none')
  if (valueOf('transfer-encoding')?.endsWith('chunked') === true) {
    const chunked = readChunked(head.rest)
    return chunked === null ? null : made(chunked.body, chunked.rest, 'chunked', chunked.trailers)
  }
  const length = Number(valueOf('content-length') ?? Number.NaN)
  if (Number.isNaN(length)) return isOver ? made(head.rest, '', 'close') : null
  if (head.rest.length >= length) return made(head.rest.slice(0, length), head.rest.slice(length), 'length')
  return isOver ? made(`${head.rest} [cut]`, '', 'length') : null
}

function readChunked(text: string): { body: string; rest: string; trailers: string[] } | null {
  let body = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) return null
    const size = Number.parseInt(text.slice(at, end), 16)
    if (Number.isNaN(size)) return { body: `${body} [no chunk: ${text.slice(at)}]`, rest: '', trailers: [] }
    if (size === 0) {
      const last = text.indexOf('\r\n\r\n', end - 2)
      const lines = text.slice(end + 2, Math.max(end, last)).split('\r\n').filter((line) => line !== '')
      return last < 0 ? null : { body, rest: text.slice(last < end + 2 ? end + 4 : last + 4), trailers: lines }
    }
    const next = end + 2 + size + 2
    if (text.length < next) return null
    body += text.slice(end + 2, end + 2 + size)
    at = next
  }
}

/** Text of a connection without dates, the fields of the server's own in lower case. */
function plain(text: string): string {
  return text.replaceAll(/^date: .*\r\n/gim, '').replaceAll(/^(?:connection|keep-alive|content-length|transfer-encoding):/gim, (name) => name.toLowerCase())
}

/** One raw connection. */
export class Dialogue {
  readonly socket: Socket
  /** What TLS is spoken on. */
  readonly #connection: Socket
  received = ''
  /** How the connection has ended; null while it is open. */
  ending: 'end' | 'reset' | null = null

  constructor(socket: Socket, connection = socket) {
    this.socket = socket
    this.#connection = connection
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (this.received += text))
    socket.on('end', () => (this.ending ??= 'end'))
    socket.on('error', () => (this.ending = 'reset'))
    socket.on('close', () => (this.ending ??= 'end'))
  }

  static async dial(port: number): Promise<Dialogue> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    if (!IS_TLS) return new Dialogue(socket)
    // The types don't have the option of streams.
    const halfOpen = { allowHalfOpen: true } as object
    const secured = tls.connect({ socket, rejectUnauthorized: false, ...halfOpen })
    await once(secured, 'secureConnect')
    return new Dialogue(secured, socket)
  }

  send(text: string): this {
    if (this.socket.writable) this.socket.write(text, 'latin1')
    return this
  }

  /** Waits until `isEnough`, or the end of the connection. */
  async until(isEnough: (received: string) => boolean): Promise<string> {
    while (!isEnough(this.received) && this.ending === null) await this.#next()
    return this.received
  }

  /**
   * Takes the next response, and the informational ones before it; null when the connection ended without one, or
   * when none has come for too long.
   */
  async response(method: string): Promise<Received[] | null> {
    const informed: Received[] = []
    const timer = setTimeout(() => this.socket.destroy(), PATIENCE)
    try {
      return await this.#response(method, informed)
    } finally {
      clearTimeout(timer)
    }
  }

  async #response(method: string, informed: Received[]): Promise<Received[] | null> {
    for (;;) {
      const read = readResponse(this.received, method, this.ending !== null)
      if (read !== null) {
        this.received = read.rest
        if (!/^HTTP\/1\.1 1(?!01)/.test(read.response.line)) return [...informed, read.response]
        informed.push(read.response)
      } else if (this.ending !== null) return null
      else await this.#next()
    }
  }

  /** Waits for the end of the connection; says how it ended, and what came before. */
  async end(): Promise<string> {
    await this.until(() => false)
    this.socket.destroy()
    return `${plain(this.received)} [${this.ending}]`
  }

  /** Ends our sending side. */
  halfClose(): this {
    this.socket.end()
    return this
  }

  close(): void {
    this.socket.destroy()
  }

  reset(): void {
    this.#connection.resetAndDestroy()
  }

  async #next(): Promise<void> {
    const done = new AbortController()
    await Promise.race(['data', 'end', 'close'].map((event) => once(this.socket, event, { signal: done.signal }))).catch(() => {})
    done.abort()
  }
}
