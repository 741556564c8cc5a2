import test from 'ava'
import { AllowedMethodsMiddleware, DefaultErrorHandler, OptionError, Request, Response, silentLogger, stack } from '../src/index.ts'
import type { ErrorHandler } from '../src/index.ts'
import { answer, keepLines } from './middleware-support.ts'

const ANY = { allowedMethods: ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PROPFIND'] }
const hello = (): Response => Response.text('hello')

test('other methods get a 405, or a 501 when HTTP does not define them, and a warning each', async (t) => {
  const { logger, lines } = keepLines()
  const handler = stack(hello, new AllowedMethodsMiddleware(new DefaultErrorHandler(), logger, ['GET', 'HEAD', 'POST']))
  for (const [method, status] of [['DELETE', 405], ['PROPFIND', 501], ['GET', 200], ['POST', 200]] as const) {
    const response = await answer(handler, Request.create(method, '/a'), ANY)
    t.is(response.getStatus(), status)
    t.is(response.getHeader('allow'), status === 200 ? null : 'GET, HEAD, POST')
  }
  t.deepEqual(lines, ["warning: a method isn't allowed: DELETE /a", "warning: a method isn't allowed: PROPFIND /a"])
})

test('the page is that of the error handler, which may set allow itself and may fail', async (t) => {
  const custom: ErrorHandler = { handleError: (status) => Response.json({ status }, status, { allow: 'GET' }) }
  const response = await answer(stack(hello, new AllowedMethodsMiddleware(custom)), Request.create('PROPFIND', '/'), ANY)
  t.deepEqual(await response.json(), { status: 501 })
  t.deepEqual(response.getHeaderArray('allow'), ['GET'])
  const { logger, lines } = keepLines()
  const failing: ErrorHandler = { handleError: () => Promise.reject(new Error('no page')) }
  const other = await answer(stack(hello, new AllowedMethodsMiddleware(failing, logger)), Request.create('PROPFIND', '/'), ANY)
  t.is(other.getStatus(), 501)
  t.true(lines.includes('error: the error handler failed'))
})

test('OPTIONS * is answered, OPTIONS of a resource is not', async (t) => {
  const handler = stack(hello, new AllowedMethodsMiddleware())
  const direct = await handler(Request.create('OPTIONS', '*'))
  t.is(direct.getStatus(), 204)
  t.is(direct.getHeader('allow'), 'GET, POST, PUT, PATCH, HEAD, OPTIONS, DELETE')
  t.is(await (await answer(handler, Request.create('OPTIONS', '/'))).text(), 'hello')
})

test('the list has no duplicates, keeps its order, and must contain GET and HEAD', (t) => {
  const made = (methods: readonly string[]) => new AllowedMethodsMiddleware(undefined, silentLogger, methods)
  t.deepEqual(made(['HEAD', 'GET', 'HEAD']).getAllowedMethods(), ['HEAD', 'GET'])
  t.deepEqual(new AllowedMethodsMiddleware().getAllowedMethods(), ['GET', 'POST', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE'])
  for (const wrong of [[], ['GET'], ['HEAD'], ['GET', 'HEAD', ''], ['GET', 'HEAD', 'A B'], 'GET']) {
    t.throws(() => made(wrong as string[]), { instanceOf: OptionError })
  }
})
