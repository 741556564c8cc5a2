import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ClientException, HandlerError, Request, Response, StateError, Trailers } from '../src/index.ts'
import type { Handler, RequestBody, ServerSettings } from '../src/index.ts'
import { GET, hold, open, until } from './support.ts'
import type { Held, Wire } from './support.ts'

const head = (length: number | string, ...fields: string[]): string =>
  ['POST / HTTP/1.1', 'Host: a', `Content-Length: ${length}`, ...fields, '\r\n'].join('\r\n')
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n'

/** What the handler answered to what is sent. */
async function answered(t: ExecutionContext, handler: Handler, request: string, settings: ServerSettings = {}): Promise<string> {
  const { connect } = await open(t, handler, settings)
  const wire = await connect()
  wire.send(request)
  wire.socket.end()
  const received = await wire.end()
  return received.slice(received.lastIndexOf('\r\n\r\n') + 4)
}

async function collected(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

async function collectedFrom(stream: ReadableStream<Uint8Array>): Promise<string> {
  return collected(stream as unknown as AsyncIterable<Uint8Array>)
}

async function byob(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader({ mode: 'byob' })
  let text = ''
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(7))
    if (done) return text
    text += Buffer.from(value).toString('latin1')
  }
}

/** Every way to read a body. */
const READS: Record<string, (body: RequestBody) => Promise<string>> = {
  'for await': collected,
  read: async (body) => {
    let text = ''
    for (let piece; (piece = await body.read()) !== null; ) text += Buffer.from(piece).toString('latin1')
    return text
  },
  buffer: async (body) => Buffer.from(await body.buffer()).toString('latin1'),
  'buffer with a limit': async (body) => Buffer.from(await body.buffer(1_000_000)).toString('latin1'),
  text: (body) => body.text(),
  stream: (body) => collectedFrom(body.stream()),
  'stream by a reader of bytes': (body) => byob(body.stream()),
  toReadable: (body) => collected(body.toReadable()),
  'a piece and then the rest': async (body) => {
    const first = (await body.read()) ?? new Uint8Array(0)
    return Buffer.from(first).toString('latin1') + Buffer.from(await body.buffer()).toString('latin1')
  },
}

const BODIES: Record<string, string> = {
  'an empty body': '',
  'a short body': 'hello',
  'a long body': 'x'.repeat(100_000),
}

for (const [way, read] of Object.entries(READS)) {
  for (const [what, body] of Object.entries(BODIES)) {
    const handler = async (request: Request): Promise<Response> => new Response(200, {}, await read(request.getBody()))

    test(`${way}: ${what} that comes with its head`, async (t) => {
      t.is(await answered(t, handler, head(body.length) + body), body)
    })

    test(`${way}: ${what} that comes later`, async (t) => {
      const { connect } = await open(t, handler)
      const wire = (await connect()).send(head(body.length, 'Expect: 100-continue', 'Connection: close'))
      if (body !== '') await wire.until((text) => text.startsWith('HTTP/1.1 100'))
      t.true((await wire.send(body).end()).endsWith(`\r\n\r\n${body}`))
    })

    test(`${way}: ${what} made by hand`, async (t) => {
      t.is(await read(Request.create('POST', '/', {}, body).getBody()), body)
      t.is(await read(Request.create('POST', '/', {}, Readable.from([body])).getBody()), body)
      t.is(await read(Request.create('POST', '/', {}, new Blob([body])).getBody()), body)
    })
  }

  test(`${way}: a client that leaves in the middle rejects it`, async (t) => {
    const { connect, next } = await hold(t)
    const wire = (await connect()).send(`${head(100_000)}some`)
    const { request, client } = await next()
    const reading = t.throwsAsync(read(request.getBody()))
    wire.socket.resetAndDestroy()
    const error = await reading
    t.true(error instanceof ClientException)
    t.is((error as ClientException).getCode(), 408)
    t.true(client.isClosed())
  })
}

test('a chunked body is the same however it is cut', async (t) => {
  const body = '5;a=b\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n'
  const { connect } = await open(t, async (request) => {
    const text = await collected(request.getBody())
    const message = await request.getTrailers()?.getMessage()
    return Response.text(`${text}|${message?.getHeader('x-sum')}`)
  })
  const wire = await connect()
  const whole = `${CHUNKED}\r\n${body}`
  for (let cut = 1; cut < whole.length; cut++) {
    wire.received = ''
    wire.send(whole.slice(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    wire.send(whole.slice(cut))
    t.true((await wire.until((text) => text.includes('|'))).endsWith('hello 0123456789|1'))
  }
})

test('one byte at a time is a body, too', async (t) => {
  const { connect } = await open(t, async (request) => Response.text(await collected(request.getBody())))
  const wire = await connect()
  wire.socket.setNoDelay(true)
  for (const byte of `${head(11, 'Connection: close')}hello world`) {
    wire.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true((await wire.end()).endsWith('hello world'))
})

test('a consumer who pauses is not overrun, and the sender is held up', async (t) => {
  const { connect, next } = await hold(t, { bodySizeLimit: Number.POSITIVE_INFINITY })
  const wire = await connect()
  const total = 64 * 1024 * 1024
  wire.send(head(total))
  const { request, answer } = await next()
  const first = request.getBody().read()
  const piece = Buffer.alloc(1024 * 1024, 'x')
  let sent = 0
  const send = (): void => {
    while (sent < total) {
      sent += piece.length
      if (!wire.socket.write(piece)) return
    }
  }
  wire.socket.on('drain', send)
  send()
  let received = (await first)!.length
  // Nothing moves any more when several looks find it where it was.
  for (let seen = -1; seen !== wire.socket.bytesWritten - wire.socket.writableLength; ) {
    seen = wire.socket.bytesWritten - wire.socket.writableLength
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.true(sent < total / 2, `${sent} bytes were sent`)
  for (let next_; (next_ = await request.getBody().read()) !== null; ) received += next_.length
  t.is(received, total)
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
})

test('a body goes straight through into the answer', async (t) => {
  const { connect } = await open(t, (request) => new Response(200, {}, request.getBody()), { bodySizeLimit: 20_000_000 })
  const wire = await connect()
  wire.socket.setEncoding()
  const sent = createHash('sha1')
  const received = createHash('sha1')
  let length = 0
  const { socket } = wire
  socket.removeAllListeners('data')
  socket.resume()
  const total = 10_000_000
  socket.write(head(total, 'Connection: close'))
  let text = Buffer.alloc(0)
  socket.on('data', (data) => void (text = Buffer.concat([text, Buffer.from(data as unknown as string, 'utf8')])))
  for (let at = 0; at < total; at += 100_000) {
    const piece = Buffer.alloc(100_000, String.fromCharCode(97 + ((at / 100_000) % 26)))
    sent.update(piece)
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  await once(socket, 'end')
  let rest = text.subarray(text.indexOf('\r\n\r\n') + 4)
  for (;;) {
    const end = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.subarray(0, end).toString(), 16)
    if (size === 0) break
    received.update(rest.subarray(end + 2, end + 2 + size))
    length += size
    rest = rest.subarray(end + 2 + size + 2)
  }
  t.is(length, total)
  t.is(received.digest('hex'), sent.digest('hex'))
})

test('whoever leaves the loop does not want the rest: it is dropped and the connection goes on', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    for await (const piece of request.getBody()) return Response.text(`${piece.length > 0}`)
    return new Response(204)
  }
  const { connect } = await open(t, handler)
  const wire = await connect()
  const body = 'x'.repeat(100_000)
  wire.send(head(body.length) + body.slice(0, 1000))
  await wire.until((text) => text.endsWith('true'))
  wire.received = ''
  wire.send(body.slice(1000) + head(2) + 'ab')
  t.regex(await wire.until((text) => text.endsWith('true')), /^HTTP\/1\.1 200 OK/)
})

test('a closed body gives nothing more, and a read that waits gives null', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(head(10))
  const { request, answer } = await next()
  const body = request.getBody()
  t.true(body.isReadable())
  const waiting = body.read()
  body.close()
  t.is(await waiting, null)
  t.is(await body.read(), null)
  t.is((await body.buffer()).length, 0)
  t.deepEqual([body.isClosed(), body.isReadable()], [true, false])
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  wire.received = ''
  wire.send(`0123456789${GET}`)
  ;(await next()).answer(Response.text('again'))
  await wire.until((text) => text.endsWith('again'))
})

test('a body is read once at a time, and as a whole or in pieces', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(head(10))
  const { request, answer } = await next()
  const body = request.getBody()
  const first = body.read()
  await t.throwsAsync(body.read(), { instanceOf: StateError, message: /one read at a time/ })
  await t.throwsAsync(body.buffer(), { instanceOf: StateError, message: /one read at a time/ })
  wire.send('01234')
  t.is(Buffer.from((await first)!).toString(), '01234')
  const whole = body.buffer()
  t.is(body.buffer(), whole)
  await t.throwsAsync(body.read(), { instanceOf: StateError, message: /as a whole/ })
  wire.send('56789')
  t.is(Buffer.from(await whole).toString(), '56789')
  t.true(body.isClosed())
  answer(new Response(204))
})

test('a body that is read while its request is answered is over with the answer', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(head(10))
  const { request, answer } = await next()
  const reading = t.throwsAsync(request.getBody().read(), { instanceOf: StateError, message: /was answered/ })
  const trailers = t.throwsAsync(request.getTrailers()!.getMessage(), { instanceOf: StateError })
  answer(Response.text('early'))
  await reading
  await trailers
  await wire.until((text) => text.endsWith('early'))
})

test('a body over its limit is delivered up to it, then the read is a 413', async (t) => {
  const { connect, next } = await hold(t, { bodySizeLimit: 1000 })
  const wire = (await connect()).send(`${CHUNKED}\r\n`)
  const { request, answer } = await next()
  const body = request.getBody()
  wire.send(`3e8\r\n${'x'.repeat(1000)}\r\n`)
  let length = 0
  while (length < 1000) length += (await body.read())!.length
  wire.send('1\r\ny\r\n')
  const error = await t.throwsAsync(body.read(), { instanceOf: ClientException })
  t.is(error.getCode(), 413)
  t.is(length, 1000)
  t.true(body.isClosed())
  answer(Response.text('too much', 413))
  t.regex(await wire.until((text) => text.endsWith('too much')), /^HTTP\/1\.1 413 /)
})

test('the limit can be raised until it is hit, also while the body comes', async (t) => {
  const { connect, next } = await hold(t, { bodySizeLimit: 1000 })
  const wire = (await connect()).send(`${CHUNKED}\r\n`)
  const { request, answer } = await next()
  const body = request.getBody()
  let length = 0
  for (const limit of [2000, 3000, 500]) {
    wire.send(`3e8\r\n${'x'.repeat(1000)}\r\n`)
    const expected = length + 1000
    while (length < expected) length += (await body.read())!.length
    body.increaseSizeLimit(limit)
  }
  wire.send('0\r\n\r\n')
  t.is(await body.read(), null)
  t.is(length, 3000)
  answer(new Response(204))
  await wire.until((text) => text.startsWith('HTTP/1.1 204'))
  t.throws(() => Request.create('POST', '/').getBody().increaseSizeLimit(-1))
})

test('buffer can have a limit of its own', async (t) => {
  const handler = async (request: Request): Promise<Response> => new Response(200, {}, await request.getBody().buffer(4))
  t.is(await answered(t, handler, `${head(4)}four`), 'four')
  const { connect } = await open(t, handler)
  t.regex(await (await connect()).send(`${head(5)}fives`).end(), /^HTTP\/1\.1 413 /)
  t.regex(await (await connect()).send(`${CHUNKED}\r\n5\r\nfives\r\n0\r\n\r\n`).end(), /^HTTP\/1\.1 413 /)
})

test('what is wrong with a body in its middle rejects the read with 400', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(`${CHUNKED}\r\n5\r\nhello\r\n`)
  const { request } = await next()
  const body = request.getBody()
  t.is(Buffer.from((await body.read())!).toString(), 'hello')
  wire.send('nonsense\r\n')
  t.is((await t.throwsAsync(body.read(), { instanceOf: ClientException })).getCode(), 400)
  t.regex(await wire.end(), /^HTTP\/1\.1 400 /)
})

test('a Node stream and a web stream of a body that fails fail, too', async (t) => {
  const { connect, next } = await hold(t)
  for (const read of [READS['stream']!, READS['toReadable']!]) {
    const wire = (await connect()).send(`${head(1000)}some`)
    const { request } = await next()
    const reading = t.throwsAsync(read(request.getBody()), { instanceOf: ClientException })
    wire.socket.destroy()
    await reading
  }
})

test('whoever destroys or cancels a stream of a body does not want the rest', async (t) => {
  const { connect, next } = await hold(t)
  for (const drop of [
    async (body: RequestBody) => void (await body.stream().cancel()),
    async (body: RequestBody) => {
      const readable = body.toReadable()
      readable.destroy()
      await once(readable, 'close')
    },
  ]) {
    const wire = (await connect()).send(`${head(1000)}some`)
    const { request, answer } = await next()
    await drop(request.getBody())
    t.true(request.getBody().isClosed())
    answer(Response.text('done'))
    await wire.until((text) => text.endsWith('done'))
  }
})

test('a Readable of a body can be piped', async (t) => {
  const hash = createHash('sha256')
  const handler = async (request: Request): Promise<Response> => {
    await pipeline(request.getBody().toReadable(), hash)
    return Response.text(hash.digest('hex'))
  }
  const body = 'x'.repeat(100_000)
  t.is(await answered(t, handler, head(body.length) + body), createHash('sha256').update(body).digest('hex'))
})

test('text and JSON leave out a byte order mark', async (t) => {
  const body = '\xef\xbb\xbf{"a":1}'
  t.is(await answered(t, async (request) => Response.text(await request.text()), head(body.length) + body), '{"a":1}')
  t.is(await answered(t, async (request) => Response.json(await request.json()), head(body.length) + body), '{"a":1}')
})

test('trailers of a request come with the end of its body', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(`${CHUNKED}Trailer: X-Sum, Content-Length\r\n\r\n2\r\nhi\r\n`)
  const { request, answer } = await next()
  const trailers = request.getTrailers()!
  t.is(request.getTrailers(), trailers)
  t.deepEqual(trailers.getFields(), ['x-sum'])
  wire.send('0\r\nX-Sum: \xe9\r\nx-sum: 2\r\nHost: evil\r\n\r\n')
  t.is(await request.text(), 'hi')
  const message = await trailers.getMessage()
  t.deepEqual(message.getRawHeaders(), [['X-Sum', 'é'], ['x-sum', '2']])
  t.is(await trailers.await(), message)
  answer(new Response(204))
  await wire.until((text) => text.startsWith('HTTP/1.1 204'))
})

test('a request without a body has no trailers, one without trailers has an empty message', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(GET)
  const bare = await next()
  t.is(bare.request.getTrailers(), null)
  bare.answer(new Response(204))
  wire.send(`${head(2)}hi`)
  const { request, answer } = await next()
  t.deepEqual((await request.getTrailers()!.getMessage()).getRawHeaders(), [])
  answer(new Response(204))
  wire.send(`${CHUNKED}\r\n2\r\nhi\r\n`)
  const late = await next()
  const message = late.request.getTrailers()!.getMessage()
  wire.send('0\r\n\r\n')
  await late.request.text()
  t.deepEqual((await message).getRawHeaders(), [])
  late.answer(new Response(204))
})

test('trailers of a body that fails are rejected, and nobody has to listen', async (t) => {
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(`${head(1000)}some`)
  const { request, client } = await next()
  const trailers = request.getTrailers()!
  const closed = new Promise<void>((resolve) => void client.onClose(() => resolve()))
  wire.socket.resetAndDestroy()
  await closed
  await t.throwsAsync(trailers.getMessage(), { instanceOf: ClientException })
})

test('trailers are checked', async (t) => {
  t.throws(() => new Trailers({}, ['Content-Length']), { message: /content-length can't be a trailer/ })
  await t.throwsAsync(new Trailers({ host: 'a' }).getMessage(), { message: /host can't be a trailer/ })
  await t.throwsAsync(new Trailers({ 'x-a': [] }, ['x-a']).getMessage(), { message: /x-a was announced/ })
  t.is((await new Trailers({ 'x-b': 1 }).getMessage()).getHeader('X-B'), '1')
})

test('a body made by hand reads streams, and whole content stays what it is', async (t) => {
  const request = Request.create('POST', '/', {}, Readable.from(['one, ', Buffer.from('two')]))
  t.false(request.hasHeader('content-length'))
  t.is(await request.text(), 'one, two')
  request.setBody(new Blob(['three']))
  t.is(request.getHeader('content-length'), '5')
  t.is(await request.text(), 'three')
  request.setBody((async function* () {
    yield { an: 'object' } as never
  })())
  t.false(request.hasHeader('content-length'))
  await t.throwsAsync(request.buffer(), { instanceOf: HandlerError })
  t.throws(() => request.setBody(5 as never), { instanceOf: HandlerError })
})

test('a middleware can put a stream in place of a body', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    const upper = new TransformStream<Uint8Array, string>({
      transform: (piece, controller) => controller.enqueue(Buffer.from(piece).toString().toUpperCase()),
    })
    request.setBody(request.getBody().stream().pipeThrough(upper))
    return Response.text(await request.text())
  }
  t.is(await answered(t, handler, `${head(5)}hello`), 'HELLO')
})

/** How a client can leave. */
const WAYS: Record<string, (socket: Socket) => unknown> = {
  'a FIN': (socket) => socket.end(),
  'a reset': (socket) => socket.resetAndDestroy(),
  'a hang-up': (socket) => socket.destroy(),
}

/** What may be going on when it does. */
const STATES: Record<string, (held: Held, wire: Wire) => Promise<unknown>> = {
  'a read waits': ({ request }) => request.getBody().read().then(() => request.getBody().read()),
  'the rest is waited for': ({ request }) => request.buffer(),
  'an iterator waits': ({ request }) => collected(request.getBody()),
  'trailers are waited for': ({ request }) => request.getTrailers()!.getMessage(),
}

for (const [way, leave] of Object.entries(WAYS)) {
  for (const [state, begin] of Object.entries(STATES)) {
    test(`${way} while ${state} settles it`, async (t) => {
      const { connect, next } = await hold(t)
      const wire = (await connect()).send(`${head(1000)}some`)
      const held = await next()
      let closes = 0
      held.client.onClose(() => void closes++)
      const waiting = t.throwsAsync(begin(held, wire), { instanceOf: ClientException })
      leave(wire.socket)
      t.is((await waiting).getCode(), 408)
      t.is(closes, 1)
      await t.throwsAsync(held.request.getTrailers()!.getMessage(), { instanceOf: ClientException })
    })
  }
}

test('a client that is closed by a handler that reads rejects the read', async (t) => {
  const { connect, next } = await hold(t)
  ;(await connect()).send(`${head(1000)}some`)
  const { request, client } = await next()
  await request.getBody().read()
  const reading = t.throwsAsync(request.getBody().read(), { instanceOf: ClientException })
  client.close()
  await reading
})

test('a stop rejects the reads of bodies that take too long', async (t) => {
  const { server, connect, next } = await hold(t)
  ;(await connect()).send(`${head(1000)}some`)
  const { request } = await next()
  const reading = t.throwsAsync(request.text(), { instanceOf: ClientException })
  await server.stop(0)
  await reading
  await until(() => request.getSignal().aborted)
  t.pass()
})
