import { once } from 'node:events'
import test from 'ava'
import { OptionError, Response, TimeoutError } from '../src/index.ts'
import type { Client } from '../src/index.ts'
import { GET, LAST_GET, closed, count, hold, holdOne, keepErrors, open, until } from './support.ts'

test('close hooks run once, in order, with the client; a function that is added twice runs twice', async (t) => {
  const { wire, client } = await holdOne(t)
  const seen: unknown[] = []
  const twice = (): void => void seen.push('twice')
  client.onClose((given) => void seen.push(given, given.isClosed()))
  client.onClose(twice)
  client.onClose(twice)
  wire.socket.resetAndDestroy()
  await closed(client)
  client.close()
  t.deepEqual(seen, [client, true, 'twice', 'twice'])
})

test('a close hook added after the close runs at once', async (t) => {
  const { client } = await holdOne(t)
  client.close()
  let given: Client | null = null
  client.onClose((client) => void (given = client))
  t.is(given as Client | null, client)
})

test('onClose throws for a hook that is no function', async (t) => {
  const { client, answer } = await holdOne(t, LAST_GET)
  t.throws(() => client.onClose('now' as never), { instanceOf: OptionError, message: /^callback must be a function; got "now"/ })
  answer(new Response(204))
})

test('a removed close hook does not run', async (t) => {
  const { client } = await holdOne(t)
  const seen: string[] = []
  const hook = (): void => void seen.push('same function, other hook')
  const unsubscribe = client.onClose(hook)
  client.onClose(hook)
  const disposable = client.onClose(() => void seen.push('disposed'))
  unsubscribe()
  unsubscribe()
  disposable[Symbol.dispose]()
  client.close()
  t.deepEqual(seen, ['same function, other hook'])
})

test('hooks that throw or reject are logged, and the others run', async (t) => {
  const { logger, errors } = keepErrors()
  const { client } = await holdOne(t, GET, { logger })
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')]
  let hasRun = false
  client.onClose(() => {
    throw thrown
  })
  client.onClose(async () => {
    await Promise.resolve()
    throw rejected
  })
  client.onClose(() => void (hasRun = true))
  t.true(client.close())
  t.true(hasRun)
  await until(() => errors.length === 2)
  const message = `a close hook of client ${client.getId()} failed`
  t.deepEqual(errors, [{ message, exception: thrown }, { message, exception: rejected }])
})

test('close is true for the call that closed it, also seen from inside a hook', async (t) => {
  const { wire, client } = await holdOne(t)
  const results: boolean[] = []
  client.onClose(() => void results.push(client.close()))
  results.push(client.close(), client.close())
  t.deepEqual(results, [false, true, false])
  t.is(await wire.end(), '')
})

test('a handler that closes its client and then answers sends nothing, and nothing fails', async (t) => {
  const { logger, errors } = keepErrors()
  let disposed = (): void => {}
  const isDisposed = new Promise<void>((resolve) => (disposed = resolve))
  const results: boolean[] = []
  const { connect } = await open(
    t,
    (request) => {
      results.push(request.getClient().close())
      const response = Response.text('too late')
      response.onDispose(disposed)
      return response
    },
    { logger },
  )
  const wire = await connect()
  t.is(await wire.send(GET + GET).end(), '')
  await isDisposed
  t.deepEqual(results, [true, false])
  t.deepEqual(errors, [])
})

test('close rejects the pending reads of the other requests of the connection', async (t) => {
  const { connect, next } = await hold(t)
  const wire = await connect()
  wire.send(GET + GET)
  const [first, second] = [await next(), await next()]
  const aborted = once(second.request.getSignal(), 'abort')
  let wasClosed = false
  second.request.getSignal().addEventListener('abort', () => (wasClosed = second.client.isClosed()))
  first.client.close()
  await aborted
  t.true(wasClosed)
})

test('stop closes an idle client', async (t) => {
  const { wire, client, answer } = await holdOne(t)
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  const stopped = client.stop(30_000)
  await wire.end()
  await stopped
  t.true(client.isClosed())
})

test('stop waits for pending responses, sends connection: close in them, and takes no further request', async (t) => {
  const { arrived, wire, client, answer } = await holdOne(t)
  const stopped = client.stop(Infinity)
  wire.send(GET)
  await until(() => wire.socket.bytesWritten === 2 * GET.length)
  t.false(client.isClosed())
  answer(Response.text('the last'))
  t.regex(await wire.end(), /connection: close\r\n[^]*\r\n\r\nthe last$/)
  await stopped
  t.true(client.isClosed())
  t.is(arrived.length, 0)
  t.is(count(wire.received, 'HTTP/1.1'), 1)
})

for (const timeout of [0, 20]) {
  test(`stop(${timeout}) closes the client of a handler that does not answer, and rejects with a TimeoutError`, async (t) => {
    const { wire, client, answer } = await holdOne(t)
    const error = await t.throwsAsync(client.stop(timeout), { instanceOf: TimeoutError })
    t.is(error.code, 'BUSBAR_TIMEOUT')
    t.true(client.isClosed())
    answer(Response.text('too late'))
    t.is(await wire.end(), '')
  })
}

test('stop resolves for a client without pending responses, even if its peer never closes', async (t) => {
  const { wire, client, answer } = await holdOne(t)
  answer(Response.text('done'))
  await wire.until((text) => text.endsWith('done'))
  await t.notThrowsAsync(client.stop(0))
  t.true(client.isClosed())
})

test('stop resolves on a closed client and rejects an invalid time', async (t) => {
  const { client } = await holdOne(t)
  await t.throwsAsync(client.stop(-1), { instanceOf: OptionError })
  await t.throwsAsync(client.stop(NaN), { instanceOf: OptionError })
  t.false(client.isClosed())
  client.close()
  await t.notThrowsAsync(client.stop(0))
})
