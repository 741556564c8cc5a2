import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ClientException, HandlerError, Request, Response } from '../src/index.ts'
import type { Handler, RequestBody, ServerSettings } from '../src/index.ts'
import { CHUNKED_POST, collected, hold, holdOne, http1Test, open, postHead } from './support.ts'

/** The answer of the handler to the bytes sent. */
async function answered(t: ExecutionContext, handler: Handler, request: string, settings: ServerSettings = {}): Promise<string> {
  const { connect } = await open(t, handler, settings)
  const wire = await connect()
  wire.send(request)
  wire.socket.end()
  const received = await wire.end()
  return received.slice(received.lastIndexOf('\r\n\r\n') + 4)
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

    test(`${way}: ${what} that arrives with its head`, async (t) => {
      t.is(await answered(t, handler, postHead(body.length) + body), body)
    })

    test(`${way}: ${what} that arrives later`, async (t) => {
      const { connect } = await open(t, handler)
      const wire = (await connect()).send(postHead(body.length, 'Expect: 100-continue', 'Connection: close'))
      if (body !== '') await wire.until((text) => text.startsWith('HTTP/1.1 100'))
      t.true((await wire.send(body).end()).endsWith(`\r\n\r\n${body}`))
    })

    test(`${way}: ${what} of Request.create`, async (t) => {
      t.is(await read(Request.create('POST', '/', {}, body).getBody()), body)
      t.is(await read(Request.create('POST', '/', {}, Readable.from([body])).getBody()), body)
      t.is(await read(Request.create('POST', '/', {}, new Blob([body])).getBody()), body)
    })
  }

  test(`${way}: rejects when the client leaves in the middle`, async (t) => {
    const { wire, request, client } = await holdOne(t, `${postHead(100_000)}some`)
    const reading = t.throwsAsync(read(request.getBody()))
    wire.socket.resetAndDestroy()
    const error = await reading
    t.true(error instanceof ClientException)
    t.is((error as ClientException).getCode(), 408)
    t.true(client.isClosed())
  })
}

test('a chunked body is the same for all chunk sizes', async (t) => {
  const body = '5;a=b\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n'
  const { connect } = await open(t, async (request) => {
    const text = await collected(request.getBody())
    const message = await request.getTrailers()?.getMessage()
    return Response.text(`${text}|${message?.getHeader('x-sum')}`)
  })
  const wire = await connect()
  const whole = `${CHUNKED_POST}\r\n${body}`
  for (let cut = 1; cut < whole.length; cut++) {
    wire.received = ''
    wire.send(whole.slice(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    wire.send(whole.slice(cut))
    t.true((await wire.until((text) => text.includes('|'))).endsWith('hello 0123456789|1'))
  }
})

test('a body may arrive one byte at a time', async (t) => {
  const { connect } = await open(t, async (request) => Response.text(await collected(request.getBody())))
  const wire = await connect()
  wire.socket.setNoDelay(true)
  for (const byte of `${postHead(11, 'Connection: close')}hello world`) {
    wire.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true((await wire.end()).endsWith('hello world'))
})

http1Test('a paused reader stops the sender by back-pressure', async (t) => {
  const { connect, next } = await hold(t, { bodySizeLimit: Number.POSITIVE_INFINITY })
  const wire = await connect()
  const total = 64 * 1024 * 1024
  wire.send(postHead(total))
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
  // The transfer has stopped when several checks find the same count.
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

test('a request body can be the body of the response', async (t) => {
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
  socket.write(postHead(total, 'Connection: close'))
  let text = Buffer.alloc(0)
  socket.on('data', (data) => void (text = Buffer.concat([text, Buffer.from(data as unknown as string, 'utf8')])))
  // It may come before Node says that the last piece is sent.
  const end = once(socket, 'end')
  for (let at = 0; at < total; at += 100_000) {
    const piece = Buffer.alloc(100_000, String.fromCharCode(97 + ((at / 100_000) % 26)))
    sent.update(piece)
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), end])
  }
  await end
  let rest = text.subarray(text.indexOf('\r\n\r\n') + 4)
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.subarray(0, line).toString(), 16)
    if (size === 0) break
    received.update(rest.subarray(line + 2, line + 2 + size))
    length += size
    rest = rest.subarray(line + 2 + size + 2)
  }
  t.is(length, total)
  t.is(received.digest('hex'), sent.digest('hex'))
})

test('a loop that is left early drops the rest, and the connection stays usable', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    for await (const piece of request.getBody()) return Response.text(`${piece.length > 0}`)
    return new Response(204)
  }
  const { connect } = await open(t, handler)
  const wire = await connect()
  const body = 'x'.repeat(100_000)
  wire.send(postHead(body.length) + body.slice(0, 1000))
  await wire.until((text) => text.endsWith('true'))
  wire.received = ''
  wire.send(body.slice(1000) + postHead(2) + 'ab')
  t.regex(await wire.until((text) => text.endsWith('true')), /^HTTP\/1\.1 200 OK/)
})

test('buffer can have a limit of its own', async (t) => {
  const handler = async (request: Request): Promise<Response> => new Response(200, {}, await request.getBody().buffer(4))
  t.is(await answered(t, handler, `${postHead(4)}four`), 'four')
  const { connect } = await open(t, handler)
  t.regex(await (await connect()).send(`${postHead(5)}fives`).end(), /^HTTP\/1\.1 413 /)
  t.regex(await (await connect()).send(`${CHUNKED_POST}\r\n5\r\nfives\r\n0\r\n\r\n`).end(), /^HTTP\/1\.1 413 /)
})

test('the Node stream and the web stream of a failing body fail, too', async (t) => {
  const { connect, next } = await hold(t)
  for (const read of [READS['stream']!, READS['toReadable']!]) {
    const wire = (await connect()).send(`${postHead(1000)}some`)
    const { request } = await next()
    const reading = t.throwsAsync(read(request.getBody()), { instanceOf: ClientException })
    wire.socket.destroy()
    await reading
  }
})

test('a Readable of a body can be piped', async (t) => {
  const hash = createHash('sha256')
  const handler = async (request: Request): Promise<Response> => {
    await pipeline(request.getBody().toReadable(), hash)
    return Response.text(hash.digest('hex'))
  }
  const body = 'x'.repeat(100_000)
  t.is(await answered(t, handler, postHead(body.length) + body), createHash('sha256').update(body).digest('hex'))
})

test('text and JSON leave out a byte order mark', async (t) => {
  const body = '\xef\xbb\xbf{"a":1}'
  t.is(await answered(t, async (request) => Response.text(await request.text()), postHead(body.length) + body), '{"a":1}')
  t.is(await answered(t, async (request) => Response.json(await request.json()), postHead(body.length) + body), '{"a":1}')
})

test('a body of Request.create reads streams, and keeps content in memory as it is', async (t) => {
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

test('a middleware can replace a body by a stream', async (t) => {
  const handler = async (request: Request): Promise<Response> => {
    const upper = new TransformStream<Uint8Array, string>({
      transform: (piece, controller) => controller.enqueue(Buffer.from(piece).toString().toUpperCase()),
    })
    request.setBody(request.getBody().stream().pipeThrough(upper))
    return Response.text(await request.text())
  }
  t.is(await answered(t, handler, `${postHead(5)}hello`), 'HELLO')
})
