/**
 * Pages that the application makes for what is no request, and other protocols on a plain port.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as openTls } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { ClientException, DefaultErrorHandler, Response, silentLogger } from '../src/index.ts'
import type { ErrorHandler, FinishedResponse, Logger, Request, ServerSettings } from '../src/index.ts'
import { GET, holdOne, keepErrors, open, plainTest as test, temporaryDirectory, until } from './support.ts'

const NO_HOST = 'GET / HTTP/1.1\r\n\r\n'

type Page = (status: number, reason: string | null, request: Request | null, error?: unknown) => Response | Promise<Response>

/** A server with this error handler, and what its observers see. */
async function serve(t: ExecutionContext, handleError: Page, settings: ServerSettings = {}) {
  const seen: FinishedResponse[] = []
  const opened = await open(t, () => Response.text('fine'), {
    errorHandler: { handleError } satisfies ErrorHandler,
    onResponse: (response) => void seen.push(response),
    ...settings,
  })
  const last = async (): Promise<FinishedResponse> => {
    await until(() => seen.length > 0)
    return seen.pop()!
  }
  return { ...opened, last }
}

const page = (status: number): Response => Response.json({ status }, status)

for (const ioThreads of [0, 2]) {
  const on = `with ${ioThreads} threads`

  test(`the error handler makes the page, and the connection ends, ${on}`, async (t) => {
    const calls: unknown[][] = []
    const { connect, server, last } = await serve(t, (...call) => (calls.push(call), page(call[0])), { ioThreads })
    const text = await (await connect()).send(NO_HOST + GET).end()
    t.regex(text, /^HTTP\/1\.1 400 Bad Request\r\n/)
    t.regex(text, /\r\nconnection: close\r\n/)
    t.regex(text, /\r\n\r\n\{"status":400\}$/)
    t.is(calls.length, 1)
    const [status, reason, request, error] = calls[0]!
    t.deepEqual([status, reason, request], [400, null, null])
    t.true(error instanceof ClientException)
    t.is((error as ClientException).status, 400)
    t.is((error as ClientException).message, 'HTTP/1.1 requires a Host field (BUSBAR_HOST_MISSING)')
    t.deepEqual(server.getRefusals(), { BUSBAR_HOST_MISSING: 1 })
    const { request: observed, status: sent, bytesSent, outcome, remoteAddress } = await last()
    t.deepEqual([observed, sent, bytesSent, outcome, remoteAddress?.getHost()], [null, 400, 14, 'sent', '127.0.0.1'])
  })

  test(`a page may have another status, and may be a promise, ${on}`, async (t) => {
    const { connect, last } = await serve(t, async () => (await pause(5), Response.text('gone', 410)), { ioThreads })
    t.regex(await (await connect()).send(NO_HOST).end(), /^HTTP\/1\.1 410 Gone\r\n[^]*\r\n\r\ngone$/)
    t.like(await last(), { status: 410, bytesSent: 4, outcome: 'sent' })
  })

  test(`a page that does not come within a second is replaced, ${on}`, async (t) => {
    let give: (page: Response) => void = () => {}
    const late = new Promise<Response>((resolve) => (give = resolve))
    let isDisposed = false
    const { connect, last, server } = await serve(t, () => late, { ioThreads })
    t.regex(await (await connect()).send(NO_HOST).end(), /^HTTP\/1\.1 400 [^]*\r\n\r\nHTTP\/1.1 requires a Host field\n$/)
    const response = page(400)
    response.onDispose(() => (isDisposed = true))
    give(response)
    await until(() => isDisposed)
    t.like(await last(), { request: null, status: 400, outcome: 'sent' })
    t.deepEqual(server.getRefusals(), { BUSBAR_HOST_MISSING: 1 })
  })

  test(`the page comes behind the responses that are owed, ${on}`, async (t) => {
    const { answer, wire } = await holdOne(t, GET + NO_HOST, { ioThreads, errorHandler: { handleError: () => Response.text('the page', 400) } })
    answer(Response.text('the answer'))
    const text = await wire.end()
    t.true(text.indexOf('the answer') < text.indexOf('HTTP/1.1 400'), text)
    t.true(text.endsWith('the page'), text)
  })

  test(`a client that leaves before its page is counted and observed, ${on}`, async (t) => {
    let isAsked = false
    const { connect, last, server } = await serve(t, () => ((isAsked = true), new Promise<Response>(() => {})), { ioThreads })
    const wire = (await connect()).send(NO_HOST)
    await until(() => isAsked)
    wire.socket.resetAndDestroy()
    const { status, outcome, remoteAddress } = await last()
    t.deepEqual([status, outcome, remoteAddress?.getHost()], [null, 'aborted', '127.0.0.1'])
    t.deepEqual(server.getRefusals(), { BUSBAR_HOST_MISSING: 1 })
  })

  test(`a stop waits for a page, ${on}`, async (t) => {
    let give: (page: Response) => void = () => {}
    let isAsked = false
    const { connect, server } = await serve(t, () => ((isAsked = true), new Promise<Response>((resolve) => (give = resolve))), { ioThreads })
    const wire = (await connect()).send(NO_HOST)
    await until(() => isAsked)
    const stopped = server.stop(60_000)
    give(page(400))
    t.regex(await wire.end(), /\{"status":400\}$/)
    t.deepEqual(await stopped, { cutOff: 0 })
  })

  test(`TLS on a plain port is named, and gets no page, ${on}`, async (t) => {
    const lines: string[] = []
    const logger: Logger = { ...silentLogger, debug: (line: string) => void lines.push(line) }
    const { port, server } = await serve(t, page, { ioThreads, debug: true, logger })
    // What a client of TLS makes of plain HTTP tells its user what is wrong; an alert would say that TLS is spoken.
    const code = await new Promise((resolve) => {
      openTls({ port, host: '127.0.0.1', rejectUnauthorized: false }).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
    })
    t.regex(String(code), /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/)
    t.deepEqual(server.getRefusals(), { BUSBAR_TLS_ON_PLAIN_PORT: 1 })
    await until(() => lines.some((line) => line.includes('BUSBAR_TLS_ON_PLAIN_PORT')))
    t.regex(lines.find((line) => line.includes('refused'))!, /^a request of 127\.0\.0\.1:\d+ was refused: this is TLS; the port speaks plain HTTP \(BUSBAR_TLS_ON_PLAIN_PORT\)$/)
  })
}

test('other refusals of heads have pages, too', async (t) => {
  const { connect, server } = await serve(t, page, { requestLineLimit: 100, headerSizeLimit: 200, headerTimeout: 1 })
  for (const [sent, status] of [
    ['BREW / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    [`GET /${'x'.repeat(200)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(300)}\r\n\r\n`, 431],
    ['GET / HT', 408],
  ] as const) {
    t.true((await (await connect()).send(sent).end()).endsWith(`{"status":${status}}`), sent)
  }
  t.is(Object.values(server.getRefusals()).reduce((sum, count) => sum + count), 5)
})

test('the page of a HEAD has no content, and that of a file and of a stream has', async (t) => {
  const path = join(await temporaryDirectory(t), 'bad.html')
  await writeFile(path, '<h1>bad</h1>')
  const pages = [
    () => page(400),
    () => {
      const response = Response.file(path)
      response.setStatus(400)
      return response
    },
    () => new Response(400, {}, (async function* () { yield 'a '; yield 'stream' })()),
  ]
  const { connect } = await serve(t, () => pages.shift()!())
  const head = await (await connect()).send('HEAD / HTTP/1.1\r\n\r\n').end()
  t.regex(head, /^HTTP\/1\.1 400 [^]*\r\ncontent-length: 14\r\n\r\n$/)
  const file = await (await connect()).send(NO_HOST).end()
  t.regex(file, /^HTTP\/1\.1 400 [^]*content-type: text\/html[^]*\r\n\r\n<h1>bad<\/h1>$/)
  t.regex(await (await connect()).send(NO_HOST).end(), /^HTTP\/1\.1 400 [^]*\r\n\r\na stream$/)
})

test('an error handler that fails is logged, and the default page is sent', async (t) => {
  const { logger, errors } = keepErrors()
  const failing = new Error('mine')
  const { connect } = await serve(t, () => { throw failing }, { logger })
  t.regex(await (await connect()).send(NO_HOST).end(), /^HTTP\/1\.1 400 [^]*<h1>400 Bad Request<\/h1>/)
  t.deepEqual(errors, [{ message: 'the error handler failed: a request that could not be parsed', exception: failing }])
  const broken = await serve(t, () => new Response(400, {}, (async function* () { yield 'a'; throw failing })()), { logger })
  t.regex(await (await broken.connect()).send(NO_HOST).end(), /\r\n\r\nHTTP\/1.1 requires a Host field\n$/)
  t.is(errors[1]?.message, 'an error page failed: a request that could not be parsed')
})

test('without an error handler of the application the short text is sent', async (t) => {
  for (const settings of [{}, { errorHandler: new DefaultErrorHandler() }]) {
    const { connect } = await open(t, () => Response.text('fine'), settings)
    t.regex(await (await connect()).send(NO_HOST).end(), /\r\n\r\nHTTP\/1.1 requires a Host field\n$/)
  }
})

test('a PROXY header on a listener without the PROXY protocol is named', async (t) => {
  const { connect, server } = await serve(t, page)
  const text = await (await connect()).send('PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n' + GET).end()
  t.regex(text, /\r\n\r\nthis is a PROXY header; the listener has no proxyProtocol\n$/)
  t.deepEqual(server.getRefusals(), { BUSBAR_PROXY_HEADER_UNEXPECTED: 1 })
})
