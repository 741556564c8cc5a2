/**
 * Openers for the specs of HTTP/2: sessions of Node's client, and connections for single frames.
 */
import { once } from 'node:events'
import { connect as openSession, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Handler, ServerSettings } from '../src/index.ts'
import { SCHEME, connectTo, hold, open } from './support.ts'

/** A response as Node's client has received it. */
export interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly trailers: IncomingHttpHeaders
}

/** A session of Node's client, closed at the end of the test. */
export async function session(t: ExecutionContext, port: number): Promise<ClientHttp2Session> {
  const opened = openSession(`${SCHEME}://127.0.0.1:${port}`)
  opened.on('error', () => {})
  t.teardown(() => opened.destroy())
  await once(opened, 'remoteSettings')
  return opened
}

/** A server that takes HTTP/2 without TLS, and a session with it. */
export async function openHttp2(t: ExecutionContext, handler: Handler, settings: ServerSettings = {}) {
  const opened = await open(t, handler, { http2Cleartext: true, ...settings }, '127.0.0.1:0')
  return { ...opened, client: await session(t, opened.port) }
}

/** The same with requests that the test answers. */
export async function holdHttp2(t: ExecutionContext, settings: ServerSettings = {}) {
  const held = await hold(t, { http2Cleartext: true, ...settings })
  return { ...held, session: await session(t, held.port) }
}

/** Begins a request. Its errors are those that the test awaits. */
export function begin(client: ClientHttp2Session, headers: OutgoingHttpHeaders = {}, endStream = true): ClientHttp2Stream {
  const stream = client.request({ ':path': '/', ...headers }, { endStream })
  stream.on('error', () => {})
  return stream
}

/** Sends a request and reads its whole response. Rejects when the stream is reset. */
export function send(client: ClientHttp2Session, headers: OutgoingHttpHeaders = {}, body?: string | Uint8Array): Promise<Received> {
  const stream = begin(client, headers, body === undefined)
  const received = receive(stream)
  if (body !== undefined) stream.end(body)
  return received
}

/** Reads the whole response of a stream. Rejects when it is reset. */
export async function receive(stream: ClientHttp2Stream): Promise<Received> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const pieces: Buffer[] = []
  stream.on('response', (received) => (headers = received))
  stream.on('trailers', (received) => (trailers = received))
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  await closed(stream)
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error(`reset with ${stream.rstCode}`)
  return { status: Number(headers[':status']), headers, text: Buffer.concat(pieces).toString('latin1'), trailers }
}

/** Resolves when a stream is closed, with the error code. */
export async function closed(stream: ClientHttp2Stream): Promise<number> {
  if (!stream.destroyed) await new Promise((resolve) => stream.once('close', resolve))
  return stream.rstCode ?? 0
}

/** Types of frames. RFC 9113 §6. */
export const Frame = { Data: 0, Headers: 1, Priority: 2, Reset: 3, Settings: 4, Ping: 6, GoAway: 7, WindowUpdate: 8, Continuation: 9 } as const

export const END_STREAM = 1
export const END_HEADERS = 4

/** One frame, as bytes. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A 32-bit number, as bytes. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A header list without compression: names and values below 127 bytes. */
export function list(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): number[] => [value.length, ...Buffer.from(value, 'latin1')]
  return Buffer.from(fields.flatMap(([name, value]) => [0x10, ...text(name), ...text(value)]))
}

/** The header list of a request. */
export const request = (method = 'GET', ...fields: [string, string][]): Buffer =>
  list([[':method', method], [':scheme', 'http'], [':path', '/'], [':authority', 'a'], ...fields])

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

interface ReceivedFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A connection on which a test writes frames by hand. Frames that arrive are kept. */
export class FrameWire {
  readonly socket: Socket
  readonly frames: ReceivedFrame[] = []
  #buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
  }

  #take(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    while (this.#buffer.length >= 9) {
      const end = 9 + this.#buffer.readUIntBE(0, 3)
      if (this.#buffer.length < end) return
      const payload = Buffer.from(this.#buffer.subarray(9, end))
      this.frames.push({ type: this.#buffer[3]!, flags: this.#buffer[4]!, stream: this.#buffer.readUInt32BE(5), payload })
      this.#buffer = this.#buffer.subarray(end)
    }
  }

  send(...frames: Uint8Array[]): this {
    this.socket.write(Buffer.concat(frames))
    return this
  }

  /** Resolves with the first frame that satisfies `test`; rejects when the connection ends before. */
  async until(test: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame> {
    for (;;) {
      const found = this.frames.find(test)
      if (found !== undefined) return found
      if (this.socket.readableEnded || this.socket.closed) throw new Error(`closed after ${JSON.stringify(this.frames)}`)
      const done = new AbortController()
      await Promise.race(['data', 'end', 'close'].map((event) => once(this.socket, event, { signal: done.signal })))
      done.abort()
    }
  }

  /** Reads to the end of the connection; the error code of the last GOAWAY, or -1. */
  async end(): Promise<number> {
    await this.until(() => false).catch(() => {})
    const last = this.frames.findLast(({ type }) => type === Frame.GoAway)
    return last?.payload.readUInt32BE(4) ?? -1
  }
}

/** A connection for frames, which has exchanged settings; closed at the end of the test. */
export async function dialFrames(t: ExecutionContext, port: number): Promise<FrameWire> {
  const socket = await connectTo({ port, host: '127.0.0.1' }, ['h2'])
  t.teardown(() => socket.destroy())
  const wire = new FrameWire(socket)
  wire.send(PREFACE, frame(Frame.Settings, 0, 0))
  await wire.until(({ type, flags }) => type === Frame.Settings && flags === 0)
  return wire.send(frame(Frame.Settings, 1, 0))
}
