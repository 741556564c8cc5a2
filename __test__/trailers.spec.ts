import test from 'ava'
import { ClientException, Response, Trailers } from '../src/index.ts'
import { LAST_HEAD, OLD_GET, answered, yielding } from './sources.ts'
import { CHUNKED_POST, GET, IS_HTTP2, closed, hold, holdOne, keepErrors, open, postHead, until } from './support.ts'

test('trailers follow the body and are announced', async (t) => {
  const trailers = (): Trailers => new Trailers(() => Promise.resolve({ 'X-Sum': '1', 'x-more': ['2', '3'] }), ['X-Sum'])
  for (const body of [() => yielding('he', 'llo'), () => 'hello', () => Buffer.from('hello')]) {
    const received = await answered(t, () => new Response(200, { 'content-length': 5 }, body(), trailers()))
    t.regex(received, /\r\ntrailer: x-sum\r\n/)
    t.regex(received, /\r\ntransfer-encoding: chunked\r\n/)
    t.notRegex(received, /content-length/)
    // Node's client joins the values of one name.
    const lines = IS_HTTP2 ? 'x-sum: 1\r\nx-more: 2, 3' : 'X-Sum: 1\r\nx-more: 2\r\nx-more: 3'
    t.true(received.endsWith(`\r\n0\r\n${lines}\r\n\r\n`), received)
    t.regex(received, /\r\n(5\r\nhello|2\r\nhe\r\n3\r\nllo)\r\n0\r\n/)
  }
})

test('HTTP/1.0 gets no trailers; HEAD gets their names', async (t) => {
  const response = (): Response => new Response(200, {}, 'hello', new Trailers({ 'x-sum': '1' }, ['x-sum']))
  if (!IS_HTTP2) {
    const old = await answered(t, response, OLD_GET)
    t.regex(old, /\r\ncontent-length: 5\r\n[^]*hello$/)
    t.notRegex(old, /x-sum/)
  }
  t.regex(await answered(t, response, LAST_HEAD), /\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n$/)
})

test('trailers that fail abort the connection, and are logged', async (t) => {
  const { logger, errors } = keepErrors()
  const broken: Trailers[] = [
    new Trailers(Promise.reject(new Error('broken trailers'))),
    new Trailers({}, ['x-missing']),
    new Trailers({ 'content-length': '5' }),
  ]
  const { connect } = await open(t, () => new Response(200, {}, yielding('x'), broken.shift()), { logger })
  for (const message of [/broken trailers/, /x-missing was announced and is missing/, /content-length can't be a trailer/]) {
    const wire = (await connect()).send(GET)
    await wire.end()
    t.false(wire.received.endsWith('0\r\n\r\n'))
    await until(() => errors.length > 0)
    t.regex(String(errors.pop()?.exception), message)
  }
})

test('the trailers of a request arrive with the end of its body', async (t) => {
  const { wire, request, answer } = await holdOne(t, `${CHUNKED_POST}Trailer: X-Sum, Content-Length\r\n\r\n2\r\nhi\r\n`)
  const trailers = request.getTrailers()!
  t.is(request.getTrailers(), trailers)
  t.deepEqual(trailers.getFields(), ['x-sum'])
  wire.send('0\r\nX-Sum: \xe9\r\nx-sum: 2\r\nHost: evil\r\n\r\n')
  t.is(await request.text(), 'hi')
  const message = await trailers.getMessage()
  t.deepEqual(message.getRawHeaders(), [[IS_HTTP2 ? 'x-sum' : 'X-Sum', 'é'], ['x-sum', '2']])
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
  wire.send(`${postHead(2)}hi`)
  const { request, answer } = await next()
  t.deepEqual((await request.getTrailers()!.getMessage()).getRawHeaders(), [])
  answer(new Response(204))
  wire.send(`${CHUNKED_POST}\r\n2\r\nhi\r\n`)
  const late = await next()
  const message = late.request.getTrailers()!.getMessage()
  wire.send('0\r\n\r\n')
  await late.request.text()
  t.deepEqual((await message).getRawHeaders(), [])
  late.answer(new Response(204))
})

test('the trailers of a failing body reject, and may be ignored', async (t) => {
  const { wire, request, client } = await holdOne(t, `${postHead(1000)}some`)
  const trailers = request.getTrailers()!
  const isClosed = closed(client)
  wire.socket.resetAndDestroy()
  await isClosed
  await t.throwsAsync(trailers.getMessage(), { instanceOf: ClientException })
})

test('trailers are checked', async (t) => {
  t.throws(() => new Trailers({}, ['Content-Length']), { message: /content-length can't be a trailer/ })
  await t.throwsAsync(new Trailers({ host: 'a' }).getMessage(), { message: /host can't be a trailer/ })
  await t.throwsAsync(new Trailers({ 'x-a': [] }, ['x-a']).getMessage(), { message: /x-a was announced/ })
  t.is((await new Trailers({ 'x-b': 1 }).getMessage()).getHeader('X-B'), '1')
})

test('trailers that are read after the client has left reject', async (t) => {
  const { wire, request, client } = await holdOne(t, `${CHUNKED_POST}\r\n5\r\nhello\r\n`)
  const isClosed = closed(client)
  wire.socket.resetAndDestroy()
  await isClosed
  await t.throwsAsync(request.getTrailers()!.getMessage(), { instanceOf: ClientException })
})
