/**
 * Openers shared by the specs: a server on a free port, and a connection that speaks raw bytes.
 */
import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { HttpServer, Response, silentLogger } from '../src/index.ts'
import type { Client, Handler, Listen, Request, ServerSettings } from '../src/index.ts'

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

  /** Waits until what came so far satisfies a test; fails with what came when the connection ends first. */
  async until(test: (received: string) => boolean): Promise<string> {
    while (!test(this.received)) {
      if (this.socket.closed || this.socket.readableEnded) throw new Error(`closed after: ${JSON.stringify(this.received)}`)
      await this.#any('data', 'close', 'end')
    }
    return this.received
  }

  /** Everything up to the end of the connection. */
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

/** A started server that stops with the test. */
export async function open(
  t: ExecutionContext,
  handler: Handler,
  settings: ServerSettings = {},
  listen: Listen = 'localhost:0',
): Promise<{ server: HttpServer; port: number; connect: () => Promise<Wire> }> {
  const server = new HttpServer(listen, handler, { logger: silentLogger, ...settings })
  await server.start()
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
  })
  const port = server.getServers()[0]?.getPort() ?? 0
  const connect = async (): Promise<Wire> => {
    const socket = openSocket({ port, host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return new Wire(socket)
  }
  return { server, port, connect }
}

/** A request in the hands of a test. */
export interface Held {
  readonly request: Request
  readonly client: Client
  answer(response: Response): void
}

/** A server whose handler hands every request to the test, and answers when the test does. */
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

/** Resolves when a condition holds; looks at it once per round of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** How often a text stands in another. */
export function count(text: string, part: string): number {
  return text.split(part).length - 1
}

/** A GET that keeps the connection. */
export const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** A GET that asks for the connection to be closed. */
export const LAST_GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
