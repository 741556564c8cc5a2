import { tracingChannel } from 'node:diagnostics_channel'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Request, Response } from '../src/index.ts'
import type { Client, FinishedResponse, Handler, OnMessage, Parser, RequestTrace, ServerSettings, WriteBytes } from '../src/index.ts'
import { LineDriver, drive } from './drivers.ts'
import { until } from './support.ts'

/** Writes whole and streamed bodies, with a line end behind them. */
class BodyDriver extends LineDriver {
  override waits = false

  override async write(_request: Request, response: Response): Promise<void> {
    const body = response.getBody()
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) return this.send!(`${String(body)}\n`)
    for await (const piece of body as AsyncIterable<string>) await this.send!(piece)
    await this.send!('\n')
  }
}

async function observe(t: ExecutionContext, handler: Handler, settings: ServerSettings = {}, make = () => new BodyDriver()) {
  const seen: FinishedResponse[] = []
  const opened = await drive(t, make, handler, { ...settings, onResponse: (response) => void seen.push(response) })
  const next = async () => {
    await until(() => seen.length > 0)
    const { request, status, bytesSent, outcome, duration, remoteAddress } = seen.shift()!
    t.true(duration >= 0)
    t.is(remoteAddress?.getHost(), '127.0.0.1')
    return { path: request?.getPath(), status, bytesSent, outcome }
  }
  return { ...opened, seen, next }
}

async function* pieces(...list: string[]): AsyncGenerator<string> {
  yield* list
}

const never = new Promise<Response>(() => {})

const ANSWERS: Record<string, [handler: Handler, status: number, bytes: number, settings?: ServerSettings]> = {
  'a text': [() => Response.text('hellö'), 200, 6],
  bytes: [async () => new Response(201, {}, Buffer.from('abc')), 201, 3],
  'no body': [() => new Response(204), 204, 0],
  'a stream with a length': [() => new Response(200, { 'content-length': '4' }, pieces('ab', 'cd')), 200, 4],
  'a stream': [() => new Response(200, {}, pieces('ab', 'cd')), 200, 'abcd\n'.length],
  'a page of the error handler': [
    () => Promise.reject(new Error('mine')),
    500,
    4,
    { errorHandler: { handleError: () => Response.text('oops', 500) } },
  ],
}

for (const [kind, [handler, status, bytesSent, settings]] of Object.entries(ANSWERS)) {
  test(`${kind} of a driver in JavaScript is observed when it is written`, async (t) => {
    const { connect, next, seen, server } = await observe(t, handler, settings)
    await (await connect()).send('/a\n').until((text) => text.endsWith('\n'))
    t.deepEqual(await next(), { path: '/a', status, bytesSent, outcome: 'sent' })
    t.is(seen.length, 0)
    t.is(server.getStatistics().requests, 1)
  })
}

test('requests of a driver in JavaScript: a client that leaves is observed at once', async (t) => {
  let isAsked = false
  const { connect, next } = await observe(t, () => {
    isAsked = true
    return never
  })
  const wire = (await connect()).send('/a\n')
  await until(() => isAsked)
  wire.socket.resetAndDestroy()
  t.deepEqual(await next(), { path: '/a', status: null, bytesSent: 0, outcome: 'aborted' })
})

test('requests of a driver in JavaScript: a time limit is observed and counted', async (t) => {
  const { connect, next, server } = await observe(t, () => never, { handlerTimeout: 0.05 })
  await (await connect()).send('/a\n').until((text) => text.endsWith('\n'))
  const { status, outcome } = await next()
  t.deepEqual({ status, outcome }, { status: 503, outcome: 'timeout' })
  t.deepEqual(server.getRefusals(), { BUSBAR_HANDLER_TIMEOUT: 1 })
})

test('requests of a driver in JavaScript: a method that is not allowed is observed and counted', async (t) => {
  class Tracing extends BodyDriver {
    override *setup(_client: Client, onMessage: OnMessage, write: WriteBytes): Parser {
      this.send = write
      yield
      yield onMessage(Request.create('TRACE', '/a'))
    }
  }
  const { connect, next, server } = await observe(t, () => Response.text('x'), {}, () => new Tracing())
  await (await connect()).send('/a\n').until((text) => text.endsWith('\n'))
  t.is((await next()).status, 405)
  t.deepEqual(server.getRefusals(), { BUSBAR_METHOD_NOT_ALLOWED: 1 })
})

test('requests of a driver in JavaScript: a failure of the driver, and of a stream, is observed', async (t) => {
  class Failing extends BodyDriver {
    override async write(request: Request, response: Response): Promise<void> {
      if (request.getPath() === '/driver') throw new Error('no')
      return super.write(request, response)
    }
  }
  const handler: Handler = () =>
    new Response(200, {}, (async function* () {
      yield 'ab'
      throw new Error('no more')
    })())
  const { connect, next } = await observe(t, handler, {}, () => new Failing())
  await (await connect()).send('/driver\n').end()
  t.deepEqual(await next(), { path: '/driver', status: 200, bytesSent: 0, outcome: 'failed' })
  await (await connect()).send('/stream\n').end()
  t.deepEqual(await next(), { path: '/stream', status: 200, bytesSent: 2, outcome: 'failed' })
})

test('requests of a driver in JavaScript: an upgrade is observed when the connection is handed over', async (t) => {
  const { connect, next } = await observe(t, () => new Response(101, { upgrade: 'raw' }).upgrade((socket) => void socket.end()))
  await (await connect()).send('/upgrade\n').end()
  t.deepEqual(await next(), { path: '/upgrade', status: 101, bytesSent: 0, outcome: 'upgraded' })
})

test('requests of a driver in JavaScript have the events of the tracing channel', async (t) => {
  const events: string[] = []
  const note = (name: string) => (trace: unknown) => {
    const { request, status, outcome } = trace as RequestTrace
    if (request.getPath() === '/traced') events.push(`${name} ${status} ${outcome}`)
  }
  const channel = tracingChannel('busbar.request')
  const listeners = {
    start: note('start'),
    end: note('end'),
    error: note('error'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
  }
  channel.subscribe(listeners)
  t.teardown(() => channel.unsubscribe(listeners))
  const { connect } = await drive(t, () => new BodyDriver(), async () => {
    events.push('handler')
    await Promise.resolve()
    throw new Error('mine')
  })
  await (await connect()).send('/traced\n').until((text) => text.endsWith('\n'))
  await until(() => events.length === 6)
  t.deepEqual(events, ['start null null', 'handler', 'end null null', 'error null null', 'asyncStart 500 sent', 'asyncEnd 500 sent'])
})

test('handlers for requests of a driver in JavaScript count for requestLimit, and further ones wait', async (t) => {
  const held: ((response: Response) => void)[] = []
  const handler: Handler = () => new Promise<Response>((answer) => held.push(answer))
  const { connect, server } = await observe(t, handler, { requestLimit: 2 })
  const wire = (await connect()).send('/a\n/b\n/c\n')
  await until(() => held.length === 2)
  const { requests, runningHandlers, waitingRequests } = server.getStatistics()
  t.deepEqual({ requests, runningHandlers, waitingRequests }, { requests: 3, runningHandlers: 2, waitingRequests: 1 })
  held.shift()!(Response.text('first'))
  await wire.until((text) => text === 'first\n')
  await until(() => held.length === 2)
  for (const answer of held) answer(Response.text('x'))
  await wire.until((text) => text === 'first\nx\nx\n')
  t.is(server.getStatistics().runningHandlers, 0)
})

test('a request of a driver in JavaScript that waits is forgotten when its client leaves', async (t) => {
  const held: ((response: Response) => void)[] = []
  const handler: Handler = () => new Promise<Response>((answer) => held.push(answer))
  const { connect, server, next } = await observe(t, handler, { requestLimit: 1 })
  const first = (await connect()).send('/first\n')
  await until(() => held.length === 1)
  const second = (await connect()).send('/second\n')
  await until(() => server.getStatistics().waitingRequests === 1)
  second.socket.resetAndDestroy()
  t.deepEqual(await next(), { path: '/second', status: null, bytesSent: 0, outcome: 'aborted' })
  held.shift()!(Response.text('x'))
  await first.until((text) => text === 'x\n')
  await until(() => server.getStatistics().waitingRequests === 0)
  t.is(held.length, 0)
})
