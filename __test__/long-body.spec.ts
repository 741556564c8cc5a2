import { createHash } from 'node:crypto'
import test from 'ava'
import type { RequestBody } from '../src/index.ts'
import { ClientException, Response } from '../src/index.ts'
import { CHUNKED_POST, hold, open, postHead, until } from './support.ts'
import type { Wire } from './support.ts'

const MEBIBYTE = 1024 * 1024
const LIMIT = { bodySizeLimit: Number.POSITIVE_INFINITY }

/** Content whose parts all differ. */
function content(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2654435761) % 2 ** 32, at)
  return bytes
}

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha1')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Detaches the memory of bytes. */
const transferred = (bytes: Uint8Array): Uint8Array => structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })

const READS: Record<string, (body: RequestBody) => Promise<string>> = {
  whole: async (body) => digest(await body.buffer()),
  'whole, after its first piece': async (body) => {
    const first = (await body.read()) ?? new Uint8Array(0)
    return digest(Buffer.concat([first, await body.buffer()]))
  },
  'whole, and detached': async (body) => digest(transferred(await body.buffer())),
  'piece by piece': (body) => digestOf(body),
  'piece by piece, each detached': async (body) => {
    const hash = createHash('sha1')
    for await (const piece of body) {
      const copy = transferred(Uint8Array.from(piece))
      // Small pieces may be in Node's pool, which can't be detached.
      if (piece.length === piece.buffer.byteLength) hash.update(transferred(piece))
      else hash.update(copy)
    }
    return hash.digest('hex')
  },
  'as a web stream': (body) => digestOf(body.stream() as unknown as AsyncIterable<Uint8Array>),
}

/** Sends content in pieces of different lengths, chunked or with a content-length. */
function upload(wire: Wire, bytes: Buffer, isChunked: boolean): void {
  wire.send(isChunked ? `${CHUNKED_POST}\r\n` : postHead(bytes.length))
  for (let at = 0, piece = 1; at < bytes.length; at += piece, piece = (piece * 7) % 150_001) {
    const part = bytes.subarray(at, at + piece)
    if (isChunked) wire.send(`${part.length.toString(16)}\r\n`)
    wire.socket.write(part)
    if (isChunked) wire.send('\r\n')
  }
  if (isChunked) wire.send('0\r\n\r\n')
}

for (const [how, read] of Object.entries(READS)) {
  for (const length of [20_000, 200_000, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 5 * MEBIBYTE]) {
    test(`a body of ${length} bytes arrives unchanged, ${how}`, async (t) => {
      const { connect } = await open(t, async (request) => Response.text(await read(request.getBody())), LIMIT)
      const wire = await connect()
      const bytes = content(length)
      for (const isChunked of [false, true]) {
        wire.received = ''
        upload(wire, bytes, isChunked)
        await wire.until((text) => text.endsWith(digest(bytes)))
      }
      t.pass()
    })
  }
}

test('a body that is closed between two pieces is dropped, and the connection continues', async (t) => {
  const { connect } = await open(
    t,
    async (request) => {
      const body = request.getBody()
      await body.read()
      body.close()
      return Response.text('enough')
    },
    LIMIT,
  )
  const wire = await connect()
  for (const isChunked of [false, true]) {
    wire.received = ''
    upload(wire, content(3 * MEBIBYTE), isChunked)
    await wire.until((text) => text.endsWith('enough'))
  }
  t.pass()
})

test('a body in several portions arrives unchanged', async (t) => {
  const { connect } = await open(t, async (request) => Response.text(digest(await request.getBody().buffer())), LIMIT)
  const wire = await connect()
  const bytes = content(130 * MEBIBYTE)
  wire.send(postHead(bytes.length))
  wire.socket.write(bytes)
  await wire.until((text) => text.endsWith(digest(bytes)))
  t.pass()
})

for (const length of ['9007199254740992', '9223372036854775807']) {
  const head = postHead(0).replace(': 0', `: ${length}`)
  test(`a body of ${length} bytes is refused as a whole and can be read in pieces`, async (t) => {
    const { connect, next } = await hold(t, LIMIT)
    const wire = (await connect()).send(head)
    const whole = await next()
    wire.socket.write(content(2 * MEBIBYTE))
    const error = await t.throwsAsync(whole.request.getBody().buffer(), { instanceOf: ClientException })
    t.is(error.getCode(), 413)
    whole.answer(new Response(413))
    await wire.until((text) => text.startsWith('HTTP/1.1 413 '))

    const other = (await connect()).send(head)
    const piecewise = await next()
    other.socket.write(content(2 * MEBIBYTE))
    let received = 0
    while (received < 2 * MEBIBYTE) received += (await piecewise.request.getBody().read())!.length
    t.is(received, 2 * MEBIBYTE)
  })
}

test.serial('a declared length alone allocates no memory', async (t) => {
  const { connect, next } = await hold(t, LIMIT)
  const { arrayBuffers } = process.memoryUsage()
  const reads: Promise<unknown>[] = []
  const wires: Wire[] = []
  for (let at = 0; at < 50; at++) {
    const wire = await connect()
    wire.send(postHead(100 * MEBIBYTE))
    wires.push(wire)
    const { request } = await next()
    reads.push(request.getBody().buffer().catch((error: unknown) => error))
  }
  const growth = process.memoryUsage().arrayBuffers - arrayBuffers
  t.true(growth < 2 * MEBIBYTE, `${growth} bytes for 50 bodies of which nothing has come`)
  // Room for the bytes of each body and some more, but not for all of the declared lengths.
  for (const wire of wires) wire.send('x')
  await until(() => process.memoryUsage().arrayBuffers - arrayBuffers > 40 * MEBIBYTE)
  t.true(process.memoryUsage().arrayBuffers - arrayBuffers < 60 * MEBIBYTE)
  for (const wire of wires) wire.socket.destroy()
  t.is((await Promise.all(reads)).filter((error) => error instanceof Error).length, 50)
})
