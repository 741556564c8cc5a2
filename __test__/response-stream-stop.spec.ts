import { once } from 'node:events'
import test from 'ava'
import { HttpServer, Response } from '../src/index.ts'
import type { Body, Client } from '../src/index.ts'
import { Disposals, Tap, answered } from './sources.ts'
import { GET, LAST_GET, keepErrors, open, until } from './support.ts'

test('a response that is aborted ends early, and nothing is logged', async (t) => {
  const { logger, errors } = keepErrors()
  const tap = new Tap()
  const disposals = new Disposals()
  const response = disposals.of(new Response(200, {}, tap))
  const { connect } = await open(t, () => response, { logger })
  const wire = (await connect()).send(GET)
  tap.give('x')
  await wire.until((text) => text.endsWith('x\r\n'))
  t.true(response.abort())
  t.false(response.abort())
  await wire.end()
  t.false(wire.received.endsWith('0\r\n\r\n'))
  t.deepEqual([tap.cancelled, disposals.count, errors.length], [1, 1, 0])
})

test('a response that was aborted before it was sent sends nothing', async (t) => {
  const disposals = new Disposals()
  const received = await answered(t, () => {
    const response = disposals.of(Response.text('hello'))
    response.abort()
    return response
  })
  t.is(received, '')
  t.is(disposals.count, 1)
})

test('a source that aborts its response while it is cancelled unread sends nothing', async (t) => {
  const { logger, errors } = keepErrors()
  const disposals = new Disposals()
  const aborted: boolean[] = []
  const handler = (): Response => {
    const source: AsyncIterableIterator<string> = {
      [Symbol.asyncIterator]: () => source,
      next: () => Promise.resolve({ done: true as const, value: undefined }),
      return: () => {
        aborted.push(response.abort(), response.abort())
        return Promise.resolve({ done: true as const, value: undefined })
      },
    }
    const response = disposals.of(new Response(200, {}, source))
    return response
  }
  const { connect } = await open(t, handler, { logger })
  const wire = (await connect()).send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.is(await wire.end(), '')
  t.deepEqual([aborted, disposals.count, errors.length], [[true, false], 1, 0])
})

test('a graceful stop waits for streams, and cancels those that exceed its time', async (t) => {
  const taps = [new Tap(), new Tap()]
  let at = 0
  const { server, connect } = await open(t, () => new Response(200, {}, taps[at++]))
  const [first, second] = [(await connect()).send(GET), (await connect()).send(GET)]
  await first.until((text) => text.endsWith('\r\n\r\n'))
  await second.until((text) => text.endsWith('\r\n\r\n'))
  const stopped = server.stop(300)
  const [quick, slow] = taps as [Tap, Tap]
  quick.give('done')
  quick.end()
  t.regex(await first.end(), /done\r\n0\r\n\r\n$/)
  await stopped
  await second.end()
  t.deepEqual([quick.cancelled, slow.cancelled], [0, 1])
})

/** States of a stream when the server stops. */
const STATES: Record<string, () => Body> = {
  'its source is silent': () => new Tap(),
  'its client does not read': () =>
    (async function* () {
      for (;;) yield Buffer.alloc(100_000)
    })(),
  'long content is on its way': () => Buffer.alloc(50_000_000),
}

for (const [state, body] of Object.entries(STATES)) {
  test(`a stop while ${state} ends and disposes it`, async (t) => {
    const disposals = new Disposals()
    const { server, connect } = await open(t, () => disposals.of(new Response(200, {}, body())))
    const wire = await connect()
    wire.socket.pause()
    wire.send(GET)
    await once(wire.socket, 'readable')
    await server.stop(20)
    t.is(disposals.count, 1)
  })
}

/** Hooks of the application that run at the end. */
const HOOKS = ['a dispose hook', 'a close hook', 'the clean-up of the source', 'the signal', 'a read that fails'] as const
/** What a hook may do. */
const ACTS: Record<string, (held: { client: Client; response: Response; server: HttpServer }) => unknown> = {
  'closes the client': ({ client }) => client.close(),
  'aborts the response': ({ response }) => response.abort(),
  'stops the server': ({ server }) => server.stop(0),
  'throws': () => {
    throw new Error('broken hook')
  },
}

for (const hook of HOOKS) {
  for (const [what, act] of Object.entries(ACTS)) {
    test(`${hook} that ${what} runs once, and the others run as well`, async (t) => {
      const done: string[] = []
      const { server, connect } = await open(t, (request) => {
        const client = request.getClient()
        const run = (name: string): void => {
          done.push(name)
          if (name === hook) void act({ client, response, server })
        }
        async function* source(): AsyncGenerator<string> {
          try {
            for (;;) yield 'x'.repeat(10_000)
          } finally {
            run('the clean-up of the source')
          }
        }
        const response = new Response(200, {}, source())
        response.onDispose(() => run('a dispose hook'))
        client.onClose(() => run('a close hook'))
        // An error that is thrown there is uncaught, as in any listener.
        if (what !== 'throws') request.getSignal().addEventListener('abort', () => run('the signal'))
        else request.getSignal().addEventListener('abort', () => done.push('the signal'))
        request.getBody().read().then(null, () => {
          if (what === 'throws') done.push('a read that fails')
          else run('a read that fails')
        })
        return response
      })
      const wire = await connect()
      wire.socket.pause()
      wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n')
      await once(wire.socket, 'readable')
      wire.socket.resetAndDestroy()
      await until(() => done.length >= HOOKS.length)
      await new Promise((resolve) => setImmediate(resolve))
      t.deepEqual([...done].sort(), [...HOOKS].sort())
      if (what === 'stops the server') await until(() => server.getState() === HttpServer.STOPPED)
      else t.regex(await (await connect()).send(LAST_GET).until((text) => text.length > 0), /^HTTP\/1\.1 200/)
    })
  }
}
