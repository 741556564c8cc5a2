import test from 'ava'
import { Response } from '../src/index.ts'
import { Disposals } from './sources.ts'
import { GET, LAST_GET, count, http1Test, keepErrors, open, until } from './support.ts'
import type { Wire } from './support.ts'

/** More than the kernel's buffers take. */
const LENGTH = 24_000_000
/** Bytes whose parts differ, so that an exchange of two would show. */
const BYTES = Buffer.from(Uint32Array.from({ length: LENGTH / 4 }, (_, at) => at * 2_654_435_761).buffer)
const TEXT = BYTES.toString('latin1')

const CONTENTS: Record<string, () => Uint8Array | string> = {
  bytes: () => BYTES,
  'a part of a larger buffer': () => Buffer.concat([Buffer.alloc(7), BYTES, Buffer.alloc(7)]).subarray(7, 7 + LENGTH),
  'memory that threads share': () => {
    const shared = new Uint8Array(new SharedArrayBuffer(LENGTH))
    shared.set(BYTES)
    return shared
  },
}

const bodyOf = (wire: Wire): string => wire.received.slice(wire.received.indexOf('\r\n\r\n') + 4)

/** A connection whose client has asked and doesn't read. */
async function paused(connect: () => Promise<Wire>): Promise<Wire> {
  const wire = await connect()
  wire.socket.pause()
  return wire.send(GET)
}

for (const [what, make] of Object.entries(CONTENTS)) {
  test(`${what}: long content arrives unchanged at clients that read late`, async (t) => {
    const body = make()
    const { connect } = await open(t, () => new Response(200, {}, body))
    const wires = await Promise.all(Array.from({ length: 4 }, () => paused(connect)))
    for (const wire of wires) {
      wire.socket.resume()
      await wire.until((text) => text.length > LENGTH && bodyOf(wire).length >= LENGTH)
      t.true(bodyOf(wire) === TEXT)
      t.regex(wire.received, /content-length: 24000000\r\n/)
    }
  })
}

http1Test('long responses of one pipeline arrive in order, and short ones between them', async (t) => {
  let calls = 0
  const { connect } = await open(t, () => (calls++ % 2 === 0 ? new Response(200, {}, BYTES) : Response.text('short')))
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET.repeat(4))
  wire.socket.resume()
  await wire.until((text) => text.length > 2 * LENGTH && count(text.slice(-2000), 'short') === 1)
  const parts = wire.received.split(/HTTP\/1\.1 200 OK\r\n/).slice(1)
  t.deepEqual(parts.map((part) => part.slice(part.indexOf('\r\n\r\n') + 4)).map((body) => body === TEXT || body), [true, 'short', true, 'short'])
})

test('a dispose hook of long content runs when the last byte is sent', async (t) => {
  const disposals = new Disposals()
  const { connect } = await open(t, () => disposals.of(new Response(200, {}, BYTES)))
  const wire = await paused(connect)
  const other = (await connect()).send(GET)
  await other.until((text) => text.length > LENGTH)
  await until(() => disposals.count === 1)
  t.is(disposals.count, 1)
  wire.socket.resume()
  await wire.until((text) => text.length > LENGTH)
  await until(() => disposals.count === 2)
  t.pass()
})

test('long content can be aborted until it is sent', async (t) => {
  const { logger, errors } = keepErrors()
  const disposals = new Disposals()
  const responses: Response[] = []
  const handler = (): Response => {
    const response = disposals.of(new Response(200, {}, BYTES))
    responses.push(response)
    return response
  }
  const { connect } = await open(t, handler, { logger })
  const wire = await paused(connect)
  await until(() => responses.length === 1)
  t.true(responses[0]!.abort())
  wire.socket.resume()
  await wire.end()
  t.true(wire.received.length < LENGTH)
  await until(() => disposals.count === 1)
  t.false(responses[0]!.abort())
  await (await connect()).send(GET).until((text) => text.length > LENGTH)
  await until(() => disposals.count === 2)
  t.false(responses[1]!.abort())
  t.deepEqual(errors, [])
})

test('memory that is gone before its first byte is sent aborts the response, and is logged once with its request', async (t) => {
  const { logger, errors } = keepErrors()
  const disposals = new Disposals()
  const handler = (): Response => {
    const body = new Uint8Array(LENGTH)
    queueMicrotask(() => void structuredClone(body.buffer, { transfer: [body.buffer] }))
    return disposals.of(new Response(200, {}, body))
  }
  const { connect } = await open(t, handler, { logger })
  const wire = (await connect()).send(LAST_GET)
  await wire.end()
  t.true(wire.received.length < LENGTH)
  await until(() => disposals.count === 1)
  t.is(errors.length, 1)
  t.regex(errors[0]!.message, /the body of a response failed: GET \//)
  t.regex(String(errors[0]!.exception), /was transferred or has shrunk/)
})

test('HEAD of long content has its length and no body, and the connection continues', async (t) => {
  const { connect } = await open(t, () => new Response(200, {}, BYTES))
  const wire = (await connect()).send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.endsWith('\r\n\r\n'))
  t.regex(wire.received, /content-length: 24000000\r\n/)
  wire.received = ''
  await wire.send(GET).until((text) => text.length > LENGTH)
  t.true(bodyOf(wire) === TEXT)
})
