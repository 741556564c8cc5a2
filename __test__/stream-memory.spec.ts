import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ClientException, Response } from '../src/index.ts'
import type { Request } from '../src/index.ts'
import { GET, IS_TLS, connectTo, count, hold, open, openDescriptors, postHead, until } from './support.ts'
import { SWITCHED, UPGRADE, takeover } from './takeover.ts'

/** Bytes in one direction; BUSBAR_STREAM_BYTES sets more for longer runs. */
const BYTES = Number(process.env['BUSBAR_STREAM_BYTES'] ?? 256 * 1024 * 1024)
const MEBIBYTE = 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void

function memory(): number {
  collect()
  return process.memoryUsage().rss
}

/** Memory of buffers: provided for bodies, or filled by them. */
function bufferMemory(): number {
  collect()
  return process.memoryUsage().arrayBuffers
}

/** Waits until the growth of memory is below `megabytes`; the system reports it with a delay. */
async function isBack(t: ExecutionContext, before: number, megabytes: number, measure = memory): Promise<void> {
  let growth = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200 && growth >= megabytes; round++) {
    growth = (measure() - before) / MEBIBYTE
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true(growth < megabytes, `${growth} MiB more`)
}

const opened = (port: number): Promise<Socket> => connectTo({ port, host: '127.0.0.1' })

/** Runs a function `count` times, several calls concurrently. */
async function times(count: number, run: (at: number) => Promise<void>): Promise<void> {
  let at = 0
  const worker = async (): Promise<void> => {
    while (at < count) await run(at++)
  }
  await Promise.all(Array.from({ length: 20 }, worker))
}

const PIECE = Buffer.alloc(64 * 1024, 'x')

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield PIECE
}

test.serial('2,000 aborted uploads leave no resources', async (t) => {
  const called = new Set<string>()
  let failed = 0
  const { port } = await open(
    t,
    async (request) => {
      called.add(request.getPath())
      try {
        for await (const _ of request.getBody()) request.getTrailers()
      } catch (error) {
        failed++
        throw error
      }
      return new Response(204)
    },
    { bodySizeLimit: Number.POSITIVE_INFINITY },
  )
  const upload = async (at: number): Promise<void> => {
    const socket = await opened(port)
    socket.write(`POST /${at} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n`)
    // All sizes from the beginning: otherwise the growth would be measured from too low a base.
    socket.write(PIECE.subarray(0, ((at * 137) % 2000) * 20))
    await until(() => called.has(`/${at}`))
    if (at % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
    await once(socket, 'close')
  }
  // By then the allocator has reached its steady state.
  await times(1000, upload)
  await until(() => failed === called.size)
  const [rss, open_] = [memory(), openDescriptors()]
  const buffers = bufferMemory()
  await times(1000, (at) => upload(at + 1000))
  await until(() => failed === called.size)
  t.is(called.size, 2000)
  await until(() => openDescriptors() <= open_)
  await isBack(t, rss, 32)
  // If each upload lost one buffer, it would be 62 MiB. What waits for the collector is 1 to 3 MiB.
  await isBack(t, buffers, 8, bufferMemory)
})

test.serial('2,000 aborted downloads leave no resources', async (t) => {
  let [called, disposed, ended] = [0, 0, 0]
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield* endless()
    } finally {
      ended++
    }
  }
  const { port } = await open(t, () => {
    called++
    const response = new Response(200, {}, source())
    response.onDispose(() => disposed++)
    return response
  })
  const download = async (at: number): Promise<void> => {
    const socket = await opened(port)
    socket.write(GET)
    await once(socket, 'data')
    if (at % 3 === 0) socket.pause()
    if (at % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
    await once(socket, 'close')
  }
  await times(300, download)
  await until(() => disposed === called)
  const [rss, open_] = [memory(), openDescriptors()]
  await times(1700, download)
  await until(() => disposed === called && ended === called)
  t.is(called, 2000)
  await until(() => openDescriptors() <= open_)
  await isBack(t, rss, 24)
})

test.serial('a long upload needs constant memory', async (t) => {
  let highest = 0
  const { port } = await open(
    t,
    async (request) => {
      let length = 0
      let next = 0
      for await (const piece of request.getBody()) {
        length += piece.length
        if (length < next) continue
        next += 32 * MEBIBYTE
        // What waits for the collector is V8's affair: 32 to 64 MiB, by its version.
        highest = Math.max(highest, memory())
      }
      return Response.text(`${length} bytes`)
    },
    { bodySizeLimit: Number.POSITIVE_INFINITY },
  )
  const socket = await opened(port)
  let received = ''
  socket.on('data', (data) => (received += data.toString()))
  const before = memory()
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BYTES}\r\n\r\n`)
  for (let sent = 0; sent < BYTES; sent += PIECE.length) {
    if (!socket.write(PIECE)) await once(socket, 'drain')
  }
  await until(() => received.endsWith(`${BYTES} bytes`))
  t.true((highest - before) / MEBIBYTE < 64, `${(highest - before) / MEBIBYTE} MiB`)
  socket.destroy()
})

test.serial('a long download needs constant memory', async (t) => {
  let highest = 0
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < BYTES; sent += PIECE.length) {
      if (sent % (32 * MEBIBYTE) === 0) highest = Math.max(highest, memory())
      yield PIECE
    }
  }
  const { port } = await open(t, () => new Response(200, { 'content-length': BYTES, connection: 'close' }, source()))
  const socket = await opened(port)
  const before = memory()
  socket.write(GET)
  let received = 0
  socket.on('data', (data) => (received += data.length))
  await once(socket, 'end')
  t.true(received > BYTES)
  t.true((highest - before) / MEBIBYTE < 64, `${(highest - before) / MEBIBYTE} MiB`)
})

test.serial('50 clients that do not read their long responses need little memory', async (t) => {
  const long = Buffer.alloc(64 * MEBIBYTE, 'x')
  let called = 0
  const { port } = await open(t, () => new Response(200, {}, called++ % 2 === 0 ? long : endless()))
  const before = memory()
  const sockets = await Promise.all(Array.from({ length: 50 }, () => opened(port)))
  for (const socket of sockets) socket.pause().write(GET)
  await until(() => called === 50)
  for (let at = 0; at < 200; at++) await new Promise((resolve) => setImmediate(resolve))
  await isBack(t, before, 32)
  for (const socket of sockets) socket.destroy()
})

for (const ioThreads of [0, 1]) {
  test.serial(`bytes that an upgraded peer does not read wait in the memory of the application (ioThreads ${ioThreads})`, async (t) => {
    const piece = Buffer.alloc(MEBIBYTE, 'y')
    const { connect, next } = await takeover(t, { ioThreads })
    const wire = (await connect()).send(UPGRADE)
    const { socket } = await next()
    await wire.until((text) => text === SWITCHED)
    wire.socket.pause()
    const before = memory()
    for (let at = 0; at < 96; at++) socket.write(piece)
    // Each further connection goes to the engine and back, so the engine has tried to send by then.
    for (let round = 0; round < 8; round++) {
      ;(await connect()).send(UPGRADE)
      await next()
    }
    await isBack(t, before, 48)
    socket.destroy()
  })
}

// Node's own TLS on the client's side has memory in the same process.
;(IS_TLS ? test.serial.skip : test.serial)('a minor collection frees the bodies of long responses', async (t) => {
  const { connect } = await open(t, () => new Response(200, {}, Buffer.allocUnsafeSlow(MEBIBYTE)))
  const wire = await connect()
  collect()
  const before = process.memoryUsage().arrayBuffers
  const growth = (): number => (process.memoryUsage().arrayBuffers - before) / MEBIBYTE
  // A collection of V8's own that falls into a response keeps its body until a full one. How many do depends on the
  // version of V8 and on the load, so the best of several rounds counts.
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3 && least >= 15; round++) {
    collect()
    for (let at = 0; at < 30; at++) {
      wire.received = ''
      wire.send(GET)
      await wire.until((text) => text.length > MEBIBYTE)
    }
    wire.received = ''
    // Objects that survive two minor collections stay until a full one.
    collect({ type: 'minor' })
    collect({ type: 'minor' })
    least = Math.min(least, growth())
  }
  t.true(least < 15, `${least} MiB of 30 are still there`)
  // Another thread sweeps what was collected.
  let rest = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200 && rest >= 2; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
    rest = growth()
  }
  t.true(rest < 2, `${rest} MiB are still there after full collections`)
})

test.serial('bodies that are read after the stop of their server leave no resources', async (t) => {
  const { server, connect, next } = await hold(t)
  const requests: Request[] = []
  for (let at = 0; at < 100; at++) {
    ;(await connect()).send(postHead(16_000))
    requests.push((await next()).request)
  }
  await server.stop(0)
  collect()
  const before = process.memoryUsage().arrayBuffers
  for (const request of requests.splice(0)) await t.throwsAsync(request.getBody().read(), { instanceOf: ClientException })
  // Another thread sweeps what was collected.
  let growth = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200 && growth >= 0.5; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
    growth = (process.memoryUsage().arrayBuffers - before) / MEBIBYTE
  }
  t.true(growth < 0.5, `${growth} MiB of 1.6 are still there`)
})

test.serial('reading from an answered request keeps no memory', async (t) => {
  const asked: WeakRef<object>[] = []
  const requests: Request[] = []
  const { connect } = await open(t, (request) => {
    requests.push(request)
    return Response.text('fine')
  })
  const wire = await connect()
  for (let at = 1; at <= 20; at++) {
    const sent = at % 2 === 0 ? `${postHead(5)}hello` : GET
    await wire.send(sent).until((text) => count(text, 'fine') === at)
    const request = requests.pop()!
    asked.push(new WeakRef(request.getSignal()), new WeakRef(request.getBody()), new WeakRef(request))
    request.getTrailers()?.getMessage().catch(() => {})
  }
  await until(() => {
    collect()
    return asked.filter((reference) => reference.deref() !== undefined).length <= 3
  })
  t.false(wire.socket.closed)
})
