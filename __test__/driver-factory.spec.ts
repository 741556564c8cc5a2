import test from 'ava'
import {
  DefaultClientFactory,
  DefaultHttpDriverFactory,
  Http1Driver,
  Http2Driver,
  HttpDriver,
  HttpServer,
  OptionError,
  Response,
  StateError,
  silentLogger,
} from '../src/index.ts'
import type { Client, Driver, LogContext } from '../src/index.ts'
import { LineDriver, choosing, drive } from './drivers.ts'
import { send, session } from './http2.ts'
import { LAST_GET, open, plainTest, until } from './support.ts'

test('Http1Driver leaves a connection to the engine from its first byte', async (t) => {
  const { connect, clients } = await drive(t, () => new Http1Driver(), (request) => {
    t.is<unknown, unknown>(request.getClient(), clients[0])
    return Response.text('native')
  })
  const wire = await connect()
  wire.send(LAST_GET)
  t.regex(await wire.end(), /native$/)
})

test('Http2Driver serves HTTP/2 from the first byte', async (t) => {
  const { port } = await drive(t, () => new Http2Driver(), (request) => Response.text(`native ${request.getProtocolVersion()}`))
  t.is((await send(await session(t, port))).text, 'native 2')
})

test('an invalid driver closes the connection', async (t) => {
  const { connect, logged } = await drive(t, () => ({}) as Driver)
  await (await connect()).end()
  t.regex(logged.join(), /no driver could be selected for client \d+: OptionError/)
})

test('a factory that fails, closes the client, or refuses it, closes the connection', async (t) => {
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

plainTest('a client factory sees each socket and can refuse it', async (t) => {
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

plainTest('a client factory that returns anything but a client is logged', async (t) => {
  const logged: string[] = []
  const logger = { ...silentLogger, critical: (_: string, context?: LogContext) => void logged.push(String(context?.['exception'])) }
  const { connect } = await open(t, () => new Response(204), { logger, clientFactory: { createClient: () => ({}) as Client } })
  await (await connect()).end()
  t.regex(logged.join(), /DefaultClientFactory/)
  t.throws(() => new DefaultClientFactory().createClient({} as never), { instanceOf: StateError })
})

test('factories are observers, and can be replaced while the server is stopped', async (t) => {
  const told: string[] = []
  const observed = (name: string) => ({
    onStart: () => void told.push(`${name} starts`),
    onStop: () => void told.push(`${name} stops`),
  })
  const server = new HttpServer('127.0.0.1:0', () => new Response(204), {
    logger: silentLogger,
    driverFactory: choosing(() => new Http1Driver()),
  })
  server.setDriverFactory({ ...choosing(() => new Http1Driver()), ...observed('driver factory') })
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

test('the default factories select the engine', (t) => {
  const stock = new DefaultHttpDriverFactory()
  t.true(stock.selectDriver() instanceof Http1Driver)
  t.deepEqual(stock.getApplicationLayerProtocols(), ['h2', 'http/1.1'])
  t.deepEqual(new DefaultHttpDriverFactory(false).getApplicationLayerProtocols(), ['http/1.1'])
  t.is(HttpDriver.KNOWN_METHODS.length, 9)
})

test('a driver without one of its methods closes the connection, and the log names the methods', async (t) => {
  const { connect, logged } = await drive(t, () => ({ setup: function* () {} }) as never)
  t.is(await (await connect()).end(), '')
  t.regex(logged[0]!, /no driver could be selected for client \d+: OptionError: .*setup, write, getPendingRequestCount, stop/)
})
