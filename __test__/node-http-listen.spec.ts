/** How servers begin and stop to listen: on node:http and here the same. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import test from 'ava'
import { plays } from './differential/requests.ts'

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
