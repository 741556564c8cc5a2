import test from 'ava'
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
