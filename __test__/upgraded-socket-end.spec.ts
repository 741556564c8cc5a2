import { EventEmitter, once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import { Client, Response } from '../src/index.ts'
import type { UpgradedSocket } from '../src/index.ts'
import { closed, keepErrors, open, openDescriptors, until } from './support.ts'
import { LARGE, SWITCHED, UPGRADE, readAll, takeover, upgraded } from './takeover.ts'

test('when the peer ends, its bytes are read, our side ends, and the client closes', async (t) => {
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

test('half-open: the peer has ended, and our side can still write', async (t) => {
  const { wire, socket } = await upgraded(t)
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

test('our side has ended, and the peer can still write', async (t) => {
  const { wire, socket } = await upgraded(t)
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

test('destroySoon sends the written bytes, and closes even if the peer does not', async (t) => {
  const { wire, socket } = await upgraded(t)
  const isClosed = closed(socket.getClient())
  socket.write('bye')
  socket.destroySoon()
  t.is(await wire.until((text) => text.endsWith('bye')), `${SWITCHED}bye`)
  await isClosed
  t.true(socket.destroyed)
})

test('a reset ends the socket, its reader, its writer and its client', async (t) => {
  const { logger, errors } = keepErrors()
  const { wire, socket } = await upgraded(t, '', { logger })
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
  t.deepEqual(errors, [])
})

test('close ends the client: its hooks run once, readers and writers settle', async (t) => {
  const { wire, socket } = await upgraded(t)
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
  const { wire, socket } = await upgraded(t)
  socket.getClient().close()
  if (!socket.closed) await once(socket, 'close')
  t.true(socket.destroyed)
  await wire.end()
})

test('a stop notifies sockets at once, and they have its whole time to end their protocol', async (t) => {
  const { server, wire, socket } = await upgraded(t)
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

test('a stop closes sockets that are still open when its time is over', async (t) => {
  const { server, wire, socket } = await upgraded(t)
  await server.stop(50)
  t.true(socket.getClient().isClosed())
  await wire.end()
})

test('stop of a client notifies its socket, waits, and closes it', async (t) => {
  const { wire, socket } = await upgraded(t)
  socket.onStop(() => void socket.write('going'))
  await socket.getClient().stop(50)
  t.is(await wire.end(), `${SWITCHED}going`)
})

test('a throw at any await of a callback closes the client, and everything settles', async (t) => {
  const { logger, errors } = keepErrors()
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
  t.is(errors.length, 4)
})

test('after a reset at any moment of an upgrade the callback gets a closed socket or is not called', async (t) => {
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

test.serial('hundreds of sockets, closed in every way, leave no resources', async (t) => {
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

const USERS: Readonly<Record<string, (socket: UpgradedSocket) => Promise<unknown>>> = {
  'a pipeline': (socket) => pipeline(socket, new PassThrough(), socket),
  'a loop': async (socket) => {
    for await (const chunk of socket) socket.write(chunk)
  },
  'an operation with its signal': (socket) => once(new EventEmitter(), 'never', { signal: socket.getSignal() }),
}
for (const [what, use] of Object.entries(USERS)) {
  test(`a peer that disconnects ${what} is not an error, and not logged`, async (t) => {
    const { logger, errors } = keepErrors()
    let used: Promise<unknown> | null = null
    const { connect } = await open(
      t,
      () =>
        Response.detach(async (socket) => {
          socket.write('hello')
          used = use(socket)
          await used
        }),
      { logger },
    )
    const wire = (await connect()).send(UPGRADE)
    await wire.until((text) => text === 'hello')
    wire.socket.resetAndDestroy()
    await t.throwsAsync(used!)
    t.deepEqual(errors, [])
  })
}

test('a callback that fails in a loop is logged, although that has closed the connection', async (t) => {
  const { logger, errors } = keepErrors()
  const callback = async (socket: UpgradedSocket): Promise<void> => {
    for await (const _chunk of socket) throw new Error('my mistake')
  }
  const { connect } = await open(t, () => Response.detach(callback), { logger })
  await (await connect()).send(`${UPGRADE}hello`).end()
  await until(() => errors.length > 0)
  t.deepEqual(errors.map(({ exception }) => String(exception)), ['Error: my mistake'])
})

test('a listener that throws when bytes arrive ends its own socket and is logged', async (t) => {
  const { logger, errors } = keepErrors()
  const { connect } = await open(t, () => Response.detach((socket) => {
    socket.on('data', () => {
      throw new Error('my mistake')
    })
    socket.write('ready')
  }), { logger })
  const wire = (await connect()).send(UPGRADE)
  await wire.until((text) => text === 'ready')
  await wire.send('hello').end()
  await until(() => errors.length > 0)
  t.deepEqual(errors.map(({ exception }) => String(exception)), ['Error: my mistake'])
})

test('closing a client ends a socket with unread bytes, also when its peer has ended', async (t) => {
  const { wire, socket } = await upgraded(t)
  const client = socket.getClient()
  wire.send('unread').socket.end()
  await until(() => client.getStatus() === Client.CLOSED_RD)
  const isClosed = once(socket, 'close')
  client.close()
  await isClosed
  t.true(socket.destroyed)
})
