/**
 * Responses of `busbar/http` over HTTP/2 that end before the bodies of their requests, as over HTTP/1.
 */
import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import type { ClientHttp2Stream } from 'node:http2'
import type { IncomingMessage, RequestListener, ServerOptions, ServerResponse } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import http from '../src/node-http/index.ts'
import https from '../src/node-http/https.ts'
import { Authority } from './authority.ts'
import { END_HEADERS, END_STREAM, Frame, begin, closed, dialFrames, frame, request, session, word } from './http2.ts'
import { open } from './node-http-support.ts'
import { plainTest, until } from './support.ts'

const { NGHTTP2_CANCEL: CANCEL, NGHTTP2_NO_ERROR: NO_ERROR } = constants

/** A server of HTTP/2 without TLS; what `note` was given is in `notes`. */
async function serve(t: ExecutionContext, handler: (req: IncomingMessage, res: ServerResponse, note: (text: string) => void) => void, options: ServerOptions = {}) {
  const notes: string[] = []
  const listener: RequestListener = (req, res) => handler(req, res, (text) => void notes.push(text))
  const served = await open(t, http.createServer({ ...options, http2: true } as ServerOptions, listener))
  return { ...served, notes }
}

/** Notes the events of a request. */
function watch(req: IncomingMessage, note: (text: string) => void): void {
  for (const event of ['aborted', 'end', 'close']) req.on(event, () => note(event))
  req.on('error', (error: NodeJS.ErrnoException) => note(error.code ?? error.message))
}

/** A handler that answers at the first piece of a body, and reads the others once `resume` is called. */
function pausing() {
  const paused = { size: 0, resume: (): void => {} }
  const handler = (req: IncomingMessage, res: ServerResponse, note: (text: string) => void): void => {
    watch(req, note)
    req.on('data', (piece: Buffer) => (paused.size += piece.length))
    req.once('data', () => {
      req.pause()
      res.end('early')
    })
    paused.resume = () => void req.resume()
  }
  return { paused, handler }
}

const post = { ':method': 'POST' }

/** Reads a response to its end, whether or not its request has ended. */
async function text(stream: ClientHttp2Stream): Promise<string> {
  let received = ''
  stream.on('data', (piece: Buffer) => (received += String(piece)))
  await once(stream, 'end')
  return received
}

plainTest('a response reaches its client at once, and the body is read on', async (t) => {
  const { port, notes } = await serve(t, (req, res, note) => {
    req.on('data', (piece: Buffer) => note(String(piece)))
    watch(req, note)
    res.on('finish', () => note('finish'))
    res.end('early')
  })
  const stream = begin(await session(t, port), post, false)
  stream.write('half')
  t.is(await text(stream), 'early')
  await until(() => notes.includes('half'))
  t.true(notes.includes('finish'))
  t.false(notes.includes('end'))
  stream.end('rest')
  t.is(await closed(stream), NO_ERROR)
  await until(() => notes.includes('close'))
  t.deepEqual(notes.filter((note) => note !== 'finish'), ['half', 'rest', 'end', 'close'])
})

plainTest('the length, the pieces and the trailers of the response are those of any other', async (t) => {
  const { port } = await serve(t, (req, res) => {
    req.resume()
    if (req.url === '/length') return void res.end('early')
    res.setHeader('Trailer', 'x-sum')
    res.write('ear')
    res.addTrailers({ 'x-sum': '1' })
    res.end('ly')
  })
  const client = await session(t, port)
  const stream = begin(client, { ...post, ':path': '/length' }, false)
  const [headers] = await once(stream, 'response')
  t.is(headers['content-length'], '5')
  t.is(await text(stream), 'early')
  stream.end()
  const other = begin(client, post, false)
  const trailers = once(other, 'trailers')
  t.is(await text(other), 'early')
  t.is((await trailers)[0]['x-sum'], '1')
  other.end()
  t.deepEqual(await Promise.all([closed(stream), closed(other)]), [NO_ERROR, NO_ERROR])
})

plainTest('bodies of many MB are read behind responses, side by side', async (t) => {
  const sizes: number[] = []
  const { port } = await serve(t, (req, res) => {
    let size = 0
    req.on('data', (piece: Buffer) => (size += piece.length))
    req.on('end', () => sizes.push(size))
    res.end('early')
  })
  const client = await session(t, port)
  const streams = [1, 2, 3].map(() => begin(client, post, false))
  t.deepEqual(await Promise.all(streams.map(text)), ['early', 'early', 'early'])
  await Promise.all(streams.map(async (stream) => {
    for (let at = 0; at < 64; at++) if (!stream.write(Buffer.alloc(65_536))) await once(stream, 'drain')
    stream.end()
    t.is(await closed(stream), NO_ERROR)
  }))
  await until(() => sizes.length === 3)
  t.deepEqual(sizes, [4_194_304, 4_194_304, 4_194_304])
})

for (const way of ['reset', 'close'] as const) {
  plainTest(`a client that leaves behind the response aborts the request: ${way}`, async (t) => {
    const { port, notes } = await serve(t, (req, res, note) => {
      watch(req, note)
      req.resume()
      res.end('early')
    })
    const wire = await dialFrames(t, port)
    wire.send(frame(Frame.Headers, END_HEADERS, 1, request('POST')), frame(Frame.Data, 0, 1, Buffer.from('half')))
    await wire.until(({ type, flags }) => type === Frame.Data && (flags & END_STREAM) !== 0)
    if (way === 'reset') wire.send(frame(Frame.Reset, 0, 1, word(CANCEL)))
    else wire.socket.destroy()
    await until(() => notes.includes('close'))
    t.deepEqual(notes, ['aborted', 'ECONNRESET', 'close'])
    if (way === 'close') return
    wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 3, request()))
    await wire.until(({ type, stream }) => type === Frame.Headers && stream === 3)
  })
}

plainTest('a body that is not read is dropped, and the request ends', async (t) => {
  const { port, notes } = await serve(t, (req, res, note) => {
    watch(req, note)
    res.end('early')
  })
  const stream = begin(await session(t, port), post, false)
  stream.write('half')
  t.is(await text(stream), 'early')
  await until(() => notes.includes('close'))
  t.deepEqual(notes, ['end', 'close'])
  for (let at = 0; at < 10; at++) if (!stream.write(Buffer.alloc(65_536))) await once(stream, 'drain')
  stream.end()
  t.is(await closed(stream), NO_ERROR)
})

plainTest('a paused body holds its client back, and continues', async (t) => {
  const { paused, handler } = pausing()
  const { port, notes } = await serve(t, handler)
  const stream = begin(await session(t, port), post, false)
  stream.write('half')
  t.is(await text(stream), 'early')
  stream.end(Buffer.alloc(8_000_000))
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.false(stream.closed)
  t.is(paused.size, 4)
  paused.resume()
  t.is(await closed(stream), NO_ERROR)
  await until(() => notes.includes('close'))
  t.deepEqual([paused.size, notes], [8_000_004, ['end', 'close']])
})

plainTest('what has come is read though the client has said goodbye and left', async (t) => {
  const { paused, handler } = pausing()
  const { port, notes } = await serve(t, handler)
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS, 1, request('POST')), frame(Frame.Data, 0, 1, Buffer.from('half')))
  await wire.until(({ type, flags }) => type === Frame.Data && (flags & END_STREAM) !== 0)
  const rest = Array.from({ length: 3 }, () => frame(Frame.Data, 0, 1, Buffer.alloc(16_000)))
  wire.send(...rest, frame(Frame.Data, END_STREAM, 1), frame(Frame.GoAway, 0, 0, Buffer.alloc(8)))
  wire.socket.end()
  await new Promise((resolve) => setTimeout(resolve, 100))
  paused.resume()
  await until(() => notes.includes('close'))
  t.deepEqual([paused.size, notes], [48_004, ['end', 'close']])
  await wire.end()
})

test('so it is over TLS', async (t) => {
  const { paused, handler } = pausing()
  const notes: string[] = []
  const listener: RequestListener = (req, res) => handler(req, res, (text) => void notes.push(text))
  const server = https.createServer({ ...new Authority().issue(), http2: true } as ServerOptions, listener)
  const { port } = await open(t, server)
  const client = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  const stream = begin(client, post, false)
  stream.write('half')
  t.is(await text(stream), 'early')
  stream.end(Buffer.alloc(48_000))
  t.is(await closed(stream), NO_ERROR)
  client.close()
  await once(client, 'close')
  await new Promise((resolve) => setTimeout(resolve, 100))
  paused.resume()
  await until(() => notes.includes('close'))
  t.deepEqual([paused.size, notes], [48_004, ['end', 'close']])
})

plainTest('a request that is destroyed behind its response has its client send no more', async (t) => {
  const { port, notes } = await serve(t, (req, res, note) => {
    watch(req, note)
    req.resume()
    res.on('close', () => setTimeout(() => req.destroy(), 5))
    res.end('early')
  })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS, 1, request('POST')), frame(Frame.Data, 0, 1, Buffer.from('half')))
  await wire.until(({ type, flags }) => type === Frame.Data && (flags & END_STREAM) !== 0)
  const { payload } = await wire.until(({ type }) => type === Frame.Reset)
  t.is(payload.readUInt32BE(0), NO_ERROR)
  t.deepEqual(notes, ['aborted', 'close'])
})

plainTest('requestTimeout ends a request that doesn’t come whole behind its response', async (t) => {
  const { port, notes } = await serve(t, (req, res, note) => {
    watch(req, note)
    req.resume()
    res.end('early')
  }, { requestTimeout: 1000, headersTimeout: 1000 })
  const stream = begin(await session(t, port), post, false)
  stream.write('half')
  t.is(await text(stream), 'early')
  t.is(await closed(stream), NO_ERROR)
  await until(() => notes.includes('close'))
  t.deepEqual(notes, ['aborted', 'ECONNRESET', 'close'])
})

plainTest('a response to a client that waits for its 100 is whole without the body', async (t) => {
  const notes: string[] = []
  const server = http.createServer({ http2: true } as ServerOptions)
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    watch(req, (text) => void notes.push(text))
    req.resume()
    res.writeHead(417).end('no')
  })
  const { port } = await open(t, server)
  const stream = begin(await session(t, port), { ...post, expect: '100-continue' }, false)
  t.is(await text(stream), 'no')
  await until(() => notes.includes('close'))
  t.deepEqual(notes, ['aborted', 'ECONNRESET', 'close'])
})

plainTest('a connection with such a stream isn’t idle, and an end of its socket waits for no rest', async (t) => {
  let end: () => void = () => {}
  const { server, port, notes } = await serve(t, (req, res, note) => {
    watch(req, note)
    req.resume()
    end = () => void req.socket.end()
    res.end('early')
  })
  const client = await session(t, port)
  const stream = begin(client, post, false)
  t.is(await text(stream), 'early')
  server.closeIdleConnections()
  stream.write('half')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.deepEqual(notes, [])
  end()
  t.is(await closed(stream), NO_ERROR)
  await once(client, 'close')
  await until(() => notes.includes('close'))
  t.deepEqual(notes, ['aborted', 'ECONNRESET', 'close'])
})

test('a response that pipes its request back ends with it', async (t) => {
  const { port } = await serve(t, (req, res) => void req.pipe(res))
  const stream = begin(await session(t, port), post, false)
  stream.write('half')
  const received = text(stream)
  stream.end('rest')
  t.is(await received, 'halfrest')
})
