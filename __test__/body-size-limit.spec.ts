import test from 'ava'
import type { ExecutionContext } from 'ava'
import { BodySizeLimitMiddleware, OptionError, Response, stack } from '../src/index.ts'
import type { ServerSettings } from '../src/index.ts'
import { CHUNKED_POST, open, postHead } from './support.ts'

async function opened(t: ExecutionContext, limit: number, settings: ServerSettings = {}) {
  const calls: string[] = []
  const handler = async (request: { buffer(): Promise<Uint8Array> }): Promise<Response> => {
    calls.push('called')
    return Response.text(String((await request.buffer()).length))
  }
  return { calls, ...(await open(t, stack(handler, new BodySizeLimitMiddleware(limit)), settings)) }
}

test('a declared length above the limit is a 413 before the handler is called', async (t) => {
  const { calls, connect } = await opened(t, 10)
  t.regex(await (await connect()).send(postHead(11)).end(), /^HTTP\/1\.1 413 /)
  t.deepEqual(calls, [])
  const wire = (await connect()).send(`${postHead(10)}0123456789`)
  await wire.until((text) => text.endsWith('\r\n\r\n10'))
  t.deepEqual(calls, ['called'])
})

test('a body without a length is read as far as the limit, and then is a 413', async (t) => {
  const { connect } = await opened(t, 10)
  const over = (await connect()).send(`${CHUNKED_POST}\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n`)
  t.regex(await over.end(), /^HTTP\/1\.1 413 /)
  const within = (await connect()).send(`${CHUNKED_POST}\r\n5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n`)
  await within.until((text) => text.endsWith('\r\n\r\n10'))
  t.pass()
})

test('the limit may be higher than that of the server', async (t) => {
  const { connect } = await opened(t, 1000, { bodySizeLimit: 10 })
  const wire = await connect()
  wire.send(`${postHead(1000)}${'a'.repeat(1000)}`)
  await wire.until((text) => text.endsWith('\r\n\r\n1000'))
  const other = (await connect()).send(`${CHUNKED_POST}\r\n14\r\n${'a'.repeat(20)}\r\n0\r\n\r\n`)
  await other.until((text) => text.endsWith('\r\n\r\n20'))
  t.pass()
})

test('requests without a body pass', async (t) => {
  const { connect } = await opened(t, 0)
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.endsWith('\r\n\r\n0'))
  wire.send(postHead(0))
  await wire.until((text) => text.split('HTTP/1.1 200').length === 3)
  t.pass()
})

test('the limit is a size', (t) => {
  for (const wrong of [-1, 1.5, Number.NaN, '1kb']) t.throws(() => new BodySizeLimitMiddleware(wrong as number), { instanceOf: OptionError })
  t.notThrows(() => new BodySizeLimitMiddleware(Infinity))
})
