/**
 * Openers shared by the specs: a server on a free port, and a connection for raw bytes.
 */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as openSocket } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as openTls } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, Response, silentLogger } from '../src/index.ts'
import type { Client, Handler, Listen, ListenObject, Logger, Request, ServerSettings } from '../src/index.ts'
import { Authority } from './authority.ts'
import { Http2Wire } from './http2-wire.ts'
import { IS_TLS } from './transport.ts'

export { IS_TLS }

/** With `BUSBAR_TEST_HTTP2=1` they speak HTTP/2: what a spec writes as HTTP/1 is sent as streams. */
export const IS_HTTP2 = process.env['BUSBAR_TEST_HTTP2'] === '1'

/** For tests of what HTTP/1 alone has. */
export const http1Test = (IS_HTTP2 ? test.skip : test) as typeof test

/** The certificate of the servers in such a run. */
const TLS = IS_TLS ? new Authority().issue() : null
// Clients other than `dial` take it as well.
if (IS_TLS) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'

/** What URLs of these servers begin with. */
export const SCHEME = IS_TLS ? 'https' : 'http'

/** What curl gets besides: its HTTP/2 is another matter. */
export const CURL: readonly string[] = IS_TLS ? ['--insecure', '--http1.1'] : []

/** For tests of what there is on plaintext alone, and of clients that can't be told to speak TLS or HTTP/2. */
export const plainTest = (IS_TLS || IS_HTTP2 ? test.skip : test) as typeof test

function withTls(listen: Listen): Listen {
  if (TLS === null) return listen
  const tls = { cert: TLS.cert, key: TLS.key }
  if (typeof listen === 'object') return { ...listen, tls: listen.tls ?? tls }
  const text = String(listen)
  if (text.startsWith('unix:')) return { path: text.slice(5), tls }
  const [, host, port] = /^(?:\[?([^\]]*?)\]?:)?(\d+)$/.exec(text) ?? []
  const address: ListenObject = host === undefined ? { port: Number(port) } : { host, port: Number(port) }
  return { ...address, tls }
}

/** A raw connection. */
export class Wire {
  readonly socket: Socket
  received = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (this.received += text))
    socket.on('error', () => {})
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** Waits until the received text satisfies `test`; fails with the text when the connection ends first. */
  async until(test: (received: string) => boolean): Promise<string> {
    while (!test(this.received)) {
      if (this.socket.closed || this.socket.readableEnded) throw new Error(`closed after: ${JSON.stringify(this.received)}`)
      await this.#any('data', 'close', 'end')
    }
    return this.received
  }

  /** All text up to the end of the connection. */
  async end(): Promise<string> {
    if (!this.socket.closed && !this.socket.readableEnded) {
      // A reset ends it as well.
      await this.#any('end', 'close').catch(() => {})
    }
    this.socket.destroy()
    return this.received
  }

  async #any(...events: string[]): Promise<void> {
    const done = new AbortController()
    await Promise.race(events.map((event) => once(this.socket, event, { signal: done.signal })))
    done.abort()
  }
}

/** A connection to an address, closed at the end of the test. */
export async function dial(t: ExecutionContext, target: NetConnectOpts): Promise<Wire> {
  const socket = await connectTo({ ...target, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  return new Wire(IS_HTTP2 ? (new Http2Wire(socket) as unknown as Socket) : socket)
}

/** The same to a server that was not opened here, and speaks plaintext. */
export async function dialPlain(t: ExecutionContext, target: NetConnectOpts): Promise<Wire> {
  const socket = openSocket({ ...target, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return new Wire(socket)
}

/** A socket for the bytes of HTTP, whose errors are ignored. ALPN is for TLS. */
export async function connectTo(target: NetConnectOpts, ALPNProtocols: string[] = []): Promise<Socket> {
  const socket = openSocket(target)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return IS_TLS ? secured(socket, ALPNProtocols) : socket
}

async function secured(socket: Socket, ALPNProtocols: string[]): Promise<Socket> {
  const secure = openTls({ socket, rejectUnauthorized: false, ALPNProtocols })
  secure.on('error', () => {})
  // Behind the handshake come the tickets. Unread bytes would turn a hang-up into a reset.
  await once(secure, 'session').catch((error: Error) => {
    socket.destroy()
    throw error
  })
  // Node sends nothing of what is written inside that event.
  await new Promise((resolve) => setImmediate(resolve))
  const destroy = secure.destroy.bind(secure)
  return Object.assign(secure, {
    // Node's own TLS has no reset, and Node 20 crashes when a listener of `data` destroys its socket.
    resetAndDestroy: () => socket.resetAndDestroy(),
    destroy: () => {
      setImmediate(destroy)
      return secure
    },
  })
}

/** Settings of a server to which such connections may speak. */
function withHttp2(settings: ServerSettings): ServerSettings {
  return IS_HTTP2 ? { http2Cleartext: true, ...settings } : settings
}

/** A started server, stopped at the end of the test. */
export async function open(
  t: ExecutionContext,
  handler: Handler,
  settings: ServerSettings = {},
  listen: Listen = 'localhost:0',
): Promise<{ server: HttpServer; port: number; connect: () => Promise<Wire> }> {
  const server = new HttpServer(withTls(listen), handler, { logger: silentLogger, ...withHttp2(settings) })
  await server.start()
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
  })
  const port = server.getServers()[0]?.getPort() ?? 0
  return { server, port, connect: () => dial(t, { port, host: '127.0.0.1' }) }
}

/** A request that a test answers. */
export interface Held {
  readonly request: Request
  readonly client: Client
  answer(response: Response): void
}

/** A server whose requests are answered by the test. */
export async function hold(t: ExecutionContext, settings: ServerSettings = {}, listen: Listen = '127.0.0.1:0') {
  const arrived: Held[] = []
  let tell = (): void => {}
  const opened = await open(
    t,
    (request) =>
      new Promise<Response>((answer) => {
        arrived.push({ request, client: request.getClient(), answer })
        tell()
      }),
    settings,
    listen,
  )
  const next = async (): Promise<Held> => {
    while (arrived.length === 0) await new Promise<void>((resolve) => (tell = resolve))
    return arrived.shift()!
  }
  return { ...opened, next, arrived }
}

/** Such a server with one request that has arrived, over `wire`. */
export async function holdOne(t: ExecutionContext, sent: string = GET, settings: ServerSettings = {}) {
  const opened = await hold(t, settings)
  const wire = (await opened.connect()).send(sent)
  return { ...opened, wire, ...(await opened.next()) }
}

/** Resolves when a client closes. */
export function closed(client: Client): Promise<void> {
  return new Promise((resolve) => void client.onClose(() => resolve()))
}

/** How a client can disconnect. A hang-up sends a reset when bytes are unread, otherwise a FIN. */
export const WAYS_TO_LEAVE = {
  'a FIN': (socket: Socket): unknown => ((socket as unknown) instanceof Http2Wire ? (socket as unknown as Http2Wire).leave() : socket.end()),
  'a reset': (socket: Socket): unknown => socket.resetAndDestroy(),
  'a hang-up': (socket: Socket): unknown => socket.destroy(),
}

/** A logger that keeps its lines of level error. */
export function keepErrors(): { logger: Logger; errors: { message: string; exception: unknown }[] } {
  const errors: { message: string; exception: unknown }[] = []
  const error: Logger['error'] = (message, context) => void errors.push({ message, exception: context?.['exception'] })
  return { logger: { ...silentLogger, error }, errors }
}

/** A directory that is removed at the end of the test. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

/** Number of open descriptors of the process, on Linux. */
export function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}

/** Resolves when a condition holds; checks it once per turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Resolves when a count has stayed the same for 100 ms at least: what raises it has stopped. */
export async function steady(read: () => number): Promise<void> {
  let seen = Number.NaN
  while (seen !== read()) {
    seen = read()
    for (let at = 0; at < 20; at++) await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Number of occurrences of a text in another. */
export function count(text: string, part: string): number {
  return text.split(part).length - 1
}

/** All bytes of a body, as text. */
export async function collected(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** A GET that keeps the connection open. */
export const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** A GET with `Connection: close`. */
export const LAST_GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** The head of a POST with a body of `length` bytes. */
export function postHead(length: number, ...fields: string[]): string {
  return ['POST / HTTP/1.1', 'Host: a', `Content-Length: ${length}`, ...fields, '\r\n'].join('\r\n')
}

/** The beginning of a POST with a chunked body; more fields, or the end of the head, follow. */
export const CHUNKED_POST = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n'
