import test from 'ava'
import type { ExecutionContext } from 'ava'
import {
  BusbarError,
  ClientException,
  DefaultErrorHandler,
  HandlerError,
  HttpErrorException,
  HttpStatus,
  InvalidCookieException,
  InvalidHeaderException,
  ListenError,
  MissingAttributeError,
  OptionError,
  Request,
  Response,
  StateError,
  TimeoutError,
  reasonPhrase,
  silentLogger,
} from '../src/index.ts'
import type { ErrorHandler, Fault, Logger } from '../src/index.ts'
import { LAST_GET, count, open } from './support.ts'

const ERRORS: readonly (readonly [BusbarError, string, Fault, number | undefined])[] = [
  [new OptionError('a', 1, 'b'), 'BUSBAR_INVALID_OPTION', 'application', undefined],
  [new InvalidHeaderException('a'), 'BUSBAR_INVALID_HEADER', 'application', undefined],
  [new InvalidCookieException('a'), 'BUSBAR_INVALID_COOKIE', 'application', undefined],
  [new ListenError('a', 'EACCES'), 'BUSBAR_LISTEN', 'application', undefined],
  [new StateError('a'), 'BUSBAR_STATE', 'application', undefined],
  [new HandlerError('a'), 'BUSBAR_HANDLER', 'application', undefined],
  [new MissingAttributeError('a'), 'BUSBAR_MISSING_ATTRIBUTE', 'application', undefined],
  [new TimeoutError('a'), 'BUSBAR_TIMEOUT', 'server', undefined],
  [new HttpErrorException(404), 'BUSBAR_HTTP_ERROR', 'application', 404],
  [new ClientException(null, 'a', 413), 'BUSBAR_CLIENT', 'client', 413],
  [new ClientException(null, 'a'), 'BUSBAR_CLIENT', 'client', undefined],
]
for (const [error, code, fault, status] of ERRORS) {
  test(`${error.name} with status ${status} has its code and the side at fault`, (t) => {
    t.true(error instanceof BusbarError && error instanceof Error)
    t.deepEqual([error.code, error.fault, error.status], [code, fault, status])
    t.true(error.stack!.startsWith(error.name))
  })
}

test('the cause of an error is kept', (t) => {
  const cause = new Error('why')
  t.is(new HttpErrorException(502, null, cause).cause, cause)
  t.is(new ClientException(null, 'a', 0, cause).cause, cause)
})

test('an HttpErrorException is checked where it is thrown', (t) => {
  for (const status of [200, 399, 600, 404.5]) t.throws(() => new HttpErrorException(status), { instanceOf: OptionError })
  for (const reason of ['a\nb', 'a€', 5 as never]) {
    t.throws(() => new HttpErrorException(404, reason), { instanceOf: OptionError, message: /^reason must be/ })
  }
})

test('statuses have names and phrases', (t) => {
  for (const status of Object.values(HttpStatus)) t.not(reasonPhrase(status), '')
  t.deepEqual([reasonPhrase(HttpStatus.NOT_FOUND), reasonPhrase(299)], ['Not Found', ''])
})

test('the default page shows status and standard phrase; a reason is in the status line only', (t) => {
  const page = new DefaultErrorHandler().handleError(404, 'Gone fishing')
  t.deepEqual([page.getStatus(), page.getReason()], [404, 'Gone fishing'])
  t.is(page.getHeader('content-type'), 'text/html; charset=utf-8')
  t.true(String(page.getBody()).includes('<h1>404 Not Found</h1>'))
  t.false(String(page.getBody()).includes('fishing'))
  t.is(new DefaultErrorHandler().handleError(404, 'a\nb').getReason(), 'Not Found')
})

/** An error handler that records its calls. */
function noting(): ErrorHandler & { readonly asked: [number, string | null, string | undefined][] } {
  const asked: [number, string | null, string | undefined][] = []
  const handleError: ErrorHandler['handleError'] = (status, reason, request) => {
    asked.push([status, reason, request?.getTarget()])
    return Response.json({ status }, status)
  }
  return { asked, handleError }
}

function logging(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  return { ...silentLogger, lines, error: (message) => void lines.push(message) }
}

const post = (body: string): string => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`

async function answer(t: ExecutionContext, handler: Parameters<typeof open>[1], request: string, settings = {}) {
  const [errorHandler, logger] = [noting(), logging()]
  const { connect } = await open(t, handler, { errorHandler, logger, ...settings })
  const received = await (await connect()).send(request).end()
  return { received, asked: errorHandler.asked, lines: logger.lines }
}

test('a thrown HttpErrorException is a page of the error handler, and not logged', async (t) => {
  const handler = (): never => {
    throw new HttpErrorException(418, 'Short and stout')
  }
  const { asked, lines, received } = await answer(t, handler, LAST_GET)
  t.deepEqual(asked, [[418, 'Short and stout', '/']])
  t.deepEqual(lines, [])
  t.regex(received, /^HTTP\/1\.1 418 /)
})

test('a handler that throws is a 500 of the error handler, logged once', async (t) => {
  const { asked, lines } = await answer(t, () => Promise.reject(new Error('broken')), LAST_GET)
  t.deepEqual(asked, [[500, null, '/']])
  t.deepEqual(lines, ['a handler failed: GET /'])
})

test('a body with invalid JSON is a 400 of the error handler, and not logged', async (t) => {
  const handler = async (request: Request): Promise<Response> => Response.json(await request.json())
  const { asked, lines } = await answer(t, handler, post('{"a":') + LAST_GET)
  t.deepEqual(asked, [[400, null, '/'], [400, null, '/']])
  t.deepEqual(lines, [])
  const error = await t.throwsAsync(Request.create('POST', '/', {}, '{').json(), { instanceOf: HttpErrorException })
  t.true(error.cause instanceof SyntaxError)
})

const never = (): Promise<Response> => new Promise(() => {})
const SERVER_MADE: readonly (readonly [number, string, string, Parameters<typeof open>[1], object])[] = [
  [405, 'a method that is not allowed', LAST_GET.replace('GET', 'TRACE'), never, {}],
  [501, 'a method that HTTP does not define', LAST_GET.replace('GET', 'LOCK'), never, {}],
  [413, 'an unread body above its limit', post('hello'), () => Response.text('fine'), { bodySizeLimit: 4 }],
  [413, 'a body above its limit', post('hello'), async (request) => Response.text(await request.text()), { bodySizeLimit: 4 }],
  [417, 'an unknown expectation', LAST_GET.replace('Host', 'Expect: magic\r\nHost'), never, {}],
  [503, 'a handler that exceeds its time limit', LAST_GET, never, { handlerTimeout: 0.01 }],
]
for (const [status, what, request, handler, settings] of SERVER_MADE) {
  test(`${what} is a page of the error handler with ${status}`, async (t) => {
    const { asked, lines, received } = await answer(t, handler, request, settings)
    t.deepEqual(asked, [[status, null, '/']])
    t.deepEqual(lines, [])
    t.regex(received, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n\\{"status":${status}\\}$`))
    t.is(/\r\nallow: GET, POST, PUT, PATCH, HEAD, OPTIONS, DELETE\r\n/.test(received), status === 405 || status === 501)
  })
}

test('the page of an invalid request is the error handler\'s, without a request', async (t) => {
  const { asked, received } = await answer(t, never, 'nonsense\r\n\r\n')
  t.deepEqual(asked, [[400, null, undefined]])
  t.regex(received, /^HTTP\/1\.1 400 Bad Request\r\n/)
})

const shared = Response.text('the same each time', 404)
const PAGES: readonly (readonly [string, ErrorHandler['handleError']])[] = [
  ['gives the same page each time', () => shared],
  ['promises the same page each time', () => Promise.resolve(shared)],
  ['gives an informational page', () => new Response(103)],
]
for (const [what, handleError] of PAGES) {
  test(`an error handler that ${what} is replaced by the default page, once per request`, async (t) => {
    const logger = logging()
    const handler = (): never => {
      throw new HttpErrorException(404)
    }
    const { connect } = await open(t, handler, { logger, errorHandler: { handleError } })
    for (let at = 0; at < 2; at++) t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 404 /)
    t.true(logger.lines.length >= 1 && logger.lines.length <= 2)
    t.is(count(logger.lines.join('\n'), 'the error handler failed: GET /'), logger.lines.length)
  })
}

test('a value without a named class is shown by its tag', (t) => {
  t.throws(() => new Response(200, {}, (function* () {})() as never), { message: /; got an object of class Generator$/ })
  t.throws(() => new Response(200, {}, Object.create(null) as never), { message: /; got an object of class Object$/ })
})

for (const [how, handleError] of [
  ['at once', () => Response.text('sorry', 200)],
  ['later', async () => Response.text('sorry', 200)],
] as const) {
  test(`an error handler whose pages are a 200, given ${how}, is called once for a body above its limit`, async (t) => {
    let asked = 0
    const errorHandler = {
      handleError: () => {
        asked++
        return handleError()
      },
    }
    const { connect } = await open(t, () => Response.text('fine'), { bodySizeLimit: 4, errorHandler })
    t.regex(await (await connect()).send(post('hello')).end(), /^HTTP\/1\.1 413 /)
    t.is(asked, 1)
  })
}

const ODD: Readonly<Record<string, unknown>> = {
  'an error with a list as stack': Object.assign(new Error('a'), { stack: [1, 2] }),
  'an error with a symbol as message': Object.assign(new Error('a'), { message: Symbol('b') }),
  'a proxy whose traps throw': new Proxy({}, {
    getPrototypeOf: () => {
      throw new Error('no')
    },
  }),
  'nothing': undefined,
}
for (const [what, error] of Object.entries(ODD)) {
  for (const debug of [false, true]) {
    test(`a handler that throws ${what}${debug ? ' in debug mode' : ''} is a 500, logged once`, async (t) => {
      for (const handler of [
        () => {
          throw error
        },
        () => Promise.reject(error as Error),
      ]) {
        const logger = logging()
        const { connect } = await open(t, handler, { logger, debug })
        t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
        t.deepEqual(logger.lines, ['a handler failed: GET /'])
      }
    })
  }
}

test('a message shortens long values and nested lists', (t) => {
  const endless: unknown[] = []
  endless.push(endless)
  t.true(new OptionError('a', 'x'.repeat(1e6), 'b').message.length < 200)
  t.true(new OptionError('a', Array.from({ length: 1e6 }, () => 1), 'b').message.length < 1000)
  t.is(new OptionError('a', endless, 'b').message, 'a must be b; got [[[an array]]]')
})

for (const [what, make] of [
  ['a proxy', (): Response => new Proxy(Response.text('x'), {})],
  ['an object with its prototype', (): Response => Object.create(Response.prototype) as Response],
] as const) {
  test(`${what} of a response is invalid: a 500, thrown directly or by a promise`, async (t) => {
    const { connect } = await open(t, (request) => (request.getPath() === '/later' ? Promise.resolve(make()) : make()))
    t.regex(await (await connect()).send(LAST_GET).end(), /^HTTP\/1\.1 500 /)
    t.regex(await (await connect()).send(LAST_GET.replace('/ ', '/later ')).end(), /^HTTP\/1\.1 500 /)
  })
}

const withAccept = (accept: string): string => LAST_GET.replace('Host', `Accept: ${accept}\r\nHost`)
const FORMS: readonly (readonly [string, string])[] = [
  ['*/*', 'text/html; charset=utf-8'],
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html; charset=utf-8'],
  ['text/*', 'text/html; charset=utf-8'],
  ['application/json', 'application/json'],
  ['application/vnd.api+json', 'application/json'],
  ['application/json, text/plain, */*', 'application/json'],
  ['text/html;q=0.5, application/json', 'application/json'],
  ['application/*', 'application/json'],
  ['text/plain', 'text/plain; charset=utf-8'],
  ['text/html;q=0, */*', 'application/json'],
  ['image/png', 'text/plain; charset=utf-8'],
  ['text/event-stream', 'text/plain; charset=utf-8'],
]
for (const [accept, type] of FORMS) {
  test(`a client that accepts ${accept} gets a page of ${type}`, async (t) => {
    const { received } = await answer(t, (request) => Promise.reject(new HttpErrorException(request.getPath() === '/' ? 404 : 500)), withAccept(accept), {
      errorHandler: new DefaultErrorHandler(),
    })
    t.regex(received, /^HTTP\/1\.1 404 Not Found\r\n/)
    t.true(received.includes(`\r\ncontent-type: ${type}\r\n`) || received.includes(`content-type: ${type}\r\n`), received)
    t.regex(received, /\r\nvary: accept\r\n/)
  })
}

const bodyOf = (received: string): unknown => JSON.parse(received.split('\r\n\r\n')[1]!)

test('an HttpErrorException carries its fields, and its details to clients that accept JSON', async (t) => {
  const handler = (): never => {
    throw new HttpErrorException(429, { reason: 'Slow down', headers: { 'retry-after': 30, 'x-a': ['1', '2'] }, details: { limit: 5 } })
  }
  const { received } = await answer(t, handler, withAccept('application/json'), { errorHandler: new DefaultErrorHandler() })
  t.regex(received, /^HTTP\/1\.1 429 Slow down\r\n[^]*\r\nretry-after: 30\r\nx-a: 1\r\nx-a: 2\r\n/)
  t.deepEqual(bodyOf(received), { status: 429, title: 'Too Many Requests', details: { limit: 5 } })
})

test('the fields of an HttpErrorException are on the pages of every error handler, by inject, too', async (t) => {
  const handler = (): never => {
    throw new HttpErrorException(401, { headers: [['www-authenticate', 'Basic realm="a"']] })
  }
  const pages: readonly ErrorHandler['handleError'][] = [
    (status) => Response.json({}, status),
    async (status) => new Response(status),
    () => Promise.reject(new Error('broken')),
    (status) => new Response(status, { 'www-authenticate': 'Bearer' }),
  ]
  for (const [at, handleError] of pages.entries()) {
    const { connect, server } = await open(t, handler, { errorHandler: { handleError } })
    const challenge = at === 3 ? 'Bearer' : 'Basic realm="a"'
    t.true((await (await connect()).send(LAST_GET).end()).includes(`www-authenticate: ${challenge}\r\n`))
    t.deepEqual((await server.inject(Request.create('GET', '/'))).getHeaderArray('www-authenticate'), [challenge])
  }
})

test('the settings of an HttpErrorException are checked where it is thrown', (t) => {
  t.throws(() => new HttpErrorException(401, { headers: { 'a b': 'c' } }), { instanceOf: InvalidHeaderException })
  t.throws(() => new HttpErrorException(401, { reason: 'a\nb' }), { instanceOf: OptionError })
  const cause = new Error('why')
  t.is(new HttpErrorException(503, { cause }).cause, cause)
  t.deepEqual(new HttpErrorException(503).headers, [])
})

test('details that JSON can not hold are left out', async (t) => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  const handler = (): never => {
    throw new HttpErrorException(400, { details: circle })
  }
  const { received } = await answer(t, handler, withAccept('application/json'), { errorHandler: new DefaultErrorHandler() })
  t.deepEqual(bodyOf(received), { status: 400, title: 'Bad Request' })
})

test('the error handler sees what the handler has thrown', async (t) => {
  const seen: unknown[] = []
  const errorHandler: ErrorHandler = {
    handleError: (status, _reason, _request, error) => {
      seen.push(error)
      return new Response(status)
    },
  }
  const [plain, http] = [new Error('broken'), new HttpErrorException(404)]
  const handler = (request: Request): Promise<Response> => Promise.reject(request.getPath() === '/' ? plain : http)
  const { connect, server } = await open(t, handler, { errorHandler })
  await (await connect()).send(LAST_GET).end()
  await (await connect()).send(LAST_GET.replace('/ ', '/a ')).end()
  await server.inject(Request.create('GET', '/'))
  await (await connect()).send(LAST_GET.replace('GET', 'TRACE')).end()
  t.deepEqual(seen, [plain, http, plain, undefined])
})

test('the page of debug mode is JSON or text for clients that prefer it', async (t) => {
  const { connect } = await open(t, () => Promise.reject(new Error('broken')), { debug: true })
  const json = await (await connect()).send(withAccept('application/json')).end()
  t.like(bodyOf(json), { status: 500, error: 'Error: broken' })
  t.regex(await (await connect()).send(withAccept('text/plain')).end(), /\r\n\r\nError: broken\n\nError: broken\n {4}at /)
})
