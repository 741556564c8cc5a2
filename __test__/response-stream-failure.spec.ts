import { Readable } from 'node:stream'
import test from 'ava'
import { HandlerError, Response } from '../src/index.ts'
import type { Streamed } from '../src/index.ts'
import { Disposals, LAST_HEAD, Tap, answered, yielding } from './sources.ts'
import { GET, IS_HTTP2, LAST_GET, keepErrors, open, postHead, until } from './support.ts'

test('a body shorter than its length aborts the connection and is an error of the application', async (t) => {
  const { logger, errors } = keepErrors()
  const received = await answered(t, () => new Response(200, { 'content-length': 10 }, yielding('short')), GET, logger)
  // A reset overtakes what waits behind it.
  t.true(received.endsWith('\r\n\r\nshort') || IS_HTTP2)
  t.is(errors.length, 1)
  t.true(errors[0]?.exception instanceof HandlerError)
  t.regex(String(errors[0]?.exception), /5 bytes shorter than its content-length/)
})

test('a body longer than its length sends nothing extra, aborts the connection and cancels the source', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.give('12345')
  tap.give('678')
  const received = await answered(t, () => new Response(200, { 'content-length': 5 }, tap), GET, logger)
  t.true(received.endsWith('\r\n\r\n12345') || received === '')
  t.is(tap.cancelled, 1)
  t.is(errors.length, 1)
  t.regex(String(errors[0]?.exception), /longer than its content-length of 5/)
})

/** Sources that fail in each way, after `count` pieces. */
const failures: Record<string, (pieces: string[]) => Streamed> = {
  'an async generator': (pieces) =>
    (async function* () {
      yield* pieces
      throw new Error('broken source')
    })(),
  'a Readable': (pieces) => {
    const stream = new Readable({ read: () => {} })
    for (const piece of pieces) stream.push(piece)
    setImmediate(() => stream.destroy(new Error('broken source')))
    return stream
  },
  'a web stream': (pieces) =>
    new ReadableStream({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.error(new Error('broken source'))
        else controller.enqueue(piece)
      },
    }),
  'an iterable that cannot begin': () => ({
    [Symbol.asyncIterator]() {
      throw new Error('broken source')
    },
  }),
}

for (const [kind, failing] of Object.entries(failures)) {
  test(`${kind} that fails before the first byte is a 500, logged once`, async (t) => {
    const { logger, errors } = keepErrors()
    const disposals = new Disposals()
    const received = await answered(
      t,
      () => disposals.of(new Response(200, {}, failing([]))),
      LAST_GET,
      logger,
    )
    t.regex(received, /^HTTP\/1\.1 500 /)
    t.is(disposals.count, 1)
    t.is(errors.length, 1)
    t.regex(String(errors[0]?.exception), /broken source/)
  })

  if (kind !== 'an iterable that cannot begin') {
    test(`${kind} that fails after the first byte aborts the connection, logged once`, async (t) => {
      const { logger, errors } = keepErrors()
      const disposals = new Disposals()
      const { connect } = await open(
        t,
        () => disposals.of(new Response(200, {}, failing(['some', 'thing']))),
        { logger },
      )
      const wire = (await connect()).send(GET)
      await wire.end()
      t.false(wire.received.endsWith('0\r\n\r\n'))
      await until(() => disposals.count > 0)
      t.is(disposals.count, 1)
      t.is(errors.length, 1)
      t.regex(errors[0]!.message, /^the body of a response failed: GET \/$/)
    })
  }
}

test('a piece that is neither text nor bytes is an error of the application, and its source is cancelled', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.give({ an: 'object' } as never)
  t.regex(await answered(t, () => new Response(200, {}, tap), LAST_GET, logger), /^HTTP\/1\.1 500 /)
  t.is(tap.cancelled, 1)
  t.regex(String(errors[0]?.exception), /must yield strings and Uint8Arrays; got an object of class Object/)
})

test('an invalid body throws where it is set', (t) => {
  for (const body of [5, true, {}, [], new ArrayBuffer(1), new Map()]) {
    t.throws(() => new Response(200, {}, body as never), { instanceOf: HandlerError, message: /a body must be/ })
  }
})

test('a source whose clean-up fails is logged, and the connection continues', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.return = () => Promise.reject(new Error('broken clean-up'))
  const { connect } = await open(t, () => new Response(200, {}, tap), { logger })
  const wire = (await connect()).send(GET)
  await wire.until((text) => text.endsWith('\r\n\r\n'))
  wire.socket.resetAndDestroy()
  await until(() => errors.length > 0)
  t.regex(errors[0]!.message, /could not be cancelled/)
})

const faults: Record<string, () => { body: Uint8Array; spoil: () => void }> = {
  'transferred to another thread': () => {
    const body = new Uint8Array(8_000_000)
    return { body, spoil: () => void structuredClone(body.buffer, { transfer: [body.buffer] }) }
  },
  'made smaller': () => {
    // Newer than the library of the types.
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer & { resize(length: number): void }
    const buffer = new Resizable(8_000_000, { maxByteLength: 8_000_000 })
    return { body: new Uint8Array(buffer), spoil: () => buffer.resize(10) }
  },
}

for (const [fault, make] of Object.entries(faults)) {
  test(`a buffer that is ${fault} while it is sent aborts the connection, and is logged`, async (t) => {
    const { logger, errors } = keepErrors()
    const { body, spoil } = make()
    const { connect } = await open(t, () => new Response(200, {}, body), { logger })
    const wire = await connect()
    wire.send(GET)
    await wire.until((text) => text.length > 0)
    wire.socket.pause()
    spoil()
    wire.socket.resume()
    await wire.end()
    t.true(wire.received.length < 8_000_000)
    await until(() => errors.length > 0)
    t.regex(String(errors[0]?.exception), /was transferred or has shrunk/)
  })
}

const short = () => new Response(200, { 'content-length': 10 }, 'short')
const empty = () => new Response(200, { 'content-length': 10 })
for (const [what, make] of Object.entries({ short, empty })) {
  for (const disposes of [false, true]) {
    test(`${what} content with a longer declared length is a 500 and logged${disposes ? ', also with a dispose hook' : ''}`, async (t) => {
      const { logger, errors } = keepErrors()
      const disposals = new Disposals()
      t.regex(await answered(t, () => (disposes ? disposals.of(make()) : make()), LAST_GET, logger), /^HTTP\/1\.1 500 /)
      const [exception] = errors.map((error) => String(error.exception))
      t.regex(exception!, /^HandlerError: the body has \d bytes, but the content-length is 10$/)
      t.is(disposals.count, disposes ? 1 : 0)
    })
  }
}

test('a length without a body is allowed in responses that have no body', async (t) => {
  const { logger, errors } = keepErrors()
  t.regex(await answered(t, empty, LAST_HEAD, logger), /content-length: 10/)
  await answered(t, () => new Response(304, { 'content-length': 10 }), LAST_GET, logger)
  t.deepEqual(errors, [])
})

test('a Readable that was read already is an error, not an empty body', async (t) => {
  const { logger, errors } = keepErrors()
  const spent = Readable.from(['all'])
  for await (const piece of spent) t.is(piece, 'all')
  t.regex(await answered(t, () => new Response(200, {}, spent), LAST_GET, logger), /^HTTP\/1\.1 500 /)
  const destroyed = Readable.from(['all']).destroy()
  t.regex(await answered(t, () => new Response(200, {}, destroyed), LAST_GET, logger), /^HTTP\/1\.1 500 /)
  t.regex(String(errors[0]?.exception), /^HandlerError: the stream was read to its end before it was sent/)
  t.regex(String(errors[1]?.exception), /^HandlerError: the stream was destroyed before it was sent/)
})

test('the body of a response that is not sent is cancelled, and its hooks run', async (t) => {
  const disposals = new Disposals()
  const bodies: Readable[] = []
  const make = (status: number): Response => {
    bodies.push(new Readable({ read: () => {} }))
    return disposals.of(new Response(status, {}, bodies.at(-1)!))
  }
  t.regex(await answered(t, () => make(102)), /^HTTP\/1\.1 500 /)
  const tooLong = postHead(1024 * 1024, 'Connection: close')
  t.regex(await answered(t, () => make(200), tooLong), /^HTTP\/1\.1 413 /)
  t.deepEqual(bodies.map((body) => body.destroyed), [true, true])
  t.is(disposals.count, 2)
})
