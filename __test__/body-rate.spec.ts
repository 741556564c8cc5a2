/**
 * Time limits and rates of clients that send or read slowly.
 */
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { OptionError, Response } from '../src/index.ts'
import { IS_HTTP2, holdOne, open } from './support.ts'

test('a handler may shorten the body timeout of a request', async (t) => {
  const { wire, request, answer } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe')
  request.setBodyTimeout(0.2)
  await t.throwsAsync(request.getBody().text(), { code: 'BUSBAR_CLIENT' })
  // A stream is answered by its handler alone.
  if (IS_HTTP2) answer(new Response(408))
  t.true((await wire.end()).startsWith('HTTP/1.1 408 '))
})

test('a closed body has no time limit', async (t) => {
  const { wire, request, answer } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nhe')
  request.setBodyTimeout(0.1)
  for await (const _ of request.getBody()) break
  await pause(500)
  answer(Response.text('done'))
  t.regex(await wire.until((text) => text.endsWith('done')), /^HTTP\/1\.1 200 /)
})

test('an invalid body rate throws', async (t) => {
  const { request, answer } = await holdOne(t)
  for (const wrong of [0, -1, Number.NaN]) t.throws(() => request.setBodyTimeout(wrong), { instanceOf: OptionError })
  for (const wrong of [-1, 0.5, Infinity]) t.throws(() => request.setMinimumBodyRate(wrong), { instanceOf: OptionError })
  t.notThrows(() => request.setBodyTimeout(Infinity))
  t.notThrows(() => request.setMinimumBodyRate(0))
  answer(new Response(204))
})

test('a client that slowly reads the bytes in the kernel buffer is not closed', async (t) => {
  const size = 32 * 1024 * 1024
  const { connect } = await open(t, () => new Response(200, {}, new Uint8Array(size)), { writeTimeout: 1 })
  const wire = await connect()
  const { socket } = wire
  socket.removeAllListeners('data')
  socket.pause()
  let received = 0
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  // For longer than the time limit, the client reads too little for the kernel's buffer to accept more.
  for (let taken = 0; taken < 40; taken += 1) {
    await pause(50)
    received += (socket.read() as string | null)?.length ?? 0
  }
  socket.on('data', (text: string) => (received += text.length)).resume()
  await wire.end()
  t.true(received > size)
})
