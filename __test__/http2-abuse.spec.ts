/**
 * Attacks by HTTP/2 on a server that answers others meanwhile. The same and more are played in memory by the tests
 * of `protocol` and `nghttp2`.
 */
import { constants } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, dialFrames, frame, list, request, send, session, word } from './http2.ts'
import type { FrameWire } from './http2.ts'
import { open } from './support.ts'

const CALM = constants.NGHTTP2_ENHANCE_YOUR_CALM
const HEADERS = END_HEADERS | END_STREAM

/** Plays an attack, during which a second client is served. Returns the error code of the GOAWAY that ends it. */
async function attack(t: ExecutionContext, play: (wire: FrameWire) => void, handler = () => Response.text('on')): Promise<number> {
  const { port } = await open(t, handler, { http2Cleartext: true }, '127.0.0.1:0')
  const client = await session(t, port)
  const wire = await dialFrames(t, port)
  play(wire)
  const served = await Promise.all([send(client), send(client)])
  t.deepEqual(served.map(({ text }) => text), ['on', 'on'])
  const code = await wire.end()
  t.is((await send(client)).text, 'on')
  return code
}

const many = (count: number, make: (at: number) => Uint8Array): Uint8Array => Buffer.concat(Array.from({ length: count }, (_, at) => make(at)))

test('rapid reset ends the connection (CVE-2023-44487)', async (t) => {
  const code = await attack(t, (wire) => {
    wire.send(many(5000, (at) => Buffer.concat([frame(Frame.Headers, HEADERS, 2 * at + 1, request()), frame(Frame.Reset, 0, 2 * at + 1, word(8))])))
  })
  t.is(code, CALM)
})

test('resets that the server is made to send end the connection (CVE-2025-8671)', async (t) => {
  const code = await attack(t, (wire) => {
    // Content that contradicts its length is an error of the stream.
    const head = request('POST', ['content-length', '1'])
    wire.send(many(500, (at) => Buffer.concat([frame(Frame.Headers, END_HEADERS, 2 * at + 1, head), frame(Frame.Data, END_STREAM, 2 * at + 1, word(0))])))
  })
  t.is(code, CALM)
})

test('responses that the application aborts are no attack: the connection continues', async (t) => {
  const aborted = (): Response => {
    const response = new Response(200, {}, Buffer.alloc(1_000_000))
    setImmediate(() => response.abort())
    return response
  }
  const { port } = await open(t, (request) => (request.getPath() === '/aborted' ? aborted() : Response.text('on')), { http2Cleartext: true }, '127.0.0.1:0')
  const client = await session(t, port)
  for (let at = 0; at < 300; at++) {
    const stream = client.request({ ':path': '/aborted' })
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('close', resolve))
    if (at % 100 === 0) t.is(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  }
  t.is((await send(client)).text, 'on')
})

test('CONTINUATION frames without an end end the connection (CVE-2024-27316)', async (t) => {
  const code = await attack(t, (wire) => {
    wire.send(frame(Frame.Headers, END_STREAM, 1, request()))
    wire.send(many(10_000, (at) => frame(Frame.Continuation, 0, 1, list([[`x-${at}`, 'y']]))))
  })
  t.not(code, constants.NGHTTP2_NO_ERROR)
})

test('floods of SETTINGS, PING and empty DATA end the connection (CVE-2019-9515, CVE-2019-9512, CVE-2019-9518)', async (t) => {
  const codes = [
    await attack(t, (wire) => wire.send(many(20_000, () => frame(Frame.Settings, 0, 0)))),
    await attack(t, (wire) => wire.send(many(20_000, () => frame(Frame.Ping, 0, 0, Buffer.alloc(8))))),
    await attack(t, (wire) => {
      wire.send(frame(Frame.Headers, END_HEADERS, 1, request('POST')), many(50_000, () => frame(Frame.Data, 0, 1)))
    }),
  ]
  t.deepEqual(codes, [CALM, CALM, CALM])
})

test('malformed fields reset their stream, and the connection lives on (CVE-2025-59465)', async (t) => {
  const { port } = await open(t, () => Response.text('on'), { http2Cleartext: true }, '127.0.0.1:0')
  const wire = await dialFrames(t, port)
  const malformed: [string, string][] = [['X-Upper', 'a'], ['connection', 'close'], ['te', 'gzip'], ['x', 'a\r\nb: c'], ['x y', 'a'], ['x', ' a'], ['host', 'b']]
  malformed.forEach((field, at) => wire.send(frame(Frame.Headers, HEADERS, 2 * at + 1, request('GET', field))))
  const last = 2 * malformed.length + 1
  wire.send(frame(Frame.Headers, HEADERS, last, request()))
  await wire.until(({ type, stream }) => type === Frame.Headers && stream === last)
  const resets = wire.frames.filter(({ type }) => type === Frame.Reset)
  t.deepEqual(resets.map(({ stream }) => stream), malformed.map((_, at) => 2 * at + 1))
  t.true(resets.every(({ payload }) => payload.readUInt32BE(0) === constants.NGHTTP2_PROTOCOL_ERROR))
})
