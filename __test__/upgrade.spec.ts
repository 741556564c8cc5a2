import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { Request, Response, StateError } from '../src/index.ts'
import type { UpgradedSocket } from '../src/index.ts'
import { GET, count, holdOne, keepErrors, open, until } from './support.ts'
import { SWITCHED, UPGRADE, readAll, takeover, upgradeWithBody, upgraded } from './takeover.ts'

test('an upgrade is answered with a 101, and the callback gets the bytes behind it', async (t) => {
  const { wire, socket, request, response } = await upgraded(t)
  t.is(await wire.until((text) => text.endsWith('\r\n\r\n')), SWITCHED)
  t.is(request.getPath(), '/chat')
  t.is(response.getStatus(), 101)
  t.true(response.isUpgraded())
  wire.send('hello')
  t.is(String(await socket.readChunk()), 'hello')
  socket.write('world')
  await wire.until((text) => text.endsWith('world'))
})

test('a frame in the same segment as the upgrade comes first, whole or in part', async (t) => {
  const { wire, socket } = await upgraded(t, 'first, and ha')
  t.is(String(await socket.readChunk()), 'first, and ha')
  wire.send('lf')
  t.is(String(await socket.readChunk()), 'lf')
})

test('an upgrade works with a segment boundary at every byte', async (t) => {
  const { connect, next } = await takeover(t)
  const text = `${UPGRADE}frame`
  for (let at = 1; at < text.length; at += 1) {
    const wire = await connect()
    wire.socket.setNoDelay(true)
    wire.send(text.slice(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    wire.send(text.slice(at))
    wire.socket.end()
    const { socket } = await next()
    t.is(await readAll(socket), 'frame', `cut at ${at}`)
  }
})

test('a request pipelined before an upgrade is answered before the 101', async (t) => {
  const held: ((response: Response) => void)[] = []
  const { connect } = await open(t, (request) =>
    request.getPath() === '/chat'
      ? new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.pipe(socket))
      : new Promise<Response>((answer) => held.push(answer)),
  )
  const wire = await connect()
  wire.send(`${GET}${UPGRADE}frame`)
  await until(() => held.length === 1)
  held[0]!(Response.text('first'))
  const text = await wire.until((received) => received.endsWith('frame'))
  t.regex(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfirstHTTP\/1\.1 101 Switching Protocols\r\n[^]*\r\n\r\nframe$/)
})

test('on a detached connection only the callback writes', async (t) => {
  const { connect, next } = await takeover(t, {}, true)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket, response } = await next()
  t.true(response.isUpgraded())
  socket.end('all mine')
  t.is(await wire.end(), 'all mine')
})

test('CONNECT is answered with a 200, behind which the tunnel begins', async (t) => {
  const { connect } = await open(
    t,
    (request) => new Response(101, { 'x-target': request.getTarget() }).upgrade((socket) => void socket.pipe(socket)),
    { allowedMethods: ['GET', 'HEAD', 'CONNECT'] },
  )
  const wire = await connect()
  wire.send('CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nhello')
  const text = await wire.until((received) => received.endsWith('hello'))
  t.regex(text, /^HTTP\/1\.1 200 OK\r\ndate: [^\r]+\r\nx-target: b:443\r\n\r\nhello$/)
})

test('another status cancels an upgrade, and the connection stays HTTP', async (t) => {
  const { connect } = await open(t, () => {
    const response = new Response(101, { upgrade: 'echo' }).upgrade(() => t.fail())
    t.true(response.isUpgraded())
    t.is(typeof response.getUpgradeHandler(), 'function')
    response.setStatus(400)
    t.false(response.isUpgraded())
    t.is(response.getUpgradeHandler(), null)
    return response
  })
  const wire = await connect()
  wire.send(UPGRADE + UPGRADE)
  const text = await wire.until((received) => count(received, 'HTTP/1.1 400') === 2)
  t.is(count(text, 'connection: keep-alive'), 2)
})

test('a client that the engine serves is not exported and can not switch its driver', async (t) => {
  const { client, answer } = await holdOne(t)
  t.false(client.isExported())
  t.throws(() => client.switchDriver({ handleClient: async () => {} }), { instanceOf: StateError, message: /Response\.detach/ })
  answer(Response.text('ok'))
})

test('a body that was not read is drained before an upgrade', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(`${upgradeWithBody(8)}body`)
  await new Promise((resolve) => setImmediate(resolve))
  wire.send('bodyraw')
  const { socket } = await next()
  t.is(String(await socket.readChunk()), 'raw')
})

test('a body that was read in part, or closed, is drained before an upgrade', async (t) => {
  const sockets: UpgradedSocket[] = []
  let isRead = false
  const { connect } = await open(t, async (request) => {
    const body = request.getBody()
    t.is(String(await body.read()), 'bo')
    body.close()
    isRead = true
    return new Response(101, { upgrade: 'echo' }).upgrade((socket) => void sockets.push(socket))
  })
  const wire = await connect()
  wire.send(`${upgradeWithBody(4)}bo`)
  await until(() => isRead)
  wire.send('dyraw')
  await wire.until((text) => text === SWITCHED)
  await until(() => sockets.length === 1)
  t.is(String(await sockets[0]!.readChunk()), 'raw')
})

test('a body over its limit is a 413 and no upgrade', async (t) => {
  const { connect } = await takeover(t, { bodySizeLimit: 4 })
  const wire = await connect()
  wire.send(`${upgradeWithBody(8)}bodybody`)
  t.regex(await wire.end(), /^HTTP\/1\.1 413 /)
})

const UNASKED = {
  'without Upgrade': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'with Upgrade alone, as a proxy may forward it': 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n',
  'with the option alone': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n',
  'with the option in Proxy-Connection': 'GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: upgrade\r\nUpgrade: echo\r\n\r\n',
  'with an invalid protocol': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: e cho, /1\r\n\r\n',
  'for another protocol': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n',
  'for another version of it': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo/2\r\n\r\n',
  'in HTTP/1.0': 'GET / HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: echo\r\n\r\n',
  'with a body': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody',
}
const TAKEOVERS: Record<string, () => Response> = {
  upgrade: () => new Response(101, { upgrade: 'echo', 'x-own': 'not sent' }).upgrade(() => {}),
  detach: () => Response.detach(() => {}, { protocol: 'echo' }),
}
for (const [how, takeOver] of Object.entries(TAKEOVERS)) {
  for (const [what, head] of Object.entries(UNASKED)) {
    test(`${how} of a request ${what} is a 426, and what follows stays HTTP`, async (t) => {
      let disposals = 0
      const { connect } = await open(t, (request) => {
        if (request.getPath() === '/behind') return Response.text('behind')
        const response = takeOver()
        response.onDispose(() => void disposals++)
        return response
      })
      const wire = (await connect()).send(`${head}GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      const text = await wire.end()
      t.regex(text, /^HTTP\/1\.1 426 Upgrade Required\r\n/)
      t.regex(text, /\r\nupgrade: echo\r\nconnection: upgrade\r\n/)
      t.false(text.includes(' 101 ') || text.includes('x-own'))
      t.true(text.endsWith('behind'))
      t.is(disposals, 1)
    })
  }
}

test('a 426 for detach names websocket unless it was told another protocol', async (t) => {
  const { connect } = await open(t, () => Response.detach(() => t.fail()))
  const wire = (await connect()).send(GET)
  t.regex(await wire.until((text) => text.endsWith('</html>\n')), /\r\nupgrade: websocket\r\nconnection: upgrade\r\n/)
  t.throws(() => Response.detach(() => {}, { protocol: 'a, b' }), { message: /^protocol must be the name of a protocol/ })
})

test('a protocol is found in any letter case and among others', async (t) => {
  const { connect } = await open(t, () => Response.detach((socket) => void socket.end('mine'), { protocol: 'echo/1' }))
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: x,\tUPGRADE\t\r\nUpgrade: h2c,\tEcho/1\t\r\n\r\n')
  t.is(await wire.end(), 'mine')
})

test('getUpgrade names the protocols that are validly asked for', async (t) => {
  const { connect, server } = await open(t, (request) => Response.json(request.getUpgrade()))
  const asked = async (head: string): Promise<unknown> => {
    const text = await (await connect()).send(head.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')).end()
    return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4, text.lastIndexOf(']') + 1 || undefined))
  }
  t.deepEqual(await asked(UPGRADE), ['echo'])
  t.deepEqual(await asked('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a/1,\tb\r\nUpgrade: c d, E\r\n\r\n'), ['a/1', 'b', 'E'])
  for (const what of ['without Upgrade', 'with Upgrade alone, as a proxy may forward it', 'with an invalid protocol'] as const) {
    t.is(await asked(UNASKED[what]), null, what)
  }
  const injected = async (headers: Record<string, string>, version: '1.0' | '1.1' | '2' = '1.1'): Promise<unknown> =>
    (await server.inject(Request.create('GET', '/', headers, null, version))).json()
  t.deepEqual(await injected({ connection: 'Upgrade', upgrade: 'a, b' }), ['a', 'b'])
  t.is(await injected({ upgrade: 'a' }), null)
  t.is(await injected({ connection: 'upgrade', upgrade: 'a' }, '1.0'), null)
  t.is(await injected({ connection: 'upgrade', upgrade: 'a' }, '2'), null)
})

test('inject answers an upgrade that was not asked for with a 426, too', async (t) => {
  const { server } = await open(t, () => new Response(101, { upgrade: 'echo' }).upgrade(() => t.fail()))
  const response = await server.inject(Request.create('GET', '/'))
  t.deepEqual([response.getStatus(), response.getHeader('upgrade'), response.getHeader('connection')], [426, 'echo', 'upgrade'])
  const asking = Request.create('GET', '/', { connection: 'upgrade', upgrade: 'echo' })
  t.is((await server.inject(asking)).getStatus(), 101)
})

test('a CONNECT that is refused closes the connection: what follows is not HTTP', async (t) => {
  let calls = 0
  const methods = { allowedMethods: ['GET', 'HEAD', 'CONNECT'] }
  for (const settings of [{}, methods]) {
    const { connect } = await open(t, () => (calls++, new Response(403)), settings)
    const wire = (await connect()).send(`CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n${GET}`)
    t.regex(await wire.end(), /^HTTP\/1\.1 (405|403) [^]*\r\nconnection: close\r\n/)
    t.is(count(wire.received, 'HTTP/1.1 '), 1)
  }
  t.is(calls, 1)
})

test('an upgrade without a protocol is an error of the application: a 500', async (t) => {
  let disposals = 0
  const { connect } = await open(t, () => {
    const response = new Response(101).upgrade(() => t.fail())
    response.onDispose(() => void disposals++)
    return response
  })
  const wire = await connect()
  wire.send(UPGRADE)
  t.regex(await wire.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1\.1 500 /)
  t.is(disposals, 1)
})

test('a callback that throws or rejects is logged, and its client closed', async (t) => {
  const { logger, errors } = keepErrors()
  let count = 0
  const { connect } = await open(
    t,
    () =>
      new Response(101, { upgrade: 'echo' }).upgrade(() => {
        if (count++ === 0) throw new Error('at once')
        return Promise.reject(new Error('later'))
      }),
    { logger },
  )
  for (let time = 0; time < 2; time++) {
    const wire = await connect()
    wire.send(UPGRADE)
    t.is(await wire.end(), SWITCHED)
  }
  t.is(errors.length, 2)
})

test('the callback is not called when the client disconnects before', async (t) => {
  let answer: (response: Response) => void = () => {}
  let isAsked = false
  const disposed: string[] = []
  const { connect } = await open(t, (request) => {
    if (request.getPath() !== '/chat') return new Promise<Response>((resolve) => (answer = resolve))
    const response = new Response(101, { upgrade: 'echo' }).upgrade(() => t.fail())
    response.onDispose(() => disposed.push('upgrade'))
    request.getClient().onClose(() => void disposed.push('close'))
    isAsked = true
    return response
  })
  const wire = await connect()
  wire.send(GET + UPGRADE)
  await until(() => isAsked)
  wire.socket.resetAndDestroy()
  await until(() => disposed.length === 2)
  t.deepEqual(disposed, ['close', 'upgrade'])
  answer(Response.text('too late'))
})

test('the callback runs in the context of its request', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  let seen: string | undefined
  const { connect } = await open(t, (request) => {
    storage.enterWith(request.getPath())
    return new Response(101, { upgrade: 'echo' }).upgrade((socket) => {
      seen = storage.getStore()
      socket.end()
    })
  })
  const wire = await connect()
  wire.send(UPGRADE)
  await wire.end()
  t.is(seen, '/chat')
})

test('a socket that is upgraded during a stop is notified at once', async (t) => {
  let answer: ((response: Response) => void) | null = null
  const { server, connect } = await open(t, () => new Promise<Response>((resolve) => (answer = resolve)))
  const wire = await connect()
  wire.send(UPGRADE)
  await until(() => answer !== null)
  const stopped = server.stop(60_000)
  answer!(new Response(101, { upgrade: 'echo' }).upgrade((socket) => void socket.onStop(() => void socket.end('bye'))))
  await wire.until((text) => text.endsWith('bye'))
  wire.socket.end()
  await stopped
  t.pass()
})

test('a response can upgrade only once', async (t) => {
  let sockets = 0
  const response = new Response(101, { upgrade: 'echo' }).upgrade((socket) => {
    sockets++
    socket.end()
  })
  const { connect } = await open(t, () => response)
  const wire = await connect()
  wire.send(UPGRADE)
  await wire.end()
  const second = await connect()
  second.send(UPGRADE)
  t.regex(await second.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1\.1 500 /)
  t.is(sockets, 1)
})

test('upgrade throws for anything but a function', (t) => {
  t.throws(() => new Response(101).upgrade('echo' as never), { message: /an upgrade needs a function/ })
  t.throws(() => Response.detach(null as never), { message: /an upgrade needs a function/ })
})
