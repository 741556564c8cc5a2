import test from 'ava'
import { CompressionMiddleware, Forwarded, HttpErrorException, HttpServer, OptionError, Options, Response, silentLogger } from '../src/index.ts'
import type { AnyMiddleware, BehindProxySettings, DirectAccessSettings, Handler, HttpServer as Server, Request } from '../src/index.ts'
import { until } from './support.ts'

const TEXT = 'text '.repeat(1000)
const quiet = { logger: silentLogger }

/** Starts a server, and asks it. */
async function started(t: { teardown(end: () => unknown): void }, server: Server) {
  await server.start()
  t.teardown(() => server.stop(0))
  return (path = '/', init: RequestInit = {}) => fetch(new URL(path, server.url), { headers: { 'accept-encoding': 'gzip' }, ...init })
}

const direct = (handler: Handler, settings: DirectAccessSettings = {}): Server => HttpServer.createForDirectAccess('127.0.0.1:0', handler, { ...quiet, ...settings })
const behind = (handler: Handler, settings: Partial<BehindProxySettings> = {}): Server =>
  HttpServer.createForBehindProxy('127.0.0.1:0', handler, { ...quiet, proxies: ['127.0.0.0/8', '::1'], ...settings })

for (const [name, make] of [['direct access', direct], ['behind a proxy', behind]] as const) {
  test(`${name}: responses are compressed, and the option says so`, async (t) => {
    const server = make(() => Response.text(TEXT))
    t.true(server.getOptions().isCompressionEnabled())
    const ask = await started(t, server)
    t.is((await ask()).headers.get('content-encoding'), 'gzip')
    const plain = make(() => Response.text(TEXT), { compression: false })
    t.false(plain.getOptions().isCompressionEnabled())
    t.is((await (await started(t, plain))()).headers.get('content-encoding'), null)
  })

  test(`${name}: middleware of the application stand between compression and the error pages`, async (t) => {
    const seen: unknown[] = []
    const watch: AnyMiddleware = async (request, next) => {
      const response = await next(request)
      seen.push(response.getStatus(), response.getHeader('content-encoding'))
      response.setHeader('x-seen', 'yes')
      return response
    }
    const ask = await started(t, make((request) => {
      if (request.getPath() === '/') return Response.text(TEXT)
      throw new HttpErrorException(404)
    }, { middleware: [watch], errorHandler: { handleError: (status) => Response.text(TEXT, status) } }))
    await ask()
    const missing = await ask('/missing')
    t.is(missing.status, 404)
    t.is(missing.headers.get('x-seen'), 'yes')
    t.is(missing.headers.get('content-encoding'), 'gzip')
    t.deepEqual(seen, [200, null, 404, null])
  })

  test(`${name}: an exception handler answers for what fails inside`, async (t) => {
    const exceptionHandler = { handleException: (_: Request, error: unknown) => Response.text((error as Error).message, 503) }
    const ask = await started(t, make(() => Promise.reject(new Error('no database')), { exceptionHandler }))
    const response = await ask()
    t.is(response.status, 503)
    t.is(await response.text(), 'no database')
  })

  test(`${name}: so many handlers at once as concurrencyLimit says`, async (t) => {
    let [running, most] = [0, 0]
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    const handler: Handler = async () => {
      most = Math.max(most, ++running)
      await gate
      running--
      return new Response(204)
    }
    const ask = await started(t, make(handler, { concurrencyLimit: 2 }))
    const all = [ask(), ask(), ask(), ask()]
    await until(() => running === 2)
    await new Promise((resolve) => setTimeout(resolve, 50))
    open()
    t.deepEqual((await Promise.all(all)).map((each) => each.status), [204, 204, 204, 204])
    t.is(most, 2)
    t.throws(() => make(handler, { concurrencyLimit: 0 }), { instanceOf: OptionError })
    t.notThrows(() => make(handler, { concurrencyLimit: null }))
  })

  test(`${name}: methods are those of the option, or all`, async (t) => {
    const handler: Handler = (request) => Response.text(request.getMethod())
    const ask = await started(t, make(handler))
    t.is((await ask('/', { method: 'PROPFIND' })).status, 501)
    const any = await started(t, make(handler, { allowedMethods: null }))
    t.is(await (await any('/', { method: 'PROPFIND' })).text(), 'PROPFIND')
    const few = await started(t, make(handler, { allowedMethods: ['GET', 'HEAD'] }))
    const refused = await few('/', { method: 'POST' })
    t.is(refused.status, 405)
    t.is(refused.headers.get('allow'), 'GET, HEAD')
  })

  test(`${name}: one CompressionMiddleware of the application takes the place of the preset's`, async (t) => {
    const ask = await started(t, make(() => Response.text('text '.repeat(10)), { middleware: [new CompressionMiddleware({ minimumLength: 1 })] }))
    const response = await ask()
    t.is(response.headers.get('content-encoding'), 'gzip')
    t.is(response.headers.get('vary'), 'accept-encoding')
  })
}

test('direct access has the connection limits of the options', (t) => {
  const options = direct(() => new Response(204)).getOptions()
  t.is(options.getConnectionLimit(), 10_000)
  t.is(options.getConnectionsPerIpLimit(), 1000)
  t.is(direct(() => new Response(204), { connectionLimit: 5 }).getOptions().getConnectionLimit(), 5)
  t.is(direct(() => new Response(204), { options: Options.from({ http1Timeout: 3 }) }).getOptions().getHttp1Timeout(), 3)
})

test('behind a proxy connections are not limited, and what proxies forward is believed', async (t) => {
  const server = behind((request) => {
    const forwarded = request.getAttribute(Forwarded.ATTRIBUTE)
    return Response.text(`${request.getRemoteAddress().getHost()} ${forwarded?.getFor().getHost()} ${request.getUri().protocol}`)
  })
  const options = server.getOptions()
  t.is(options.getConnectionLimit(), Infinity)
  t.is(options.getConnectionsPerIpLimit(), Infinity)
  const ask = await started(t, server)
  const response = await ask('/', { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' } })
  t.is(await response.text(), '203.0.113.9 203.0.113.9 https:')
  const other = await started(t, behind((request) => Response.text(request.getRemoteAddress().getHost()), { forwardedHeaders: 'forwarded' }))
  t.is(await (await other('/', { headers: { forwarded: 'for=203.0.113.7', 'x-forwarded-for': '203.0.113.9' } })).text(), '203.0.113.7')
})

test('a server behind a proxy needs its proxies', (t) => {
  for (const proxies of [[], undefined, 'unix', ['nonsense']]) {
    t.throws(() => behind(() => new Response(204), { proxies: proxies as never }), { instanceOf: OptionError })
  }
})

test('the plain constructor compresses when the option says so, outside of its middleware', async (t) => {
  const seen: unknown[] = []
  const watch: AnyMiddleware = async (request, next) => {
    const response = await next(request)
    seen.push(response.getHeader('content-encoding'))
    return response
  }
  const made = (settings: DirectAccessSettings) => new HttpServer('127.0.0.1:0', () => Response.text(TEXT), { ...quiet, ...(settings as object) })
  t.false(made({}).getOptions().isCompressionEnabled())
  t.is((await (await started(t, made({})))()).headers.get('content-encoding'), null)
  const response = await (await started(t, made({ compression: true, middleware: [watch] })))()
  t.is(response.headers.get('content-encoding'), 'gzip')
  t.deepEqual(seen, [null])
  t.throws(() => made({ middleware: 'cors' as never }), { instanceOf: OptionError })
  t.throws(() => made({ middleware: [{}] as never }), { instanceOf: OptionError })
})

test('middleware and handler of a server that are observers are called once', async (t) => {
  const calls: string[] = []
  const observing = {
    handleRequest: (request: Request, next: (request: Request) => Response | Promise<Response>) => next(request),
    onStart: () => void calls.push('start'),
    onStop: () => void calls.push('stop'),
  }
  const server = new HttpServer('127.0.0.1:0', () => new Response(204), { ...quiet, middleware: [observing, observing] })
  await server.start()
  await server.stop()
  t.deepEqual(calls, ['start', 'stop'])
})
