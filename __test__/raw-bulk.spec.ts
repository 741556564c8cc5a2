import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExecutionContext } from 'ava'
import { Http1Driver } from '../src/index.ts'
import type { Parser } from '../src/index.ts'
import http from '../src/node-http/index.ts'
import { drive, parser } from './drivers.ts'
import { open as openNode } from './node-http-support.ts'
import { GET, connectTo, count, http1Test, plainTest, until } from './support.ts'
import { SWITCHED, UPGRADE, takeover } from './takeover.ts'

const MEBIBYTE = 1024 * 1024

/** Bytes whose parts differ, so that an exchange of two would show. */
const BYTES = Buffer.from(Uint32Array.from({ length: 6 * MEBIBYTE }, (_, at) => at * 2_654_435_761).buffer)

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

/** Sends content in pieces of very different lengths, some of them after a pause. */
async function sendUnevenly(socket: Duplex, bytes: Buffer): Promise<void> {
  const lengths = [1, 200_000, 40_000, 7, 1_000_000, 33_000, 90_000, 64 * 1024]
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length]!
    const hasRoom = socket.write(bytes.subarray(at, at + length))
    at += length
    if (!hasRoom) await once(socket, 'drain')
    if (turn % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Upgrades a connection whose server echoes, and sends it many bytes. */
async function isEchoed(t: ExecutionContext, port: number, head: RegExp): Promise<void> {
  const socket = await connectTo({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.write(UPGRADE)
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.regex(first.toString('latin1'), head)
  const hash = createHash('sha1')
  let received = 0
  const all = new Promise<void>((resolve) => {
    socket.on('data', (piece: Buffer) => {
      hash.update(piece)
      if ((received += piece.length) === BYTES.length) resolve()
    })
  })
  await sendUnevenly(socket, BYTES)
  await all
  t.is(hash.digest('hex'), digest(BYTES))
}

for (const ioThreads of [0, 2]) {
  http1Test(`many bytes of an upgraded connection come back unchanged (ioThreads ${ioThreads})`, async (t) => {
    const { port, next } = await takeover(t, { ioThreads })
    const echoing = next().then(({ socket }) => socket.pipe(socket))
    await isEchoed(t, port, /^HTTP\/1\.1 101 /)
    await echoing
  })

  http1Test(`all of many bytes are read before the end of the peer (ioThreads ${ioThreads})`, async (t) => {
    const { port, next } = await takeover(t, { ioThreads })
    const client = await connectTo({ port, host: '127.0.0.1' })
    t.teardown(() => client.destroy())
    client.write(UPGRADE)
    const { socket } = await next()
    void sendUnevenly(client, BYTES).then(() => client.end())
    const pieces: Uint8Array[] = []
    for (let piece; (piece = await socket.readChunk()) !== null; ) pieces.push(piece)
    t.is(digest(Buffer.concat(pieces)), digest(BYTES))
  })
}

plainTest('a piece of many bytes is longer than the engine’s memory, so that few events bring all', async (t) => {
  const { port, next } = await takeover(t, { ioThreads: 0 })
  const client = await connectTo({ port, host: '127.0.0.1' })
  t.teardown(() => client.destroy())
  client.write(UPGRADE)
  const { socket } = await next()
  client.write(BYTES)
  let received = 0
  let longest = 0
  while (received < BYTES.length) {
    const piece = (await socket.readChunk())!
    received += piece.length
    longest = Math.max(longest, piece.length)
    // Meanwhile more arrives in the kernel.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.true(longest > 64 * 1024, `${longest} bytes at most`)
})

plainTest('a socket that is destroyed while many bytes come does no harm', async (t) => {
  const { port, next, server } = await takeover(t)
  for (let turn = 0; turn < 20; turn++) {
    const client = await connectTo({ port, host: '127.0.0.1' })
    client.write(UPGRADE)
    const { socket } = await next()
    let received = 0
    socket.on('data', (piece: Buffer) => {
      received += piece.length
      if (received > turn * 100_000) socket.destroy()
    })
    client.write(BYTES.subarray(0, 4 * MEBIBYTE))
    await new Promise((resolve) => client.once('close', resolve))
  }
  await until(() => server.getStatistics().connections === 0)
  t.pass()
})

plainTest('a connection is handed to the engine behind many bytes, and loses none', async (t) => {
  const length = 3 * MEBIBYTE
  const { connect } = await drive(t, () =>
    parser(function* (client): Parser {
      let read = 0
      let rest: Uint8Array | null = null
      while (read < length) {
        const bytes: Uint8Array | null = yield
        if (bytes === null) return
        read += bytes.length
        if (read > length) rest = bytes.subarray(bytes.length - (read - length))
      }
      client.switchDriver(new Http1Driver(), rest)
    }),
  )
  const wire = await connect()
  wire.socket.write(BYTES.subarray(0, length))
  wire.send(GET.repeat(3))
  await wire.until((text) => count(text, 'HTTP/1.1 200') === 3)
  t.pass()
})

plainTest('the sockets of busbar/http bring many bytes unchanged, as those of Node', async (t) => {
  for (const server of [createServer(), http.createServer()]) {
    server.on('upgrade', (_, socket: Duplex) => {
      socket.on('error', () => {})
      socket.write(SWITCHED)
      socket.pipe(socket)
    })
    const { port } = await openNode(t, server)
    await isEchoed(t, port, /^HTTP\/1\.1 101 /)
  }
})
