import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Options, Request, Response } from '../src/index.ts'
import type { HttpDriver, ServerSettings } from '../src/index.ts'
import { SCHEME, open } from './support.ts'
import { Networks } from '../src/net/networks.ts'
import { readForwarded } from '../src/net/forwarded.ts'
import type { ForwardedHeaders } from '../src/net/forwarded.ts'
import { SocketAddress } from '../src/net/socket-address.ts'

const TRUSTED = new Networks(['10.0.0.0/8', '2001:db8:1::/48', 'unix'])

function read(kind: ForwardedHeaders, fields: Record<string, string>, peer = new SocketAddress('10.0.0.1', 5000)): string | null {
  const found = readForwarded(kind, peer, TRUSTED, (name) => fields[name] ?? null)
  return found === null ? null : `${found.scheme ?? '-'} ${found.host ?? '-'} ${found.remoteAddress}`
}

const x = (list: string, proto?: string, host?: string): Record<string, string> => ({
  'x-forwarded-for': list,
  ...(proto === undefined ? {} : { 'x-forwarded-proto': proto }),
  ...(host === undefined ? {} : { 'x-forwarded-host': host }),
})

const X_FORWARDED: [string, Record<string, string>, string][] = [
  ['one address', x('203.0.113.9', 'https', 'example.org'), 'https example.org 203.0.113.9'],
  ['with a port', x('203.0.113.9:4711'), '- - 203.0.113.9:4711'],
  ['bare IPv6', x('2001:db8:2::7'), '- - 2001:db8:2::7'],
  ['IPv6 in brackets', x('[2001:db8:2::7]'), '- - 2001:db8:2::7'],
  ['IPv6 with a port', x('[2001:db8:2::7]:4711'), '- - [2001:db8:2::7]:4711'],
  ['a forged entry stands left of the client', x('198.51.100.1, 203.0.113.9', 'http, https'), 'https - 203.0.113.9'],
  ['trusted proxies are passed over', x('203.0.113.9, 10.0.0.7, 2001:db8:1::9'), '- - 203.0.113.9'],
  ['a chain of trusted ones alone', x('10.1.1.1, 10.0.0.7'), '- - 10.1.1.1'],
  ['an entry that is no address ends the walk', x('203.0.113.9, unknown, 10.0.0.7'), '- - 10.0.0.7'],
  ['the nearest entry is no address', x('203.0.113.9, unknown'), '- - 10.0.0.1:5000'],
  ['no list at all', { 'x-forwarded-proto': 'https' }, 'https - 10.0.0.1:5000'],
  ['one scheme counts for all', x('203.0.113.9, 10.0.0.7', 'https'), 'https - 203.0.113.9'],
  ['a scheme for each', x('203.0.113.9, 10.0.0.7', 'https, http'), 'https - 203.0.113.9'],
  ['a list of another length: the rightmost', x('203.0.113.9', 'http, https'), 'https - 203.0.113.9'],
  ['a scheme that is none', x('203.0.113.9', 'javascript'), '- - 203.0.113.9'],
  ['a host that is none', x('203.0.113.9', 'https', 'a.example/path'), 'https - 203.0.113.9'],
  ['a host with a user', x('203.0.113.9', 'https', 'me@a.example'), 'https - 203.0.113.9'],
  ['a host with a port', x('203.0.113.9', 'https', 'a.example:8443'), 'https a.example:8443 203.0.113.9'],
  ['a port out of range', x('203.0.113.9:70000'), '- - 10.0.0.1:5000'],
  ['the other kind is never read', { forwarded: 'for=203.0.113.9' }, '- - 10.0.0.1:5000'],
]

for (const [title, fields, expected] of X_FORWARDED) {
  test(`X-Forwarded: ${title}`, (t) => t.is(read('x-forwarded', fields), expected))
}

const FORWARDED: [string, string, string][] = [
  ['all of an element', 'for=203.0.113.9;proto=https;host=example.org', 'https example.org 203.0.113.9'],
  ['names and schemes in any case', 'For=203.0.113.9;PROTO=HTTPS', 'https - 203.0.113.9'],
  ['a quoted address with a port', 'for="203.0.113.9:4711"', '- - 203.0.113.9:4711'],
  ['IPv6', 'for="[2001:db8:2::7]:4711"', '- - [2001:db8:2::7]:4711'],
  ['IPv6 without brackets is not in the grammar', 'for="2001:db8:2::7:x"', '- - 10.0.0.1:5000'],
  ['two hops', 'for=203.0.113.9;proto=https, for=10.0.0.7;proto=http', 'https - 203.0.113.9'],
  ['a scheme left of the client may be forged', 'for=1.2.3.4;proto=https, for=203.0.113.9', '- - 203.0.113.9'],
  ['a scheme that a nearer proxy tells', 'for=203.0.113.9, for=10.0.0.7;proto=https', 'https - 203.0.113.9'],
  ['an identifier in place of an address', 'for=203.0.113.9, for=_hidden;proto=https', 'https - 10.0.0.1:5000'],
  ['a separator in quotes', 'for=203.0.113.9;host="a,b;c"', '- - 203.0.113.9'],
  ['an escaped quote', 'for=203.0.113.9;host="a\\"b"', '- - 203.0.113.9'],
  ['a parameter given twice', 'for=203.0.113.9, for=10.0.0.7;for=1.2.3.4', '- - 10.0.0.1:5000'],
  ['an element that breaks the grammar', 'for=203.0.113.9, for = 10.0.0.7', '- - 10.0.0.1:5000'],
]

for (const [title, line, expected] of FORWARDED) {
  test(`Forwarded: ${title}`, (t) => t.is(read('forwarded', { forwarded: line, 'x-forwarded-for': '9.9.9.9' }), expected))
}

test('nothing is believed from a peer that is no proxy', (t) => {
  t.is(read('x-forwarded', x('203.0.113.9'), new SocketAddress('192.0.2.1', 1)), null)
})

test('a peer of a unix socket is a proxy when the list says so', (t) => {
  const peer = new SocketAddress('/run/app.sock')
  t.is(read('x-forwarded', x('203.0.113.9'), peer), '- - 203.0.113.9')
  t.is(readForwarded('x-forwarded', peer, new Networks(['10.0.0.0/8']), () => '203.0.113.9'), null)
})

test('networks hold the addresses that share their prefix', (t) => {
  const has = (network: string, host: string): boolean => new Networks([network]).has(new SocketAddress(host, 1))
  t.true(has('192.0.2.0/24', '192.0.2.255'))
  t.false(has('192.0.2.0/24', '192.0.3.0'))
  t.true(has('192.0.2.128/25', '192.0.2.129'))
  t.false(has('192.0.2.128/25', '192.0.2.127'))
  t.true(has('0.0.0.0/0', '203.0.113.9'))
  t.false(has('0.0.0.0/0', '2001:db8::1'))
  t.true(has('2001:db8::/33', '2001:db8:7fff::1'))
  t.false(has('2001:db8::/33', '2001:db8:8000::1'))
  t.true(has('192.0.2.1', '192.0.2.1'))
  t.true(has('192.0.2.1', '::ffff:192.0.2.1'))
  t.true(has('::ffff:192.0.2.0/120', '192.0.2.9'))
  t.false(has('::ffff:192.0.2.0/120', '192.0.3.9'))
})

const told = (request: Request): Response => Response.text(`${request.getUri().origin} ${request.getRemoteAddress()}`)

async function ask(t: ExecutionContext, settings: ServerSettings, fields: string): Promise<string> {
  const { connect } = await open(t, told, settings)
  const wire = (await connect()).send(`GET / HTTP/1.1\r\nHost: inner.example\r\nConnection: close\r\n${fields}\r\n`)
  const received = await wire.end()
  return received.slice(received.indexOf('\r\n\r\n') + 4)
}

const ALL = 'X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: example.org\r\n'

test('a request behind a trusted proxy has the address, scheme and host of its client', async (t) => {
  t.is(await ask(t, { proxies: ['127.0.0.1'] }, ALL), 'https://example.org 203.0.113.9')
})

test('several fields of one name are one list', async (t) => {
  const fields = 'X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 127.0.0.1\r\n'
  t.is(await ask(t, { proxies: ['127.0.0.1'] }, fields), `${SCHEME}://inner.example 203.0.113.9`)
})

test('without trusted proxies nothing is believed', async (t) => {
  t.regex(await ask(t, {}, ALL), /^https?:\/\/inner\.example 127\.0\.0\.1:\d+$/)
  t.regex(await ask(t, { proxies: ['10.0.0.0/8'] }, ALL), /^https?:\/\/inner\.example 127\.0\.0\.1:\d+$/)
})

test('forwardedHeaders chooses the kind of field that is read', async (t) => {
  const settings: ServerSettings = { proxies: ['127.0.0.1'], forwardedHeaders: 'forwarded' }
  const fields = `${ALL}Forwarded: for=198.51.100.7;proto=https;host=b.example\r\n`
  t.is(await ask(t, settings, fields), 'https://b.example 198.51.100.7')
  t.throws(() => Options.from({ forwardedHeaders: 'both' as never }), { message: /'x-forwarded' or 'forwarded'/ })
})

test('a request parsed by a driver in JavaScript is treated alike', async (t) => {
  const driver: HttpDriver = {
    *setup(client, onMessage) {
      yield
      const request = Request.create('GET', '/', { host: 'inner.example', 'x-forwarded-for': '203.0.113.9' })
      yield onMessage(request)
      client.close()
    },
    async write(_request, response) {
      answers.push(String(response.getHeader('x-seen')))
    },
    getPendingRequestCount: () => 0,
    stop: async () => {},
  }
  const answers: string[] = []
  const driverFactory = { selectDriver: () => driver, getApplicationLayerProtocols: () => [] }
  const handler = (request: Request): Response => new Response(200, { 'x-seen': String(request.getRemoteAddress()) })
  const { connect } = await open(t, handler, { proxies: ['127.0.0.1'], driverFactory })
  await (await connect()).send('x').end()
  t.deepEqual(answers, ['203.0.113.9'])
})

test('the client stays the truth about its connection', async (t) => {
  const handler = (request: Request): Response => Response.text(request.getClient().getRemoteAddress().getHost())
  const { connect } = await open(t, handler, { proxies: ['127.0.0.1'] })
  const wire = (await connect()).send(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${ALL}\r\n`)
  t.true((await wire.end()).endsWith('\r\n127.0.0.1'))
})
