/** Timeouts of requests, responses and servers over HTTP/2: alike on Node's HTTP/2 and on busbar's. */
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { createSecureServerOf } from '../src/node-http/http2.ts'
import { Authority } from './authority.ts'

type Note = (event: string) => void
type Handler = (req: Http2ServerRequest, res: Http2ServerResponse, note: Note) => void

/** What a client has seen of one request, and the application of its timeouts. */
interface Seen {
  text: string
  failed: boolean
  /** The session is closed a while later. */
  closed: boolean
  events: string[]
}

interface Case {
  title: string
  handle: Handler
  /** Milliseconds for the timeout of the server. */
  timeout?: number
  /** Milliseconds behind the response, after which the session is looked at. */
  rest?: number
  /** The server hears of its timeouts. */
  isHeard?: boolean
  /** What busbar does otherwise, by decision. */
  differs?: Partial<Seen>
}

const { cert, key } = new Authority().issue()
type Create = Parameters<typeof createSecureServerOf>[0]
const nodes: Create = (options, listener) => http2.createSecureServer(options, listener)
const KINDS = { node: nodes, busbar: createSecureServerOf(nodes) }

const later = (millis: number, call: () => void): void => void setTimeout(call, millis)

const CASES: Case[] = [
  { title: 'a timeout without a listener changes nothing', handle: (req, res) => { req.setTimeout(50); later(200, () => res.end('slow')) } },
  { title: 'a timeout is an event of both messages', handle: (req, res, note) => { req.on('timeout', () => note('req')); res.on('timeout', () => note('res')); req.setTimeout(50); later(200, () => res.end('slow')) } },
  { title: 'callbacks of a timeout', handle: (req, res, note) => { req.setTimeout(50, () => note('req')); res.setTimeout(50, () => note('res')); later(200, () => res.end('slow')) } },
  { title: 'a response that is given at its timeout', handle: (_req, res) => { res.setTimeout(50, () => res.end('late')) } },
  // A response that has been cut off is an error to busbar's client.
  { title: 'a response that is destroyed at its timeout', handle: (_req, res, note) => { res.setTimeout(50, () => { note('res'); res.destroy() }) }, differs: { failed: true } },
  { title: 'what is written is a sign of life', handle: (_req, res, note) => { res.setTimeout(300, () => note('res')); for (const at of [1, 2, 3]) later(at * 150, () => res.write('x')); later(600, () => res.end()) } },
  { title: 'a timeout that is taken back', handle: (_req, res, note) => { const tell = (): void => note('res'); res.setTimeout(50, tell); res.setTimeout(0, tell); later(200, () => res.end('slow')) } },
  { title: 'a timeout ends with its response', handle: (req, res, note) => { req.setTimeout(100, () => note('req')); res.end('fast') }, rest: 250 },
  { title: 'a timeout of the socket', handle: (req, res, note) => { req.socket.setTimeout(50, () => note('socket')); later(200, () => res.end('slow')) } },
  { title: 'what is no timeout', handle: (req, res, note) => { try { req.setTimeout('x' as never) } catch (error) { note((error as NodeJS.ErrnoException).code!) } res.end() } },
  { title: 'the timeout of the server, within a request', timeout: 100, handle: (_req, res) => later(400, () => res.end('slow')) },
  { title: 'the timeout of the server, behind a request', timeout: 150, handle: (_req, res) => void res.end('fast'), rest: 400 },
  { title: 'the timeout of the server, which is heard', timeout: 100, isHeard: true, handle: (req, res, note) => { req.on('timeout', () => note('req')); res.on('timeout', () => note('res')); later(180, () => res.end('slow')) } },
]

async function play(t: ExecutionContext, create: Create, { handle, timeout = 0, rest = 0, isHeard = false }: Case): Promise<Seen> {
  const events: string[] = []
  const note: Note = (event) => events.push(event)
  const server: Http2SecureServer = create({ cert, key, allowHTTP1: true }, (req, res) => handle(req, res, note))
  if (timeout > 0) server.setTimeout(timeout)
  if (isHeard) server.on('timeout', () => note('server'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = http2.connect(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, { rejectUnauthorized: false })
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  session.on('error', () => {})
  await once(session, 'connect')
  const stream = session.request({ ':path': '/' })
  const seen: Seen = { text: '', failed: true, closed: false, events }
  stream.on('data', (piece) => (seen.text += String(piece)))
  stream.on('end', () => (seen.failed = stream.rstCode !== 0))
  stream.on('error', () => {})
  await new Promise((resolve) => stream.on('close', resolve))
  await new Promise((resolve) => setTimeout(resolve, rest))
  seen.closed = session.closed || session.destroyed
  return seen
}

test('long responses that a client reads at the same time have no timeout', async (t) => {
  let late = 0
  const server = KINDS.busbar({ cert, key, allowHTTP1: true }, (_req, res) => {
    res.setTimeout(300, () => late++)
    res.end(Buffer.alloc(4_000_000))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = http2.connect(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, { rejectUnauthorized: false })
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const read = async (): Promise<number> => {
    let length = 0
    for await (const piece of session.request({ ':path': '/' })) {
      const before = length
      length += (piece as Buffer).length
      if (Math.floor(length / 100_000) > Math.floor(before / 100_000)) await new Promise((resolve) => setTimeout(resolve, 120))
    }
    return length
  }
  t.deepEqual(await Promise.all([read(), read(), read()]), [4_000_000, 4_000_000, 4_000_000])
  t.is(late, 0)
})

for (const each of CASES) {
  test(each.title, async (t) => {
    const [node, busbar] = await Promise.all([play(t, KINDS.node, each), play(t, KINDS.busbar, each)])
    t.deepEqual(busbar, { ...node, ...each.differs })
  })
}
