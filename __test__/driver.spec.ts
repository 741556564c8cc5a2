import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import {
  Client,
  ClientException,
  DefaultClientFactory,
  DefaultHttpDriverFactory,
  Http1Driver,
  Http2Driver,
  HttpDriver,
  HttpServer,
  OptionError,
  Request,
  Response,
  StateError,
  TimeoutError,
  silentLogger,
  streamDriver,
} from '../src/index.ts'
import type {
  Driver,
  Handler,
  LogContext,
  OnMessage,
  Parser,
  ServerSettings,
  UpgradedSocket,
  WriteBytes,
} from '../src/index.ts'
import { GET, LAST_GET, count, open, until } from './support.ts'

/** A request is a line with a path; a response is its body, a line. */
class LineDriver implements HttpDriver {
  readonly events: string[] = []
  client: Client | null = null
  onMessage: OnMessage | null = null
  send: WriteBytes | null = null
  isStopping = false
  /** Yields the promise of each request, as HTTP/1 does. */
  waits = true
  bodies = 0

  getPendingRequestCount(): number {
    return this.bodies
  }

  *setup(client: Client, onMessage: OnMessage, write: WriteBytes): Parser {
    this.client = client
    this.onMessage = onMessage
    this.send = write
    let text = ''
    try {
      for (;;) {
        const end = text.indexOf('\n')
        if (end < 0) {
          const bytes: Uint8Array | null = yield
          this.events.push(`bytes ${String(bytes)}`)
          text += String(bytes)
          continue
        }
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        const done = onMessage(Request.create('GET', line), Buffer.from(text))
        if (!this.waits) continue
        const resumed: Uint8Array | null = yield done
        this.events.push(`resumed with ${String(resumed)}`)
      }
    } finally {
      this.events.push('cleaned up')
    }
  }

  async write(request: Request, response: Response): Promise<void> {
    this.events.push(`write ${request.getPath()} ${response.getStatus()}`)
    const body = response.getBody()
    await this.send?.(`${typeof body === 'string' ? body : response.getStatus()}\n`)
  }

  async stop(): Promise<void> {
    this.isStopping = true
    this.events.push('stop')
  }
}

const factory = (selectDriver: (client: Client) => Driver) => ({ selectDriver, getApplicationLayerProtocols: () => [] })

/** A server whose connections are all driven by drivers that the test makes. */
async function drive<D extends Driver>(
  t: ExecutionContext,
  make: (client: Client) => D,
  handler: Handler = (request) => Response.text(request.getPath()),
  settings: ServerSettings = {},
) {
  const drivers: D[] = []
  const clients: Client[] = []
  const logged: string[] = []
  const note = (message: string, context?: LogContext): void => {
    logged.push(`${message}: ${String(context?.['exception'])}`)
  }
  const driverFactory = factory((client) => {
    clients.push(client)
    const driver = make(client)
    drivers.push(driver)
    return driver
  })
  const logger = { ...silentLogger, error: note, critical: note }
  const opened = await open(t, handler, { logger, driverFactory, ...settings })
  return { ...opened, drivers, clients, logged }
}

const closed = (client: Client): Promise<void> =>
  new Promise((resolve) => {
    client.onClose(() => resolve())
  })

test('a driver\'s requests run through the handler, and its responses come back in order', async (t) => {
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

test('a parser sees the same bytes however they are cut', async (t) => {
  const { connect } = await drive(t, () => new LineDriver())
  const wire = await connect()
  wire.socket.setNoDelay(true)
  for (const character of '/one\n/two\n') {
    wire.send(character)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.is(await wire.until((text) => count(text, '\n') === 2), '/one\n/two\n')
})

test('nothing is read while a parser waits for what it yielded', async (t) => {
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

test('a promise that has settled already costs no bytes and no order', async (t) => {
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

/** A driver that is nothing but a parser. */
const parser = (setup: HttpDriver['setup'], rest: Partial<HttpDriver> = {}): HttpDriver => ({
  setup,
  write: async () => {},
  getPendingRequestCount: () => 0,
  stop: async () => {},
  ...rest,
})

test('a promise that rejects closes the connection; the parser cleans up', async (t) => {
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

test('a parser that returns wants no more; the connection goes on until the peer ends', async (t) => {
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

test('the parser is returned to when the client closes, from whatever place', async (t) => {
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

test('write-and-close sends everything, sets CLOSED_WR, takes no more, and closes', async (t) => {
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

test('a peer that ends gets what it is owed; then the connection closes', async (t) => {
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

test('counters follow the driver\'s requests', async (t) => {
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

test('the handler gets a copy with a client, a signal, and changes that stay its own', async (t) => {
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
  await wire.until((text) => text === 'http://localhost/path?q\n')
  t.is(originals[0]!.getMethod(), 'GET')
  t.false(originals[0]!.hasHeader('x-mine'))
  t.false(originals[0]!.hasAttribute('key'))
})

test('methods, failing handlers and strange answers are treated as on any connection', async (t) => {
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
      driverFactory: factory(() => {
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

test('a response that was sent before, or can not be sent, is a 500 like on any connection', async (t) => {
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

test('a driver that hands over no request, or writes no bytes, is told so', async (t) => {
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

test('a driver over streams that is done sends the rest and closes, although the peer does not', async (t) => {
  const { connect, clients } = await drive(t, () =>
    streamDriver(async (_client, _readable, writable) => void writable.write('that is all')),
  )
  const wire = await connect()
  t.is(await wire.until((text) => text === 'that is all'), 'that is all')
  await until(() => clients[0]!.isClosed())
})

test('a ClientException out of the handler stops the client and is not logged', async (t) => {
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

test('a response for a client that has left is dropped and disposed of, its signal fires', async (t) => {
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

test('an upgrade through a driver gets the leftover and what came behind it', async (t) => {
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

test('a connection is handed to the engine in mid-stream, with what was read', async (t) => {
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

test('a driver over streams hands its connection on, with what its stream has read ahead', async (t) => {
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

test('a driver over streams has both directions in one, and its end ends ours', async (t) => {
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

test('a driver over streams that fails is logged, and its connection closed', async (t) => {
  const { connect, logged } = await drive(t, () => streamDriver(() => Promise.reject(new Error('broken pipe'))))
  await (await connect()).end()
  t.regex(logged.join(), /broken pipe/)
})

test('Http1Driver leaves a connection to the engine from its first byte', async (t) => {
  const { connect, clients } = await drive(t, () => new Http1Driver(), (request) => {
    t.is<unknown, unknown>(request.getClient(), clients[0])
    return Response.text('native')
  })
  const wire = await connect()
  wire.send(LAST_GET)
  t.regex(await wire.end(), /native$/)
})

test('Http2Driver says that there is no HTTP/2, and a driver that is none is refused', async (t) => {
  t.throws(() => new Http2Driver(), { instanceOf: StateError, message: /HTTP\/2/ })
  const { connect, logged } = await drive(t, () => ({}) as Driver)
  await (await connect()).end()
  t.regex(logged.join(), /got no driver: OptionError/)
})

test('a factory that fails, or closes, or refuses, closes the connection', async (t) => {
  const { connect, logged } = await drive(t, () => {
    throw new Error('no driver today')
  })
  await (await connect()).end()
  t.regex(logged.join(), /no driver today/)
  const second = await drive(t, (client) => {
    client.close()
    return new LineDriver()
  })
  await (await second.connect()).end()
  t.deepEqual(second.logged, [])
})

test('a client factory sees each socket and can refuse it', async (t) => {
  const inner = new DefaultClientFactory()
  const seen: string[] = []
  let hooks = 0
  const { connect, server } = await open(t, () => Response.text('welcome'), {
    clientFactory: {
      createClient(socket, requestHandler, errorHandler, logger, options) {
        seen.push(`${socket.getId() > 0} ${socket.getRemoteAddress().getHost()} ${socket.getTlsInfo()}`)
        t.is(options, server.getOptions())
        t.is(typeof requestHandler.handleRequest, 'function')
        t.is(errorHandler, server.getErrorHandler())
        t.is(typeof logger.error, 'function')
        t.is(socket.getLocalAddress().getPort(), server.getServers()[0]!.getPort())
        if (seen.length === 1) return null
        const client = inner.createClient(socket)
        t.is(client.getId(), socket.getId())
        t.is(inner.createClient(socket), client)
        client.onClose(() => void hooks++)
        if (seen.length === 2) return null
        if (seen.length === 3) socket.close()
        return client
      },
    },
  })
  t.is(await (await connect()).end(), '')
  t.is(await (await connect()).end(), '')
  t.is(await (await connect()).end(), '')
  t.is(hooks, 2)
  const wire = await connect()
  wire.send(LAST_GET)
  t.regex(await wire.end(), /welcome$/)
  await until(() => hooks === 3)
  t.deepEqual(new Set(seen), new Set(['true 127.0.0.1 null']))
})

test('a client factory that makes something else is a mistake that is logged', async (t) => {
  const logged: string[] = []
  const logger = { ...silentLogger, critical: (_: string, context?: LogContext) => void logged.push(String(context?.['exception'])) }
  const { connect } = await open(t, () => new Response(204), { logger, clientFactory: { createClient: () => ({}) as Client } })
  await (await connect()).end()
  t.regex(logged.join(), /DefaultClientFactory/)
  t.throws(() => new DefaultClientFactory().createClient({} as never), { instanceOf: StateError })
})

test('a stop asks drivers to stop, waits for what is under way, and closes', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, server, drivers, clients } = await drive(
    t,
    () => {
      const driver = new LineDriver()
      driver.stop = async () => {
        driver.events.push('stop')
        await until(() => driver.client!.getPendingResponseCount() === 0)
      }
      return driver
    },
    () => new Promise((resolve) => (answer = resolve)),
  )
  const idle = await connect()
  const wire = await connect()
  wire.send('/\n')
  await until(() => drivers.length === 2 && clients.some((client) => client.getPendingResponseCount() === 1))
  const stopped = server.stop(60_000)
  t.is(await idle.end(), '')
  await until(() => drivers.every((driver) => driver.events.includes('stop')))
  answer(Response.text('done'))
  t.is(await wire.end(), 'done\n')
  await stopped
  t.true(clients.every((client) => client.isClosed()))
})

test('a stop closes what a driver does not, when its time is over', async (t) => {
  const { connect, server, clients } = await drive(
    t,
    () => Object.assign(new LineDriver(), { stop: () => new Promise<void>(() => {}) }),
    () => new Promise(() => {}),
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => clients[0]?.getPendingResponseCount() === 1)
  await server.stop(50)
  t.true(clients[0]!.isClosed())
  await wire.end()
})

test('stopping one client rejects with the driver\'s own error, or when the time is over, and closes it', async (t) => {
  let stop: () => Promise<void> = () => Promise.reject(new Error('can not stop'))
  const { connect, clients } = await drive(
    t,
    () => Object.assign(new LineDriver(), { stop: () => stop() }),
    () => new Promise(() => {}),
  )
  const first = await connect()
  await until(() => clients.length === 1)
  await t.throwsAsync(clients[0]!.stop(60_000), { message: 'can not stop' })
  t.true(clients[0]!.isClosed())
  await first.end()
  stop = () => new Promise<void>(() => {})
  const second = await connect()
  second.send('/\n')
  await until(() => clients[1]?.getPendingResponseCount() === 1)
  await t.throwsAsync(clients[1]!.stop(20), { instanceOf: TimeoutError })
  t.true(clients[1]!.isClosed())
})

test('a driver sets its client\'s deadline, which closes the idle and spares who waits for us', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, clients } = await drive(
    t,
    (client) => {
      t.is(client.getExpirationTime(), 0)
      const at = Math.floor(Date.now() / 1000) - 1
      client.updateExpirationTime(at)
      return new LineDriver()
    },
    () => new Promise((resolve) => (answer = resolve)),
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => clients[0]?.getPendingResponseCount() === 1)
  const at = Math.floor(Date.now() / 1000) + 1
  clients[0]!.updateExpirationTime(at)
  clients[0]!.updateExpirationTime(at - 10)
  t.is(clients[0]!.getExpirationTime(), at)
  const idle = await connect()
  await until(() => clients.length === 2)
  clients[1]!.updateExpirationTime(at)
  t.is(await idle.end(), '')
  t.false(clients[0]!.isClosed())
  answer(Response.text('in time'))
  t.is(await wire.end(), 'in time\n')
  t.is(clients[0]!.getExpirationTime(), 0)
})

test('factories are observers, and can be replaced while the server is stopped', async (t) => {
  const told: string[] = []
  const observed = (name: string) => ({
    onStart: () => void told.push(`${name} starts`),
    onStop: () => void told.push(`${name} stops`),
  })
  const server = new HttpServer('127.0.0.1:0', () => new Response(204), {
    logger: silentLogger,
    driverFactory: factory(() => new Http1Driver()),
  })
  server.setDriverFactory({ ...factory(() => new Http1Driver()), ...observed('driver factory') })
  server.setClientFactory({ createClient: (socket) => new DefaultClientFactory().createClient(socket), ...observed('client factory') })
  await server.start()
  t.throws(() => server.setDriverFactory(new DefaultHttpDriverFactory()), { instanceOf: StateError })
  t.throws(() => server.setClientFactory(new DefaultClientFactory()), { instanceOf: StateError })
  await server.stop()
  t.deepEqual(told, ['driver factory starts', 'client factory starts', 'driver factory stops', 'client factory stops'])
  t.throws(() => server.setDriverFactory({} as never), { instanceOf: OptionError })
  t.throws(() => server.setClientFactory(null as never), { instanceOf: OptionError })
  t.throws(() => new HttpServer(0, () => new Response(204), { driverFactory: 1 as never }), { instanceOf: OptionError })
})

test('the stock factories are the engine\'s', (t) => {
  const stock = new DefaultHttpDriverFactory()
  t.true(stock.selectDriver() instanceof Http1Driver)
  t.deepEqual(stock.getApplicationLayerProtocols(), ['http/1.1'])
  t.is(HttpDriver.KNOWN_METHODS.length, 9)
})

test('hundreds of driven connections, left in every way, leave nothing behind', async (t) => {
  const { connect, server, clients, drivers } = await drive(t, () => new LineDriver())
  for (let round = 0; round < 200; round++) {
    const wire = await connect()
    wire.send('/half')
    await until(() => clients.length === round + 1)
    const client = clients[round]!
    if (round % 4 === 0) wire.socket.resetAndDestroy()
    else if (round % 4 === 1) wire.socket.end()
    else if (round % 4 === 2) client.close()
    else void client.stop(10).catch(() => {})
    wire.socket.once('end', () => wire.socket.end())
    await closed(client)
  }
  t.true(drivers.every((driver) => driver.events.at(-1) === 'cleaned up'))
  await server.stop()
})
