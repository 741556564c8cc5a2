import { once } from 'node:events'
import { connect as openSession } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Options, Response } from '../src/index.ts'
import type { Handler } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, begin, closed, dialFrames, frame, openHttp2, receive, request, send } from './http2.ts'
import type { FrameWire } from './http2.ts'
import { GET, count, holdOne, open, until } from './support.ts'
import { authority, openTls } from './tls-support.ts'

const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
const ok: Handler = () => Response.text('done')

test('the last of the requests of a connection closes it', async (t) => {
  const { connect } = await open(t, ok, { requestsPerConnection: 3 })
  const wire = await connect()
  for (let answers = 1; answers < 3; answers++) {
    await wire.send(GET).until((text) => count(text, 'done') === answers)
    t.notRegex(wire.received, /connection: close/)
  }
  wire.send(GET + GET)
  t.is(count(await wire.end(), 'done'), 3)
  t.is(count(wire.received, 'connection: close'), 1)
})

test('pipelined requests behind the last one are not served', async (t) => {
  let requests = 0
  const { connect } = await open(t, () => Response.text(`done ${++requests}`), { requestsPerConnection: 2 })
  const wire = await connect()
  const received = await wire.send(GET.repeat(5)).end()
  t.is(count(received, 'HTTP/1.1 200'), 2)
  t.is(count(received, 'connection: close'), 1)
  t.is(requests, 2)
})

/** Answers the PING between two GOAWAYs, and gives the last streams that they name. */
async function lastStreams(wire: FrameWire): Promise<number[]> {
  const ping = await wire.until(({ type }) => type === Frame.Ping)
  wire.send(frame(Frame.Ping, 1, 0, ping.payload))
  await wire.end()
  return wire.frames.filter(({ type }) => type === Frame.GoAway).map(({ payload }) => payload.readUInt32BE())
}

const answers = (wire: FrameWire): number => wire.frames.filter(({ type }) => type === Frame.Headers).length

test('the last request of an HTTP/2 connection is announced, and what runs is finished', async (t) => {
  const waiting: ((response: Response) => void)[] = []
  const { port } = await openHttp2(t, () => new Promise<Response>((resolve) => waiting.push(resolve)), { requestsPerConnection: 3 })
  const wire = await dialFrames(t, port)
  for (const stream of [1, 3, 5]) wire.send(frame(Frame.Headers, END_STREAM | END_HEADERS, stream, request()))
  await until(() => waiting.length === 3)
  const ended = lastStreams(wire)
  await until(() => wire.frames.filter(({ type }) => type === Frame.GoAway).length === 2)
  t.is(answers(wire), 0)
  for (const resolve of waiting) resolve(Response.text('done'))
  t.deepEqual(await ended, [2 ** 31 - 1, 5])
  t.is(answers(wire), 3)
})

test('a connection of HTTP/1 that has come of age serves one more request', async (t) => {
  const { connect } = await open(t, ok, { connectionAge: 3 })
  const wire = await connect()
  await wire.send(GET).until((text) => count(text, 'done') === 1)
  t.notRegex(wire.received, /connection: close/)
  await wait(4000)
  // An idle one isn't closed: its next request may be on the way.
  t.false(wire.socket.readableEnded)
  t.is(count(await wire.send(GET).end(), 'connection: close'), 1)
  t.is(count(wire.received, 'done'), 2)
})

test('a request that runs when the age is reached is answered', async (t) => {
  const { wire, answer } = await holdOne(t, GET, { connectionAge: 0.1 })
  await wait(400)
  answer(Response.text('at last'))
  t.regex(await wire.end(), /connection: close[^]*at last/)
})

test('what exceeds the grace of an age is cut', async (t) => {
  for (const isHttp2 of [false, true]) {
    const { client, connect } = await openHttp2(t, () => new Promise<Response>(() => {}), { connectionAge: 0.1, connectionAgeGrace: 0.2 })
    if (isHttp2) {
      const stream = begin(client)
      await closed(stream)
      t.true(client.closed || client.destroyed)
    } else {
      t.is(await (await connect()).send(GET).end(), '')
    }
  }
})

test('an HTTP/2 connection that has come of age ends with two GOAWAYs', async (t) => {
  const { port } = await openHttp2(t, ok, { connectionAge: 0.2 })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_STREAM | END_HEADERS, 1, request()))
  t.deepEqual(await lastStreams(wire), [2 ** 31 - 1, 1])
  t.is(answers(wire), 1)
})

test('an upgraded connection does not age', async (t) => {
  const handler: Handler = () => new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.pipe(socket))
  const { connect } = await open(t, handler, { connectionAge: 0.1, connectionAgeGrace: 0.1 })
  const wire = await connect()
  await wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n').until((text) => text.includes('\r\n\r\n'))
  await wait(700)
  await wire.send('still here').until((text) => text.endsWith('still here'))
  t.pass()
})

test('a silent HTTP/2 client is sent a PING, and closed when it does not answer', async (t) => {
  let isAborted = false
  const handler: Handler = (asked) => {
    asked.getSignal().addEventListener('abort', () => (isAborted = true))
    return new Promise<Response>(() => {})
  }
  const { port } = await openHttp2(t, handler, { http2PingInterval: 0.2 })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_STREAM | END_HEADERS, 1, request()))
  const ping = await wire.until(({ type }) => type === Frame.Ping)
  t.is(ping.flags, 0)
  wire.send(frame(Frame.Ping, 1, 0, ping.payload))
  await wire.until(() => wire.frames.filter(({ type }) => type === Frame.Ping).length === 2)
  t.false(isAborted)
  await wire.end()
  await until(() => isAborted)
  t.pass()
})

test('a client that answers PINGs stays', async (t) => {
  const { client } = await openHttp2(t, ok, { http2PingInterval: 0.4 })
  await wait(2000)
  t.is((await send(client)).text, 'done')
})

async function secureSession(t: ExecutionContext, port: number) {
  const lookup = (_: unknown, __: unknown, done: (error: null, found: object[]) => void): void => done(null, [{ address: '127.0.0.1', family: 4 }])
  const session = openSession(`https://localhost:${port}`, { ca: authority.cert, lookup: lookup as never })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

test('origins are sent over TLS', async (t) => {
  const origins = ['https://localhost', 'https://static.example:8443']
  const { port } = await openTls(t, {}, ok, { origins })
  const session = await secureSession(t, port)
  const [received] = await once(session, 'origin')
  t.deepEqual(received, origins)
  t.is((await receive(begin(session))).text, 'done')
})

test('only origins are taken as origins', (t) => {
  for (const origin of ['http://a.example', 'https://a.example/', 'a.example', 'https://A.example', 7]) {
    t.throws(() => Options.from({ origins: [origin as string] }), { code: 'BUSBAR_INVALID_OPTION' }, String(origin))
  }
})
