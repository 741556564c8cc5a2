import { Readable } from 'node:stream'
import test from 'ava'
import { Client, ClientException, Http1Driver, Request, Response } from '../src/index.ts'
import type { OnMessage, Parser, UpgradedSocket, WriteBytes } from '../src/index.ts'
import { LineDriver, choosing, drive, parser } from './drivers.ts'
import { SCHEME, count, until } from './support.ts'

test('the handler answers the requests of a driver, and the driver writes the responses in order', async (t) => {
  const { connect, drivers } = await drive(t, () => new LineDriver())
  const wire = await connect()
  wire.send('/one\n/two\n/thr')
  await wire.until((text) => text === '/one\n/two\n')
  wire.send('ee\n')
  await wire.until((text) => text.endsWith('/three\n'))
  t.deepEqual(drivers[0]!.events, [
    'bytes /one\n/two\n/thr',
    'write /one 200',
    'resumed with null',
    'write /two 200',
    'resumed with null',
    'bytes ee\n',
    'write /three 200',
    'resumed with null',
  ])
})

test('a write with close sends everything, sets CLOSED_WR, accepts no more bytes, and closes', async (t) => {
  const large = 'x'.repeat(8 * 1024 * 1024)
  const { connect, clients } = await drive(t, () =>
    parser(function* (client, _onMessage, write): Parser {
      yield
      void write(large, true)
      t.is(client.getStatus(), Client.CLOSED_WR)
      write('more').catch((error: unknown) => t.true(error instanceof ClientException))
    }),
  )
  const wire = await connect()
  wire.socket.pause()
  wire.send('x')
  await until(() => clients[0]?.getStatus() === Client.CLOSED_WR)
  wire.socket.resume()
  t.is((await wire.end()).length, large.length)
  await until(() => clients[0]!.isClosed())
})

test('a write waits for a client that does not read, and settles when it closes', async (t) => {
  let isSettled = false
  let writing: Promise<void> | null = null
  const { connect, clients } = await drive(t, () =>
    parser(function* (_client, _onMessage, write): Parser {
      yield
      writing = write(Buffer.alloc(16 * 1024 * 1024)).then(() => {
        isSettled = true
      })
      yield writing
    }),
  )
  const wire = await connect()
  wire.socket.pause()
  wire.send('x')
  await until(() => writing !== null)
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
  t.false(isSettled)
  clients[0]!.close()
  await writing
  t.true(isSettled)
})

test('a peer that has ended its side gets the pending responses; then the connection closes', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, drivers, clients } = await drive(
    t,
    () => Object.assign(new LineDriver(), { waits: false }),
    () => new Promise((resolve) => (answer = resolve)),
  )
  const wire = await connect()
  wire.send('/last\n')
  wire.socket.end()
  await until(() => clients[0]?.getStatus() === Client.CLOSED_RD)
  await until(() => drivers[0]!.events.includes('cleaned up'))
  answer(Response.text('there you are'))
  t.is(await wire.end(), 'there you are\n')
  await until(() => clients[0]!.isClosed())
})

test('the counters of a client count the requests of its driver', async (t) => {
  let answer = (_response: Response): void => {}
  let written = (): void => {}
  const { connect, drivers, clients } = await drive(
    t,
    () => {
      const driver = new LineDriver()
      driver.write = () => new Promise((resolve) => (written = resolve))
      return driver
    },
    () => new Promise((resolve) => (answer = resolve)),
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => clients[0]?.getPendingResponseCount() === 1)
  const client = clients[0]!
  t.true(client.isWaitingOnResponse())
  drivers[0]!.bodies = 1
  t.is(client.getPendingRequestCount(), 1)
  t.false(client.isWaitingOnResponse())
  drivers[0]!.bodies = 0
  answer(Response.text('x'))
  await until(() => !client.isWaitingOnResponse())
  t.is(client.getPendingResponseCount(), 1)
  written()
  await until(() => client.getPendingResponseCount() === 0)
  t.false(client.isExported())
})

test('the handler gets a copy with a client and a signal; its changes do not affect the request of the driver', async (t) => {
  const originals: Request[] = []
  const { connect, clients } = await drive(
    t,
    () => {
      const driver = new LineDriver()
      const { write } = driver
      driver.write = (request, response) => {
        originals.push(request)
        return write.call(driver, request, response)
      }
      return driver
    },
    (request) => {
      t.is<unknown, unknown>(request.getClient(), clients[0])
      t.false(request.getSignal().aborted)
      request.setMethod('DELETE')
      request.setHeader('x-mine', '1')
      request.setAttribute('key', 'value')
      return Response.text(request.getUri().href)
    },
  )
  const wire = await connect()
  wire.send('/path?q\n')
  await wire.until((text) => text === `${SCHEME}://localhost/path?q\n`)
  t.is(originals[0]!.getMethod(), 'GET')
  t.false(originals[0]!.hasHeader('x-mine'))
  t.false(originals[0]!.hasAttribute('key'))
})

test('methods, failing handlers and invalid responses are treated as on any connection', async (t) => {
  const { connect, logged } = await drive(
    t,
    () => new Http1Driver(),
    (request) => {
      if (request.getMethod() === 'GET') throw new Error('handler')
      if (request.getMethod() === 'POST') return 'no response' as never
      if (request.getMethod() === 'PUT') return Promise.reject(new Error('rejected'))
      return new Response(204)
    },
    {
      driverFactory: choosing(() => {
        let send: WriteBytes | null = null
        return {
          *setup(_client: Client, onMessage: OnMessage, write: WriteBytes): Parser {
            send = write
            for (const method of ['TRACE', 'BREW', 'GET', 'POST', 'PUT', 'PATCH']) {
              yield onMessage(Request.create(method, '/'))
            }
            yield onMessage(Request.create('OPTIONS', '*'))
          },
          write: (_request: Request, response: Response) => send!(`${response.getStatus()} ${response.getHeader('allow') !== null}\n`),
          getPendingRequestCount: () => 0,
          stop: async () => {},
        }
      }),
    },
  )
  const wire = await connect()
  const text = await wire.until((received) => count(received, '\n') === 7)
  t.is(text, '405 true\n501 true\n500 false\n500 false\n500 false\n204 false\n204 true\n')
  t.is(logged.length, 3)
})

test('a response that was sent before, or can not be sent, is a 500 as on any connection', async (t) => {
  const twice = Response.text('once')
  const { connect, logged } = await drive(
    t,
    () => new LineDriver(),
    (request) => (request.getPath() === '/early' ? new Response(103) : twice),
  )
  const wire = await connect()
  wire.send('/a\n/b\n/early\n')
  await wire.until((text) => count(text, '\n') >= 3)
  t.regex(wire.received, /^once\n<!doctype html>[^]*500[^]*500/)
  t.is(logged.length, 2)
})

test('onMessage throws for anything but a request, and write for anything but bytes', async (t) => {
  for (const wrong of [
    (onMessage: OnMessage) => onMessage({} as Request),
    (_: OnMessage, write: WriteBytes) => write(1 as never),
  ]) {
    const { connect, logged } = await drive(t, () =>
      parser(function* (_client, onMessage, write): Parser {
        yield
        yield wrong(onMessage, write)
      }),
    )
    const wire = await connect()
    wire.send('x')
    await wire.end()
    t.regex(logged.join(), /OptionError: (request must be made by Request.create|data must be a string or a Uint8Array)/)
  }
})

test('a ClientException from the handler stops the client and is not logged', async (t) => {
  const { connect, drivers, logged } = await drive(
    t,
    () => new LineDriver(),
    (request) => {
      throw new ClientException(request.getClient(), 'broke a rule', 400)
    },
  )
  const wire = await connect()
  wire.send('/\n')
  t.is(await wire.end(), '')
  t.true(drivers[0]!.events.includes('stop'))
  t.deepEqual(logged, [])
})

test('handlerTimeout fires the signal of a request that a driver has parsed', async (t) => {
  const signals: AbortSignal[] = []
  const handler = (request: Request): Promise<Response> => {
    signals.push(request.getSignal())
    return new Promise(() => {})
  }
  const { connect } = await drive(t, () => new LineDriver(), handler, { handlerTimeout: 0.01 })
  await (await connect()).send('/\n').until((text) => text.includes('503'))
  t.deepEqual(signals.map((signal) => signal.aborted), [true])
})

test('a driver that fails to write closes the connection; the response is disposed of', async (t) => {
  let disposals = 0
  const { connect, logged } = await drive(
    t,
    () => Object.assign(new LineDriver(), { write: () => Promise.reject(new Error('no ink')) }),
    () => {
      const response = Response.text('x')
      response.onDispose(() => void disposals++)
      return response
    },
  )
  const wire = await connect()
  wire.send('/\n')
  await wire.end()
  t.is(disposals, 1)
  t.regex(logged.join(), /no ink/)
})

test('a response for a client that has disconnected is dropped and disposed of, and its signal aborts', async (t) => {
  let disposals = 0
  let answer = (_response: Response): void => {}
  let signal: AbortSignal | null = null
  const { connect, drivers, clients } = await drive(
    t,
    () => new LineDriver(),
    (request) => {
      signal = request.getSignal()
      return new Promise((resolve) => (answer = resolve))
    },
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => signal !== null)
  wire.socket.resetAndDestroy()
  await until(() => clients[0]!.isClosed())
  t.true(signal!.aborted)
  const response = Response.text('x')
  response.onDispose(() => void disposals++)
  answer(response)
  await until(() => disposals === 1)
  t.false(drivers[0]!.events.some((event) => event.startsWith('write')))
})

test('an upgrade by a driver gets the leftover and the bytes behind it', async (t) => {
  const sockets: UpgradedSocket[] = []
  const { connect, drivers, clients } = await drive(
    t,
    () => new LineDriver(),
    () => new Response(101, { upgrade: 'raw' }).upgrade((socket) => void sockets.push(socket)),
  )
  const wire = await connect()
  wire.send('/upgrade\nleft over')
  await wire.until((text) => text === '101\n')
  await until(() => sockets.length === 1)
  t.is(String(await sockets[0]!.readChunk()), 'left over')
  wire.send('more')
  t.is(String(await sockets[0]!.readChunk()), 'more')
  t.true(clients[0]!.isExported())
  t.is(clients[0]!.getPendingResponseCount(), 0)
  t.true(drivers[0]!.events.includes('cleaned up'))
  await t.throwsAsync(drivers[0]!.send!('no more'), { instanceOf: ClientException })
  sockets[0]!.end('bye')
  wire.socket.end()
  t.is(await wire.end(), '101\nbye')
})

test('the stream of a response for a client that has disconnected is cancelled', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, clients } = await drive(t, () => new LineDriver(), () => new Promise((resolve) => (answer = resolve)))
  const wire = (await connect()).send('/\n')
  await until(() => clients[0]?.isWaitingOnResponse() === true)
  wire.socket.resetAndDestroy()
  await until(() => clients[0]!.isClosed())
  const body = new Readable({ read: () => {} })
  answer(new Response(200, {}, body))
  await until(() => body.destroyed)
  t.true(body.destroyed)
})
