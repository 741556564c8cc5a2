import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import { Response } from '../src/index.ts'
import type { Client } from '../src/index.ts'
import { ioThreads } from '../src/server/io-threads.ts'
import { GET, LAST_GET, hold, holdOne, until } from './support.ts'

/** More bytes than the kernel buffers for a client that doesn't read. */
const LARGE = 'x'.repeat(24 * 1024 * 1024)

const counters = (client: Client): [number, number, boolean] => [
  client.getPendingRequestCount(),
  client.getPendingResponseCount(),
  client.isWaitingOnResponse(),
]

/**
 * The same behind an answer. A thread of its own counts in its own time; in-loop it is counted at once.
 */
async function counted(client: Client, expected: [number, number, boolean]): Promise<[number, number, boolean]> {
  if (ioThreads(undefined) > 0) await until(() => isDeepStrictEqual(counters(client), expected))
  return counters(client)
}

test('a request without a body counts as a pending response until that is written', async (t) => {
  const { wire, client, answer } = await holdOne(t)
  t.deepEqual(counters(client), [0, 1, true])
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('half a head does not count', async (t) => {
  const { connect, next } = await hold(t)
  const [wire, other] = [await connect(), await connect()]
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  wire.send('GET / HTTP/1.1\r\nHo')
  other.send(GET)
  ;(await next()).answer(Response.text('done'))
  await other.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
  wire.send('st: a\r\n\r\n')
  t.is((await next()).client, client)
  t.deepEqual(counters(client), [0, 1, true])
})

test('an upload is a pending request until its last byte has arrived', async (t) => {
  const { wire, request, client, answer } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  t.deepEqual(counters(client), [1, 1, false])
  wire.send('cd')
  t.is(await request.text(), 'abcd')
  t.deepEqual(counters(client), [0, 1, true])
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('an upload whose body is not read also ends with its last byte', async (t) => {
  const { wire, client } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n')
  t.deepEqual(counters(client), [1, 1, false])
  wire.send('0\r\n\r\n')
  await until(() => client.getPendingRequestCount() === 0)
  t.deepEqual(counters(client), [0, 1, true])
})

test('a response counts while a slow client reads it, without a running handler', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET)
  const { client, answer } = await next()
  answer(Response.text(LARGE))
  await until(() => !client.isWaitingOnResponse())
  t.deepEqual(await counted(client, [0, 1, false]), [0, 1, false])
  wire.socket.resume()
  await wire.until((text) => text.length > LARGE.length)
  await until(() => client.getPendingResponseCount() === 0)
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('a pipelined request runs while an earlier response is being written: two are pending', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.socket.pause()
  wire.send(GET + LAST_GET)
  const [first, second] = [await next(), await next()]
  t.deepEqual(counters(first.client), [0, 2, true])
  first.answer(Response.text(LARGE))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(counters(first.client), [0, 2, true])
  second.answer(Response.text('done'))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(await counted(first.client, [0, 2, false]), [0, 2, false])
  wire.socket.resume()
  t.true((await wire.end()).endsWith('done'))
})

test('a handler that answers early leaves a pending request until the body has arrived', async (t) => {
  const { wire, client, answer } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')
  answer(Response.text('early'))
  await wire.until((text) => text.endsWith('early'))
  t.deepEqual(await counted(client, [1, 0, false]), [1, 0, false])
  wire.send('cd')
  await until(() => client.getPendingRequestCount() === 0)
  t.deepEqual(await counted(client, [0, 0, false]), [0, 0, false])
})

test('requests that the server answers by itself are counted like others', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.includes('HTTP/1.1 204') && text.includes('HTTP/1.1 405'))
  wire.send(GET)
  const { client } = await next()
  t.deepEqual(counters(client), [0, 1, true])
})

test('a closed client has no pending requests or responses while its handlers are running', async (t) => {
  const { client } = await holdOne(t, `${GET}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab`)
  client.close()
  t.deepEqual(counters(client), [0, 0, false])
})
