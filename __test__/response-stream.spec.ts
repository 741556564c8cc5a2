import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HandlerError, HttpServer, Response, StateError, Trailers, silentLogger } from '../src/index.ts'
import type { Body, Client, LogContext, Logger, Streamed } from '../src/index.ts'
import { GET, LAST_GET, count, hold, open, until } from './support.ts'

const HEAD = 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const OLD_GET = 'GET / HTTP/1.0\r\n\r\n'

async function* yielding<T>(...pieces: T[]): AsyncGenerator<T, void, undefined> {
  yield* pieces
}

function webStream(...pieces: string[]): ReadableStream<string> {
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(piece)
    },
  })
}

/** Keeps the lines at error level. */
function keepErrors(): { logger: Logger; errors: [string, LogContext | undefined][] } {
  const errors: [string, LogContext | undefined][] = []
  return { logger: { ...silentLogger, error: (message, context) => void errors.push([message, context]) }, errors }
}

/** What is in the chunks of a whole answer. */
function unchunked(received: string): string {
  let rest = received.slice(received.indexOf('\r\n\r\n') + 4)
  let body = ''
  for (;;) {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.slice(0, end), 16)
    if (length === 0) return body
    body += rest.slice(end + 2, end + 2 + length)
    rest = rest.slice(end + 2 + length + 2)
  }
}

/** The whole answer to one request. */
async function answered(t: ExecutionContext, response: () => Response, request = LAST_GET, logger = silentLogger): Promise<string> {
  const { connect } = await open(t, response, { logger })
  return (await connect()).send(request).end()
}

/** A source that the test feeds, and that tells how often it was cancelled. */
class Tap implements AsyncIterableIterator<string> {
  cancelled = 0
  asked = 0
  #waiting: ((item: IteratorResult<string>) => void) | null = null
  #pieces: IteratorResult<string>[] = []

  give(value: string): void {
    this.#put({ done: false, value })
  }

  end(): void {
    this.#put({ done: true, value: undefined })
  }

  #put(item: IteratorResult<string>): void {
    if (this.#waiting === null) this.#pieces.push(item)
    else this.#waiting(item)
    this.#waiting = null
  }

  next(): Promise<IteratorResult<string>> {
    this.asked++
    const piece = this.#pieces.shift()
    return piece === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(piece)
  }

  return(): Promise<IteratorResult<string>> {
    this.cancelled++
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

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

  test(`${kind} is a body for HTTP/1.0, which ends with the connection`, async (t) => {
    const received = await answered(t, () => new Response(200, {}, body()), OLD_GET)
    t.notRegex(received, /transfer-encoding/)
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), bytes)
  })

  test(`${kind} of a length that is known goes out under it`, async (t) => {
    const received = await answered(t, () => new Response(200, { 'content-length': bytes.length }, body()))
    t.true(received.includes(`\r\ncontent-length: ${bytes.length}\r\n`))
    t.notRegex(received, /transfer-encoding/)
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), bytes)
  })

  test(`${kind} is whole for whoever injects the request`, async (t) => {
    const { server } = await open(t, () => new Response(200, {}, body()))
    const response = await server.inject((await import('../src/index.ts')).Request.create('GET', '/'))
    t.is(Buffer.from(await response.buffer()).toString('latin1'), bytes)
  })
}

test('a body is the same however it is cut into pieces', async (t) => {
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

test('head and first bytes leave together, even when those are late', async (t) => {
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

test('an event is sent at once and the stream stays open behind it', async (t) => {
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

test('the head of a stream whose source is silent is sent all the same', async (t) => {
  const tap = new Tap()
  const { connect } = await open(t, () => new Response(200, {}, tap))
  const wire = (await connect()).send(GET)
  t.regex(await wire.until((text) => text.endsWith('\r\n\r\n')), /^HTTP\/1\.1 200 OK\r\n/)
  t.is(tap.asked, 1)
})

test('pieces that come without a pause are gathered up to streamThreshold', async (t) => {
  const pieces = Array.from({ length: 1000 }, (_, at) => `${at};`)
  for (const source of [() => yielding(...pieces), () => yielding(...pieces.map((piece) => Buffer.from(piece)))]) {
    const received = await answered(t, () => new Response(200, {}, source()))
    t.is(unchunked(received), pieces.join(''))
    t.true(received.length < pieces.join('').length + 300)
  }
})

test('a source may fill the same memory again', async (t) => {
  async function* reusing(): AsyncGenerator<Uint8Array> {
    const memory = Buffer.alloc(1)
    for (const letter of 'abcdef') {
      memory.write(letter)
      yield memory
    }
  }
  t.is(unchunked(await answered(t, () => new Response(200, {}, reusing()))), 'abcdef')
})

test('a source is not asked for more than the client takes', async (t) => {
  let given = 0
  const piece = Buffer.alloc(64 * 1024, 'x')
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; given < 1000; given++) yield piece
  }
  const { connect } = await open(t, () => new Response(200, {}, endless()))
  const wire = await connect()
  wire.socket.pause()
  wire.send(LAST_GET)
  let seen = -1
  // It has come to rest when several requests on another connection find it where it was.
  while (seen !== given) {
    seen = given
    for (let at = 0; at < 20; at++) await new Promise((resolve) => setTimeout(resolve, 5))
  }
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

test('pipelined streams leave in order, each as a whole', async (t) => {
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

test('a stream behind another is held up, too', async (t) => {
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

for (const [what, request, status] of [['HEAD', HEAD, 200], ['204', LAST_GET, 204], ['304', LAST_GET, 304]] as const) {
  test(`the source of an answer to ${what} is cancelled and not read`, async (t) => {
    const tap = new Tap()
    let disposed = 0
    const received = await answered(
      t,
      () => {
        const response = new Response(status, { 'x-a': 'b' }, tap)
        response.onDispose(() => disposed++)
        return response
      },
      request,
    )
    t.true(received.endsWith('\r\n\r\n'))
    t.is(count(received, '\r\n\r\n'), 1)
    t.is(/transfer-encoding: chunked/.test(received), what === 'HEAD')
    t.deepEqual([tap.asked, tap.cancelled, disposed], [0, 1, 1])
  })
}

test('HEAD has the length that a GET would have', async (t) => {
  const received = await answered(t, () => new Response(200, { 'content-length': 5 }, yielding('hello')), HEAD)
  t.regex(received, /\r\ncontent-length: 5\r\n\r\n$/)
})

test('a body shorter than its length cuts the connection and is the fault of the application', async (t) => {
  const { logger, errors } = keepErrors()
  const received = await answered(t, () => new Response(200, { 'content-length': 10 }, yielding('short')), GET, logger)
  t.true(received.endsWith('\r\n\r\nshort'))
  t.is(errors.length, 1)
  t.true(errors[0]?.[1]?.['exception'] instanceof HandlerError)
  t.regex(String(errors[0]?.[1]?.['exception']), /5 bytes shorter than its content-length/)
})

test('a body longer than its length sends nothing extra, cuts the connection and cancels the source', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.give('12345')
  tap.give('678')
  const received = await answered(t, () => new Response(200, { 'content-length': 5 }, tap), GET, logger)
  t.true(received.endsWith('\r\n\r\n12345') || received === '')
  t.is(tap.cancelled, 1)
  t.is(errors.length, 1)
  t.regex(String(errors[0]?.[1]?.['exception']), /longer than its content-length of 5/)
})

/** Sources that fail in each of the ways, behind so many pieces. */
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
    let disposed = 0
    const received = await answered(
      t,
      () => {
        const response = new Response(200, {}, failing([]))
        response.onDispose(() => disposed++)
        return response
      },
      LAST_GET,
      logger,
    )
    t.regex(received, /^HTTP\/1\.1 500 /)
    t.is(disposed, 1)
    t.is(errors.length, 1)
    t.regex(String(errors[0]?.[1]?.['exception']), /broken source/)
  })

  if (kind !== 'an iterable that cannot begin') {
    test(`${kind} that fails after the first byte cuts the connection, logged once`, async (t) => {
      const { logger, errors } = keepErrors()
      let disposed = 0
      const { connect } = await open(
        t,
        () => {
          const response = new Response(200, {}, failing(['some', 'thing']))
          response.onDispose(() => disposed++)
          return response
        },
        { logger },
      )
      const wire = (await connect()).send(GET)
      await wire.end()
      t.false(wire.received.endsWith('0\r\n\r\n'))
      await until(() => disposed > 0)
      t.is(disposed, 1)
      t.is(errors.length, 1)
      t.regex(errors[0]![0], /^the body of a response failed: GET \/$/)
    })
  }
}

test('what is neither text nor bytes is the fault of the application, and its source is cancelled', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.give({ an: 'object' } as never)
  t.regex(await answered(t, () => new Response(200, {}, tap), LAST_GET, logger), /^HTTP\/1\.1 500 /)
  t.is(tap.cancelled, 1)
  t.regex(String(errors[0]?.[1]?.['exception']), /must yield strings and Uint8Arrays; got an object of class Object/)
})

test('what is no body throws where it is given', (t) => {
  for (const body of [5, true, {}, [], new ArrayBuffer(1), new Map()]) {
    t.throws(() => new Response(200, {}, body as never), { instanceOf: HandlerError, message: /a body must be/ })
  }
})

/** How a client can leave. */
const ways: Record<string, (socket: Socket) => unknown> = {
  'a reset': (socket) => socket.resetAndDestroy(),
  'a hang-up': (socket) => socket.destroy(),
  'a FIN': (socket) => socket.end(),
}

for (const [way, leave] of Object.entries(ways)) {
  test(`${way} cancels a source that is silent, and disposes, once`, async (t) => {
    const tap = new Tap()
    let disposed = 0
    const { connect } = await open(t, () => {
      const response = new Response(200, {}, tap)
      response.onDispose(() => disposed++)
      return response
    })
    const wire = (await connect()).send(GET)
    tap.give('x')
    await wire.until((text) => text.endsWith('x\r\n'))
    leave(wire.socket)
    await until(() => disposed > 0)
    tap.give('y')
    await new Promise((resolve) => setImmediate(resolve))
    t.deepEqual([tap.cancelled, disposed], [1, 1])
  })

  test(`${way} while the head is held cancels the source`, async (t) => {
    const tap = new Tap()
    let disposed = 0
    const { connect } = await open(t, () => {
      const response = new Response(200, {}, tap)
      response.onDispose(() => disposed++)
      return response
    })
    const wire = (await connect()).send(GET)
    await until(() => tap.asked === 1)
    leave(wire.socket)
    await until(() => disposed > 0)
    t.deepEqual([tap.cancelled, disposed], [1, 1])
  })

  test(`${way} before the handler has answered cancels the source`, async (t) => {
    const tap = new Tap()
    let disposed = 0
    const { connect, next } = await hold(t)
    const wire = (await connect()).send(GET)
    const { client, answer } = await next()
    leave(wire.socket)
    await until(() => client.getStatus() !== 0)
    const response = new Response(200, {}, tap)
    response.onDispose(() => disposed++)
    answer(response)
    await until(() => disposed > 0)
    t.deepEqual([tap.cancelled, disposed], [1, 1])
  })
}

for (const way of ['a reset', 'a hang-up']) {
  test(`${way} cancels a source that waits for the client to read`, async (t) => {
    let ended = 0
    let disposed = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(100_000, 'x')
      } finally {
        ended++
      }
    }
    const { connect } = await open(t, () => {
      const response = new Response(200, {}, endless())
      response.onDispose(() => disposed++)
      return response
    })
    const wire = await connect()
    wire.send(GET)
    await wire.until((text) => text.length > 200_000)
    wire.socket.pause()
    ways[way]!(wire.socket)
    await until(() => disposed > 0)
    await until(() => ended > 0)
    t.deepEqual([ended, disposed], [1, 1])
  })
}

test('a client that has only closed its sending side gets a live stream whole', async (t) => {
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

test('a Readable is destroyed and a web stream cancelled when the client leaves', async (t) => {
  const readable = new Readable({ read: () => {} })
  let reason: unknown = 'none'
  const stream = new ReadableStream<string>({ cancel: (given) => void (reason = given) })
  const bodies: Streamed[] = [readable, stream]
  let disposed = 0
  const { connect } = await open(t, () => {
    const response = new Response(200, {}, bodies.shift())
    response.onDispose(() => disposed++)
    return response
  })
  for (const expected of [1, 2]) {
    const wire = (await connect()).send(GET)
    await wire.until((text) => text.endsWith('\r\n\r\n'))
    wire.socket.resetAndDestroy()
    await until(() => disposed === expected)
  }
  t.true(readable.destroyed)
  t.is(reason, undefined)
})

for (const [way, leave] of Object.entries(ways)) {
  test(`${way} that a source or a handler hears of by the signal is no failure of theirs`, async (t) => {
    const { logger, errors } = keepErrors()
    const failed: unknown[] = []
    let called = 0
    const { connect } = await open(
      t,
      async (request) => {
        called++
        const silence = new Promise<never>((_, reject) => {
          const signal = request.getSignal()
          signal.addEventListener('abort', () => {
            failed.push(signal.reason)
            reject(signal.reason as Error)
          })
        })
        if (request.getPath() === '/handler') return silence
        return new Response(200, {}, (async function* () {
          yield 'x'
          await silence
        })())
      },
      { logger },
    )
    const wires = [await connect(), await connect()]
    wires[0]!.send(GET)
    await wires[0]!.until((text) => text.endsWith('x\r\n'))
    wires[1]!.send(GET.replace('/', '/handler'))
    await until(() => called === 2)
    for (const wire of wires) leave(wire.socket)
    await until(() => failed.length === 2)
    for (const wire of wires) await wire.end()
    t.deepEqual(errors, [])
  })
}

test('a source whose clean-up fails ends nothing, and is logged', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  tap.return = () => Promise.reject(new Error('broken clean-up'))
  const { connect } = await open(t, () => new Response(200, {}, tap), { logger })
  const wire = (await connect()).send(GET)
  await wire.until((text) => text.endsWith('\r\n\r\n'))
  wire.socket.resetAndDestroy()
  await until(() => errors.length > 0)
  t.regex(errors[0]![0], /could not be cancelled/)
})

const faults: Record<string, () => { body: Uint8Array; spoil: () => void }> = {
  'transferred to another thread': () => {
    const body = new Uint8Array(8_000_000)
    return { body, spoil: () => void structuredClone(body.buffer, { transfer: [body.buffer] }) }
  },
  'made smaller': () => {
    // Newer than the library that the types are of.
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer & { resize(length: number): void }
    const buffer = new Resizable(8_000_000, { maxByteLength: 8_000_000 })
    return { body: new Uint8Array(buffer), spoil: () => buffer.resize(10) }
  },
}

for (const [fault, make] of Object.entries(faults)) {
  test(`a buffer that is ${fault} while it is sent cuts the connection, and is logged`, async (t) => {
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
    t.regex(String(errors[0]?.[1]?.['exception']), /was transferred or has shrunk/)
  })
}

test('shared memory is a body like any other', async (t) => {
  const body = new Uint8Array(new SharedArrayBuffer(300_000)).fill(65)
  const received = await answered(t, () => new Response(200, {}, body))
  t.true(received.endsWith('A'.repeat(300_000)))
})

test('trailers follow the body and are announced', async (t) => {
  const trailers = (): Trailers => new Trailers(() => Promise.resolve({ 'X-Sum': '1', 'x-more': ['2', '3'] }), ['X-Sum'])
  for (const body of [() => yielding('he', 'llo'), () => 'hello', () => Buffer.from('hello')]) {
    const received = await answered(t, () => new Response(200, { 'content-length': 5 }, body(), trailers()))
    t.regex(received, /\r\ntrailer: x-sum\r\n/)
    t.regex(received, /\r\ntransfer-encoding: chunked\r\n/)
    t.notRegex(received, /content-length/)
    t.true(received.endsWith('5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-more: 2\r\nx-more: 3\r\n\r\n'))
  }
})

test('HTTP/1.0 gets no trailers, and HEAD only their names', async (t) => {
  const response = (): Response => new Response(200, {}, 'hello', new Trailers({ 'x-sum': '1' }, ['x-sum']))
  const old = await answered(t, response, OLD_GET)
  t.regex(old, /\r\ncontent-length: 5\r\n[^]*hello$/)
  t.notRegex(old, /x-sum/)
  t.regex(await answered(t, response, HEAD), /\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n$/)
})

test('trailers that fail cut the connection, and are logged', async (t) => {
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
    t.regex(String(errors.pop()?.[1]?.['exception']), message)
  }
})

test('a response that is aborted is cut off, and nothing is logged', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  let disposed = 0
  const response = new Response(200, {}, tap)
  response.onDispose(() => disposed++)
  const { connect } = await open(t, () => response, { logger })
  const wire = (await connect()).send(GET)
  tap.give('x')
  await wire.until((text) => text.endsWith('x\r\n'))
  t.true(response.abort())
  t.false(response.abort())
  await wire.end()
  t.false(wire.received.endsWith('0\r\n\r\n'))
  t.deepEqual([tap.cancelled, disposed, errors.length], [1, 1, 0])
})

test('a response that was aborted before it was sent sends nothing', async (t) => {
  let disposed = 0
  const received = await answered(t, () => {
    const response = Response.text('hello')
    response.onDispose(() => disposed++)
    response.abort()
    return response
  })
  t.is(received, '')
  t.is(disposed, 1)
})

test('the same stream cannot be sent twice', async (t) => {
  const { logger, errors } = keepErrors()
  const response = new Response(200, {}, yielding('once'))
  const { connect } = await open(t, () => response, { logger })
  const received = await (await connect()).send(GET + LAST_GET).end()
  t.regex(received, /once\r\n0\r\n\r\nHTTP\/1\.1 500 /)
  t.true(errors[0]?.[1]?.['exception'] instanceof StateError)
})

test('a graceful stop waits for streams, and cancels those that take too long', async (t) => {
  const taps = [new Tap(), new Tap()]
  let at = 0
  const { server, connect } = await open(t, () => new Response(200, {}, taps[at++]))
  const [first, second] = [(await connect()).send(GET), (await connect()).send(GET)]
  await first.until((text) => text.endsWith('\r\n\r\n'))
  await second.until((text) => text.endsWith('\r\n\r\n'))
  const stopped = server.stop(300)
  const [quick, slow] = taps as [Tap, Tap]
  quick.give('done')
  quick.end()
  t.regex(await first.end(), /done\r\n0\r\n\r\n$/)
  await stopped
  await second.end()
  t.deepEqual([quick.cancelled, slow.cancelled], [0, 1])
})

test('a client that is closed from within the source ends it', async (t) => {
  let ended = 0
  const { connect } = await open(t, (request) => {
    async function* closing(): AsyncGenerator<string> {
      try {
        yield 'one'
        request.getClient().close()
        yield 'two'
        yield 'three'
      } finally {
        ended++
      }
    }
    return new Response(200, {}, closing())
  })
  const wire = (await connect()).send(GET)
  await wire.end()
  await until(() => ended > 0)
  t.is(ended, 1)
  t.notRegex(wire.received, /three/)
})

/** Where the application may hear that it is over. */
const HOOKS = ['a dispose hook', 'a close hook', 'the clean-up of the source', 'the signal', 'a read that fails'] as const
/** What it may do there. */
const ACTS: Record<string, (held: { client: Client; response: Response; server: HttpServer }) => unknown> = {
  'closes the client': ({ client }) => client.close(),
  'aborts the response': ({ response }) => response.abort(),
  'stops the server': ({ server }) => server.stop(0),
  'throws': () => {
    throw new Error('broken hook')
  },
}

for (const hook of HOOKS) {
  for (const [what, act] of Object.entries(ACTS)) {
    test(`${hook} that ${what} runs once, and the rest is done all the same`, async (t) => {
      const done: string[] = []
      const { server, connect } = await open(t, (request) => {
        const client = request.getClient()
        const run = (name: string): void => {
          done.push(name)
          if (name === hook) void act({ client, response, server })
        }
        async function* source(): AsyncGenerator<string> {
          try {
            for (;;) yield 'x'.repeat(10_000)
          } finally {
            run('the clean-up of the source')
          }
        }
        const response = new Response(200, {}, source())
        response.onDispose(() => run('a dispose hook'))
        client.onClose(() => run('a close hook'))
        // What is thrown in there would be uncaught, which is the application's own affair.
        if (what !== 'throws') request.getSignal().addEventListener('abort', () => run('the signal'))
        else request.getSignal().addEventListener('abort', () => done.push('the signal'))
        request.getBody().read().then(null, () => {
          if (what === 'throws') done.push('a read that fails')
          else run('a read that fails')
        })
        return response
      })
      const wire = await connect()
      wire.socket.pause()
      wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n')
      await once(wire.socket, 'readable')
      wire.socket.resetAndDestroy()
      await until(() => done.length >= HOOKS.length)
      await new Promise((resolve) => setImmediate(resolve))
      t.deepEqual([...done].sort(), [...HOOKS].sort())
      if (what === 'stops the server') await until(() => server.getState() === HttpServer.STOPPED)
      else t.regex(await (await connect()).send(LAST_GET).until((text) => text.length > 0), /^HTTP\/1\.1 200/)
    })
  }
}

/** What may be going on when a server stops. */
const STATES: Record<string, () => Body> = {
  'its source is silent': () => new Tap(),
  'its client does not read': () =>
    (async function* () {
      for (;;) yield Buffer.alloc(100_000)
    })(),
  'long content is on its way': () => Buffer.alloc(50_000_000),
}

for (const [state, body] of Object.entries(STATES)) {
  test(`a stop while ${state} ends and disposes it`, async (t) => {
    let disposed = 0
    const { server, connect } = await open(t, () => {
      const response = new Response(200, {}, body())
      response.onDispose(() => disposed++)
      return response
    })
    const wire = await connect()
    wire.socket.pause()
    wire.send(GET)
    await once(wire.socket, 'readable')
    await server.stop(20)
    t.is(disposed, 1)
  })
}
