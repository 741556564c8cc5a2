import test from 'ava'
import { CorsMiddleware, ErrorPagesMiddleware, ExceptionMiddleware, HttpErrorException, OptionError, Request, Response, stack } from '../src/index.ts'
import type { CorsSettings, Handler } from '../src/index.ts'
import { answer, get } from './middleware-support.ts'

const ORIGIN = 'https://app.example'
const hello = (): Response => Response.text('hello', 200, { vary: 'accept' })

function preflight(origin = ORIGIN, headers: Record<string, string> = {}): Request {
  return Request.create('OPTIONS', '/', { headers: { origin, 'access-control-request-method': 'PUT', ...headers } })
}

/** The CORS fields of a response, and `vary`. */
function fields(response: Response): Record<string, string> {
  const names = Object.entries(response.getHeaders()).filter(([name]) => name === 'vary' || name.startsWith('access-control-'))
  return Object.fromEntries(names.map(([name, values]) => [name.replace('access-control-', ''), values.join(', ')]))
}

const ask = (settings: CorsSettings | undefined, request: Request, handler: Handler = hello): Promise<Response> =>
  answer(stack(handler, new CorsMiddleware(settings)), request)

test('by default all origins may read, without credentials', async (t) => {
  t.deepEqual(fields(await ask(undefined, get('/', { origin: ORIGIN }))), { 'allow-origin': '*', vary: 'accept' })
  // Without a Vary the same response may be cached for requests without an origin.
  t.deepEqual(fields(await ask({}, get())), { 'allow-origin': '*', vary: 'accept' })
})

test('a preflight is answered without the handler', async (t) => {
  const handler = (): Response => {
    throw new Error('called')
  }
  const response = await ask({ maxAge: 600 }, preflight(ORIGIN, { 'access-control-request-headers': 'x-a, content-type' }), handler)
  t.is(response.getStatus(), 204)
  t.deepEqual(fields(response), {
    'allow-origin': '*',
    'allow-methods': 'GET, HEAD, PUT, PATCH, POST, DELETE',
    'allow-headers': 'x-a, content-type',
    'max-age': '600',
    vary: 'access-control-request-method, access-control-request-headers',
  })
})

test('an OPTIONS that is no preflight reaches the handler', async (t) => {
  for (const headers of [{}, { origin: ORIGIN }, { 'access-control-request-method': 'PUT' }] as Record<string, string>[]) {
    t.is(await (await ask({}, Request.create('OPTIONS', '/', { headers }))).text(), 'hello')
  }
})

test('an origin of the list is named, and others get no permission', async (t) => {
  const settings: CorsSettings = { origin: [ORIGIN, /^https:\/\/[a-z]+\.example\.org$/], credentials: true, exposedHeaders: ['x-total'], allowedHeaders: ['x-a'], methods: ['GET'] }
  const permitted = { 'allow-origin': ORIGIN, 'allow-credentials': 'true', 'expose-headers': 'x-total', vary: 'accept, origin' }
  t.deepEqual(fields(await ask(settings, get('/', { origin: ORIGIN }))), permitted)
  t.is(fields(await ask(settings, get('/', { origin: 'https://a.example.org' })))['allow-origin'], 'https://a.example.org')
  for (const origin of ['https://evil.example', 'https://a.example.org.evil.example', 'null', 'https://app.example:8443']) {
    t.deepEqual(fields(await ask(settings, get('/', { origin }))), { vary: 'accept, origin' }, origin)
    t.deepEqual(Object.keys(fields(await ask(settings, preflight(origin)))), ['vary'], origin)
  }
  const allowed = fields(await ask(settings, preflight()))
  t.is(allowed['allow-headers'], 'x-a')
  t.is(allowed['allow-methods'], 'GET')
  t.is(allowed['vary'], 'origin, access-control-request-method, access-control-request-headers')
  // A cache must not give this response to an origin that is allowed.
  t.deepEqual(fields(await ask(settings, get())), { vary: 'accept, origin' })
})

test('a pattern with the flag g matches each time', async (t) => {
  const middleware = new CorsMiddleware({ origin: /app/g })
  for (let round = 0; round < 3; round++) {
    t.is(fields(await answer(stack(hello, middleware), get('/', { origin: ORIGIN })))['allow-origin'], ORIGIN)
  }
})

test('a function decides, also later', async (t) => {
  for (const origin of [(given: string) => given === ORIGIN, async (given: string) => given === ORIGIN]) {
    t.is(fields(await ask({ origin }, get('/', { origin: ORIGIN })))['allow-origin'], ORIGIN)
    t.deepEqual(fields(await ask({ origin }, get('/', { origin: 'https://evil.example' }))), { vary: 'accept, origin' })
    t.is(fields(await ask({ origin }, preflight()))['allow-origin'], ORIGIN)
  }
})

test('error pages have the fields when the middleware that make them stand behind', async (t) => {
  const missing: Handler = () => Promise.reject(new HttpErrorException(404))
  const bug: Handler = () => Promise.reject(new Error('bug'))
  for (const [handler, status] of [[missing, 404], [bug, 500]] as const) {
    const response = await answer(stack(handler, new CorsMiddleware(), new ExceptionMiddleware(), new ErrorPagesMiddleware()), get('/', { origin: ORIGIN }))
    t.is(response.getStatus(), status)
    t.is(response.getHeader('access-control-allow-origin'), '*')
  }
})

test('settings that can not work are refused', (t) => {
  const refused: unknown[] = [
    { credentials: true },
    { origin: 'https://app.example/' },
    { origin: 'https://app.example:443' },
    { origin: 'app.example' },
    { origin: ['*'] },
    { origins: '*' },
    { methods: 'GET' },
    { exposedHeaders: [1] },
    { maxAge: -1 },
    { maxAge: 1.5 },
    null,
  ]
  for (const settings of refused) t.throws(() => new CorsMiddleware(settings as CorsSettings), { instanceOf: OptionError }, JSON.stringify(settings))
  t.notThrows(() => new CorsMiddleware({ origin: ['null', 'app://local', 'http://localhost:5173'] }))
})
