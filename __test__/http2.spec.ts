import { once } from 'node:events'
import { constants } from 'node:http2'
import test from 'ava'
import { Agent, fetch } from 'undici'
import { OptionError, Options, Response, Trailers } from '../src/index.ts'
import type { Handler, Request } from '../src/index.ts'
import { END_HEADERS, END_STREAM, Frame, begin, closed, dialFrames, frame, holdHttp2, openHttp2, receive, request as requestHead, send, session } from './http2.ts'
import { LAST_GET, SCHEME, count, open, plainTest, temporaryDirectory, until } from './support.ts'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const kilobytes = (count: number): Buffer => Buffer.alloc(count * 1024, 'x')

test('a request and its response are the same objects as with HTTP/1', async (t) => {
  const { client, port } = await openHttp2(t, (request) => {
    t.is(request.getProtocolVersion(), '2')
    t.is(request.getMethod(), 'GET')
    t.is(request.getUri().href, `${SCHEME}://127.0.0.1:${port}/a?b=c`)
    t.is(request.getHeader('Host'), `127.0.0.1:${port}`)
    t.is(request.getHeader('x-one'), '1')
    t.is(request.getClient().getRemoteAddress().getHost(), '127.0.0.1')
    return new Response(201, { 'Content-Type': 'text/plain', 'X-Two': '2' }, 'hello')
  })
  const { status, headers, text } = await send(client, { ':path': '/a?b=c', 'x-one': '1' })
  t.deepEqual([status, headers['x-two'], headers['content-length'], text], [201, '2', '5', 'hello'])
  t.regex(String(headers.date), / GMT$/)
  t.deepEqual([headers.connection, headers['keep-alive'], headers['transfer-encoding']], [undefined, undefined, undefined])
})

test('several cookie fields arrive as one', async (t) => {
  const { client } = await openHttp2(t, (request) => Response.text(`${request.getHeader('cookie')}`))
  t.is((await send(client, { cookie: ['a=1', 'b=2', 'c=3'] })).text, 'a=1; b=2; c=3')
})

test('without http2Cleartext the preface of HTTP/2 is refused, and with it HTTP/1 is served as before', async (t) => {
  const plain = await open(t, () => Response.text('one'))
  const wire = await plain.connect()
  t.regex(await wire.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').end(), /^HTTP\/1.1 400 /)
  const both = await open(t, (request) => Response.text(request.getProtocolVersion()), { http2Cleartext: true })
  const first = await both.connect()
  t.regex(await first.send(LAST_GET).end(), /\r\n\r\n1\.1$/)
})

test('a first line that begins like the preface, byte by byte, is HTTP/1', async (t) => {
  const { connect } = await open(t, (request) => Response.text(request.getMethod()), { http2Cleartext: true })
  const wire = await connect()
  const text = LAST_GET.replace('GET', 'PUT')
  for (const byte of text) {
    wire.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.regex(await wire.end(), /\r\n\r\nPUT$/)
})

test('a hundred streams run at once, and each is answered when it is ready', async (t) => {
  const { session: client, next } = await holdHttp2(t)
  const responses = Array.from({ length: 100 }, (_, at) => send(client, { ':path': `/${at}` }))
  const held = []
  for (let at = 0; at < 100; at++) held.push(await next())
  for (const { request, answer } of held.toReversed()) answer(Response.text(request.getPath()))
  const texts = (await Promise.all(responses)).map(({ text }) => text)
  t.deepEqual(texts, Array.from({ length: 100 }, (_, at) => `/${at}`))
})

test('bodies of requests arrive whole, in pieces, and before their response has ended', async (t) => {
  const { client } = await openHttp2(t, async (request) => {
    if (request.getPath() === '/echo') return new Response(200, {}, request.getBody())
    return Response.text(`${(await request.buffer()).length}`)
  }, { bodySizeLimit: Infinity })
  t.is((await send(client, { ':method': 'POST' }, 'hello')).text, '5')
  t.is((await send(client, { ':method': 'POST' }, '')).text, '0')
  const large = kilobytes(3000)
  t.is((await send(client, { ':method': 'POST' }, large)).text, `${large.length}`)
  const echo = await send(client, { ':method': 'POST', ':path': '/echo' }, large)
  t.is(echo.text.length, large.length)
})

test('an upload that is not read holds up no other stream', async (t) => {
  const { client } = await openHttp2(t, async (request) => {
    if (request.getPath() === '/unread') await new Promise(() => {})
    return Response.text(`${(await request.buffer()).length}`)
  }, { bodySizeLimit: Infinity })
  const unread = begin(client, { ':method': 'POST', ':path': '/unread' }, false)
  unread.write(kilobytes(1024))
  t.is((await send(client, { ':method': 'POST' }, kilobytes(2048))).text, `${2048 * 1024}`)
  unread.destroy()
})

test('a stream that is not read stops its source and holds up no other stream', async (t) => {
  let given = 0
  const { client } = await openHttp2(t, (request) => {
    if (request.getPath() === '/fast') return new Response(200, {}, kilobytes(2048))
    return new Response(200, {}, (async function* () {
      for (; given < 4096; given++) yield kilobytes(16)
    })())
  })
  const slow = begin(client)
  const [headers] = await once(slow, 'response')
  t.is(headers[':status'], 200)
  t.is((await send(client, { ':path': '/fast' })).text.length, 2048 * 1024)
  t.true(given < 100, `${given}`)
  slow.resume()
  await until(() => given === 4096)
  t.is(await closed(slow), 0)
})

for (const ioThreads of [0, 2]) {
  test(`long responses of several streams arrive whole, with ${ioThreads} threads`, async (t) => {
    const handler: Handler = (request) => new Response(200, {}, Buffer.alloc(3_000_000, `response ${request.getPath()};`))
    const { client } = await openHttp2(t, handler, { ioThreads })
    const paths = Array.from({ length: 12 }, (_, at) => `/${at}`)
    const responses = await Promise.all(paths.map((path) => send(client, { ':path': path })))
    for (const [at, { text }] of responses.entries()) {
      t.true(text === Buffer.alloc(3_000_000, `response ${paths[at]};`).toString('latin1'), paths[at])
    }
  })
}

test('trailers go both ways', async (t) => {
  const { client } = await openHttp2(t, async (request) => {
    await request.buffer()
    const sum = (await request.getTrailers()?.getMessage())?.getHeader('x-sum')
    const response = Response.text('body')
    response.setTrailers(new Trailers({ 'x-back': `${sum}` }))
    return response
  })
  const stream = client.request({ ':method': 'POST', ':path': '/', trailer: 'x-sum' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
  const received = receive(stream)
  stream.end('content')
  const { text, trailers } = await received
  t.deepEqual([text, trailers['x-back']], ['body', '42'])
})

test('HEAD, 204 and 304 have no content', async (t) => {
  const { client } = await openHttp2(t, (request) => {
    if (request.getMethod() === 'HEAD') return Response.text('hello')
    return new Response(request.getPath() === '/304' ? 304 : 204)
  })
  const head = await send(client, { ':method': 'HEAD' })
  t.deepEqual([head.headers['content-length'], head.text], ['5', ''])
  t.deepEqual((await send(client)).headers['content-length'], undefined)
  t.is((await send(client, { ':path': '/304' })).status, 304)
})

test('informational responses arrive ahead, and a 100 when the body is read', async (t) => {
  const { client } = await openHttp2(t, async (request) => {
    request.inform(103, { link: '</a.css>; rel=preload' })
    return Response.text(await request.text())
  })
  const stream = begin(client, { ':method': 'POST', expect: '100-continue' }, false)
  const seen: unknown[] = []
  stream.on('headers', (headers) => headers[':status'] === 103 && seen.push(headers['link']))
  const received = receive(stream)
  await once(stream, 'continue')
  stream.end('content')
  t.is((await received).text, 'content')
  t.deepEqual(seen, ['</a.css>; rel=preload'])
})

test('files are sent', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'a.bin'), kilobytes(300))
  const { client } = await openHttp2(t, () => Response.file('a.bin', { root: directory }))
  const { headers, text } = await send(client)
  t.deepEqual([headers['content-length'], text.length], [`${300 * 1024}`, 300 * 1024])
})

test('a request that takes the connection over is repeated by HTTP/1.1', async (t) => {
  const { client } = await openHttp2(t, (request) => {
    if (request.getPath() === '/detach') return Response.detach((socket) => void socket.end())
    if (request.getPath() === '/upgrade') return new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.end())
    return Response.text('on')
  })
  for (const path of ['/detach', '/upgrade']) {
    const stream = begin(client, { ':path': path })
    t.is(await closed(stream), constants.NGHTTP2_HTTP_1_1_REQUIRED)
  }
  t.is((await send(client)).text, 'on')
})

test('each stream counts for its client by itself', async (t) => {
  const { session: client, next } = await holdHttp2(t)
  const upload = begin(client, { ':method': 'POST' }, false)
  upload.write('part')
  const first = await next()
  const counters = (): unknown[] => [
    first.client.getPendingRequestCount(),
    first.client.getPendingResponseCount(),
    first.client.isWaitingOnResponse(),
  ]
  t.deepEqual(counters(), [1, 1, false])
  const got = send(client)
  const second = await next()
  t.is(second.client, first.client)
  // With HTTP/1 the upload would hide the handler that runs.
  t.deepEqual(counters(), [1, 2, true])
  second.answer(Response.text('done'))
  await got
  await until(() => first.client.getPendingResponseCount() === 1)
  t.deepEqual(counters(), [1, 1, false])
  upload.end()
  await until(() => first.client.isWaitingOnResponse())
  first.answer(Response.text('done'))
  t.is(await closed(upload.resume()), 0)
  await until(() => first.client.getPendingResponseCount() === 0)
})

test('undici speaks HTTP/2', async (t) => {
  const { server } = await openHttp2(t, async (request: Request) => Response.text(`${request.getProtocolVersion()} ${await request.text()}`))
  const dispatcher = new Agent({ allowH2: true, useH2c: true } as ConstructorParameters<typeof Agent>[0])
  t.teardown(() => dispatcher.destroy())
  const url = server.url
  const response = await fetch(url, { dispatcher, method: 'POST', body: 'hello' })
  // Without TLS only some of its versions begin with the preface.
  t.regex(await response.text(), /^(2|1\.1) hello$/)
})

test('methods that are not allowed are answered on their stream', async (t) => {
  const { client } = await openHttp2(t, () => Response.text('on'))
  t.is((await send(client, { ':method': 'TRACE' })).status, 405)
  t.is((await send(client, { ':method': 'MADEUP' })).status, 501)
  t.is((await send(client)).text, 'on')
})

test('the obsolete upgrade is refused by name, and a request for it is an ordinary one', async (t) => {
  t.throws(() => Options.from({}).withHttp2Upgrade(), { instanceOf: OptionError, message: /http2Upgrade.*http2Cleartext/ })
  const { connect } = await open(t, (request) => Response.text(request.getProtocolVersion()), { http2Cleartext: true })
  const wire = await connect()
  wire.send(LAST_GET.replace('Connection: close', 'Connection: upgrade, close, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk'))
  const text = await wire.end()
  t.is(count(text, 'HTTP/1.1 200'), 1)
})

test('two sessions share nothing but the server', async (t) => {
  const { port, client } = await openHttp2(t, (request) => Response.text(`${request.getClient().getId()}`))
  const other = await session(t, port)
  const [one, two] = [await send(client), await send(other)]
  t.not(one.text, two.text)
  t.is((await send(client)).text, one.text)
})

plainTest('https over cleartext is believed from proxies', async (t) => {
  for (const [proxies, scheme] of [[[], 'http:'], [['127.0.0.1'], 'https:']] as const) {
    const { client } = await openHttp2(t, (request) => Response.text(request.getUri().protocol), { proxies })
    t.is((await send(client, { ':scheme': 'https' })).text, scheme)
    t.is((await send(client, { ':scheme': 'http' })).text, 'http:')
  }
})

test('the window of an upload grows to its limit while the handler keeps up, and no further', async (t) => {
  const handler: Handler = async (request) => {
    let length = 0
    for await (const piece of request.getBody()) length += piece.length
    return Response.text(String(length))
  }
  const limit = 1_048_576
  const { port } = await openHttp2(t, handler, { bodySizeLimit: Infinity, http2WindowLimit: limit })
  const wire = await dialFrames(t, port)
  wire.send(frame(Frame.Headers, END_HEADERS, 1, requestHead('POST')))
  const sum = (stream: number): number => {
    const updates = wire.frames.filter((each) => each.type === Frame.WindowUpdate && each.stream === stream)
    return updates.reduce((total, { payload }) => total + payload.readUInt32BE(), 0)
  }
  let sent = 0
  let largest = 0
  const piece = Buffer.alloc(16_384)
  while (sent < 20_000_000) {
    const room = Math.min(65_536 + sum(1), 65_535 + sum(0)) - sent
    largest = Math.max(largest, 65_536 + sum(1) - sent)
    if (room < piece.length) await new Promise((resolve) => wire.socket.once('data', resolve))
    else {
      wire.send(frame(Frame.Data, 0, 1, piece))
      sent += piece.length
    }
  }
  wire.send(frame(Frame.Data, END_STREAM, 1))
  await wire.until(({ type }) => type === Frame.Headers)
  t.true(largest > limit && largest <= 2 * limit, String(largest))
})
