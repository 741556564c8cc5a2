import { Forwarded, ForwardedMiddleware, OptionError, Request, Response, SocketAddress, stack } from '../src/index.ts'
import type { ForwardedHeaders } from '../src/index.ts'
import { answer } from './middleware-support.ts'
import { open, plainTest as test } from './support.ts'

/** What the handler finds in the attribute: `unset`, null, or what was told. */
async function told(kind: ForwardedHeaders, headers: Record<string, string>, remoteAddress = '10.0.0.1'): Promise<unknown> {
  const handler = (request: Request): Response => {
    if (!request.hasAttribute(Forwarded.ATTRIBUTE)) return Response.json('unset')
    const found = request.findAttribute(Forwarded.ATTRIBUTE) ?? null
    const names = ['for', 'proto', 'host', 'by'] as const
    return Response.json(found === null ? null : [String(found.getFor()), ...names.map((name) => found.getField(name))])
  }
  const middleware = new ForwardedMiddleware(kind, ['10.0.0.0/8', '2001:db8::/32'])
  const request = Request.create('GET', '/', { headers, remoteAddress })
  return (await answer(stack(handler, middleware), request)).json()
}

test('the client is the first address from the right that is no trusted proxy', async (t) => {
  t.deepEqual(await told('x-forwarded', { 'x-forwarded-for': '198.51.100.1, 203.0.113.9, 10.0.0.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'example.org' }), [
    '203.0.113.9', '203.0.113.9', 'https', 'example.org', null,
  ])
  t.deepEqual(await told('forwarded', { forwarded: 'for="[2001:db9::7]:4711";proto=https, for=10.0.0.7' }), [
    '[2001:db9::7]:4711', '[2001:db9::7]:4711', 'https', null, null,
  ])
  t.deepEqual(await told('x-forwarded', { 'x-forwarded-for': '2001:db9::7' }, '2001:db8::1'), ['2001:db9::7', '2001:db9::7', null, null, null])
})

test('the attribute is null when the field is missing or can not be read', async (t) => {
  t.is(await told('x-forwarded', {}), null)
  t.is(await told('x-forwarded', { 'x-forwarded-for': 'unknown' }), null)
  t.is(await told('forwarded', { forwarded: 'for=_hidden' }), null)
  // IPv6 must be in brackets there.
  t.is(await told('forwarded', { forwarded: 'for="2001:db9::7"' }), null)
  t.is(await told('forwarded', { 'x-forwarded-for': '203.0.113.9' }), null)
})

test('an entry that can not be read ends the walk', async (t) => {
  const [address] = (await told('x-forwarded', { 'x-forwarded-for': '203.0.113.9, nonsense, 10.0.0.7' })) as string[]
  t.is(address, '10.0.0.7')
})

test('the attribute is not set for clients that are no proxies', async (t) => {
  t.is(await told('x-forwarded', { 'x-forwarded-for': '203.0.113.9' }, '192.0.2.1'), 'unset')
})

test('the address of the connection stays, and peers of unix sockets may be trusted', async (t) => {
  const handler = (request: Request): Response =>
    Response.text(`${request.getClient().getRemoteAddress().getHost()} ${request.findAttribute(Forwarded.ATTRIBUTE)?.getFor().getHost()}`)
  const { port } = await open(t, stack(handler, new ForwardedMiddleware('x-forwarded', ['127.0.0.1', '::1', 'unix'])))
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-forwarded-for': '203.0.113.9' } })
  t.is(await response.text(), '127.0.0.1 203.0.113.9')
})

test('Forwarded tells an address and fields by name in any case', (t) => {
  const forwarded = new Forwarded(new SocketAddress('203.0.113.9', 0), { proto: 'https' })
  t.is(forwarded.getFor().getPort(), 0)
  t.is(forwarded.getField('FOR'), '203.0.113.9')
  t.is(forwarded.getField('Proto'), 'https')
  t.is(forwarded.getField('host'), null)
})

test('kind and proxies are checked', (t) => {
  t.throws(() => new ForwardedMiddleware('x' as never, []), { instanceOf: OptionError })
  for (const proxies of ['10.0.0.1', ['nonsense'], ['10.0.0.0/40'], undefined]) {
    t.throws(() => new ForwardedMiddleware('forwarded', proxies as never), { instanceOf: OptionError })
  }
})
