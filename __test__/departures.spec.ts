import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { Request, Response } from '../src/index.ts'
import { closed, holdOne, keepErrors, open, postHead, until } from './support.ts'

/** A handler's error when its client leaves: made of the error of a read or of the signal. */
const WRAPPED: Readonly<Record<string, (error: unknown) => unknown>> = {
  'itself': (error) => error,
  'the cause of an error': (error) => new Error('the upload failed', { cause: error }),
  'the cause of a cause': (error) => new Error('a', { cause: new TypeError('b', { cause: error }) }),
  'a member of an AggregateError': (error) => new AggregateError([new Error('other'), error], 'all failed'),
  'the cause of a member of an AggregateError': (error) => new AggregateError([new Error('a', { cause: error })]),
  'a suppressed error': (error) => Object.assign(new Error('a'), { name: 'SuppressedError', error: new Error('b'), suppressed: error }),
  'the cause in a circle of errors': (error) => {
    const outer: Error & { cause?: unknown } = new Error('outer')
    outer.cause = new AggregateError([outer, error])
    return outer
  },
}
for (const [what, wrap] of Object.entries(WRAPPED)) {
  for (const [source, failure] of [
    ['a read', (request: Request) => request.text()],
    ['the signal', (request: Request) => new Promise<string>((_, reject) => request.getSignal().addEventListener('abort', () => reject(request.getSignal().reason as Error)))],
  ] as const) {
    test(`a client that leaves is no failure of the handler when the error of ${source} is ${what}`, async (t) => {
      const { logger, errors } = keepErrors()
      let [isCalled, isOver] = [false, false]
      const { connect } = await open(t, async (request) => {
        isCalled = true
        try {
          return Response.text(await failure(request))
        } catch (error) {
          isOver = true
          throw wrap(error)
        }
      }, { logger })
      const wire = (await connect()).send(`${postHead(5)}he`)
      await until(() => isCalled)
      wire.socket.resetAndDestroy()
      await until(() => isOver)
      await new Promise((resolve) => setImmediate(resolve))
      t.deepEqual(errors, [])
    })
  }
}

test('an error that has nothing to do with the client is logged, with the signal aborted, too', async (t) => {
  const { logger, errors } = keepErrors()
  let isCalled = false
  const { connect } = await open(t, async (request) => {
    isCalled = true
    await request.text().catch(() => {})
    throw new Error('a', { cause: new AggregateError([new Error('b')]) })
  }, { logger })
  const wire = (await connect()).send(`${postHead(5)}he`)
  await until(() => isCalled)
  wire.socket.resetAndDestroy()
  await until(() => errors.length === 1)
  t.is(errors[0]!.message, 'a handler failed: POST /')
})

test('a client that leaves while fetch sends its body on is no failure of the handler', async (t) => {
  const upstream = createServer((incoming) => void incoming.resume()).listen(0, '127.0.0.1')
  t.teardown(() => upstream.close())
  await once(upstream, 'listening')
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`
  const { logger, errors } = keepErrors()
  const failures: unknown[] = []
  const { connect } = await open(t, async (request) => {
    try {
      await fetch(url, { method: 'POST', body: request.getBody().stream(), duplex: 'half' } as RequestInit)
    } catch (error) {
      failures.push(error)
      throw error
    }
    return new Response(204)
  }, { logger })
  const wire = (await connect()).send(`${postHead(5)}he`)
  await once(upstream, 'request')
  wire.socket.resetAndDestroy()
  await until(() => failures.length === 1)
  await new Promise((resolve) => setImmediate(resolve))
  t.true(failures[0] instanceof TypeError)
  t.deepEqual(errors, [])
})

test('a body above its limit is a 413 when the error is wrapped', async (t) => {
  const { logger, errors } = keepErrors()
  const { connect } = await open(t, async (request) => {
    try {
      return Response.text(await request.text())
    } catch (error) {
      throw new Error('the upload failed', { cause: error })
    }
  }, { logger, bodySizeLimit: 4 })
  t.regex(await (await connect()).send(`${postHead(5)}hello`).end(), /^HTTP\/1\.1 413 /)
  t.deepEqual(errors, [])
})

test('a departure in a streamed response is not logged', async (t) => {
  const { logger, errors } = keepErrors()
  const { wire, request, client, answer } = await holdOne(t, `${postHead(5)}he`, { logger })
  answer(new Response(200, {}, (async function* () {
    yield 'first'
    try {
      await request.text()
    } catch (error) {
      throw new Error('the copy failed', { cause: error })
    }
  })()))
  await wire.until((text) => text.includes('first'))
  wire.socket.resetAndDestroy()
  await closed(client)
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(errors, [])
})

for (const way of ['answer', 'leave']) {
  for (const read of ['getReader', 'byob', 'pipeTo', 'tee', 'iterator', 'body.read', 'toReadable', 'trailers']) {
    test(`a floating read does not end the process: ${read}, then ${way}`, async (t) => {
      const file = fileURLToPath(new URL('fixtures/floating-read.ts', import.meta.url))
      const args = ['--import=@oxc-node/core/register', file, read, way]
      const { stderr, stdout } = await promisify(execFile)(process.execPath, args)
      t.deepEqual([stderr, stdout], ['', 'fine\n'])
    })
  }
}
