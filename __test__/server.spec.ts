import test from 'ava'
import { Agent, fetch } from 'undici'
import { HttpServer, ListenError, Response, StateError, serve } from '../src/index.ts'
import { LAST_GET, count, open } from './support.ts'

test('a handler answers over a real socket', async (t) => {
  const { connect } = await open(t, () => Response.text('Hello'))
  const received = await (await connect()).send(LAST_GET).end()
  t.regex(
    received,
    /^HTTP\/1\.1 200 OK\r\ndate: .+ GMT\r\nconnection: close\r\ncontent-type: text\/plain; charset=utf-8\r\ncontent-length: 5\r\n\r\nHello$/,
  )
})

test('a connection is kept and pipelined answers leave in order', async (t) => {
  const delays: Record<string, number> = { '/1': 30, '/2': 0, '/3': 10 }
  const { connect } = await open(t, async (request) => {
    await new Promise((resolve) => setTimeout(resolve, delays[request.getPath()]))
    return Response.text(request.getPath())
  })
  const wire = await connect()
  wire.send([1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  const received = await wire.until((text) => count(text, 'HTTP/1.1 200') === 3 && text.endsWith('/3'))
  t.deepEqual(received.match(/\/[123]$|\/[123](?=HTTP)/g), ['/1', '/2', '/3'])
})

test('both families of localhost share one port', async (t) => {
  const { server, port } = await open(t, () => Response.text('ok'))
  const ports = server.getServers().map((address) => address.getPort())
  t.true(ports.every((each) => each === port))
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok')
  t.is(server.url, `http://localhost:${port}/`)
})

test('undici gets through keep-alive, bodies and HEAD', async (t) => {
  const { port } = await open(t, async (request) => Response.text(await request.text()))
  const dispatcher = new Agent({ connections: 1 })
  t.teardown(() => dispatcher.close())
  const url = `http://127.0.0.1:${port}/`
  for (const body of ['', 'a', 'ü'.repeat(3000), 'x'.repeat(100_000)]) {
    const response = await fetch(url, { method: 'POST', body, dispatcher })
    t.is(await response.text(), body)
  }
  const head = await fetch(url, { method: 'HEAD', dispatcher })
  t.is(head.headers.get('content-length'), '0')
})

test('a taken port is a ListenError that names it', async (t) => {
  const { port } = await open(t, () => new Response(204))
  const error = await t.throwsAsync(serve(`127.0.0.1:${port}`, () => new Response(204)), { instanceOf: ListenError })
  t.is(error?.reason, 'EADDRINUSE')
  t.regex(error?.message ?? '', new RegExp(`127\\.0\\.0\\.1:${port} is in use`))
})

test('stop waits for a request under way and answers it with connection: close', async (t) => {
  let release = (): void => {}
  const called = new Promise<void>((resolve) => {
    release = resolve
  })
  let answer: (response: Response) => void = () => {}
  const { server, connect } = await open(t, () => {
    release()
    return new Promise<Response>((resolve) => {
      answer = resolve
    })
  })
  const idle = await connect()
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await called
  const stopped = server.stop()
  t.is(await idle.end(), '')
  answer(Response.text('late'))
  await stopped
  const received = await wire.end()
  t.true(received.includes('connection: close\r\n') && received.endsWith('late'))
  t.is(server.getState(), HttpServer.STOPPED)
})

test('stop gives up on a handler that never answers', async (t) => {
  const { server, connect } = await open(t, () => new Promise<Response>(() => {}))
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await server.stop(20)
  t.is(await wire.end(), '')
})

test('a stopped server can be started again', async (t) => {
  const { server } = await open(t, () => Response.text('again'))
  await server.stop()
  await server.start()
  t.is(await (await fetch(server.url)).text(), 'again')
})

test('starting twice is an error that names the state', async (t) => {
  const { server } = await open(t, () => new Response(204))
  await t.throwsAsync(server.start(), { instanceOf: StateError, message: /STARTED/ })
})

test('a failing observer stops the start and comes out in an AggregateError', async (t) => {
  const stops: string[] = []
  const observers = [
    { onStart: () => Promise.reject(new Error('no')), onStop: () => void stops.push('one') },
    { onStop: () => void stops.push('two') },
  ]
  const server = new HttpServer('localhost:0', () => new Response(204), { observers })
  const error = await t.throwsAsync(server.start(), { instanceOf: AggregateError })
  t.is((error.errors[0] as Error).message, 'no')
  t.deepEqual(stops, ['one', 'two'])
  t.is(server.getState(), HttpServer.STOPPED)
})
