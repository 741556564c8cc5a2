import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrorPagesMiddleware, HttpErrorException, Response, stack } from '../src/index.ts'
import type { AnyMiddleware, ErrorHandler, Handler } from '../src/index.ts'
import { answer, get } from './middleware-support.ts'
import { open, plainTest as test, temporaryDirectory, until } from './support.ts'

/** Whether the process has a file of this directory open; false where that can't be seen. */
function isOpen(directory: string): boolean {
  if (process.platform !== 'linux') return false
  return readdirSync('/proc/self/fd').some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(directory)
    } catch {
      return false
    }
  })
}

const tag: AnyMiddleware = async (request, next) => {
  const response = await next(request)
  response.setHeader('x-id', String(response.getStatus()))
  return response
}

test('an HTTP error becomes a page with its fields, and what stands outside sees a response', async (t) => {
  const error = new HttpErrorException(401, { reason: 'Who', headers: { 'www-authenticate': 'Basic' } })
  const failing: Handler[] = [() => Promise.reject(error), () => { throw error }]
  for (const handler of failing) {
    const response = await answer(stack(handler, tag, new ErrorPagesMiddleware()))
    t.is(response.getStatus(), 401)
    t.is(response.getReason(), 'Who')
    t.is(response.getHeader('www-authenticate'), 'Basic')
    t.is(response.getHeader('x-id'), '401')
    t.regex(await response.text(), /<h1>401 Unauthorized<\/h1>/)
  }
})

test('the page is that of the server, or of an error handler of its own', async (t) => {
  const named = (name: string): ErrorHandler => ({ handleError: (status) => Response.text(name, status) })
  const missing: Handler = () => Promise.reject(new HttpErrorException(404))
  const served = async (middleware: ErrorPagesMiddleware): Promise<string> => {
    const { port } = await open(t, stack(missing, middleware), { errorHandler: named('server') })
    return (await fetch(`http://127.0.0.1:${port}/`)).text()
  }
  t.is(await served(new ErrorPagesMiddleware()), 'server')
  t.is(await served(new ErrorPagesMiddleware(named('own'))), 'own')
})

test('an error handler that fails gives the default page', async (t) => {
  const failing: ErrorHandler = { handleError: () => { throw new Error('no page') } }
  const response = await answer(stack(() => Promise.reject(new HttpErrorException(410)), tag, new ErrorPagesMiddleware(failing)))
  t.is(response.getHeader('x-id'), '410')
  t.regex(await response.text(), /410 Gone/)
})

test('other errors go through', async (t) => {
  const error = new Error('bug')
  await t.throwsAsync(async () => stack(() => Promise.reject(error), new ErrorPagesMiddleware())(get()), { is: error })
  t.throws(() => stack(() => { throw error }, new ErrorPagesMiddleware())(get()), { is: error })
})

test('a file is opened here: one that is missing is a page, and conditions and ranges count', async (t) => {
  const root = await temporaryDirectory(t)
  writeFileSync(join(root, 'a.txt'), '0123456789')
  const { port } = await open(t, stack((request) => Response.file(request.getPath(), { root }), tag, new ErrorPagesMiddleware()))
  const ask = (path: string, headers: Record<string, string> = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers })
  const missing = await ask('/b.txt')
  t.is(missing.status, 404)
  t.is(missing.headers.get('x-id'), '404')
  t.regex(await missing.text(), /Not Found/)
  const whole = await ask('/a.txt')
  t.is(whole.headers.get('x-id'), '200')
  t.is(await whole.text(), '0123456789')
  const part = await ask('/a.txt', { range: 'bytes=2-3' })
  t.is(part.headers.get('x-id'), '206')
  t.is(await part.text(), '23')
  const known = await ask('/a.txt', { 'if-none-match': whole.headers.get('etag') ?? '' })
  t.is(known.headers.get('x-id'), '304')
  const unsatisfiable = await ask('/a.txt', { range: 'bytes=20-' })
  t.is(unsatisfiable.headers.get('x-id'), '416')
  t.is(unsatisfiable.headers.get('content-range'), 'bytes */10')
  await unsatisfiable.text()
  const head = await fetch(`http://127.0.0.1:${port}/a.txt`, { method: 'HEAD' })
  t.is(head.headers.get('content-length'), '10')
  await until(() => !isOpen(root))
})

test('a file that is opened and not sent is closed', async (t) => {
  const root = await temporaryDirectory(t)
  writeFileSync(join(root, 'a.txt'), 'a'.repeat(300_000))
  const replacing: AnyMiddleware[] = [
    async (request, next) => {
      const response = await next(request)
      response.setBody('other')
      return response
    },
    async (request, next) => {
      await next(request)
      return Response.text('other')
    },
    async (request, next) => {
      await next(request)
      throw new HttpErrorException(403)
    },
  ]
  for (const middleware of replacing) {
    const { port } = await open(t, stack(() => Response.file('a.txt', { root }), middleware, new ErrorPagesMiddleware()))
    await (await fetch(`http://127.0.0.1:${port}/`)).text()
    await until(() => !isOpen(root))
  }
  t.pass()
})
