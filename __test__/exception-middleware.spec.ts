import {
  ClientException,
  DefaultExceptionHandler,
  ExceptionMiddleware,
  HttpErrorException,
  HttpServer,
  OptionError,
  Response,
  stack,
} from '../src/index.ts'
import type { AnyMiddleware, ErrorHandler, ServerSettings } from '../src/index.ts'
import { answer, get, keepLines } from './middleware-support.ts'
import { open, plainTest as test } from './support.ts'

const failing = (): never => {
  throw new Error('no <database>')
}
const failingLater = (): Promise<Response> => Promise.reject(new Error('no <database>'))

/** Notes the status of each response that comes out. */
function watch(): { statuses: number[]; middleware: AnyMiddleware } {
  const statuses: number[] = []
  const middleware: AnyMiddleware = async (request, next) => {
    const response = await next(request)
    statuses.push(response.getStatus())
    return response
  }
  return { statuses, middleware }
}

test('errors are logged once and answered with the page of the server, which others see as a response', async (t) => {
  for (const handler of [failing, failingLater]) {
    const { logger, lines } = keepLines()
    const { statuses, middleware } = watch()
    const errorHandler: ErrorHandler = { handleError: (status, _reason, _request, error) => Response.text(`ours: ${String(error)}`, status) }
    const { port } = await open(t, stack(handler, middleware, new ExceptionMiddleware()), { logger, errorHandler })
    const response = await fetch(`http://127.0.0.1:${port}/a`)
    t.is(response.status, 500)
    t.is(await response.text(), 'ours: Error: no <database>')
    t.deepEqual(statuses, [500])
    t.deepEqual(lines.filter((line) => line.startsWith('error')), ['error: a handler failed: GET /a'])
  }
})

test('in debug mode clients on this machine get a page with the error, the stack and the request, all escaped', async (t) => {
  const { port } = await open(t, stack(failing, new ExceptionMiddleware()), { debug: true })
  const page = await (await fetch(`http://127.0.0.1:${port}/<a>?b`, { headers: { accept: 'text/html' } })).text()
  t.regex(page, /Error: no &#60;database&#62;/)
  t.regex(page, /exception-middleware\.spec\.ts:\d+/)
  t.regex(page, /GET \/%3Ca%3E\?b/)
})

test('an exception handler of the application makes the response', async (t) => {
  const handleException = (_: unknown, error: unknown): Response => Response.json({ message: (error as Error).message }, 503)
  for (const handler of [failing, failingLater]) {
    const response = await answer(stack(handler, new ExceptionMiddleware({ handleException })))
    t.is(response.getStatus(), 503)
    t.deepEqual(await response.json(), { message: 'no <database>' })
  }
})

test('an exception handler that fails is a failed handler', async (t) => {
  const { logger, lines } = keepLines()
  const handleException = (): never => {
    throw new Error('worse')
  }
  t.is((await answer(stack(failing, new ExceptionMiddleware({ handleException })), get(), { logger })).getStatus(), 500)
  t.is(lines.filter((line) => line.startsWith('error')).length, 1)
})

test('HTTP errors and errors of the client go through', async (t) => {
  const calls: unknown[] = []
  const handleException = (_: unknown, error: unknown): Response => {
    calls.push(error)
    return new Response(500)
  }
  const through = async (error: unknown): Promise<void> => {
    const stacked = stack(() => Promise.reject(error), new ExceptionMiddleware({ handleException }))
    await t.throwsAsync(async () => stacked(get()), { is: error as Error })
  }
  await through(new HttpErrorException(404))
  await through(new ClientException(null as never, 'gone', 408))
  await through(new Error('upstream', { cause: new ClientException(null as never, 'gone', 408) }))
  t.deepEqual(calls, [])
})

test('error handler and logger of its own come before those of the server', async (t) => {
  const { logger, lines } = keepLines()
  const own: ErrorHandler = { handleError: (status) => Response.text('own', status) }
  const stacked = stack(failing, new ExceptionMiddleware(new DefaultExceptionHandler(own, logger)))
  const { port } = await open(t, stacked)
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'own')
  t.deepEqual(lines, ['error: a handler failed: GET /'])
})

test('the log line has the request when requestLogContext is on', async (t) => {
  const contexts: Record<string, unknown>[] = []
  const logged = async (settings: ServerSettings): Promise<void> => {
    const { port } = await open(t, stack(failing, new ExceptionMiddleware()), {
      ...settings,
      logger: { error: (_: string, context: Record<string, unknown>) => void contexts.push(context) },
    })
    await fetch(`http://127.0.0.1:${port}/`)
  }
  await logged({})
  await logged({ requestLogContext: true })
  t.deepEqual(contexts.map((context) => Object.keys(context)), [['exception'], ['exception', 'request']])
})

test('an exception handler that is an observer is called at start and stop', async (t) => {
  const calls: string[] = []
  const observing = {
    handleException: () => new Response(500),
    onStart: (server: HttpServer) => void calls.push(`start ${server instanceof HttpServer}`),
    onStop: () => void calls.push('stop'),
  }
  const { server } = await open(t, stack(failing, new ExceptionMiddleware(observing)))
  await server.stop()
  t.deepEqual(calls, ['start true', 'stop'])
})

test('what is no exception handler is refused', (t) => {
  t.throws(() => new ExceptionMiddleware({} as never), { instanceOf: OptionError })
})
