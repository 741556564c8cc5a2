import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { Response } from '../src/index.ts'
import { choosing, parser } from './drivers.ts'
import { open, until } from './support.ts'

test('the clean-up of a stream runs outside the AsyncLocalStorage of other requests', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const seen: [string, string | undefined][] = []
  const { connect } = await open(t, (request) => {
    const own = request.getPath()
    storage.enterWith(own)
    const silent: AsyncIterableIterator<string> = {
      next: () => new Promise(() => {}),
      return: async () => {
        seen.push([own, storage.getStore()])
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => silent,
    }
    return new Response(200, {}, silent)
  })
  const wires = await Promise.all(Array.from({ length: 6 }, connect))
  for (const [at, wire] of wires.entries()) wire.send(`GET /${at} HTTP/1.1\r\nHost: a\r\n\r\n`).socket.end()
  await until(() => seen.length === wires.length)
  for (const [own, store] of seen) t.true(store === undefined || store === own, `${own} saw ${store}`)
})

test('the close hooks of an expired client run outside the AsyncLocalStorage of other clients', async (t) => {
  const storage = new AsyncLocalStorage<number>()
  const seen: [number, number | undefined][] = []
  const driverFactory = choosing(() =>
    parser(function* (client) {
      client.onClose(() => void seen.push([client.getId(), storage.getStore()]))
      for (;;) {
        yield
        storage.run(client.getId(), () => client.updateExpirationTime(Date.now() / 1000))
      }
    }),
  )
  const { connect } = await open(t, () => new Response(204), { driverFactory })
  const wires = await Promise.all(Array.from({ length: 3 }, connect))
  for (const wire of wires) wire.send('x')
  await until(() => seen.length === wires.length)
  for (const [own, store] of seen) t.true(store === undefined || store === own, `${own} saw ${store}`)
})
