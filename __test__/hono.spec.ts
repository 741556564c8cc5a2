import { once } from 'node:events'
import test from 'ava'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { WebSocket } from 'ws'
import { Request, serve } from '../src/index.ts'
import { getConnInfo, upgradeWebSocket } from '../src/hono/index.ts'
import { keepErrors, open, plainTest, until } from './support.ts'

test('getConnInfo gives the address of the peer', async (t) => {
  const app = new Hono()
  app.get('/', (c) => c.json(getConnInfo(c).remote))
  const { server } = await open(t, app, {}, '127.0.0.1:0')
  const { port, ...rest } = (await (await fetch(server.url)).json()) as { port: number }
  t.deepEqual(rest, { transport: 'tcp', address: '127.0.0.1', addressType: 'IPv4' } as object)
  t.true(port > 0)
  const response = await server.inject(Request.create('GET', '/', { remoteAddress: '2001:db8::1' }))
  t.like(await response.json(), { address: '2001:db8::1', addressType: 'IPv6' })
})

test('outside of a server of busbar getConnInfo says so', async (t) => {
  const app = new Hono()
  app.get('/', (c) => {
    t.throws(() => getConnInfo(c), { message: /was not served by busbar/ })
    return c.text('')
  })
  await app.request('/')
})

plainTest('upgradeWebSocket passes the events of a socket, behind middleware as well', async (t) => {
  const events: string[] = []
  const app = new Hono()
  app.use(cors(), bodyLimit({ maxSize: 1000 }))
  app.get(
    '/echo/:name',
    upgradeWebSocket((c) => ({
      onOpen: (_, socket) => socket.send(`hello ${c.req.param('name')}`),
      onMessage: (event, socket) => {
        events.push(typeof event.data === 'string' ? event.data : `${(event.data as ArrayBuffer).byteLength} bytes`)
        socket.send(typeof event.data === 'string' ? event.data : new Uint8Array(event.data as ArrayBuffer))
      },
      onClose: ({ code, reason, wasClean }) => void events.push(`${code} ${reason} ${wasClean}`),
    })),
    (c) => c.text('no socket'),
  )
  await using server = await serve('127.0.0.1:0', app)
  t.is(await (await fetch(`${server.url}echo/a`)).text(), 'no socket')
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}echo/ada`)
  t.is(String((await once(socket, 'message'))[0]), 'hello ada')
  socket.send('text')
  t.is(String((await once(socket, 'message'))[0]), 'text')
  socket.send(Buffer.from([1, 2, 3]))
  t.deepEqual([...((await once(socket, 'message'))[0] as Buffer)], [1, 2, 3])
  socket.close(3000, 'done')
  await once(socket, 'close')
  await until(() => events.length === 3)
  t.deepEqual(events, ['text', '3 bytes', '3000 done true'])
})

plainTest('upgradeWebSocket takes settings, and calls onError', async (t) => {
  const { logger, errors } = keepErrors()
  const failures: string[] = []
  const app = new Hono()
  app.get(
    '/',
    upgradeWebSocket(
      () => ({
        onMessage: () => {
          throw new Error('in a listener')
        },
        onError: (event) => void failures.push(String((event as unknown as { error: unknown }).error)),
      }),
      { maxPayload: 10 },
    ),
  )
  const { server } = await open(t, app, { logger }, '127.0.0.1:0')
  const socket = new WebSocket(server.url.replace('http', 'ws'))
  await once(socket, 'open')
  socket.send('short')
  await until(() => failures.length === 1)
  t.is(failures[0], 'Error: in a listener')
  socket.send('much too long')
  const [code] = (await once(socket, 'close')) as [number]
  t.is(code, 1009)
  t.deepEqual(errors, [])
})
