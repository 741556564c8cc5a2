import { Readable } from 'node:stream'
import { HttpErrorException, Response, stack } from '../src/index.ts'
import type { AnyMiddleware } from '../src/index.ts'
import { answer } from './middleware-support.ts'
import { keepErrors, open, plainTest as test, until } from './support.ts'

/** A response whose end is noted, with a stream that notes when it is cancelled. */
function watched(): { events: string[]; handler: () => Response } {
  const events: string[] = []
  const handler = (): Response => {
    async function* pieces(): AsyncGenerator<string, void, undefined> {
      try {
        yield 'one '
        yield 'two'
      } finally {
        events.push('ended')
      }
    }
    const response = new Response(200, {}, pieces())
    response.onDispose(() => void events.push('disposed'))
    return response
  }
  return { events, handler }
}

test('a response that a middleware replaces is over when its replacement is', async (t) => {
  const { events, handler } = watched()
  const replace: AnyMiddleware = async (request, next) => {
    await next(request)
    const response = Response.text('other')
    response.onDispose(() => void events.push('replacement'))
    return response
  }
  const { port } = await open(t, stack(handler, replace))
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'other')
  await until(() => events.length === 2)
  t.deepEqual(events, ['replacement', 'disposed'])
})

test('a body that the replacement has wrapped is read to its end', async (t) => {
  const { events, handler } = watched()
  const wrap: AnyMiddleware = async (request, next) => {
    const inner = await next(request)
    return new Response(200, {}, (async function* () {
      for await (const piece of inner.getBody() as AsyncIterable<string>) yield piece.toUpperCase()
    })())
  }
  const { port } = await open(t, stack(handler, wrap))
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ONE TWO')
  await until(() => events.length === 2)
  t.deepEqual(events, ['ended', 'disposed'])
})

test('a stream that is not read is cancelled', async (t) => {
  let isDestroyed = false
  const stream = new Readable({
    read() {},
    destroy(error, done) {
      isDestroyed = true
      done(error)
    },
  })
  const { port } = await open(t, stack(() => new Response(200, {}, stream), async (request, next) => {
    await next(request)
    return new Response(204)
  }))
  await fetch(`http://127.0.0.1:${port}/`)
  await until(() => isDestroyed)
  t.pass()
})

test('a response is disposed of when a middleware throws behind it', async (t) => {
  for (const error of [new HttpErrorException(403), new Error('bug')]) {
    const { events, handler } = watched()
    const refuse: AnyMiddleware = async (request, next) => {
      await next(request)
      throw error
    }
    t.true((await answer(stack(handler, refuse))).getStatus() >= 400)
    await until(() => events.length === 1)
    t.deepEqual(events, ['disposed'])
    const { port } = await open(t, stack(handler, refuse))
    await fetch(`http://127.0.0.1:${port}/`)
    await until(() => events.length === 2)
    t.deepEqual(events, ['disposed', 'disposed'])
  }
})

test('a middleware may ask twice and return the first response', async (t) => {
  const { events, handler } = watched()
  const twice: AnyMiddleware = async (request, next) => {
    const first = await next(request)
    await next(request)
    return first
  }
  const { port } = await open(t, stack(handler, twice))
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'one two')
  await until(() => events.length === 3)
  t.deepEqual(events, ['ended', 'disposed', 'disposed'])
})

test('hooks run once, also when a response passes several middleware, and their errors are logged', async (t) => {
  const pass: AnyMiddleware = (request, next) => next(request)
  const { logger, errors } = keepErrors()
  let calls = 0
  const handler = (): Response => {
    const response = Response.text('first')
    response.onDispose(() => {
      calls++
      throw new Error('hook')
    })
    return response
  }
  const replace: AnyMiddleware = async (request, next) => {
    await next(request)
    return Response.text('second')
  }
  const { port } = await open(t, stack(handler, pass, replace, pass, pass), { logger })
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  await until(() => errors.length === 1)
  t.is(calls, 1)
  t.is((errors[0]!.exception as Error).message, 'hook')
})
