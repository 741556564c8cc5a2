import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { Readable } from 'node:stream'
import test from 'ava'
import { HttpErrorException, Request, Response, Trailers } from '../src/index.ts'
import type { Streamed } from '../src/index.ts'
import { choosing, parser } from './drivers.ts'
import { CHUNKED_POST, GET, LAST_GET, hold, open, until } from './support.ts'
import { UPGRADE } from './takeover.ts'

type Seen = (place: string) => void

const SOURCES: Record<string, (see: Seen) => Streamed> = {
  'an async generator': (see) =>
    (async function* () {
      see('first')
      yield 'a'
      await Promise.resolve()
      see('second')
      yield 'b'.repeat(300_000)
      see('third')
    })(),
  'an iterator of its own': (see) => {
    let pieces = 3
    const iterator: AsyncIterableIterator<string> = {
      next: async () => {
        see(`piece ${pieces}`)
        return pieces-- > 0 ? { done: false, value: 'x'.repeat(100_000) } : { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  },
  'a Node stream': (see) => {
    let pieces = 3
    return new Readable({
      read() {
        see('read')
        this.push(pieces-- > 0 ? 'x'.repeat(100_000) : null)
      },
    })
  },
  'a web stream': (see) => {
    let pieces = 3
    return new ReadableStream(
      {
        pull: (controller) => {
          see('pull')
          if (pieces-- > 0) controller.enqueue(Buffer.alloc(100_000))
          else controller.close()
        },
      },
      { highWaterMark: 0 },
    )
  },
}

for (const [kind, make] of Object.entries(SOURCES)) {
  test(`${kind} runs in the context in which it was handed over`, async (t) => {
    const storage = new AsyncLocalStorage<number>()
    const seen: unknown[] = []
    const { server, connect } = await open(t, () => {
      const response = new Response(200)
      storage.run(1, () => response.setBody(make(() => seen.push(storage.getStore()))))
      return response
    })
    const wire = (await connect()).send(LAST_GET)
    await wire.end()
    t.true(seen.length > 0)
    t.deepEqual(seen.filter((each) => each !== 1), [])
    seen.length = 0
    await (await server.inject(Request.create('GET', '/'))).buffer()
    t.true(seen.length > 0)
    t.deepEqual(seen.filter((each) => each !== 1), [])
  })
}

test('a source that is cancelled is cancelled in the context in which it was handed over', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const { connect } = await open(t, (request) => {
    const endless: AsyncIterableIterator<string> = {
      next: () => new Promise(() => {}),
      return: async () => {
        seen.push(storage.getStore())
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => endless,
    }
    return storage.run(request.getTarget(), () => new Response(200, {}, endless))
  })
  const wire = (await connect()).send(GET.replace('/', '/left'))
  await wire.until((text) => text.includes('\r\n\r\n'))
  wire.socket.destroy()
  await until(() => seen.length > 0)
  t.deepEqual(seen, ['/left'])
})

test('trailers, dispose hooks, close hooks and upgrade callbacks run where they were handed over', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: Record<string, unknown> = {}
  const note = (place: string) => (): void => void (seen[place] = storage.getStore())
  const here = <T>(place: string, run: () => T): T => storage.run(place, run)
  const { connect } = await open(t, (request) => {
    here('client', () => request.getClient().onClose(note('client')))
    here('body', () => request.getBody().onClose(note('body')))
    if (request.getPath() === '/chat') {
      const response = new Response(101, { upgrade: 'echo' })
      here('dispose of an upgrade', () => response.onDispose(note('dispose of an upgrade')))
      return here('upgrade', () =>
        response.upgrade((socket) => {
          note('upgrade')()
          here('stop', () => socket.onStop(note('stop')))
          here('signal of a socket', () => socket.getSignal().addEventListener('abort', note('signal of a socket')))
          socket.end()
        }),
      )
    }
    const response = new Response(200, {}, 'x')
    here('trailers', () => {
      const trailers = new Trailers(() => (note('trailers')(), { 'x-a': '1' }))
      storage.run('elsewhere', () => response.setTrailers(trailers))
    })
    here('dispose', () => response.onDispose(note('dispose')))
    return response
  })
  const plain = (await connect()).send(`${CHUNKED_POST}Connection: close\r\n\r\n0\r\n\r\n`)
  await plain.end()
  await until(() => 'client' in seen)
  for (const place of ['trailers', 'dispose', 'client', 'body']) t.is(seen[place], place)
  const upgraded = (await connect()).send(UPGRADE)
  await upgraded.end()
  await until(() => 'signal of a socket' in seen)
  for (const place of ['dispose of an upgrade', 'upgrade', 'signal of a socket']) t.is(seen[place], place)
})

test('a signal aborts in the context of the first getSignal', async (t) => {
  const storage = new AsyncLocalStorage<number>()
  const { connect, next } = await hold(t)
  const wire = (await connect()).send(GET)
  const { request } = await next()
  const seen: unknown[] = []
  const signal = storage.run(1, () => request.getSignal())
  storage.run(2, () => request.getSignal()).addEventListener('abort', () => seen.push(storage.getStore()))
  wire.socket.destroy()
  await until(() => signal.aborted)
  t.deepEqual(seen, [1])
})

test('a signal of a request that a driver in JavaScript has parsed does so, too', async (t) => {
  const storage = new AsyncLocalStorage<number>()
  const seen: unknown[] = []
  let isAsked = false
  const driverFactory = choosing(() =>
    parser(function* (_client, onMessage) {
      yield
      void onMessage(Request.create('GET', '/'))
      yield
    }),
  )
  const { connect } = await open(
    t,
    (request) => {
      storage.run(1, () => request.getSignal()).addEventListener('abort', () => seen.push(storage.getStore()))
      isAsked = true
      return new Promise<Response>(() => {})
    },
    { driverFactory },
  )
  const wire = (await connect()).send('x')
  await until(() => isAsked)
  wire.socket.resetAndDestroy()
  await until(() => seen.length > 0)
  t.deepEqual(seen, [1])
})

test('the time limit of handlers runs outside the context of the first request', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const errorHandler = {
    handleError: (status: number, _reason: string | null, request: Request | null) => {
      seen.push([request?.getPath(), storage.getStore()])
      return new Response(status)
    },
  }
  const { server, connect } = await open(t, () => new Promise<Response>(() => {}), { handlerTimeout: 0.05, errorHandler })
  t.truthy(server)
  const wires = [await connect(), await connect()]
  storage.run('the first', () => wires[0]!.send('GET /0 HTTP/1.1\r\nHost: a\r\n\r\n'))
  storage.run('the second', () => wires[1]!.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n'))
  for (const wire of wires) await wire.until((text) => text.includes('\r\n\r\n'))
  t.deepEqual(seen.sort(), [['/0', undefined], ['/1', undefined]])
})

test.serial('each async resource of a request is destroyed', async (t) => {
  const alive = new Map<number, string>()
  const hook = createHook({
    init: (id, type) => {
      if (type.startsWith('busbar.') && type !== 'busbar.Server') alive.set(id, type)
    },
    destroy: (id) => alive.delete(id),
  }).enable()
  t.teardown(() => hook.disable())
  const { connect } = await open(
    t,
    async (request) => {
      const response = new Response(200, {}, request.getPath() === '/1' ? SOURCES['an async generator']!(() => {}) : 'x')
      switch (request.getPath()) {
        case '/2':
          response.onDispose(() => {})
          break
        case '/3':
          request.getSignal()
          break
        case '/4':
          response.setTrailers(new Trailers(() => ({ 'x-a': '1' })))
          break
        case '/5':
          request.getBody().onClose(() => {})
          request.getClient().onClose(() => {})[Symbol.dispose]()
          break
        case '/6':
          throw new HttpErrorException(404)
        case '/7':
          await Promise.resolve()
      }
      return response
    },
    { requestLimit: 2 },
  )
  const wire = await connect()
  const ends = (text: string): number => text.split('HTTP/1.1 ').length - 1
  for (let at = 0; at < 200; at++) {
    wire.received = ''
    wire.send(Array.from({ length: 8 }, (_, path) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    await wire.until((text) => ends(text) === 8)
  }
  const upgraded = (await connect()).send(UPGRADE)
  await upgraded.until((text) => ends(text) === 1)
  wire.socket.destroy()
  upgraded.socket.destroy()
  await until(() => alive.size === 0)
  t.is(alive.size, 0)
})
