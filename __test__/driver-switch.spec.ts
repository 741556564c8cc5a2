import { once } from 'node:events'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import { Http1Driver, StateError, streamDriver } from '../src/index.ts'
import type { Parser, UpgradedSocket } from '../src/index.ts'
import { drive, parser } from './drivers.ts'
import { GET, LAST_GET, count, until } from './support.ts'

test('a connection can be handed to the engine with bytes that were read', async (t) => {
  const { connect, clients } = await drive(t, () =>
    parser(function* (client): Parser {
      const bytes = yield
      client.switchDriver(new Http1Driver(), bytes)
      yield
      t.fail()
    }),
  )
  const wire = await connect()
  wire.send(GET)
  await wire.until((text) => text.endsWith('\r\n\r\n/'))
  t.true(clients[0]!.getExpirationTime() > 0)
  t.throws(() => clients[0]!.switchDriver(new Http1Driver()), { instanceOf: StateError })
  wire.send(LAST_GET)
  t.is(count(await wire.end(), 'HTTP/1.1 200'), 2)
  await until(() => clients[0]!.isClosed())
})

test('a connection handed to the engine at every byte of a request loses nothing', async (t) => {
  const text = 'GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  let at = 0
  const { connect } = await drive(t, () =>
    parser(function* (client): Parser {
      let bytes = Buffer.alloc(0)
      while (bytes.length < at) bytes = Buffer.concat([bytes, (yield) ?? Buffer.alloc(0)])
      client.switchDriver(new Http1Driver(), bytes)
    }),
  )
  for (at = 0; at <= text.length; at += 1) {
    const wire = await connect()
    wire.send(text.slice(0, at))
    wire.send(text.slice(at))
    wire.socket.end()
    t.regex(await wire.end(), /^HTTP\/1\.1 200 [^]*\/path$/, `handed on at ${at}`)
  }
})

test('a connection is handed from one driver to the next', async (t) => {
  const { connect, drivers } = await drive(t, () =>
    parser(function* (client): Parser {
      const bytes = (yield) ?? new Uint8Array()
      client.switchDriver(
        streamDriver(async (_client, readable, writable) => {
          writable.write('streamed: ')
          await pipeline(readable, writable)
        }),
        bytes.subarray(1),
      )
    }),
  )
  const wire = await connect()
  wire.send('xhello')
  await wire.until((text) => text === 'streamed: hello')
  wire.send(' again')
  await wire.until((text) => text === 'streamed: hello again')
  wire.socket.end()
  t.is(await wire.end(), 'streamed: hello again')
  t.is(drivers.length, 1)
})

test('a driver over streams can hand its connection on, with the bytes that its stream has read ahead', async (t) => {
  const { connect } = await drive(t, () =>
    streamDriver(async (client, readable) => {
      await once(readable, 'readable')
      t.is(String(readable.read(5)), 'hello')
      client.switchDriver(new Http1Driver())
    }),
  )
  const wire = await connect()
  wire.send(`hello${GET}`)
  await wire.until((text) => text.endsWith('\r\n\r\n/'))
  wire.send(LAST_GET)
  t.is(count(await wire.end(), 'HTTP/1.1 200'), 2)
})

test('the stream of a driver is a duplex, and its end ends our side', async (t) => {
  const { connect, clients } = await drive(t, () =>
    streamDriver(async (client, readable, writable) => {
      t.is<unknown, unknown>(readable, writable)
      t.is((readable as UpgradedSocket).getClient(), client)
      t.false(client.isExported())
      for await (const chunk of readable) writable.write(String(chunk).toUpperCase())
    }),
  )
  const wire = await connect()
  wire.send('shout')
  await wire.until((text) => text === 'SHOUT')
  wire.socket.end()
  t.is(await wire.end(), 'SHOUT')
  await until(() => clients[0]!.isClosed())
})

test('a driver over streams that has finished sends the rest and closes, even if the peer does not close', async (t) => {
  const { connect, clients } = await drive(t, () =>
    streamDriver(async (_client, _readable, writable) => void writable.write('that is all')),
  )
  const wire = await connect()
  t.is(await wire.until((text) => text === 'that is all'), 'that is all')
  await until(() => clients[0]!.isClosed())
})

test('a driver over streams that fails is logged, and its connection closed', async (t) => {
  const { connect, logged } = await drive(t, () => streamDriver(() => Promise.reject(new Error('broken pipe'))))
  await (await connect()).end()
  t.regex(logged.join(), /broken pipe/)
})

test('streamDriver takes a function and nothing else', (t) => {
  t.throws(() => streamDriver(undefined as never), { message: /^handleClient must be a function .*; got undefined$/ })
})

const STREAM_MISTAKES: Readonly<Record<string, (socket: UpgradedSocket) => Promise<void>>> = {
  'in a loop': async (socket) => {
    for await (const _chunk of socket) throw new Error('my mistake')
  },
  'in a pipeline': (socket) => {
    const broken = new Transform({ transform: (_chunk, _encoding, done) => done(new Error('my mistake')) })
    return pipeline(socket, broken, socket)
  },
}
for (const [where, fail] of Object.entries(STREAM_MISTAKES)) {
  test(`a driver over streams that fails ${where} is logged, although that has closed the connection`, async (t) => {
    const { connect, logged } = await drive(t, () => streamDriver((_client, readable) => fail(readable as UpgradedSocket)))
    await (await connect()).send('hello').end()
    await until(() => logged.length > 0)
    t.regex(logged.join(), /^the driver of client \d+ failed: Error: my mistake$/)
  })
}
