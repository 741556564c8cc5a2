import { once } from 'node:events'
import test from 'ava'
import { ClientException, Request, Response, StateError, Trailers } from '../src/index.ts'
import type { RequestBody } from '../src/index.ts'
import { Disposals } from './sources.ts'
import { CHUNKED_POST, GET, LAST_GET, WAYS_TO_LEAVE, Wire, collected, hold, holdOne, http1Test, keepErrors, open, postHead, until } from './support.ts'
import type { Held } from './support.ts'

test('a closed body ends: a pending read resolves to null', async (t) => {
  const { next, wire, request, answer } = await holdOne(t, postHead(10))
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

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
  test(`${way} is noticed after the handler has closed the body`, async (t) => {
    for (const sent of ['', 'x'.repeat(100), 'x'.repeat(100_000)]) {
      const { wire, request } = await holdOne(t, postHead(120_000) + sent)
      const body = request.getBody()
      if (sent === '') void body.read()
      else for await (const _ of body) break
      body.close()
      const aborted = once(request.getSignal(), 'abort')
      leave(wire.socket)
      await aborted
    }
    t.pass()
  })
}

test('a body has one pending read, and is read as a whole or in pieces', async (t) => {
  const { wire, request, answer } = await holdOne(t, postHead(10))
  const body = request.getBody()
  const first = body.read()
  await t.throwsAsync(body.read(), { instanceOf: StateError, message: /only one read may be pending/ })
  await t.throwsAsync(body.buffer(), { instanceOf: StateError, message: /only one read may be pending/ })
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

test('destroying or cancelling a stream of a body drops the rest', async (t) => {
  const { connect, next } = await hold(t)
  for (const drop of [
    async (body: RequestBody) => void (await body.stream().cancel()),
    async (body: RequestBody) => {
      const readable = body.toReadable()
      readable.destroy()
      await once(readable, 'close')
    },
  ]) {
    const wire = (await connect()).send(`${postHead(1000)}some`)
    const { request, answer } = await next()
    await drop(request.getBody())
    t.true(request.getBody().isClosed())
    answer(Response.text('done'))
    await wire.until((text) => text.endsWith('done'))
  }
})

test('a body that is read while its request is answered ends with the response', async (t) => {
  const { wire, request, answer } = await holdOne(t, postHead(10))
  const reading = t.throwsAsync(request.getBody().read(), { instanceOf: StateError, message: /was answered/ })
  const trailers = t.throwsAsync(request.getTrailers()!.getMessage(), { instanceOf: StateError })
  answer(Response.text('early'))
  await reading
  await trailers
  await wire.until((text) => text.endsWith('early'))
})

test('a body above its limit is delivered up to the limit; the next read rejects with 413', async (t) => {
  const { wire, request, answer } = await holdOne(t, `${CHUNKED_POST}\r\n`, { bodySizeLimit: 1000 })
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

test('the limit can be raised until it is exceeded, also while the body arrives', async (t) => {
  const { wire, request, answer } = await holdOne(t, `${CHUNKED_POST}\r\n`, { bodySizeLimit: 1000 })
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

http1Test('an invalid chunk in the middle of a body rejects the read with 400', async (t) => {
  const { wire, request } = await holdOne(t, `${CHUNKED_POST}\r\n5\r\nhello\r\n`)
  const body = request.getBody()
  t.is(Buffer.from((await body.read())!).toString(), 'hello')
  wire.send('nonsense\r\n')
  t.is((await t.throwsAsync(body.read(), { instanceOf: ClientException })).getCode(), 400)
  t.regex(await wire.end(), /^HTTP\/1\.1 400 /)
})

/** What the handler is doing meanwhile. */
const STATES: Record<string, (held: Held, wire: Wire) => Promise<unknown>> = {
  'a read waits': ({ request }) => request.getBody().read().then(() => request.getBody().read()),
  'the rest is awaited': ({ request }) => request.buffer(),
  'an iterator waits': ({ request }) => collected(request.getBody()),
  'trailers are awaited': ({ request }) => request.getTrailers()!.getMessage(),
}

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
  for (const [state, begin] of Object.entries(STATES)) {
    test(`${way} while ${state} settles it`, async (t) => {
      const { connect, next } = await hold(t)
      const wire = (await connect()).send(`${postHead(1000)}some`)
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

test('a handler that closes the client rejects its pending read', async (t) => {
  const { request, client } = await holdOne(t, `${postHead(1000)}some`)
  await request.getBody().read()
  const reading = t.throwsAsync(request.getBody().read(), { instanceOf: ClientException })
  client.close()
  await reading
})

test('a stop rejects the reads of bodies that take too long', async (t) => {
  const { server, request } = await holdOne(t, `${postHead(1000)}some`)
  const reading = t.throwsAsync(request.text(), { instanceOf: ClientException })
  await server.stop(0)
  await reading
  await until(() => request.getSignal().aborted)
  t.pass()
})

for (const [how, length] of Object.entries({ 'that came with its head': 5, 'that is to come': 10 })) {
  test(`a function for the end of a body, added ${how}, runs once at every kind of end`, async (t) => {
    const ends: Record<string, (held: Awaited<ReturnType<typeof holdOne>>) => unknown> = {
      'it was read': ({ wire, request }) => {
        wire.send('x'.repeat(length - 5))
        return request.getBody().buffer()
      },
      'it was read piece by piece': ({ wire, request }) => {
        wire.send('x'.repeat(length - 5))
        return collected(request.getBody())
      },
      'it was closed': ({ request }) => request.getBody().close(),
      'the request was answered': ({ answer }) => answer(new Response(204)),
      'the client has left': ({ wire }) => wire.socket.resetAndDestroy(),
    }
    for (const [end, bring] of Object.entries(ends)) {
      const held = await holdOne(t, `${postHead(length)}hello`)
      const body = held.request.getBody()
      let calls = 0
      const closed = new Promise<void>((resolve) => {
        body.onClose(() => {
          calls++
          resolve()
        })
      })
      t.is(calls, 0, end)
      await bring(held)
      await closed
      t.true(body.isClosed(), end)
      body.close()
      body.onClose(() => calls++)
      t.is(calls, 2, `${end}: once, and at once for those who come late`)
      held.answer(new Response(204))
      held.wire.socket.destroy()
    }
  })
}

test('a function that fails at the end of a body is logged, and the others are called', async (t) => {
  const { logger, errors } = keepErrors()
  const { request, answer } = await holdOne(t, `${postHead(5)}hello`, { logger })
  let calls = 0
  request.getBody().onClose(() => {
    throw new Error('on purpose')
  })
  request.getBody().onClose(() => calls++)
  t.is(await request.getBody().text(), 'hello')
  t.is(calls, 1)
  t.regex(errors[0]!.message, /close hook of a request body/)
  answer(new Response(204))
})

test('a function for the end of a body runs at once for a request without a body', async (t) => {
  let calls = 0
  const { connect } = await open(t, async (request) => {
    request.getBody().onClose(() => calls++)
    t.is(calls, 1)
    return Response.text(`none${await request.text()}`)
  })
  t.regex(await (await connect()).send(LAST_GET).end(), /none$/)
  t.is(calls, 1)
})

test('a streamed response to a body above its limit, refused by the engine, settles all promises', async (t) => {
  let calls = 0
  let trailers: Promise<unknown> | null = null
  const disposals = new Disposals()
  const { connect } = await open(t, (request) => {
    request.getBody().onClose(() => calls++)
    trailers = request.getTrailers()!.getMessage()
    const endless = new Trailers(() => new Promise<never>(() => {}))
    return disposals.of(new Response(200, {}, 'content', endless))
  })
  t.regex(await (await connect()).send(postHead(1024 * 1024)).end(), /^HTTP\/1\.1 413 /)
  await t.throwsAsync(trailers!, { message: /the request was answered/ })
  t.is(calls, 1)
  t.is(disposals.count, 1)
})

http1Test('an invalid body that is never read aborts its request when the connection has ended', async (t) => {
  let calls = 0
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(`${CHUNKED_POST}\r\n`)
  const { request } = await next()
  const signal = request.getSignal()
  const trailers = request.getTrailers()!.getMessage()
  request.getBody().onClose(() => calls++)
  wire.send('nonsense\r\n')
  t.regex(await wire.end(), /^HTTP\/1\.1 400 /)
  await t.throwsAsync(trailers, { instanceOf: ClientException })
  t.true(signal.aborted)
  t.is(calls, 1)
})

for (const ioThreads of [0, 1]) {
  test(`a response that follows a read of a body whose client has left is disposed of, with ${ioThreads} threads`, async (t) => {
    const disposals = new Disposals()
    const { wire, request, client, answer } = await holdOne(t, `${CHUNKED_POST}\r\n5\r\nhello\r\n`, { ioThreads })
    wire.socket.resetAndDestroy()
    await until(() => client.isClosed())
    const text = request.text()
    answer(disposals.of(Response.text('too late')))
    await t.throwsAsync(text)
    await until(() => disposals.count === 1)
    t.is(disposals.count, 1)
  })
}
