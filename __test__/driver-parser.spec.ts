import test from 'ava'
import { Request, Response } from '../src/index.ts'
import type { Client, HttpDriver, OnMessage, Parser, WriteBytes } from '../src/index.ts'
import { LineDriver, drive, parser } from './drivers.ts'
import { count, until } from './support.ts'

test('a parser gets the same bytes for all segment boundaries', async (t) => {
  const { connect } = await drive(t, () => new LineDriver())
  const wire = await connect()
  wire.socket.setNoDelay(true)
  for (const character of '/one\n/two\n') {
    wire.send(character)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.is(await wire.until((text) => count(text, '\n') === 2), '/one\n/two\n')
})

test('nothing is read while a parser waits for a promise that it yielded', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, drivers } = await drive(
    t,
    () => new LineDriver(),
    (request) => (request.getPath() === '/slow' ? new Promise((resolve) => (answer = resolve)) : Response.text('fast')),
  )
  const wire = await connect()
  wire.send('/slow\n')
  await until(() => drivers[0]?.events.length === 1)
  wire.send('/fast\n')
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(drivers[0]!.events, ['bytes /slow\n'])
  answer(Response.text('slow'))
  t.is(await wire.until((text) => text.endsWith('fast\n')), 'slow\nfast\n')
})

test('a yielded promise that is already settled loses no bytes and keeps their order', async (t) => {
  const seen: string[] = []
  const { connect } = await drive(t, () => ({
    *setup(_client: Client, _onMessage: OnMessage, write: WriteBytes): Parser {
      for (;;) {
        const bytes = yield
        seen.push(`bytes ${String(bytes)}`)
        for (const value of [Promise.resolve(), null, undefined, Promise.resolve('ignored')]) {
          if (value === null || value === undefined) continue
          seen.push(`resumed ${String(yield value)}`)
        }
        void write('ok')
      }
    },
    write: async () => {},
    getPendingRequestCount: () => 0,
    stop: async () => {},
  }))
  const wire = await connect()
  wire.send('a')
  await wire.until((text) => text === 'ok')
  wire.send('b')
  await wire.until((text) => text === 'okok')
  t.deepEqual(seen, ['bytes a', 'resumed null', 'resumed null', 'bytes b', 'resumed null', 'resumed null'])
})

test('a yielded promise that rejects closes the connection, and the parser cleans up', async (t) => {
  let isCleaned = false
  const { connect, logged } = await drive(t, () =>
    parser(function* (): Parser {
      try {
        yield
        yield Promise.reject(new Error('lost the database'))
      } finally {
        isCleaned = true
      }
    }),
  )
  const wire = await connect()
  wire.send('x')
  t.is(await wire.end(), '')
  t.true(isCleaned)
  t.regex(logged.join(), /lost the database/)
})

test('a parser that throws is logged as critical, and its connection closed', async (t) => {
  const { connect, logged, clients } = await drive(t, () =>
    parser(function* (): Parser {
      yield
      throw new Error('a bug')
    }),
  )
  const wire = await connect()
  wire.send('x')
  await wire.end()
  t.true(clients[0]!.isClosed())
  t.regex(logged.join(), /the driver of client \d+ failed: Error: a bug/)
})

test('a driver that fails before its parser is made, or while it is primed, closes the connection', async (t) => {
  const failsToPrime = true
  for (const setup of [
    () => {
      throw new Error('no setup')
    },
    function* (): Parser {
      if (failsToPrime) throw new Error('no priming')
      yield
    },
  ]) {
    const { connect, logged } = await drive(t, () => parser(setup as HttpDriver['setup']))
    await (await connect()).end()
    t.regex(logged.join(), /no (setup|priming)/)
  }
})

test('a parser that returns gets no more bytes; the connection stays open until the peer ends', async (t) => {
  let send: WriteBytes | null = null
  const { connect, clients } = await drive(t, () =>
    parser(function* (_client, _onMessage, write): Parser {
      send = write
      yield
    }),
  )
  const wire = await connect()
  wire.send('x')
  await until(() => send !== null)
  wire.send('y'.repeat(1 << 20))
  await send!('still here')
  await wire.until((text) => text === 'still here')
  wire.socket.end()
  await wire.end()
  await until(() => clients[0]!.isClosed())
  t.pass()
})

test('return is called on the parser when the client closes, at any yield', async (t) => {
  const ends: string[] = []
  let place = 0
  const places = ['from outside', 'from the handler', 'from the parser', 'reset']
  const { connect, clients } = await drive(
    t,
    () =>
      parser(
        function* (client, onMessage): Parser {
          const name = places[place]!
          try {
            yield
            if (name === 'from the parser') client.close()
            yield onMessage(Request.create('GET', '/'))
          } finally {
            ends.push(name)
          }
        },
      ),
    (request) => {
      if (places[place] === 'from the handler') request.getClient().close()
      return new Promise<Response>(() => {})
    },
  )
  for (; place < places.length; place++) {
    const wire = await connect()
    await until(() => clients.length === place + 1)
    const client = clients[place]!
    let hooks = 0
    client.onClose(() => void hooks++)
    if (places[place] !== 'from outside') wire.send('x')
    if (places[place] === 'reset') {
      await until(() => client.getPendingResponseCount() === 1)
      wire.socket.resetAndDestroy()
    } else if (places[place] === 'from outside') {
      client.close()
    }
    await until(() => client.isClosed())
    t.is(hooks, 1)
    t.deepEqual([client.getPendingRequestCount(), client.getPendingResponseCount()], [0, 0])
  }
  t.deepEqual(ends, places)
})

test('a clean-up that throws is logged', async (t) => {
  const { connect, clients, logged } = await drive(t, () =>
    parser(function* (): Parser {
      try {
        yield
      } finally {
        // oxlint-disable-next-line no-unsafe-finally
        throw new Error('bad clean-up')
      }
    }),
  )
  await connect()
  await until(() => clients.length === 1)
  clients[0]!.close()
  t.regex(logged.join(), /bad clean-up/)
})

test('a parser gets at most chunkSize bytes at once, also of those that were read before it began', async (t) => {
  const sizes: number[] = []
  let text = ''
  const collect = parser(function* (_client, _onMessage, write) {
    for (;;) {
      const bytes: Uint8Array | null = yield
      sizes.push(bytes!.length)
      text += String(bytes)
      if (text.endsWith('\n')) void write('all', true)
    }
  })
  const first = parser(function* (client) {
    client.switchDriver(collect, yield)
  })
  const { connect } = await drive(t, () => first, undefined, { chunkSize: 1000 })
  const sent = `${'x'.repeat(3500)}\n`
  t.is(await (await connect()).send(sent).end(), 'all')
  t.is(text, sent)
  t.true(sizes.every((size) => size <= 1000))
})

test('a parser may yield anything after the end', async (t) => {
  const { connect, logged } = await drive(t, () =>
    parser(function* (_client, _onMessage, write) {
      yield
      void write('bye', true)
      yield 5 as never
    }),
  )
  t.is(await (await connect()).send('hello').end(), 'bye')
  t.deepEqual(logged, [])
})

for (const ioThreads of [0, 1]) {
  test(`a write to a peer that does not read stays pending, also behind others (ioThreads ${ioThreads})`, async (t) => {
    let send: WriteBytes | null = null
    let made = 0
    const make = parser(function* (_client, _onMessage, write): Parser {
      made++
      send ??= write
      yield
    })
    const { connect } = await drive(t, () => make, undefined, { ioThreads })
    const wire = await connect()
    await until(() => send !== null)
    wire.socket.pause()
    const piece = Buffer.alloc(1024 * 1024, 'y')
    let sent = 0
    const writes = Array.from({ length: 32 }, () => send!(piece).then(() => sent++))
    // Each further connection goes to the engine and back, so the engine has tried to send by then.
    for (let round = 2; round < 10; round++) {
      await connect()
      await until(() => made === round)
    }
    t.true(sent < 32, `${sent} writes have ended`)
    let received = 0
    wire.socket.on('data', (text: string) => (received += text.length))
    wire.socket.resume()
    await Promise.all(writes)
    await until(() => received === 32 * piece.length)
  })
}
