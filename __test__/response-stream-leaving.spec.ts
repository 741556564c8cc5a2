import { Readable } from 'node:stream'
import test from 'ava'
import { Response } from '../src/index.ts'
import type { Streamed } from '../src/index.ts'
import { Disposals, Tap } from './sources.ts'
import { GET, WAYS_TO_LEAVE, holdOne, keepErrors, open, until } from './support.ts'

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
  test(`${way} cancels a source that is silent, and disposes, once`, async (t) => {
    const tap = new Tap()
    const disposals = new Disposals()
    const { connect } = await open(t, () => disposals.of(new Response(200, {}, tap)))
    const wire = (await connect()).send(GET)
    tap.give('x')
    await wire.until((text) => text.endsWith('x\r\n'))
    leave(wire.socket)
    await until(() => disposals.count > 0)
    tap.give('y')
    await new Promise((resolve) => setImmediate(resolve))
    t.deepEqual([tap.cancelled, disposals.count], [1, 1])
  })

  test(`${way} while the head is held cancels the source`, async (t) => {
    const tap = new Tap()
    const disposals = new Disposals()
    const { connect } = await open(t, () => disposals.of(new Response(200, {}, tap)))
    const wire = (await connect()).send(GET)
    await until(() => tap.asked === 1)
    leave(wire.socket)
    await until(() => disposals.count > 0)
    t.deepEqual([tap.cancelled, disposals.count], [1, 1])
  })

  test(`${way} before the handler has answered cancels the source`, async (t) => {
    const tap = new Tap()
    const disposals = new Disposals()
    const { wire, client, answer } = await holdOne(t)
    leave(wire.socket)
    await until(() => client.getStatus() !== 0)
    const response = disposals.of(new Response(200, {}, tap))
    answer(response)
    await until(() => disposals.count > 0)
    t.deepEqual([tap.cancelled, disposals.count], [1, 1])
  })
}

for (const way of ['a reset', 'a hang-up'] as const) {
  test(`${way} cancels a source that waits for the client to read`, async (t) => {
    let ended = 0
    const disposals = new Disposals()
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(100_000, 'x')
      } finally {
        ended++
      }
    }
    const { connect } = await open(t, () => disposals.of(new Response(200, {}, endless())))
    const wire = await connect()
    wire.send(GET)
    await wire.until((text) => text.length > 200_000)
    wire.socket.pause()
    WAYS_TO_LEAVE[way](wire.socket)
    await until(() => disposals.count > 0)
    await until(() => ended > 0)
    t.deepEqual([ended, disposals.count], [1, 1])
  })
}

test('a Readable is destroyed and a web stream cancelled when the client disconnects', async (t) => {
  const readable = new Readable({ read: () => {} })
  let reason: unknown = 'none'
  const stream = new ReadableStream<string>({ cancel: (given) => void (reason = given) })
  const bodies: Streamed[] = [readable, stream]
  const disposals = new Disposals()
  const { connect } = await open(t, () => disposals.of(new Response(200, {}, bodies.shift())))
  for (const expected of [1, 2]) {
    const wire = (await connect()).send(GET)
    await wire.until((text) => text.endsWith('\r\n\r\n'))
    wire.socket.resetAndDestroy()
    await until(() => disposals.count === expected)
  }
  t.true(readable.destroyed)
  t.is(reason, undefined)
})

for (const [way, leave] of Object.entries(WAYS_TO_LEAVE)) {
  test(`${way} that a source or a handler gets by the signal is not logged as a failure`, async (t) => {
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
