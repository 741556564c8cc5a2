import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import test from 'ava'
import { CompressionMiddleware, Response, readAhead, stack } from '../src/index.ts'
import type { Streamed } from '../src/index.ts'
import { Disposals, answered, unchunked, yielding } from './sources.ts'
import { GET, LAST_GET, http1Test, keepErrors, open, steady, until } from './support.ts'

const KIB = 1024
const PIECES = Array.from({ length: 8 }, (_, at) => Buffer.alloc(40 * KIB, `${at}`))
const WHOLE = PIECES.join('')

const READ_AHEAD: Record<string, () => Streamed> = {
  'an iterable that is marked': () => readAhead(yielding(...PIECES)),
  'a Readable': () => Readable.from(PIECES),
  'a web stream': () => {
    const pieces = [...PIECES]
    return new ReadableStream({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.close()
        else controller.enqueue(piece)
      },
    })
  },
  'a Blob': () => new Blob(PIECES),
}

/** The lengths of the chunks of a whole response. */
function chunksOf(received: string): number[] {
  const lengths: number[] = []
  for (let at = received.indexOf('\r\n\r\n') + 4; at < received.length; ) {
    const end = received.indexOf('\r\n', at)
    const length = Number.parseInt(received.slice(at, end), 16)
    lengths.push(length)
    at = end + 2 + length + 2
  }
  return lengths
}

/** A source of pieces of many lengths, text among them, and its content. */
function mixture(count: number): { source: () => AsyncGenerator<string | Uint8Array>; content: string } {
  let seed = 7
  const pieces = Array.from({ length: count }, (_, at) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    const length = [0, 1, 100, 9000, 17_000, 70_000, 300_000][seed % 7]!
    return seed % 5 === 0 ? 'é'.repeat(length) : Buffer.alloc(length, `${at};`)
  })
  return { source: () => yielding(...pieces), content: pieces.map((piece) => Buffer.from(piece).toString('latin1')).join('') }
}

for (const [what, make] of Object.entries(READ_AHEAD)) {
  test(`${what}: its pieces arrive unchanged`, async (t) => {
    const received = await answered(t, () => new Response(200, {}, make()))
    // The length of a Blob is known.
    t.true(what === 'a Blob' ? received.endsWith(`\r\n\r\n${WHOLE}`) : unchunked(received) === WHOLE)
  })
}

http1Test('several pieces of a source that gives them away are one chunk, and those of another source are not', async (t) => {
  const ahead = await answered(t, () => new Response(200, {}, readAhead(yielding(...PIECES))))
  t.deepEqual(chunksOf(ahead), [280 * KIB, 40 * KIB, 0])
  const others = await answered(t, () => new Response(200, {}, yielding(...PIECES)))
  t.deepEqual(chunksOf(others), [...PIECES.map((piece) => piece.length), 0])
})

http1Test('sixteen pieces leave together, however short they are', async (t) => {
  const pieces = Array.from({ length: 40 }, () => Buffer.alloc(9 * KIB, 'x'))
  const received = await answered(t, () => new Response(200, {}, readAhead(yielding(...pieces))))
  t.deepEqual(chunksOf(received), [144 * KIB, 144 * KIB, 72 * KIB, 0])
})

test('pieces of all lengths, and text between them, arrive in order at clients that read late', async (t) => {
  const { source, content } = mixture(300)
  const length = Buffer.from(content, 'latin1').length
  const { connect } = await open(t, () => new Response(200, { 'content-length': length }, readAhead(source())))
  const wires = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const wire = await connect()
      wire.socket.pause()
      return wire.send(GET)
    }),
  )
  for (const wire of wires) {
    wire.socket.resume()
    await wire.until((text) => text.length >= length && text.length - text.indexOf('\r\n\r\n') - 4 >= length)
    t.true(wire.received.endsWith(content))
  }
})

test('a source that is read ahead stops with a client that does not read', async (t) => {
  let given = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    while (given < 1000) {
      given++
      yield Buffer.alloc(64 * KIB, 'x')
    }
  }
  const { connect } = await open(t, () => new Response(200, {}, readAhead(endless())))
  const wire = await connect()
  wire.socket.pause()
  wire.send(LAST_GET)
  await steady(() => given)
  t.true(given > 0 && given < 200, `${given} pieces`)
  wire.socket.resume()
  await wire.end()
  t.is(unchunked(wire.received).length, 1000 * 64 * KIB)
})

test('a piece does not wait for the next one of a source that pauses', async (t) => {
  let resume = (): void => {}
  async function* pausing(): AsyncGenerator<Uint8Array> {
    yield PIECES[0]!
    await new Promise<void>((resolve) => (resume = resolve))
    yield PIECES[1]!
  }
  const { connect } = await open(t, () => new Response(200, {}, readAhead(pausing())))
  const wire = (await connect()).send(LAST_GET)
  await wire.until((text) => text.length >= PIECES[0]!.length)
  resume()
  await wire.end()
  t.is(unchunked(wire.received), `${PIECES[0]!}${PIECES[1]!}`)
})

test('a source that is read ahead is ended when its client leaves', async (t) => {
  let hasEnded = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield PIECES[0]!
    } finally {
      hasEnded = true
    }
  }
  const { connect } = await open(t, () => new Response(200, {}, readAhead(endless())))
  const wire = (await connect()).send(GET)
  await wire.until((text) => text.length > 1_000_000)
  wire.socket.destroy()
  await until(() => hasEnded)
  t.pass()
})

http1Test('memory that is gone before it was written gives an error page', async (t) => {
  const { logger, errors } = keepErrors()
  async function* losing(): AsyncGenerator<Uint8Array> {
    const lost = new Uint8Array(40 * KIB)
    yield PIECES[0]!
    yield lost
    structuredClone(lost.buffer, { transfer: [lost.buffer] })
    yield PIECES[1]!
  }
  const received = await answered(t, () => new Response(200, {}, readAhead(losing())), LAST_GET, logger)
  t.regex(received, /^HTTP\/1\.1 500 /)
  t.is(errors.length, 1)
  t.regex(String(errors[0]!.exception), /was transferred or has shrunk/)
})

for (const at of [0, 3, 7]) {
  test(`piece ${at} of eight whose memory is gone while they wait aborts the response, and is logged once`, async (t) => {
    const { logger, errors } = keepErrors()
    const disposals = new Disposals()
    const given: Uint8Array[] = []
    async function* many(): AsyncGenerator<Uint8Array> {
      while (given.length < 800) {
        const piece = new Uint8Array(32 * KIB)
        given.push(piece)
        yield piece
      }
    }
    const { connect } = await open(t, () => disposals.of(new Response(200, {}, readAhead(many()))), { logger })
    const wire = await connect()
    wire.socket.pause()
    wire.send(LAST_GET)
    await steady(() => given.length)
    const lost = given.at(at - 8) ?? given.at(-1)!
    structuredClone(lost.buffer, { transfer: [lost.buffer] })
    wire.socket.resume()
    await wire.end()
    await until(() => disposals.count === 1)
    // On threads, with HTTP/2, and where the kernel has taken a piece already, the loss doesn't matter.
    if (wire.received.endsWith('0\r\n\r\n')) return t.deepEqual(errors, [])
    t.is(errors.length, 1)
    t.regex(String(errors[0]!.exception), /was transferred or has shrunk/)
  })
}

test('memory that threads share is sent like any other', async (t) => {
  const pieces = PIECES.map((piece) => {
    const shared = new Uint8Array(new SharedArrayBuffer(piece.length))
    shared.set(piece)
    return shared
  })
  t.true(unchunked(await answered(t, () => new Response(200, {}, readAhead(yielding<Uint8Array>(PIECES[0]!, ...pieces))))) === `${PIECES[0]!}${WHOLE}`)
})

test('a body that is read ahead can be compressed', async (t) => {
  const handler = stack(() => new Response(200, { 'content-type': 'text/plain' }, readAhead(yielding(...PIECES))), new CompressionMiddleware())
  const { connect } = await open(t, handler)
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n')
  await wire.end()
  t.regex(wire.received, /content-encoding: gzip/)
  t.true(gunzipSync(Buffer.from(unchunked(wire.received), 'latin1')).toString() === WHOLE)
})
