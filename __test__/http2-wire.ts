/**
 * A connection on which a test writes HTTP/1 and HTTP/2 is spoken: the specs that are about bodies and ends run over both.
 * Requests become streams, and their responses are written as HTTP/1 would, in the order of the requests.
 */
import { STATUS_CODES } from 'node:http'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** Fields of a connection, which HTTP/2 has none of. */
const OF_CONNECTION = new Set(['connection', 'host', 'keep-alive', 'transfer-encoding', 'upgrade'])
const BODILESS = new Set([204, 205, 304])
/** Refusals behind which a connection of HTTP/1 ends. */
const LAST = new Set([400, 408, 413, 414, 431])

type Headers = Record<string, string | string[] | number | undefined>

/** Name and value of a line. */
function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

/** Fields as Node's client takes them: those of one name together. */
function gathered(fields: readonly [string, string][]): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {}
  for (const [name, value] of fields) {
    const known = all[name]
    all[name] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value]
  }
  return all
}

/** One request, and what has come of its response. */
class Exchange {
  readonly stream: ClientHttp2Stream
  readonly isHead: boolean
  isLast: boolean
  /** Rendered, and not passed on yet: earlier responses come first. */
  pieces: Buffer[] = []
  isDone = false
  isReset = false

  constructor(stream: ClientHttp2Stream, isHead: boolean, isLast: boolean) {
    this.stream = stream
    this.isHead = isHead
    this.isLast = isLast
  }
}

/** See the file. */
export class Http2Wire extends Duplex {
  readonly #socket: Socket
  readonly #session: ClientHttp2Session
  #text = ''
  /** The request whose body is being written, and how many of its bytes are missing; -1 for chunks. */
  #sending: { exchange: Exchange; missing: number } | null = null
  readonly #exchanges: Exchange[] = []
  #isEnding = false
  /** Fields behind chunks. */
  #trailers: Record<string, string | string[]> = {}

  constructor(socket: Socket) {
    super({ allowHalfOpen: true, decodeStrings: true })
    this.#socket = socket
    this.#session = connect('http://a', { createConnection: () => socket, settings: { enablePush: false }, maxSendHeaderBlockLength: 16 * 1024 * 1024 } as object)
    this.#session.on('error', () => {})
    socket.on('error', () => {})
    socket.on('close', () => this.#ended())
    socket.on('end', () => this.#ended())
  }

  #ended(): void {
    setImmediate(() => {
      if (!this.readableEnded && !this.destroyed) this.push(null)
    })
  }

  /** Responses that were paused because the test doesn't read go on. */
  override _read(): void {
    for (const { stream } of this.#exchanges) stream.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const before = this.#exchanges.length
    this.#text += chunk.toString('latin1')
    while (this.#advance());
    // Node's client gives what it has of a new stream to the kernel at the end of this turn of the loop.
    if (this.#exchanges.length > before) setImmediate(() => setImmediate(done))
    else done()
  }

  /** Behind whole requests the connection ends when they are answered; otherwise it ends now. */
  override _final(done: () => void): void {
    if (this.#sending !== null || this.#text !== '' || this.#exchanges.length === 0) this.#socket.end()
    else this.#isEnding = true
    done()
  }

  /** Ends the connection now. */
  leave(): void {
    this.#socket.end()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  /** Small frames are sent at once. */
  setNoDelay(): void {}

  /** As a socket does it. */
  resetAndDestroy(): this {
    this.#socket.resetAndDestroy()
    return this.destroy()
  }

  /** Takes the next thing from what was written; false when it isn't complete. */
  #advance(): boolean {
    if (this.#text === '') return false
    if (this.#sending === null) return this.#takeHead()
    return this.#sending.missing < 0 ? this.#takeChunk() : this.#takeBytes()
  }

  #takeHead(): boolean {
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [first = '', ...lines] = this.#text.slice(0, end).split('\r\n')
    this.#text = this.#text.slice(end + 4)
    const [method = 'GET', target = '/'] = first.split(' ')
    const fields = lines.map(fieldOf)
    const valueOf = (name: string): string => fields.find((field) => field[0] === name)?.[1] ?? ''
    const pseudo = { ':method': method, ':path': target, ':authority': valueOf('host') || 'a' }
    const headers = { ...pseudo, ...gathered(fields.filter(([name]) => !OF_CONNECTION.has(name))) }
    const isChunked = valueOf('transfer-encoding') === 'chunked'
    const length = Number(valueOf('content-length') || 0)
    const hasBody = isChunked || length > 0
    const stream = this.#session.request(headers, { endStream: !hasBody, waitForTrailers: isChunked })
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers))
    const exchange = new Exchange(stream, method === 'HEAD', valueOf('connection') === 'close')
    this.#receive(exchange)
    this.#exchanges.push(exchange)
    if (hasBody) this.#sending = { exchange, missing: isChunked ? -1 : length }
    return true
  }

  #takeBytes(): boolean {
    const sending = this.#sending!
    const bytes = this.#text.slice(0, sending.missing)
    this.#text = this.#text.slice(bytes.length)
    sending.missing -= bytes.length
    const { stream } = sending.exchange
    if (!stream.writable) this.#sending = sending.missing === 0 ? null : sending
    else if (sending.missing > 0) stream.write(Buffer.from(bytes, 'latin1'))
    else {
      stream.end(Buffer.from(bytes, 'latin1'))
      this.#sending = null
    }
    return true
  }

  #takeChunk(): boolean {
    const end = this.#text.indexOf('\r\n')
    if (end < 0) return false
    const size = Number.parseInt(this.#text.slice(0, end), 16)
    const { stream } = this.#sending!.exchange
    if (Number.isNaN(size)) {
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      this.#text = ''
      return false
    }
    if (size === 0) {
      const last = this.#text.indexOf('\r\n\r\n', end)
      if (last < 0) return false
      const lines = this.#text.slice(end + 2, last).split('\r\n').filter((line) => line !== '')
      this.#trailers = gathered(lines.map(fieldOf))
      this.#text = this.#text.slice(last + 4)
      if (stream.writable) stream.end()
      this.#sending = null
      return true
    }
    if (this.#text.length < end + size + 4) return false
    if (stream.writable) stream.write(Buffer.from(this.#text.slice(end + 2, end + 2 + size), 'latin1'))
    this.#text = this.#text.slice(end + size + 4)
    return true
  }

  /** Renders the response of a stream. */
  #receive(exchange: Exchange): void {
    const { stream } = exchange
    let isChunked = false
    let trailers = ''
    const put = (text: string | Buffer): void => {
      exchange.pieces.push(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
      this.#flush()
    }
    const linesOf = (headers: Headers): string => {
      const pairs = Object.entries(headers).filter(([name]) => !name.startsWith(':'))
      return pairs.flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => `${name}: ${each}\r\n`)).join('')
    }
    const head = (headers: Headers, connection = ''): string => {
      return `HTTP/1.1 ${headers[':status']} ${STATUS_CODES[Number(headers[':status'])]}\r\n${connection}${linesOf(headers)}`
    }
    stream.on('headers', (headers: Headers) => put(`${head(headers)}\r\n`))
    stream.on('response', (headers: Headers) => {
      exchange.isLast ||= LAST.has(Number(headers[':status']))
      const hasNoLength = headers['content-length'] === undefined && !BODILESS.has(Number(headers[':status']))
      isChunked = hasNoLength && !exchange.isHead
      const connection = exchange.isLast ? 'connection: close\r\n' : 'connection: keep-alive\r\n'
      put(`${head(headers, connection)}${hasNoLength ? 'transfer-encoding: chunked\r\n' : ''}\r\n`)
    })
    stream.on('data', (bytes: Buffer) => {
      put(isChunked ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes)
    })
    stream.on('trailers', (fields: Headers) => (trailers = linesOf(fields)))
    stream.on('end', () => {
      if (isChunked && stream.rstCode === constants.NGHTTP2_NO_ERROR) put(`0\r\n${trailers}\r\n`)
    })
    stream.on('error', () => {})
    stream.on('close', () => {
      exchange.isReset = stream.rstCode !== constants.NGHTTP2_NO_ERROR
      exchange.isDone = true
      this.#flush()
    })
  }

  /** Passes on what is next in order. */
  #flush(): void {
    for (let exchange; (exchange = this.#exchanges[0]) !== undefined; ) {
      for (const piece of exchange.pieces) if (!this.readableEnded && !this.push(piece)) exchange.stream.pause()
      exchange.pieces = []
      if (!exchange.isDone) return
      this.#exchanges.shift()
      if (this.#isEnding && this.#exchanges.length === 0) this.#socket.end()
      // With HTTP/1 a response that is cut ends its connection.
      if (!exchange.isReset && !exchange.isLast) continue
      this.#exchanges.length = 0
      if (!this.readableEnded) this.push(null)
      this.#socket.end()
    }
  }
}
