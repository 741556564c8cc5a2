/**
 * What is refused on a stream of HTTP/2 is counted, logged and observed as with HTTP/1, and may have a page of the
 * application's; the connection lives on. Each kind is played in memory by the tests of `protocol`.
 */
import { constants } from 'node:http2'
import type { OutgoingHttpHeaders } from 'node:http2'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ClientException, Response, silentLogger } from '../src/index.ts'
import type { ErrorHandler, FinishedResponse, ServerSettings } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, begin, closed, dialFrames, frame, openHttp2, receive, request, send } from './http2.ts'
import { until } from './support.ts'

type HandleError = ErrorHandler['handleError']

/** A server with small limits, and what it logs and observes. */
async function serve(t: ExecutionContext, ioThreads: number, settings: ServerSettings = {}) {
  const lines: string[] = []
  const seen: FinishedResponse[] = []
  const opened = await openHttp2(t, async (request) => Response.text(await request.text()), {
    requestLineLimit: 100,
    headerSizeLimit: 2000,
    headerFieldLimit: 20,
    ioThreads,
    debug: true,
    logger: { ...silentLogger, debug: (line: string) => void lines.push(line) },
    onResponse: (response) => void seen.push(response),
    ...settings,
  })
  const refused = (): string[] => lines.filter((line) => line.includes('was refused')).map((line) => line.replace(/^.*refused: /, ''))
  return { ...opened, refused, seen }
}

const FIELDS = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`x-${at}`, 'a']))

/** What is refused: the request, its status, and what the log says. */
const REFUSED: readonly [OutgoingHttpHeaders, number, string][] = [
  [{ 'x-large': 'a'.repeat(3000) }, 431, 'the header section is too large (BUSBAR_HEADERS_TOO_LARGE; headerSizeLimit is 2000)'],
  [FIELDS, 431, 'too many header fields (BUSBAR_TOO_MANY_FIELDS; headerFieldLimit is 20)'],
  [{ ':path': `/${'a'.repeat(200)}` }, 414, 'the request line is too long (BUSBAR_REQUEST_LINE_TOO_LONG; requestLineLimit is 100)'],
  [{ ':method': 'BREW' }, 501, 'unknown method (BUSBAR_UNKNOWN_METHOD)'],
]

for (const ioThreads of [0, 2]) {
  const on = `with ${ioThreads} threads`

  test(`heads that are refused are counted, logged and observed, and the next request is served, ${on}`, async (t) => {
    const { client, server, refused, seen } = await serve(t, ioThreads)
    for (const [headers, status] of REFUSED) t.is((await send(client, headers)).status, status)
    t.is((await send(client, { ':method': 'POST' }, 'fine')).text, 'fine')
    await until(() => seen.length === REFUSED.length + 1)
    t.deepEqual(refused(), REFUSED.map(([, , line]) => line))
    t.deepEqual(server.getRefusals(), {
      BUSBAR_HEADERS_TOO_LARGE: 1,
      BUSBAR_REQUEST_LINE_TOO_LONG: 1,
      BUSBAR_TOO_MANY_FIELDS: 1,
      BUSBAR_UNKNOWN_METHOD: 1,
    })
    t.deepEqual(
      seen.slice(0, -1).map(({ request, status, outcome }) => [request, status, outcome]),
      REFUSED.map(([, status]) => [null, status, 'sent']),
    )
    t.true(seen.every(({ remoteAddress }) => remoteAddress?.getHost() === '127.0.0.1'))
  })

  test(`malformed messages are counted with the rule that they break, ${on}`, async (t) => {
    const { port, server, refused } = await serve(t, ioThreads)
    const wire = await dialFrames(t, port)
    wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 1, request('GET', ['te', 'gzip'])))
    wire.send(frame(Frame.Headers, END_HEADERS, 3, request('POST', ['content-length', '1'])), frame(Frame.Data, END_STREAM, 3, Buffer.from('ab')))
    wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 5, request('GET')))
    await wire.until(({ type, stream }) => type === Frame.Headers && stream === 5)
    await until(() => refused().length === 2)
    t.deepEqual(refused(), [
      'a field of HTTP/1 connections (BUSBAR_HTTP2_MALFORMED)',
      "content-length isn't a number, or not that of the content (BUSBAR_HTTP2_MALFORMED)",
    ])
    t.deepEqual(server.getRefusals(), { BUSBAR_HTTP2_MALFORMED: 2 })
  })

  test(`floods and broken frames are counted once for their connection, ${on}`, async (t) => {
    const { port, server } = await serve(t, ioThreads)
    const flooding = await dialFrames(t, port)
    flooding.send(Buffer.concat(Array.from({ length: 5000 }, () => frame(Frame.Ping, 0, 0, Buffer.alloc(8)))))
    t.is(await flooding.end(), constants.NGHTTP2_ENHANCE_YOUR_CALM)
    const broken = await dialFrames(t, port)
    broken.send(frame(Frame.Data, 0, 0, Buffer.from('a')))
    t.is(await broken.end(), constants.NGHTTP2_PROTOCOL_ERROR)
    t.deepEqual(server.getRefusals(), { BUSBAR_HTTP2_FLOOD: 1, BUSBAR_HTTP2_FRAMES: 1 })
  })

  test(`bodies that are too slow are counted, ${on}`, async (t) => {
    const { client, server } = await serve(t, ioThreads, { bodyTimeout: 1 })
    const response = await receive(begin(client, { ':method': 'POST' }, false))
    t.is(response.status, 408)
    t.deepEqual(server.getRefusals(), { BUSBAR_BODY_TIMEOUT: 1 })
  })

  test(`the error handler makes the pages of heads that are refused, ${on}`, async (t) => {
    const calls: unknown[][] = []
    const handleError: HandleError = (...call) => (calls.push(call), Response.json({ status: call[0] }, call[0]))
    const { client, server, seen } = await serve(t, ioThreads, { errorHandler: { handleError } })
    for (const [headers, status] of REFUSED) {
      const { headers: fields, text, status: sent } = await send(client, headers)
      t.deepEqual([sent, fields['content-type'], text], [status, 'application/json', `{"status":${status}}`])
    }
    const { status, text } = await send(client, { ':method': 'HEAD', 'x-large': 'a'.repeat(3000) })
    t.deepEqual([status, text], [431, ''])
    t.is((await send(client, { ':method': 'POST' }, 'fine')).text, 'fine')
    t.is(calls.length, REFUSED.length + 1)
    const [code, reason, request, error] = calls[3]!
    t.deepEqual([code, reason, request], [501, null, null])
    t.true(error instanceof ClientException)
    t.is((error as ClientException).message, 'unknown method (BUSBAR_UNKNOWN_METHOD)')
    await until(() => seen.length === REFUSED.length + 2)
    t.like(seen[3], { request: null, status: 501, bytesSent: 14, outcome: 'sent' })
    t.like(seen[4], { request: null, status: 431, bytesSent: 0, outcome: 'sent' })
    t.is(server.getRefusals()['BUSBAR_UNKNOWN_METHOD'], 1)
  })

  test(`a page that does not come within a second is replaced, and other streams are served meanwhile, ${on}`, async (t) => {
    let give: (page: Response) => void = () => {}
    let isDisposed = false
    const late = new Promise<Response>((resolve) => (give = resolve))
    const { client, server, seen } = await serve(t, ioThreads, { errorHandler: { handleError: () => late } })
    const refused = send(client, { ':method': 'BREW' })
    t.is((await send(client, { ':method': 'POST' }, 'fine')).text, 'fine')
    const { status, text } = await refused
    t.deepEqual([status, text], [501, 'unknown method\n'])
    const page = Response.text('late', 501)
    page.onDispose(() => (isDisposed = true))
    give(page)
    await until(() => isDisposed && seen.length === 2)
    t.like(seen[1], { request: null, status: 501, outcome: 'sent' })
    t.deepEqual(server.getRefusals(), { BUSBAR_UNKNOWN_METHOD: 1 })
  })

  test(`a stream that is reset before its page, and a client that leaves, are counted and observed, ${on}`, async (t) => {
    let asked = 0
    const never: HandleError = () => (asked++, new Promise<Response>(() => {}))
    const { client, server, seen } = await serve(t, ioThreads, { errorHandler: { handleError: never } })
    const stream = begin(client, { ':method': 'BREW' })
    await until(() => asked === 1)
    stream.close(constants.NGHTTP2_CANCEL)
    t.is(await closed(stream), constants.NGHTTP2_CANCEL)
    await until(() => seen.length === 1)
    begin(client, { ':method': 'BREW' })
    await until(() => asked === 2)
    client.destroy()
    await until(() => seen.length === 2)
    t.deepEqual(seen.map(({ request, status, outcome }) => [request, status, outcome]), [[null, null, 'aborted'], [null, null, 'aborted']])
    t.deepEqual(server.getRefusals(), { BUSBAR_UNKNOWN_METHOD: 2 })
  })
}
