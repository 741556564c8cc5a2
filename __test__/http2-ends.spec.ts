import { constants } from 'node:http2'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import test from 'ava'
import { ClientException, Response, StateError } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, begin, closed, dialFrames, frame, holdHttp2, openHttp2, request, send, word } from './http2.ts'
import { hold, keepErrors, open, postHead, until } from './support.ts'

const CANCEL = constants.NGHTTP2_CANCEL

test('a reset aborts the signal and rejects reads with the code of the client', async (t) => {
  const { port, session: client, next } = await holdHttp2(t)
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS, 1, request('POST')), frame(Frame.Data, 0, 1, Buffer.from('part')))
  const { request: held, answer } = await next()
  const signal = held.getSignal()
  const reading = held.buffer()
  wire.send(frame(Frame.Reset, 0, 1, word(CANCEL)))
  const error = await t.throwsAsync(reading, { instanceOf: ClientException })
  t.is((error as ClientException).getCode(), CANCEL)
  t.true(signal.aborted)
  t.is((error as ClientException).getClient()?.isClosed(), false)
  answer(Response.text('too late'))
  const other = send(client)
  ;(await next()).answer(Response.text('on'))
  t.is((await other).text, 'on')
})

test('a signal that is asked for after the reset is aborted', async (t) => {
  const { session: client, next } = await holdHttp2(t)
  const stream = begin(client)
  const first = await next()
  stream.close(CANCEL)
  // A later request on the same connection is read behind the reset.
  const other = send(client)
  const second = await next()
  await until(() => first.request.getSignal().aborted)
  t.false(second.request.getSignal().aborted)
  first.answer(Response.text('too late'))
  second.answer(Response.text('on'))
  t.is((await other).text, 'on')
})

test('a reset ends the source of a response and its dispose hooks run', async (t) => {
  let wasReturned = false
  let wasDisposed = false
  const { client } = await openHttp2(t, () => {
    const response = new Response(200, {}, (async function* () {
      try {
        for (;;) yield Buffer.alloc(16_384)
      } finally {
        wasReturned = true
      }
    })())
    response.onDispose(() => (wasDisposed = true))
    return response
  })
  const stream = begin(client)
  await once(stream, 'response')
  stream.close(CANCEL)
  await until(() => wasReturned && wasDisposed)
  t.pass()
})

test('streams that were reset while they ran give their place back when their handlers end', async (t) => {
  const { session: client, next } = await holdHttp2(t, { concurrentStreamLimit: 2 })
  const ended = [begin(client), begin(client)]
  const held = [await next(), await next()]
  for (const stream of ended) stream.close(CANCEL)
  await Promise.all(ended.map(closed))
  for (const { request: of } of held) await until(() => of.getSignal().aborted)
  t.is(await closed(begin(client)), constants.NGHTTP2_REFUSED_STREAM)
  // One handler gives a whole response, one a stream.
  held[0]!.answer(Response.text('too late'))
  held[1]!.answer(new Response(200, {}, (async function* () {
    await new Promise((resolve) => setImmediate(resolve))
    yield 'too late'
  })()))
  await until(() => held[0]!.client.getPendingResponseCount() === 0)
  const both = [send(client), send(client)]
  ;(await next()).answer(Response.text('on'))
  ;(await next()).answer(Response.text('on'))
  t.deepEqual((await Promise.all(both)).map(({ text }) => text), ['on', 'on'])
})

test('a response that fails or is aborted resets its stream alone', async (t) => {
  const { logger, errors } = keepErrors()
  const { client } = await openHttp2(t, (of) => {
    if (of.getPath() === '/') return Response.text('on')
    return new Response(200, {}, (async function* () {
      yield 'part'
      await new Promise((resolve) => setImmediate(resolve))
      throw new Error('no more')
    })())
  }, { logger })
  t.is(await closed(begin(client, { ':path': '/fails' }).resume()), constants.NGHTTP2_INTERNAL_ERROR)
  t.is(errors.length, 1)
  t.is((await send(client)).text, 'on')
})

test('a streamed body shorter than its content-length resets its stream', async (t) => {
  const { client } = await openHttp2(t, () => new Response(200, { 'content-length': '10' }, Readable.from(['four'])))
  t.is(await closed(begin(client).resume()), constants.NGHTTP2_INTERNAL_ERROR)
})

test('a body over its limit is a 413 on its stream, and the connection lives on', async (t) => {
  const { client } = await openHttp2(t, async (of) => {
    if (of.getMethod() === 'POST') await of.buffer()
    return Response.text('on')
  }, { bodySizeLimit: 1000 })
  const declared = begin(client, { ':method': 'POST', 'content-length': '5000' }, false)
  const [headers] = await once(declared, 'response')
  t.is(headers[':status'], 413)
  const counted = begin(client, { ':method': 'POST' }, false)
  counted.write(Buffer.alloc(5000))
  const [others] = await once(counted, 'response')
  t.is(others[':status'], 413)
  t.is((await send(client)).text, 'on')
})

test('a header section over its limit is a 431 on its stream', async (t) => {
  const { client } = await openHttp2(t, () => Response.text('on'), { headerSizeLimit: 2000 })
  t.is((await send(client, { 'x-long': 'x'.repeat(3000) })).status, 431)
  t.is((await send(client)).text, 'on')
})

test('a response with connection: close is the last of its connection', async (t) => {
  const { client } = await openHttp2(t, () => Response.text('last', 200, { connection: 'close' }))
  const goaway = once(client, 'goaway')
  t.is((await send(client)).text, 'last')
  t.is((await goaway)[0], constants.NGHTTP2_NO_ERROR)
  await once(client, 'close')
})

test('stop sends two GOAWAYs and finishes the streams that are open', async (t) => {
  const { server, port, next } = await hold(t, { http2Cleartext: true })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 1, request()))
  const first = await next()
  const stopped = server.stop(5000)
  const announced = await wire.until(({ type }) => type === Frame.GoAway)
  t.deepEqual(announced.payload, Buffer.concat([word(2 ** 31 - 1), word(0)]))
  // What was sent before the announcement arrived is served.
  wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 3, request()))
  const second = await next()
  const ping = await wire.until(({ type }) => type === Frame.Ping)
  wire.send(frame(Frame.Ping, 1, 0, ping.payload))
  const last = await wire.until(({ type, payload }) => type === Frame.GoAway && payload.readUInt32BE(0) === 3)
  t.is(last.payload.readUInt32BE(4), 0)
  first.answer(Response.text('first'))
  second.answer(Response.text('second'))
  await wire.until(({ type, flags, stream }) => type === Frame.Data && stream === 3 && (flags & END_STREAM) !== 0)
  await wire.end()
  wire.socket.end()
  await stopped
})

test('an idle connection ends with a GOAWAY, and one with an open stream is not idle', async (t) => {
  const { session: client, next } = await holdHttp2(t, { http2Timeout: 1 })
  const response = send(client)
  const { answer } = await next()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  answer(Response.text('late'))
  t.is((await response).text, 'late')
  const [code] = await once(client, 'goaway')
  t.is(code, 0)
  await once(client, 'close')
})

test('streams above concurrentStreamLimit are refused, and the connection lives on', async (t) => {
  const { port, next } = await hold(t, { http2Cleartext: true, concurrentStreamLimit: 1 })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 1, request()), frame(Frame.Headers, END_HEADERS | END_STREAM, 3, request()))
  const { answer } = await next()
  const refused = await wire.until(({ type }) => type === Frame.Reset)
  t.deepEqual([refused.stream, refused.payload.readUInt32BE(0)], [3, constants.NGHTTP2_REFUSED_STREAM])
  answer(Response.text('on'))
  await wire.until(({ type, flags, stream }) => type === Frame.Data && stream === 1 && (flags & END_STREAM) !== 0)
  wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 5, request()))
  ;(await next()).answer(Response.text('on'))
  await wire.until(({ type, stream }) => type === Frame.Headers && stream === 5)
  t.pass()
})

test('requestLimit lets streams wait in line', async (t) => {
  const { session: client, next, arrived } = await holdHttp2(t, { requestLimit: 2 })
  const responses = [send(client), send(client), send(client), send(client)]
  const held = [await next(), await next()]
  t.is(arrived.length, 0)
  held[0]!.answer(Response.text('1'))
  held[1]!.answer(Response.text('2'))
  for (const text of ['3', '4']) (await next()).answer(Response.text(text))
  t.deepEqual((await Promise.all(responses)).map(({ text }) => text), ['1', '2', '3', '4'])
})

test('a client that leaves ends all of its streams', async (t) => {
  const { session: client, next } = await holdHttp2(t)
  const streams = Array.from({ length: 10 }, () => begin(client))
  const held = []
  for (const _ of streams) held.push(await next())
  const signals = held.map(({ request: of }) => of.getSignal())
  client.destroy()
  await until(() => signals.every(({ aborted }) => aborted))
  t.true(held[0]!.client.isClosed())
})

test('a handler that fails or times out answers on its stream', async (t) => {
  const { client } = await openHttp2(t, (of) => {
    if (of.getPath() === '/slow') return new Promise<Response>(() => {})
    throw new Error('no')
  }, { handlerTimeout: 0.2 })
  t.deepEqual((await Promise.all([send(client), send(client, { ':path': '/slow' })])).map(({ status }) => status), [500, 503])
})

test('a body that arrives too slowly is a 408 on its stream', async (t) => {
  const { client } = await openHttp2(t, async (of) => {
    if (of.getMethod() === 'POST') await of.buffer()
    return Response.text('on')
  }, { bodyTimeout: 0.5 })
  const stream = begin(client, { ':method': 'POST' }, false)
  stream.write('part')
  const [headers] = await once(stream, 'response')
  t.is(headers[':status'], 408)
  t.is((await send(client)).text, 'on')
})

test('a response that ends before its request is complete at once, and the rest is dropped, as with HTTP/1', async (t) => {
  const failures: unknown[] = []
  const { client, connect } = await openHttp2(t, (of) => {
    const body = of.getBody()
    return new Response(200, { 'content-length': '10' }, (async function* () {
      yield Buffer.from((await body.read())!)
      body.read().catch((error: unknown) => failures.push(error))
      yield ' early'
    })())
  }, { bodySizeLimit: 100_000 })
  const stream = begin(client, { ':method': 'POST' }, false)
  stream.write('half')
  let text = ''
  stream.on('data', (piece: Buffer) => (text += String(piece)))
  await once(stream, 'end')
  t.is(text, 'half early')
  stream.end('rest')
  t.is(await closed(stream), constants.NGHTTP2_NO_ERROR)
  const one = await connect()
  await one.send(`${postHead(8)}half`).until((received) => received.endsWith('half early'))
  await until(() => failures.length === 2)
  t.true(failures.every((error) => error instanceof StateError))
  t.deepEqual(failures.map(String), [String(failures[0]), String(failures[0])])
  // The body exceeds its limit, so the server resets the stream with NO_ERROR.
  const endless = begin(client, { ':method': 'POST' }, false)
  endless.resume().write('half')
  await once(endless, 'end')
  endless.write(Buffer.alloc(150_000))
  t.is(await closed(endless), constants.NGHTTP2_NO_ERROR)
  t.is((await send(client, { ':method': 'POST' }, 'next')).text, 'next early')
})

test('client.close and client.stop end an HTTP/2 connection', async (t) => {
  const { client } = await openHttp2(t, (of) => {
    if (of.getPath() === '/close') of.getClient().close()
    else void of.getClient().stop(1000)
    return Response.text('on')
  })
  t.is((await send(client)).text, 'on')
  await once(client, 'close')
  const other = await openHttp2(t, (of) => {
    of.getClient().close()
    return Response.text('on')
  })
  begin(other.client)
  await once(other.client, 'close')
  t.pass()
})

test('HTTP/1 and HTTP/2 clients of one server are served side by side', async (t) => {
  const { port, connect } = await open(t, (of) => Response.text(of.getProtocolVersion()), { http2Cleartext: true }, '127.0.0.1:0')
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS | END_STREAM, 1, request()))
  const data = await wire.until(({ type }) => type === Frame.Data)
  t.is(data.payload.toString(), '2')
  const one = await connect()
  await one.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n').until((text) => text.endsWith('1.1'))
  t.pass()
})
