/**
 * Clients of HTTP/2 that leave with streams in each state: every handler learns it, and every resource comes back.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import test from 'ava'
import { Response } from '../src/index.ts'
import type { Handler } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, dialFrames, frame, list, request } from './http2.ts'
import { WAYS_TO_LEAVE, open, openDescriptors, until } from './support.ts'

const HEADERS = END_HEADERS | END_STREAM
const TUNNEL = list([[':method', 'CONNECT'], [':protocol', 'echo'], [':scheme', 'http'], [':path', '/'], [':authority', 'a']])

/** What such a client has sent, and what its requests are answered with. */
interface Phase {
  readonly sends: Uint8Array
  /** Requests that reach the handler. */
  readonly requests: number
  readonly handler: (left: Promise<unknown>) => Promise<Response> | Response
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(64 * 1024)
}

const PHASES: Record<string, Phase> = {
  'within a header block': {
    sends: frame(Frame.Headers, END_STREAM, 1, request()),
    requests: 0,
    handler: () => new Response(204),
  },
  'while handlers run': {
    sends: Buffer.concat([frame(Frame.Headers, HEADERS, 1, request()), frame(Frame.Headers, HEADERS, 3, request())]),
    requests: 2,
    handler: (left) => left.then(() => new Response(204)),
  },
  'within bodies': {
    sends: Buffer.concat([1, 3].flatMap((stream) => [frame(Frame.Headers, END_HEADERS, stream, request('POST')), frame(Frame.Data, 0, stream, Buffer.alloc(100))])),
    requests: 2,
    handler: (left) => left.then(() => new Response(204)),
  },
  'behind a window that stays shut': {
    sends: Buffer.concat([frame(Frame.Headers, HEADERS, 1, request()), frame(Frame.Headers, HEADERS, 3, request())]),
    requests: 2,
    handler: () => new Response(200, {}, endless()),
  },
  'with sockets on its streams': {
    sends: Buffer.concat([frame(Frame.Headers, END_HEADERS, 1, TUNNEL), frame(Frame.Headers, END_HEADERS, 3, TUNNEL)]),
    requests: 2,
    handler: () => Response.detach((socket) => void socket.on('error', () => {}).resume()),
  },
}

for (const ioThreads of [0, 2]) {
  for (const [when, { sends, requests, handler }] of Object.entries(PHASES)) {
    test.serial(`90 clients that leave ${when} leave no resources, with ${ioThreads} threads`, async (t) => {
      let begun = 0
      let told = 0
      const handle: Handler = (of) => {
        begun++
        const signal = of.getSignal()
        const left = once(signal, 'abort').then(() => told++)
        // A body is read, so that its end is known.
        if (of.getMethod() === 'POST') of.text().catch(() => {})
        return handler(left)
      }
      const { server, port } = await open(t, handle, { http2Cleartext: true, extendedConnect: true, ioThreads }, '127.0.0.1:0')
      const visit = async (leave: (socket: Socket) => unknown): Promise<void> => {
        const wire = await dialFrames(t, port)
        wire.socket.setNoDelay()
        const expected = begun + requests
        wire.send(sends)
        if (requests > 0) await until(() => begun >= expected)
        const gone = new Promise((resolve) => wire.socket.once('close', resolve))
        leave(wire.socket)
        // After a FIN the server ends the connection; its remaining bytes are read.
        wire.socket.resume()
        wire.socket.on('end', () => wire.socket.destroy())
        await gone
      }
      await visit(WAYS_TO_LEAVE['a hang-up'])
      await until(() => server.getStatistics().connections === 0)
      const before = openDescriptors()
      for (const leave of Object.values(WAYS_TO_LEAVE)) for (let at = 0; at < 30; at++) await visit(leave)
      await until(() => openDescriptors() <= before && server.getStatistics().connections === 0)
      await until(() => server.getStatistics().runningHandlers === 0 && server.getStatistics().upgradedConnections === 0)
      t.is(begun, 91 * requests)
      if (!when.startsWith('with sockets')) await until(() => told === begun)
      t.pass()
    })
  }
}
