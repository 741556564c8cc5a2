import test from 'ava'
import { InvalidHeaderException, OptionError, Request, Response, SecurityHeadersMiddleware, stack } from '../src/index.ts'
import type { Handler, SecurityHeaders } from '../src/index.ts'
import { answer } from './middleware-support.ts'

const NAMES = [
  'content-security-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'permissions-policy',
  'referrer-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
]

async function fields(headers?: SecurityHeaders, settings = {}, handler: Handler = () => new Response(204)): Promise<Record<string, string | null>> {
  const response = await answer(stack(handler, new SecurityHeadersMiddleware(headers)), Request.create('GET', '/', { ...settings, headers: {} }))
  return Object.fromEntries(NAMES.map((name) => [name, response.getHeader(name)]))
}

test('the defaults on a connection without TLS', async (t) => {
  t.deepEqual(await fields(), {
    'content-security-policy': "base-uri 'self'; frame-ancestors 'self'; object-src 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': null,
    'referrer-policy': 'strict-origin-when-cross-origin',
    'strict-transport-security': null,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
  })
})

test('strict-transport-security is for encrypted connections', async (t) => {
  t.is((await fields({}, { isEncrypted: true }))['strict-transport-security'], 'max-age=15552000')
  t.is((await fields({ 'strict-transport-security': null }, { isEncrypted: true }))['strict-transport-security'], null)
})

test('a field may have another value or none, and the response comes first', async (t) => {
  const handler: Handler = async () => new Response(204, { 'referrer-policy': 'no-referrer' })
  const told = await fields({ 'x-frame-options': null, 'permissions-policy': 'camera=()', 'referrer-policy': 'origin' }, {}, handler)
  t.is(told['x-frame-options'], null)
  t.is(told['permissions-policy'], 'camera=()')
  t.is(told['referrer-policy'], 'no-referrer')
})

test('names and values are checked when it is made', (t) => {
  t.throws(() => new SecurityHeadersMiddleware({ 'x-frame': 'DENY' } as never), { instanceOf: OptionError })
  t.throws(() => new SecurityHeadersMiddleware({ 'x-frame-options': true } as never), { instanceOf: OptionError })
  t.throws(() => new SecurityHeadersMiddleware({ 'x-frame-options': 'a\nb' }), { instanceOf: InvalidHeaderException })
})
