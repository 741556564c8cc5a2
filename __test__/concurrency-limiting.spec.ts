import { ConcurrencyLimitingMiddleware, OptionError, Response, stack } from '../src/index.ts'
import type { Handler, Request } from '../src/index.ts'
import { answer, get } from './middleware-support.ts'
import { GET, open, plainTest as test, until } from './support.ts'

/** A handler whose requests the test answers, in order of arrival. */
function held(): { handler: Handler; arrived: { target: string; answer(response: Response): void; fail(error: Error): void }[] } {
  const arrived: { target: string; answer(response: Response): void; fail(error: Error): void }[] = []
  const handler = (request: Request): Promise<Response> =>
    new Promise((resolve, fail) => arrived.push({ target: request.getTarget(), answer: resolve, fail }))
  return { handler, arrived }
}

test('no more handlers run than the limit, and the others wait in order', async (t) => {
  const { handler, arrived } = held()
  const limiting = new ConcurrencyLimitingMiddleware(2)
  const stacked = stack(handler, limiting)
  const answers: Promise<Response>[] = []
  for (const target of ['/1', '/2', '/3', '/4']) {
    answers.push(answer(stacked, get(target)))
    // Each has a server of its own, so several might arrive in any order.
    await until(() => limiting.getCounts().running + limiting.getCounts().waiting === answers.length)
  }
  t.deepEqual(arrived.map(({ target }) => target), ['/1', '/2'])
  t.deepEqual(limiting.getCounts(), { running: 2, waiting: 2 })
  arrived[1]!.answer(new Response(204))
  await until(() => arrived.length === 3)
  t.is(arrived[2]!.target, '/3')
  arrived[0]!.fail(new Error('a failed handler gives its place up, too'))
  await until(() => arrived.length === 4)
  arrived[2]!.answer(new Response(204))
  arrived[3]!.answer(new Response(204))
  t.deepEqual((await Promise.all(answers)).map((each) => each.getStatus()), [500, 204, 204, 204])
  t.deepEqual(limiting.getCounts(), { running: 0, waiting: 0 })
})

test('handlers that answer or throw synchronously give their place up at once', async (t) => {
  const limiting = new ConcurrencyLimitingMiddleware(1)
  const handlers: Handler[] = [() => new Response(204), () => { throw new Error('bug') }]
  for (const handler of handlers) {
    for (let round = 0; round < 3; round++) await answer(stack(handler, limiting))
  }
  t.deepEqual(limiting.getCounts(), { running: 0, waiting: 0 })
  t.true(stack(() => new Response(204), limiting)(get()) instanceof Response)
})

test('a place is free before the body is sent', async (t) => {
  const limiting = new ConcurrencyLimitingMiddleware(1)
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const { port } = await open(t, stack((request) => {
    if (request.getTarget() === '/short') return Response.text('short')
    return new Response(200, {}, (async function* () {
      yield 'begun'
      await ended
    })())
  }, limiting))
  const long = await fetch(`http://127.0.0.1:${port}/long`)
  t.is(await (await fetch(`http://127.0.0.1:${port}/short`)).text(), 'short')
  end()
  t.is(await long.text(), 'begun')
})

test('a client that leaves while it waits leaves the queue', async (t) => {
  const limiting = new ConcurrencyLimitingMiddleware(1)
  const { handler, arrived } = held()
  const { connect } = await open(t, stack(handler, limiting))
  const first = (await connect()).send(GET)
  await until(() => arrived.length === 1)
  const second = (await connect()).send(GET)
  await until(() => limiting.getCounts().waiting === 1)
  second.socket.destroy()
  await until(() => limiting.getCounts().waiting === 0)
  arrived[0]!.answer(Response.text('first'))
  await first.until((text) => text.endsWith('first'))
  t.is(arrived.length, 1)
  t.deepEqual(limiting.getCounts(), { running: 0, waiting: 0 })
})

test('the limit is a positive integer or Infinity', (t) => {
  for (const wrong of [0, -1, 1.5, Number.NaN, '3']) {
    t.throws(() => new ConcurrencyLimitingMiddleware(wrong as number), { instanceOf: OptionError })
  }
  t.notThrows(() => new ConcurrencyLimitingMiddleware(Infinity))
})
