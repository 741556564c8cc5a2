import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Client, Response, StateError, silentLogger } from '../src/index.ts'
import type { Handler, Request, ServerSettings, UpgradedSocket } from '../src/index.ts'
import { GET, count, hold, open, until } from './support.ts'

const UPGRADE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n'
/** More than the kernel takes for a peer that doesn't read. */
const LARGE = Buffer.alloc(16 * 1024 * 1024, 'x')

type Taken = { socket: UpgradedSocket; request: Request; response: Response }

/** A server that upgrades, or detaches, and hands the sockets to the test. */
async function takeover(t: ExecutionContext, settings: ServerSettings = {}, detaches = false) {
  const taken: Taken[] = []
  let tell = (): void => {}
  const callback = (socket: UpgradedSocket, request: Request, response: Response): void => {
    taken.push({ socket, request, response })
    tell()
  }
  const answer: Handler = () =>
    detaches ? Response.detach(callback) : new Response(101, { upgrade: 'echo' }).upgrade(callback)
  const opened = await open(t, answer, settings)
  const next = async (): Promise<Taken> => {
    while (taken.length === 0) await new Promise<void>((resolve) => (tell = resolve))
    return taken.shift()!
  }
  return { ...opened, next, taken }
}

function failures() {
  const lines: string[] = []
  return { lines, logger: { ...silentLogger, error: (message: string) => void lines.push(message) } }
}

async function readAll(socket: UpgradedSocket): Promise<string> {
  let text = ''
  for (let chunk; (chunk = await socket.readChunk()) !== null; ) text += Buffer.from(chunk).toString('latin1')
  return text
}

const closed = (client: Client): Promise<void> =>
  new Promise((resolve) => {
    client.onClose(() => resolve())
  })

test('an upgrade is answered by a 101, and the bytes behind it are the callback\'s', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket, request, response } = await next()
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
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(`${UPGRADE}first, and ha`)
  const { socket } = await next()
  t.is(String(await socket.readChunk()), 'first, and ha')
  wire.send('lf')
  t.is(String(await socket.readChunk()), 'lf')
})

test('an upgrade cut at every byte is the same', async (t) => {
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

test('a detached connection gets nothing but what its callback writes', async (t) => {
  const { connect, next } = await takeover(t, {}, true)
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const { socket, response } = await next()
  t.true(response.isUpgraded())
  socket.end('all mine')
  t.is(await wire.end(), 'all mine')
})

test('CONNECT is answered by a 200, behind which the tunnel begins', async (t) => {
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

test('an exported client has no expiration, counts nothing, and says so for good', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  const client = socket.getClient()
  t.true(client.isExported())
  t.is(client.getExpirationTime(), 0)
  client.updateExpirationTime(Date.now() / 1000 + 60)
  t.is(client.getExpirationTime(), 0)
  t.deepEqual([client.getPendingRequestCount(), client.getPendingResponseCount(), client.isWaitingOnResponse()], [0, 0, false])
  t.throws(() => client.switchDriver({ handleClient: async () => {} }), { instanceOf: StateError, message: /upgraded/ })
  socket.destroy()
  t.is(client.getStatus(), Client.CLOSED_RDWR)
  t.true(client.isExported())
})

test('a client that the engine serves is not exported and can not be handed on', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET)
  const { client, answer } = await next()
  t.false(client.isExported())
  t.throws(() => client.switchDriver({ handleClient: async () => {} }), { instanceOf: StateError, message: /Response\.detach/ })
  answer(Response.text('ok'))
})

test('a body that nobody read is drained before an upgrade', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 8\r\n\r\nbody')
  await new Promise((resolve) => setImmediate(resolve))
  wire.send('bodyraw')
  const { socket } = await next()
  t.is(String(await socket.readChunk()), 'raw')
})

test('a body of which a part was read, or the rest not wanted, is drained before an upgrade', async (t) => {
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
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 4\r\n\r\nbo')
  await until(() => isRead)
  wire.send('dyraw')
  await wire.until((text) => text === SWITCHED)
  await until(() => sockets.length === 1)
  t.is(String(await sockets[0]!.readChunk()), 'raw')
})

test('a body over its limit is a 413 and no upgrade', async (t) => {
  const { connect } = await takeover(t, { bodySizeLimit: 4 })
  const wire = await connect()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 8\r\n\r\nbodybody')
  t.regex(await wire.end(), /^HTTP\/1\.1 413 /)
})

test('a connection with requests behind can not be handed over: a 500, and the log says why', async (t) => {
  const { lines, logger } = failures()
  const exceptions: unknown[] = []
  const { connect } = await open(
    t,
    async (request) => {
      await new Promise((resolve) => setImmediate(resolve))
      return request.getPath() === '/detach' ? Response.detach(() => t.fail()) : Response.text('behind')
    },
    { logger: { ...logger, error: (message, context) => void exceptions.push(context?.['exception'], lines.push(message)) } },
  )
  const wire = await connect()
  wire.send(`GET /detach HTTP/1.1\r\nHost: a\r\n\r\n${GET}`)
  const text = await wire.until((received) => received.endsWith('behind'))
  t.regex(text, /^HTTP\/1\.1 500 /)
  t.regex(String(exceptions[0]), /other requests stand behind/)
})

test('HTTP/1.0 has no upgrades: a 500', async (t) => {
  const { connect } = await takeover(t)
  const wire = await connect()
  wire.send('GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  t.regex(await wire.end(), /^HTTP\/1\.1 500 /)
})

test('an upgrade that names no protocol is the application\'s mistake: a 500', async (t) => {
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
  const { lines, logger } = failures()
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
  t.is(lines.length, 2)
})

test('the callback is not called when the client leaves before', async (t) => {
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

test('an idle socket outlives every deadline of HTTP', async (t) => {
  const { connect, next } = await takeover(t, {
    http1Timeout: 1,
    headerTimeout: 0.1,
    bodyTimeout: 0.1,
    requestTimeout: 0.1,
    writeTimeout: 0.1,
    handlerTimeout: 0.1,
  })
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  // An HTTP connection beside it shows that the deadlines have passed.
  const idle = await connect()
  idle.send('GET')
  await idle.end()
  const second = await connect()
  second.send('GET')
  await second.end()
  socket.write('still here')
  t.is(await wire.until((text) => text.endsWith('still here')), `${SWITCHED}still here`)
})

test('a peer that does not read holds the writer back', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  wire.socket.pause()
  let written = 0
  const chunk = Buffer.alloc(256 * 1024, 'y')
  for (; written < 64 && socket.write(chunk); written++) await new Promise((resolve) => setImmediate(resolve))
  t.true(written < 64)
  t.true(socket.writableNeedDrain)
  wire.socket.resume()
  await once(socket, 'drain')
  socket.end()
  t.is((await wire.end()).length, SWITCHED.length + (written + 1) * chunk.length)
})

test('a socket that nobody reads holds the peer back', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  let isSent = false
  wire.socket.write(LARGE, () => (isSent = true))
  for (let round = 0; round < 100; round++) await new Promise((resolve) => setImmediate(resolve))
  t.false(isSent)
  t.true(socket.readableLength <= 256 * 1024)
  let received = 0
  while (received < LARGE.length) received += (await socket.readChunk())!.length
  t.is(received, LARGE.length)
  await until(() => isSent)
})

test('when the peer ends, what it said is read, our side ends, and the client closes', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(`${UPGRADE}last words`)
  wire.socket.end()
  const { socket } = await next()
  const client = socket.getClient()
  const isClosed = closed(client)
  t.is(await readAll(socket), 'last words')
  t.is(await wire.end(), SWITCHED)
  await isClosed
  if (!socket.closed) await once(socket, 'close')
  t.true(socket.isClosed())
})

test('half-open: the peer has ended, and we go on writing', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.allowHalfOpen = true
  wire.send('question')
  wire.socket.end()
  t.is(await readAll(socket), 'question')
  await new Promise((resolve) => setImmediate(resolve))
  t.false(socket.isClosed())
  t.is(socket.getClient().getStatus(), Client.CLOSED_RD)
  socket.end('answer')
  t.is(await wire.end(), `${SWITCHED}answer`)
  await until(() => socket.closed)
})

test('we have ended, and the peer goes on writing', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.end('that is all')
  t.is(await wire.until((text) => text.endsWith('all')), `${SWITCHED}that is all`)
  await until(() => socket.writableFinished)
  wire.send('but I')
  t.is(String(await socket.readChunk()), 'but I')
  wire.send(' am not done')
  wire.socket.end()
  t.is(await readAll(socket), ' am not done')
  await until(() => socket.closed)
  t.true(socket.getClient().isClosed())
})

test('megabytes written before an end all arrive, also when the peer has ended', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  wire.socket.end()
  const { socket } = await next()
  socket.end(LARGE)
  t.is((await wire.end()).length, SWITCHED.length + LARGE.length)
  await until(() => socket.getClient().isClosed())
})

test('destroySoon sends what was written, and closes although the peer does not', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  const isClosed = closed(socket.getClient())
  socket.write('bye')
  socket.destroySoon()
  t.is(await wire.until((text) => text.endsWith('bye')), `${SWITCHED}bye`)
  await isClosed
  t.true(socket.destroyed)
})

test('a reset ends the socket, its reader, its writer and its client', async (t) => {
  const { lines, logger } = failures()
  const { connect, next } = await takeover(t, { logger })
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  wire.socket.pause()
  const isClosed = closed(socket.getClient())
  const write = new Promise((resolve) => socket.write(LARGE, resolve))
  const read = socket.readChunk()
  await new Promise((resolve) => setImmediate(resolve))
  wire.socket.resetAndDestroy()
  await t.throwsAsync(read, { code: 'BUSBAR_CLIENT' })
  t.truthy(await write)
  await isClosed
  t.true(socket.destroyed)
  t.deepEqual(lines, [])
})

test('close ends the client: its hooks run once, readers and writers settle', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  let hooks = 0
  socket.getClient().onClose(() => void hooks++)
  const read = socket.readChunk()
  socket.close()
  t.is(hooks, 1)
  await t.throwsAsync(read, { code: 'BUSBAR_CLIENT' })
  await wire.end()
  t.is(hooks, 1)
  t.true(socket.isClosed())
  t.true(socket.getSignal().aborted)
})

test('closing the client ends its socket', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.getClient().close()
  if (!socket.closed) await once(socket, 'close')
  t.true(socket.destroyed)
  await wire.end()
})

test('corked writes, and those of one turn, leave as one', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  const pieces: string[] = []
  wire.socket.on('data', (text: string) => pieces.push(text))
  socket.cork()
  socket.write('a')
  socket.write(Buffer.from('b'))
  socket.write('63', 'hex')
  process.nextTick(() => socket.uncork())
  await wire.until((text) => text.endsWith('c'))
  t.deepEqual(pieces, ['abc'])
})

test('text of every encoding is sent as Node would', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.write('é')
  socket.write('é', 'latin1')
  socket.end('AAA=', 'base64')
  t.is(await wire.end(), `${SWITCHED}\xc3\xa9\xe9\0\0`)
})

test('an error on a socket that nobody listens for is logged and ends nothing', async (t) => {
  const { lines, logger } = failures()
  const { connect, next } = await takeover(t, { logger })
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.end('bye')
  socket.write('too late')
  t.is(await wire.end(), `${SWITCHED}bye`)
  t.is(lines.length, 1)
})

test('a socket tells where it comes from, and has what code for Node\'s sockets wants', async (t) => {
  const { connect, next, port } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  t.is(socket.remoteAddress, '127.0.0.1')
  t.is(socket.remotePort, wire.socket.localPort)
  t.is(socket.remoteFamily, 'IPv4')
  t.is(socket.localAddress, '127.0.0.1')
  t.is(socket.localPort, port)
  t.is(socket.getRemoteAddress().toString(), `127.0.0.1:${wire.socket.localPort}`)
  t.is(socket.getLocalAddress().getPort(), port)
  t.is(socket.getTlsInfo(), null)
  t.false(socket.encrypted)
  t.is(socket.setNoDelay(true).setKeepAlive(true, 1000).ref().unref(), socket)
  const timeouts: string[] = []
  socket.setTimeout(20, () => timeouts.push('idle'))
  await once(socket, 'timeout')
  t.deepEqual(timeouts, ['idle'])
  t.false(socket.isClosed())
})

test('a stop tells sockets at once, and they have its whole time to say goodbye', async (t) => {
  const { server, connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  const told: string[] = []
  socket.getSignal().addEventListener('abort', () => told.push('signal'))
  socket.onStop(() => t.fail())()
  socket.onStop(async (each) => {
    told.push('hook')
    await new Promise((resolve) => setImmediate(resolve))
    each.end('goodbye')
  })
  const stopped = server.stop(60_000)
  t.deepEqual(told, ['hook', 'signal'])
  socket.onStop(() => void told.push('late'))
  t.deepEqual(told, ['hook', 'signal', 'late'])
  await wire.until((text) => text.endsWith('goodbye'))
  wire.socket.end()
  await stopped
  t.true(socket.getClient().isClosed())
})

test('a stop closes sockets that stay, when its time is over', async (t) => {
  const { server, connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await server.stop(50)
  t.true(socket.getClient().isClosed())
  await wire.end()
})

test('stopping one client tells its socket, waits, and closes it', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  socket.onStop(() => void socket.write('going'))
  await socket.getClient().stop(50)
  t.is(await wire.end(), `${SWITCHED}going`)
})

test('a socket that is handed over during a stop is told at once', async (t) => {
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

test('iterating over a socket gives what the peer sends, and leaving the loop closes it', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(`${UPGRADE}piece`)
  const { socket } = await next()
  for await (const chunk of socket) {
    t.is(String(chunk), 'piece')
    break
  }
  t.true(socket.getClient().isClosed())
})

test('the same response can not be handed over twice', async (t) => {
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

test('buffers that are shared, resized or given away while they wait to be written harm nobody', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = await connect()
  wire.send(UPGRADE)
  const { socket } = await next()
  await wire.until((text) => text === SWITCHED)
  wire.socket.pause()
  // The first write fills the kernel and is held back; those behind it wait in the stream.
  socket.write(LARGE)
  const resizable = new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(4096, { maxByteLength: 8192 })
  const given = new ArrayBuffer(4096)
  socket.write(new Uint8Array(new SharedArrayBuffer(16)).fill(0x73))
  socket.write(new Uint8Array(resizable))
  socket.write(new Uint8Array(given))
  ;(resizable as unknown as { resize(length: number): void }).resize(0)
  structuredClone(given, { transfer: [given] })
  socket.end('bye')
  wire.socket.resume()
  const text = await wire.end()
  t.true(text.endsWith(`${'s'.repeat(16)}bye`))
})

test('a throw at any await of a callback closes the client, and everything settles', async (t) => {
  const { lines, logger } = failures()
  const settled: string[] = []
  let at = 0
  const { connect } = await open(
    t,
    () =>
      new Response(101, { upgrade: 'echo' }).upgrade(async (socket) => {
        const steps = [
          () => socket.readChunk(),
          () => new Promise((resolve) => socket.write('x', resolve)),
          () => new Promise((resolve) => setImmediate(resolve)),
          () => new Promise<void>((resolve) => socket.end(resolve)),
        ]
        socket.getClient().onClose(() => void settled.push(`closed at ${at}`))
        for (const [number, step] of steps.entries()) {
          if (number === at) throw new Error('here')
          await step()
        }
      }),
    { logger },
  )
  for (; at < 4; at++) {
    const wire = await connect()
    wire.send(`${UPGRADE}y`)
    await wire.end()
    await until(() => settled.length === at + 1)
  }
  t.deepEqual(settled, ['closed at 0', 'closed at 1', 'closed at 2', 'closed at 3'])
  t.is(lines.length, 4)
})

test('a reset at any moment of the hand-over is delivered or reported, and the client ends', async (t) => {
  let ends = 0
  let sockets = 0
  const { server, connect } = await open(t, (request) => {
    request.getClient().onClose(() => void ends++)
    return new Response(101, { upgrade: 'echo' }).upgrade(async (socket) => {
      sockets++
      try {
        while ((await socket.readChunk()) !== null);
        t.true(socket.getClient().isClosed() || socket.readableEnded)
      } catch (error) {
        t.is((error as { code: string }).code, 'BUSBAR_CLIENT')
      }
    })
  })
  let asked = 0
  for (let round = 0; round < 60; round++) {
    const wire = await connect()
    wire.send(`${UPGRADE}frame`)
    // Later by one round of the event loop each time.
    for (let wait = 0; wait < round % 12; wait++) await new Promise((resolve) => setImmediate(resolve))
    wire.socket.resetAndDestroy()
    asked++
  }
  await server.stop(5000)
  t.true(ends <= asked && sockets <= ends)
})

test('an upgrade takes a function', (t) => {
  t.throws(() => new Response(101).upgrade('echo' as never), { message: /an upgrade needs a function/ })
  t.throws(() => Response.detach(null as never), { message: /an upgrade needs a function/ })
})

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

test.serial('hundreds of sockets, left in every way, leave nothing behind', async (t) => {
  const before = openDescriptors()
  const { server, connect, next } = await takeover(t)
  let hooks = 0
  for (let round = 0; round < 300; round++) {
    const wire = await connect()
    wire.send(`${UPGRADE}frame`)
    const { socket } = await next()
    socket.getClient().onClose(() => void hooks++)
    if (round % 5 === 0) wire.socket.resetAndDestroy()
    else if (round % 5 === 1) wire.socket.end()
    else if (round % 5 === 2) socket.destroy()
    else if (round % 5 === 3) socket.destroySoon()
    else socket.getClient().close()
    socket.resume()
    wire.socket.once('end', () => wire.socket.end())
  }
  await until(() => hooks === 300)
  await server.stop()
  t.is(hooks, 300)
  await until(() => openDescriptors() <= before)
})
