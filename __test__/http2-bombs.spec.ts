/**
 * Attacks by HTTP/2 that make a server keep, decode or send much for few bytes. A second client is served meanwhile.
 */
import { constants } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { Handler, ServerSettings } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, dialFrames, frame, request, send, session, word } from './http2.ts'
import type { FrameWire } from './http2.ts'
import { open, until } from './support.ts'

const HEADERS = END_HEADERS | END_STREAM

/** A server, a client that must be served whatever happens, and a connection for the attack. */
async function begin(t: ExecutionContext, handler: Handler = () => Response.text('on'), settings: ServerSettings = {}) {
  const { port } = await open(t, handler, { http2Cleartext: true, ...settings }, '127.0.0.1:0')
  const client = await session(t, port)
  return { port, wire: await dialFrames(t, port), isServed: async () => (await send(client, { ':path': '/other' })).text === 'on' }
}

const many = (count: number, make: (at: number) => Uint8Array): Uint8Array => Buffer.concat(Array.from({ length: count }, (_, at) => make(at)))

/** An integer of HPACK. RFC 7541 §5.1. */
function integer(first: number, bits: number, value: number): number[] {
  const most = 2 ** bits - 1
  if (value < most) return [first | value]
  const bytes = [first | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  return [...bytes, rest]
}

/** A field that is added to the table. RFC 7541 §6.2.1. */
const indexed = (name: string, value: string): Buffer =>
  Buffer.from([0x40, ...integer(0, 7, name.length), ...Buffer.from(name), ...integer(0, 7, value.length), ...Buffer.from(value)])

/** The newest entry of the table. */
const NEWEST = 0xbe

/** A header block in frames of at most 16 KiB. */
function inFrames(stream: number, block: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < block.length; at += 16_384) {
    const isLast = at + 16_384 >= block.length
    const flags = (at === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0)
    frames.push(frame(at === 0 ? Frame.Headers : Frame.Continuation, flags, stream, block.subarray(at, at + 16_384)))
  }
  return Buffer.concat(frames)
}

const headersOf = (wire: FrameWire, stream: number) => wire.until((each) => each.type === Frame.Headers && each.stream === stream)

/** The status of a response, which begins a block as an index or as a literal. RFC 7541 appendix A. */
async function statusOf(wire: FrameWire, stream: number): Promise<string> {
  const { payload } = await headersOf(wire, stream)
  return payload[0] === 0x88 ? '200' : Buffer.from(payload).toString('latin1')
}

test('a header list that is large by references is a 431, and the table stays right (HPACK bomb, CVE-2016-6581)', async (t) => {
  const seen: number[] = []
  const { wire, isServed } = await begin(t, (asked) => {
    seen.push(asked.getHeader('x')?.length ?? -1)
    return Response.text('on')
  })
  const bomb = Buffer.concat([request(), indexed('x', 'v'.repeat(3000)), Buffer.alloc(20_000, NEWEST)])
  for (const stream of [1, 3, 5]) wire.send(inFrames(stream, bomb))
  wire.send(frame(Frame.Headers, HEADERS, 7, Buffer.concat([request(), Buffer.of(NEWEST)])))
  t.not(await statusOf(wire, 1), '200')
  t.is(await statusOf(wire, 7), '200')
  t.deepEqual(seen, [3000])
  t.true(await isServed())
})

test('near-empty references and crumbs are limited by number, under a window that drips (CVE-2026-49975)', async (t) => {
  let requests = 0
  const { wire, isServed } = await begin(t, () => {
    requests++
    return Response.text('on')
  })
  wire.send(frame(Frame.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])))
  const crumbs = Buffer.concat([request(), indexed('cookie', ''), Buffer.alloc(8000, NEWEST)])
  for (let stream = 1; stream < 41; stream += 2) wire.send(inFrames(stream, crumbs))
  for (let drip = 0; drip < 20; drip++) wire.send(many(20, (at) => frame(Frame.WindowUpdate, 0, 2 * at + 1, word(1))))
  t.not(await statusOf(wire, 39), '200')
  t.is(requests, 0)
  t.true(await isServed())
})

test('a connection window that overflows ends the connection, each time (CVE-2026-21714)', async (t) => {
  const { port, isServed } = await begin(t)
  for (let round = 0; round < 20; round++) {
    const wire = await dialFrames(t, port)
    wire.send(frame(Frame.WindowUpdate, 0, 0, word(2 ** 31 - 1)), frame(Frame.WindowUpdate, 0, 0, word(2 ** 31 - 1)))
    t.is(await wire.end(), constants.NGHTTP2_FLOW_CONTROL_ERROR)
  }
  t.true(await isServed())
})

const post = (stream: number): Buffer => frame(Frame.Headers, END_HEADERS, stream, request('POST'))

for (const [what, provoke] of [
  ['a window that overflows', (stream: number) => [post(stream), frame(Frame.WindowUpdate, 0, stream, word(2 ** 31 - 1)), frame(Frame.WindowUpdate, 0, stream, word(2 ** 31 - 1))]],
  ['content on a half-closed stream', (stream: number) => [frame(Frame.Headers, HEADERS, stream, request()), frame(Frame.Data, 0, stream, word(0))]],
  ['headers on a half-closed stream', (stream: number) => [frame(Frame.Headers, HEADERS, stream, request()), frame(Frame.Headers, HEADERS, stream, request())]],
  ['a priority on itself', (stream: number) => [post(stream), frame(Frame.Priority, 0, stream, Buffer.concat([word(stream), Buffer.of(1)]))]],
  ['a window update of zero', (stream: number) => [post(stream), frame(Frame.WindowUpdate, 0, stream, word(0))]],
] as const) {
  test(`resets that the server is made to send by ${what} end the connection (CVE-2025-8671)`, async (t) => {
    const { wire, isServed } = await begin(t, (asked) => (asked.getTarget() === '/' ? new Promise<Response>(() => {}) : Response.text('on')))
    wire.send(many(1000, (at) => Buffer.concat(provoke(2 * at + 1))))
    t.true(await isServed())
    t.not(await wire.end(), constants.NGHTTP2_NO_ERROR)
    t.true(await isServed())
  })
}

test('empty DATA that queues up ends the connection (RUSTSEC-2026-0258)', async (t) => {
  const { wire, isServed } = await begin(t, (asked) => (asked.getTarget() === '/' ? new Promise<Response>(() => {}) : Response.text('on')))
  wire.send(many(10, (at) => post(2 * at + 1)), many(50_000, (at) => frame(Frame.Data, 0, 2 * (at % 10) + 1)))
  t.true(await isServed())
  t.is(await wire.end(), constants.NGHTTP2_ENHANCE_YOUR_CALM)
})

test('empty HEADERS and CONTINUATION end the connection (CVE-2019-9518)', async (t) => {
  const { wire, isServed } = await begin(t)
  wire.send(frame(Frame.Headers, 0, 1, Buffer.alloc(0)), many(10_000, () => frame(Frame.Continuation, 0, 1)))
  t.true(await isServed())
  t.is(await wire.end(), constants.NGHTTP2_ENHANCE_YOUR_CALM)
})

test('floods of PRIORITY and WINDOW_UPDATE end the connection (CVE-2019-9513)', async (t) => {
  for (const flood of [
    (at: number) => frame(Frame.Priority, 0, 2 * (at % 1000) + 1, Buffer.concat([word(0), Buffer.of(1)])),
    () => frame(Frame.WindowUpdate, 0, 0, word(1)),
  ]) {
    const { wire, isServed } = await begin(t)
    wire.send(many(20_000, flood))
    t.true(await isServed())
    t.is(await wire.end(), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
})

test('a window of zero holds little of each response, until its time is over (CVE-2019-9511, CVE-2019-9517)', async (t) => {
  const pulled: number[] = []
  async function* endless(at: number) {
    for (;;) {
      pulled[at] = (pulled[at] ?? 0) + 16_384
      yield Buffer.alloc(16_384)
    }
  }
  let count = 0
  const handler: Handler = (asked) => (asked.getTarget() === '/' ? new Response(200, {}, endless(count++)) : Response.text('on'))
  const { wire, isServed } = await begin(t, handler, { writeTimeout: 2 })
  wire.send(frame(Frame.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])))
  wire.send(many(50, (at) => frame(Frame.Headers, HEADERS, 2 * at + 1, request())))
  await until(() => pulled.length === 50)
  t.true(await isServed())
  await wire.until(() => wire.frames.filter(({ type }) => type === Frame.Reset).length === 50)
  const resets = wire.frames.filter(({ type }) => type === Frame.Reset)
  t.true(resets.every(({ payload }) => payload.readUInt32BE(0) === constants.NGHTTP2_CANCEL))
  t.true(Math.max(...pulled) <= 16 * 16_384, String(Math.max(...pulled)))
  t.true(await isServed())
})

test('a window that drips is no progress', async (t) => {
  const handler: Handler = (asked) => (asked.getTarget() === '/' ? new Response(200, {}, Buffer.alloc(100_000)) : Response.text('on'))
  const { wire, isServed } = await begin(t, handler, { writeTimeout: 1 })
  wire.send(frame(Frame.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), frame(Frame.Headers, HEADERS, 1, request()))
  const drip = setInterval(() => wire.send(frame(Frame.WindowUpdate, 0, 1, word(1))), 50)
  t.teardown(() => clearInterval(drip))
  const reset = await wire.until(({ type }) => type === Frame.Reset)
  t.is(reset.payload.readUInt32BE(0), constants.NGHTTP2_CANCEL)
  t.true(await isServed())
})
