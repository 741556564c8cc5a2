import { inspect } from 'node:util'
import test from 'ava'
import { CookieAttributes, HttpServer, Message, Options, Request, RequestCookie, Response, ResponseCookie, SocketAddress, Trailers } from '../src/index.ts'
import { IS_TLS, open } from './support.ts'

const SECRETS = {
  authorization: 'Bearer s3cr3t-of-authorization',
  'proxy-authorization': 's3cr3t-alone-of-proxy',
  cookie: 'session=s3cr3t-of-cookie; theme=s3cr3t-dark',
  'x-api-key': 's3cr3t-of-key',
  'x-csrf-token': 's3cr3t-of-token',
}
const request = (): Request => Request.create('POST', '/orders?a=1', { ...SECRETS, accept: 'text/html' }, 'hello')

/** An object, and what its text must contain. */
const OBJECTS: readonly (readonly [string, object, readonly string[]])[] = [
  ['Request', request(), ['POST', '/orders?a=1', 'text/html', 'session=', 'theme=', 'Bearer ']],
  ['Response', Response.text('hello', 404, { 'set-cookie': 'id=s3cr3t-of-id; Path=/; HttpOnly' }), ['404', 'Not Found', 'hello', 'text/plain', 'id=', 'Path=/', 'HttpOnly']],
  ['Message', new Message({ 'x-checksum': '9f86' }), ['x-checksum', '9f86']],
  ['SocketAddress', new SocketAddress('::1', 80), ['[::1]:80']],
  ['HttpServer', new HttpServer('localhost:8080', () => new Response(204), { http1Timeout: 77 }), ['STOPPED', 'localhost:8080', 'http1Timeout', '77']],
  ['Options', Options.from({ http1Timeout: 77 }), ['http1Timeout', '77', 'bodySizeLimit']],
  ['Trailers', new Trailers({ 'x-sum': '1' }, ['x-sum']), ['x-sum']],
  ['RequestCookie', new RequestCookie('session', 's3cr3t-of-session'), ['session']],
  ['ResponseCookie', new ResponseCookie('session', 's3cr3t-of-session'), ['session', 'HttpOnly']],
  ['CookieAttributes', CookieAttributes.default().withPath('/a'), ['HttpOnly', 'Path=/a']],
]
for (const [name, object, parts] of OBJECTS) {
  test(`${name} shows itself to inspect and JSON without secrets`, (t) => {
    for (const text of [inspect(object), JSON.stringify(object)]) {
      for (const part of parts) t.true(text.includes(part), `${part} in ${text}`)
      t.false(/s3cr3t/.test(text), text)
    }
    t.true(inspect(object).startsWith(`${name} `))
    t.is(inspect({ a: { b: { c: object } } }).includes(`[${name}]`), true)
  })
}

test('a request of a client and its client show themselves, before and after the close', async (t) => {
  const shown: Record<string, unknown>[] = []
  let client: object = {}
  const { connect, port } = await open(t, (incoming) => {
    client = incoming.getClient()
    shown.push(JSON.parse(JSON.stringify(incoming)) as Record<string, unknown>)
    return Response.text(inspect(incoming))
  })
  const wire = await connect()
  const text = await wire.send('GET /a HTTP/1.1\r\nHost: a\r\nCookie: id=s3cr3t\r\nConnection: close\r\n\r\n').end()
  t.regex(text, /Request \{\n {2}method: 'GET',\n {2}target: '\/a',\n {2}version: '1\.1',/)
  t.true(text.includes('Client {') && text.includes(`127.0.0.1:${port}`))
  t.false(text.includes('s3cr3t'))
  t.like(shown[0]!['client'], { state: 'open', localAddress: `127.0.0.1:${port}`, isEncrypted: IS_TLS })
  t.regex(inspect(client), /^Client \{\n {2}id: \d+,/)
})

test('a header with the name __proto__ is shown as a field', (t) => {
  t.true(inspect(Request.create('GET', '/', [['__proto__', 'x']])).includes("__proto__'"))
})

test('a long body is shortened', (t) => {
  t.true(inspect(Response.text('x'.repeat(1e6))).length < 1000)
  t.true(inspect(new Response(200, {}, new Uint8Array(5))).includes('5 bytes'))
})
