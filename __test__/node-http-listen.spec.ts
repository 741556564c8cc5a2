/** How servers begin and stop to listen: on node:http and here the same. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { plays } from './differential/requests.ts'
import { IS_TLS } from './transport.ts'

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** The events of a server, and whether it listens at last. */
async function eventsOf(server: Server, begin: () => void): Promise<unknown[]> {
  const seen: unknown[] = []
  for (const event of ['listening', 'close', 'error']) server.on(event, () => seen.push(event))
  begin()
  await pause(200)
  const { listening } = server
  server.close()
  return [...seen, listening]
}

test('a server that is closed while the name of its host is looked up doesn’t listen', async (t) => {
  await plays(t, ['close', false], async (create) => {
    const server = create()
    return eventsOf(server, () => server.listen(0, 'localhost').close())
  })
})

test('nor does one whose signal aborts then', async (t) => {
  await plays(t, ['close', false], async (create) => {
    const server = create()
    const controller = new AbortController()
    return eventsOf(server, () => {
      server.listen({ port: 0, host: 'localhost', signal: controller.signal })
      controller.abort()
    })
  })
})

test('a second call of listen takes the place of one whose host is looked up', async (t) => {
  await plays(t, ['listening', true], async (create) => {
    const server = create()
    return eventsOf(server, () => server.listen(0, 'localhost').listen(0, '127.0.0.1'))
  })
})

test('the signal of a server that has closed doesn’t close it when it listens again', async (t) => {
  await plays(t, true, async (create) => {
    const server = create()
    const controller = new AbortController()
    server.listen({ port: 0, host: '127.0.0.1', signal: controller.signal })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    controller.abort()
    const { listening } = server
    server.close()
    return listening
  })
})

test('listen throws for what is no port and no path', async (t) => {
  const all: unknown[] = ['', ' ', '70000', '1.5', { path: '' }, { path: '80' }, { port: '' }, {}]
  await plays(t, [...all.slice(0, 4).map(() => 'ERR_SOCKET_BAD_PORT'), 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_VALUE', 'ERR_SOCKET_BAD_PORT', 'ERR_INVALID_ARG_VALUE'], async (create) =>
    all.map((given) => (t.throws(() => create().listen(given as string)) as NodeJS.ErrnoException).code),
  )
})

const plainTest = IS_TLS ? test.skip : test
plainTest('events of a server are in the async context of listen', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  for (const host of ['127.0.0.1', 'localhost']) {
    const events = ['listening', 'connection', 'request', 'end', 'finish', 'close', 'timer']
    await plays(t, events.map((event) => `${event} mine`), async (create) => {
      const seen: string[] = []
      const see = (event: string) => () => void seen.push(`${event} ${storage.getStore()}`)
      const server = create((req, res) => {
        see('request')()
        req.on('end', see('end')).resume()
        res.on('finish', see('finish')).on('close', see('close'))
        setTimeout(() => {
          see('timer')()
          res.end()
        }, 1)
      })
      server.on('connection', see('connection'))
      storage.run('mine', () => server.listen(0, host, see('listening')))
      await once(server, 'listening')
      await storage.run('another', async () => (await fetch(`http://localhost:${(server.address() as AddressInfo).port}`)).text())
      while (seen.length < events.length) await pause(2)
      server.close()
      return events.map((event) => seen.find((each) => each.startsWith(event)))
    })
  }
})

/** Runs a fixture whose process ends by itself. */
function run(t: ExecutionContext, ...args: string[]): { line: () => Promise<string>; ended: Promise<unknown> } {
  const file = fileURLToPath(new URL('fixtures/node-unref.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import=@oxc-node/core/register', file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return { line: async () => String((await lines.next()).value), ended: once(child, 'exit') }
}

for (const when of ['before', 'listening', 'in the middle']) {
  test(`a server that is unref’d (${when}) keeps its process while it has connections`, async (t) => {
    for (const kind of ['busbar', 'node']) {
      const { line, ended } = run(t, kind, when)
      const socket = connect(Number(await line()), '127.0.0.1')
      let text = ''
      socket.on('data', (piece) => (text += String(piece))).on('error', () => {})
      const closed = once(socket, 'close')
      socket.write('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\na')
      t.is(await line(), 'begun')
      await pause(600)
      socket.write('b')
      await closed
      t.regex(text, /answered$/, kind)
      t.deepEqual(await ended, [0, null], kind)
    }
  })
}

test('a connection that has sent nothing keeps the process of an unref’d server', async (t) => {
  for (const kind of ['busbar', 'node']) {
    const { line, ended } = run(t, kind, 'listening')
    const socket = connect(Number(await line()), '127.0.0.1')
    const closed = once(socket.on('error', () => {}).resume(), 'close')
    await pause(800)
    const text = once(socket, 'data')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    t.regex(String((await text)[0]), /^HTTP\/1\.1 200 /, kind)
    await closed
    await ended
  }
})
