import { PassThrough } from 'node:stream'
import type { Readable } from 'node:stream'
import test from 'ava'
import { ClientException, HttpErrorException, Response, TimeoutError, silentLogger } from '../src/index.ts'
import type { Client, Request } from '../src/index.ts'
import { GET, LAST_GET, keepErrors, open, postHead, until } from './support.ts'
import { takeover, UPGRADE } from './takeover.ts'

// An unhandled rejection or an error event without a listener fails the test in which it happens.

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Begins an operation in a handler; one that reads before the client leaves calls `onRead`. */
type Begin = (request: Request, onRead: () => void) => Promise<unknown>

/** Begins an operation in a handler, and awaits it two turns of the event loop after its client has left. */
async function lateReader(t: Parameters<typeof open>[0], begin: Begin): Promise<unknown> {
  let outcome: Promise<unknown> | null = null
  let hasRead = begin.length < 2
  const { connect } = await open(t, async (request) => {
    const begun = begin(request, () => (hasRead = true))
    outcome = (async () => {
      await until(() => request.getClient().isClosed())
      await turn()
      await turn()
      return begun.then(() => null, (error: unknown) => error)
    })()
    return new Promise<Response>(() => {})
  })
  const wire = (await connect()).send(`${postHead(100)}hello`)
  await until(() => outcome !== null && hasRead)
  wire.socket.resetAndDestroy()
  return outcome
}

const READS: Readonly<Record<string, Begin>> = {
  json: (request) => request.json(),
  text: (request) => request.text(),
  buffer: (request) => request.buffer(),
  'buffer with a limit': (request) => request.getBody().buffer(1000),
  'the second read': async (request, onRead) => {
    await request.getBody().read()
    onRead()
    return null
  },
}
for (const [what, begin] of Object.entries(READS)) {
  test(`${what} may be awaited after the client has left`, async (t) => {
    const error = await lateReader(t, begin)
    t.true(what === 'the second read' ? error === null : error instanceof ClientException)
  })
}

test('reads and iterators that are never awaited cause no rejection when the client leaves', async (t) => {
  const error = await lateReader(t, async (request, onRead) => {
    await request.getBody().read()
    onRead()
    void request.getBody().read()
    return null
  })
  t.is(error, null)
  const other = await lateReader(t, async (request, onRead) => {
    const iterator = request.getBody()[Symbol.asyncIterator]()
    await iterator.next()
    onRead()
    void iterator.next()
    return null
  })
  t.is(other, null)
  const parts = await lateReader(t, async (request) => {
    request.setHeader('content-type', 'multipart/form-data; boundary=a')
    void request.parts().next()
    return null
  })
  t.is(parts, null)
})

test('a file of a form that is read and not awaited causes no rejection when the client leaves', async (t) => {
  let isRead = false
  const left = new Promise<void>((resolve) => {
    void open(t, async (request) => {
      request.getClient().onClose(() => resolve())
      for await (const part of request.parts()) {
        void part.text()
        isRead = true
        break
      }
      return Response.text('x')
    }).then(async ({ connect }) => {
      const file = '--a\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nhello'
      const fields = 'Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 1000\r\n'
      const wire = (await connect()).send(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${file}`)
      await until(() => isRead)
      wire.socket.resetAndDestroy()
    })
  })
  await left
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.true(isRead)
})

test('the rejection for invalid JSON may be handled late', async (t) => {
  const { connect } = await open(t, async (request) => {
    const body = request.json()
    await turn()
    await turn()
    await t.throwsAsync(body, { instanceOf: HttpErrorException })
    return Response.text('fine')
  })
  t.regex(await (await connect()).send(`${postHead(5, 'Connection: close')}hello`).end(), /fine$/)
})

test('a Readable of a body needs no error listener when the client leaves', async (t) => {
  let readable: Readable | null = null
  const { connect } = await open(t, (request) => {
    readable = request.getBody().toReadable()
    readable.pipe(new PassThrough()).resume()
    return new Promise<Response>(() => {})
  })
  const wire = (await connect()).send(`${postHead(100)}hello`)
  await until(() => readable !== null)
  wire.socket.resetAndDestroy()
  await until(() => readable!.closed)
  t.true(readable!.errored instanceof ClientException)
})

test('hooks may be async: their rejections are logged', async (t) => {
  const { logger, errors } = keepErrors()
  const fail = async (): Promise<void> => {
    throw new Error('broken hook')
  }
  const { connect } = await open(
    t,
    async (request) => {
      request.getBody().onClose(fail)
      request.getClient().onClose(fail)
      await request.text()
      const response = Response.text('fine')
      response.onDispose(fail)
      return response
    },
    { logger },
  )
  t.regex(await (await connect()).send(`${postHead(5, 'Connection: close')}hello`).end(), /fine$/)
  await until(() => errors.length === 3)
  t.deepEqual(errors.map(({ message }) => message.replace(/\d+/, 'n')), [
    'a close hook of a request body failed',
    'a dispose hook of a response failed',
    'a close hook of client n failed',
  ])
})

test('a logger may be async: its rejections go to stderr, and the server keeps serving', async (t) => {
  let asked = 0
  const error = async (): Promise<void> => {
    asked++
    throw new Error('the log is full')
  }
  const handler = (): Response => {
    throw new Error('broken')
  }
  const { connect } = await open(t, handler, { logger: { ...silentLogger, error } })
  t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
  await turn()
  t.is(asked, 1)
})

test('the promise of client.stop may be ignored', async (t) => {
  let stopped: Promise<void> | null = null
  let client: Client | null = null
  const { connect } = await open(t, (request) => {
    client = request.getClient()
    stopped = client.stop(1)
    return new Promise<Response>(() => {})
  })
  await (await connect()).send(GET).end()
  await until(() => client?.isClosed() === true)
  await turn()
  await t.throwsAsync(stopped!, { instanceOf: TimeoutError })
})

test('a read of an upgraded socket may be awaited after its peer has left', async (t) => {
  const { connect, next } = await takeover(t)
  const wire = (await connect()).send(UPGRADE)
  const { socket } = await next()
  const chunk = socket.readChunk()
  wire.socket.resetAndDestroy()
  await until(() => socket.isClosed())
  await turn()
  await turn()
  await t.throwsAsync(chunk, { instanceOf: ClientException })
})
