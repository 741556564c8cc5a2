import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { Response, StateError } from '../src/index.ts'
import type { Body, Client, Request, Streamed } from '../src/index.ts'
import { Disposals, LAST_HEAD, OLD_GET, Tap, answered, unchunked, webStream, yielding } from './sources.ts'
import { GET, IS_HTTP2, LAST_GET, count, http1Test, keepErrors, open, plainTest, steady, until } from './support.ts'

const LONG_TEXT = 'é'.repeat(200_000)
const LONG_BYTES = Uint8Array.from({ length: 700_000 }, (_, at) => at % 251)

const kinds: Record<string, [body: () => Body, expected: Uint8Array | string]> = {
  'an async generator of text': [() => yielding('one, ', '', 'two, ', 'thr€€'), 'one, two, thr€€'],
  'an async generator of bytes': [() => yielding(Uint8Array.of(0, 1), new Uint8Array(0), Uint8Array.of(254, 255)), Uint8Array.of(0, 1, 254, 255)],
  'an async generator of both in turns': [() => yielding<string | Uint8Array>('a', Buffer.from('b'), 'c', Buffer.from('d')), 'abcd'],
  'an async generator of nothing': [() => yielding<string>(), ''],
  'a long piece of text': [() => yielding(LONG_TEXT), LONG_TEXT],
  'a long piece of bytes': [() => yielding(LONG_BYTES), LONG_BYTES],
  'a Readable of bytes': [() => Readable.from([Buffer.from('one, '), Buffer.from('two')]), 'one, two'],
  'a Readable of text': [() => Readable.from(['one, ', 'two']), 'one, two'],
  'a web stream': [() => webStream('one, ', 'two'), 'one, two'],
  'a web stream of bytes': [
    () => {
      const pieces = [Buffer.from('one, '), Buffer.from('two')]
      return new ReadableStream({
        type: 'bytes',
        pull(controller) {
          const piece = pieces.shift()
          if (piece === undefined) controller.close()
          else controller.enqueue(Uint8Array.from(piece))
        },
      })
    },
    'one, two',
  ],
  'a Blob': [() => new Blob(['one, ', 'two']), 'one, two'],
  'long text': [() => LONG_TEXT, LONG_TEXT],
  'long bytes': [() => LONG_BYTES, LONG_BYTES],
}

for (const [kind, [body, expected]] of Object.entries(kinds)) {
  const bytes = Buffer.from(expected).toString('latin1')

  test(`${kind} is a body`, async (t) => {
    const received = await answered(t, () => new Response(200, {}, body()))
    if (/content-length/.test(received)) {
      t.true(received.includes(`\r\ncontent-length: ${bytes.length}\r\n`))
      t.true(received.endsWith(`\r\n\r\n${bytes}`))
    } else {
      t.regex(received, /\r\ntransfer-encoding: chunked\r\n/)
      t.is(unchunked(received), bytes)
    }
  })

  http1Test(`${kind} is a body for HTTP/1.0, which ends with the connection`, async (t) => {
    const received = await answered(t, () => new Response(200, {}, body()), OLD_GET)
    t.notRegex(received, /transfer-encoding/)
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), bytes)
  })

  test(`${kind} with a known length has a Content-Length`, async (t) => {
    const received = await answered(t, () => new Response(200, { 'content-length': bytes.length }, body()))
    t.true(received.includes(`\r\ncontent-length: ${bytes.length}\r\n`))
    t.notRegex(received, /transfer-encoding/)
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), bytes)
  })

  test(`${kind} is complete in the response of inject`, async (t) => {
    const { server } = await open(t, () => new Response(200, {}, body()))
    const response = await server.inject((await import('../src/index.ts')).Request.create('GET', '/'))
    t.is(Buffer.from(await response.buffer()).toString('latin1'), bytes)
  })
}

test('a body is the same for all cuts into pieces', async (t) => {
  const text = 'The quick brown fox'
  let size = 0
  const { connect } = await open(t, () => {
    size++
    const pieces: Uint8Array[] = []
    for (let at = 0; at < text.length; at += size) pieces.push(Buffer.from(text.slice(at, at + size)))
    return new Response(200, {}, yielding(...pieces))
  })
  const wire = await connect()
  for (let each = 1; each <= text.length; each++) {
    wire.received = ''
    wire.send(GET)
    t.is(unchunked(await wire.until((received) => received.endsWith('\r\n0\r\n\r\n'))), text)
  }
})

http1Test('the head and the first bytes are sent together, also when the bytes are late', async (t) => {
  async function* late(): AsyncGenerator<string> {
    await new Promise((resolve) => setImmediate(resolve))
    yield 'first'
    await new Promise((resolve) => setImmediate(resolve))
    yield 'second'
  }
  const { connect } = await open(t, () => new Response(200, {}, late()))
  const wire = await connect()
  wire.send(GET)
  const [first] = (await once(wire.socket, 'data')) as [string]
  t.regex(first, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n5\r\nfirst\r\n/)
})

test('an event is sent at once, and the stream stays open', async (t) => {
  const tap = new Tap()
  const { connect } = await open(t, () => new Response(200, { 'content-type': 'text/event-stream' }, tap))
  const wire = (await connect()).send(LAST_GET)
  for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
    tap.give(event)
    await wire.until((text) => text.endsWith(`9\r\n${event}\r\n`))
  }
  tap.end()
  t.regex(await wire.end(), /data: 3\n\n\r\n0\r\n\r\n$/)
  t.is(tap.cancelled, 0)
})

test('the head of a stream is sent even if its source is silent', async (t) => {
  const tap = new Tap()
  const { connect } = await open(t, () => new Response(200, {}, tap))
  const wire = (await connect()).send(GET)
  t.regex(await wire.until((text) => text.endsWith('\r\n\r\n')), /^HTTP\/1\.1 200 OK\r\n/)
  t.is(tap.asked, 1)
})

test('pieces without a pause are gathered up to streamThreshold', async (t) => {
  const pieces = Array.from({ length: 1000 }, (_, at) => `${at};`)
  for (const source of [() => yielding(...pieces), () => yielding(...pieces.map((piece) => Buffer.from(piece)))]) {
    const received = await answered(t, () => new Response(200, {}, source()))
    t.is(unchunked(received), pieces.join(''))
    t.true(received.length < pieces.join('').length + 300)
  }
})

test('a source may reuse its memory', async (t) => {
  async function* reusing(): AsyncGenerator<Uint8Array> {
    const memory = Buffer.alloc(1)
    for (const letter of 'abcdef') {
      memory.write(letter)
      yield memory
    }
  }
  t.is(unchunked(await answered(t, () => new Response(200, {}, reusing()))), 'abcdef')
})

test('a source is not read faster than the client reads', async (t) => {
  let given = 0
  const piece = Buffer.alloc(64 * 1024, 'x')
  async function* endless(): AsyncGenerator<Uint8Array> {
    while (given < 1000) {
      given++
      yield piece
    }
  }
  const { connect } = await open(t, () => new Response(200, {}, endless()))
  const wire = await connect()
  wire.socket.pause()
  wire.send(LAST_GET)
  await steady(() => given)
  t.true(given > 0 && given < 200, `${given} pieces`)
  wire.socket.resume()
  await wire.end()
  t.is(given, 1000)
  t.is(unchunked(wire.received).length, 1000 * piece.length)
})

test('a stream is counted as a response until its end is written', async (t) => {
  const tap = new Tap()
  let client: Client | undefined
  const { connect } = await open(t, (request) => {
    client = request.getClient()
    return new Response(200, {}, tap)
  })
  const wire = (await connect()).send(GET)
  tap.give('x')
  await wire.until((text) => text.endsWith('x\r\n'))
  t.is(client!.getPendingResponseCount(), 1)
  t.false(client!.isWaitingOnResponse())
  tap.end()
  await wire.until((text) => text.endsWith('0\r\n\r\n'))
  await until(() => client!.getPendingResponseCount() === 0)
  wire.received = ''
  const next = new Tap()
  t.is(next.cancelled + tap.cancelled, 0)
})

test('pipelined streams are sent in order, each as a whole', async (t) => {
  const taps = [new Tap(), new Tap(), new Tap()]
  let at = 0
  const { connect } = await open(t, () => new Response(200, {}, taps[at++]))
  const wire = (await connect()).send(GET + GET + LAST_GET)
  await until(() => at === 3)
  for (const [index, tap] of [...taps.entries()].reverse()) {
    tap.give(`body ${index}`)
    tap.end()
    await until(() => tap.asked === 2)
  }
  const received = await wire.end()
  t.deepEqual(received.match(/body \d/g), ['body 0', 'body 1', 'body 2'])
  t.is(count(received, '0\r\n\r\n'), 3)
})

http1Test('the source of a stream behind another is paused, too', async (t) => {
  const first = new Tap()
  let given = 0
  const piece = Buffer.alloc(32 * 1024, 'y')
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; given < 500; given++) yield piece
  }
  const bodies: Streamed[] = [first, endless()]
  const { connect } = await open(t, () => new Response(200, {}, bodies.shift()))
  const wire = (await connect()).send(GET + LAST_GET)
  await until(() => given > 0)
  for (let at = 0; at < 50; at++) await new Promise((resolve) => setImmediate(resolve))
  t.true(given < 20, `${given} pieces`)
  first.end()
  await wire.end()
  t.is(given, 500)
})

for (const [what, request, status] of [
  ['HEAD', LAST_HEAD, 200],
  ['204', LAST_GET, 204],
  ['304', LAST_GET, 304],
  ['HEAD with 204', LAST_HEAD, 204],
  ['HEAD with 304', LAST_HEAD, 304],
] as const) {
  test(`the source of a response to ${what} is cancelled and not read`, async (t) => {
    const tap = new Tap()
    const disposals = new Disposals()
    const received = await answered(
      t,
      () => disposals.of(new Response(status, { 'x-a': 'b' }, tap)),
      request,
    )
    t.true(received.endsWith('\r\n\r\n'))
    t.is(count(received, '\r\n\r\n'), 1)
    t.is(/transfer-encoding: chunked/.test(received), what === 'HEAD')
    await until(() => disposals.count > 0)
    t.deepEqual([tap.asked, tap.cancelled, disposals.count], [0, 1, 1])
  })
}

test('HEAD has the length that a GET would have', async (t) => {
  const received = await answered(t, () => new Response(200, { 'content-length': 5 }, yielding('hello')), LAST_HEAD)
  t.regex(received, /\r\ncontent-length: 5\r\n\r\n$/)
})

test('a client that has closed its sending side gets the whole live stream', async (t) => {
  const tap = new Tap()
  const { connect } = await open(t, () => new Response(200, {}, tap))
  const wire = (await connect()).send(GET)
  tap.give('one')
  await wire.until((text) => text.endsWith('one\r\n'))
  wire.socket.end()
  tap.give('two')
  await wire.until((text) => text.endsWith('two\r\n'))
  tap.end()
  t.regex(await wire.end(), /two\r\n0\r\n\r\n$/)
})

test('shared memory can be a body', async (t) => {
  const body = new Uint8Array(new SharedArrayBuffer(300_000)).fill(65)
  const received = await answered(t, () => new Response(200, {}, body))
  t.true(received.endsWith('A'.repeat(300_000)))
})

test('the same stream cannot be sent twice', async (t) => {
  const { logger, errors } = keepErrors()
  const response = new Response(200, {}, yielding('once'))
  const { connect } = await open(t, () => response, { logger })
  const received = await (await connect()).send(GET + LAST_GET).end()
  t.regex(received, /once\r\n0\r\n\r\nHTTP\/1\.1 500 /)
  t.true(errors[0]?.exception instanceof StateError)
})

/** An iterator with errors: it gives `first`, then the result of `then`. */
function handWritten(first: unknown, then: () => unknown): Body {
  const steps = [() => first, then]
  return { [Symbol.asyncIterator]: () => ({ next: () => steps.shift()?.() }) } as unknown as Body
}

test('an iterator that gives its pieces without promises can be a body', async (t) => {
  const body = handWritten({ done: false, value: 'plain' }, () => ({ done: true, value: undefined }))
  t.is(unchunked(await answered(t, () => new Response(200, {}, body))), 'plain')
})

for (const [what, then] of Object.entries<() => unknown>({
  throws: () => {
    throw new Error('bad')
  },
  rejects: () => Promise.reject(new Error('bad')),
  'gives no result': () => undefined,
  'promises no result': () => Promise.resolve(null),
})) {
  test(`an iterator that ${what} after its first piece aborts its response, and others are served`, async (t) => {
    const { logger, errors } = keepErrors()
    const body = handWritten(Promise.resolve({ done: false, value: 'first' }), then)
    const handler = (request: Request): Response => (request.getTarget() === '/' ? new Response(200, {}, body) : Response.text('well'))
    const { connect } = await open(t, handler, { logger })
    const cut = await (await connect()).send(GET).end()
    // A reset overtakes what waits behind it.
    t.true(IS_HTTP2 ? !cut.endsWith('0\r\n\r\n') : cut.endsWith('5\r\nfirst\r\n'), cut)
    t.is(errors.length, 1)
    t.regex(await (await connect()).send(LAST_GET.replace('/ ', '/other ')).end(), /well$/)
  })
}

plainTest('a client that reads everything at once does not delay others', async (t) => {
  const count = 1024
  const piece = Buffer.alloc(64 * 1024, 'x')
  let sinceTurn = 0
  let most = 0
  const { port } = await open(t, () => {
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < count; at++) {
        most = Math.max(most, ++sinceTurn)
        yield piece
      }
    }
    return new Response(200, { 'content-length': count * piece.length }, pieces())
  })
  let immediate = setImmediate(function turn() {
    sinceTurn = 0
    immediate = setImmediate(turn)
  })
  t.teardown(() => clearImmediate(immediate))
  // The client reads on a thread of its own: otherwise the full socket would pause the response.
  const reader = new Worker(
    `const { workerData: port } = require('node:worker_threads')
     const socket = require('node:net').connect({ port, host: '127.0.0.1' })
     socket.write('GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')
     socket.resume()`,
    { eval: true, workerData: port },
  )
  await once(reader, 'exit')
  t.true(most > 0 && most <= 40, `${most} pieces of 64 KiB in one turn of the event loop`)
})

test('a slow source that never pauses delays neither its client nor others', async (t) => {
  let hasReceived = false
  let pieces = 0
  async function* busy(): AsyncGenerator<string> {
    for (; pieces < 5_000 && !hasReceived; pieces++) {
      const end = performance.now() + 2
      while (performance.now() < end);
      yield 'x'
    }
  }
  const { connect } = await open(t, () => new Response(200, {}, busy()))
  const wire = (await connect()).send(LAST_GET)
  await wire.until((text) => text.includes('x\r\n'))
  hasReceived = true
  await wire.end()
  t.true(pieces < 5_000)
})
