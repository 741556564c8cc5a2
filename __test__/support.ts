/**
 * Openers shared by the specs: a server on a free port, and a connection that speaks raw bytes.
 */
import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { HttpServer, silentLogger } from '../src/index.ts'
import type { Handler, Listen, ServerSettings } from '../src/index.ts'

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
      await this.#any('end', 'close')
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

/** How often a text stands in another. */
export function count(text: string, part: string): number {
  return text.split(part).length - 1
}

/** A GET that asks for the connection to be closed. */
export const LAST_GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
