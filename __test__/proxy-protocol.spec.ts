/**
 * The PROXY protocol: who is served under which address, and what is refused.
 */
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as openSocket } from 'node:net'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as openTls } from 'node:tls'
import ava from 'ava'
import type { ExecutionContext } from 'ava'
import { Authority } from './authority.ts'
import { DefaultClientFactory, HttpServer, OptionError, Response, silentLogger } from '../src/index.ts'
import type { Client, Handler, Logger, ServerSettings } from '../src/index.ts'
import { planOne } from '../src/server/listen.ts'
import { LineDriver, choosing } from './drivers.ts'
import { PROXY, LOCAL, V4, V6, UNIX, UNSPECIFIED, checksum, field, ipv4, ipv6, unix, v1, v2, withChecksum } from './proxy-headers.ts'
import { GET, IS_TLS, Wire, closed, dial, hold, open, postHead, temporaryDirectory, until } from './support.ts'

/** The openers speak TLS at once then, ahead of any header. */
const test = IS_TLS ? ava.skip : ava

const HTTP = { listen: { host: '127.0.0.1', port: 0, proxyProtocol: true }, proxies: ['127.0.0.1'] }
const ADDRESSES = ipv4('203.0.113.9', 4711)
const TLS = field(0x20, Buffer.from([1, 0, 0, 0, 0]))

const address = (client: Client): string => `${client.getRemoteAddress()} by ${client.getProxyAddress()?.getHost()}`

/** Answers with the addresses and the URI. */
const tell: Handler = (request) => Response.text(`<${address(request.getClient())}, ${request.getUri()}>`)

const behind = (t: ExecutionContext, handler: Handler = tell, settings: ServerSettings = {}) =>
  open(t, handler, { proxies: HTTP.proxies, ...settings }, HTTP.listen)

const told = async (wire: Wire): Promise<string> => /<(.*)>/.exec(await wire.until((text) => text.endsWith('>')))![1]!

function send(wire: Wire, ...parts: (Buffer | string)[]): Wire {
  wire.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))))
  return wire
}

function keepLines(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const keep = (line: string): void => void lines.push(line)
  return { logger: { ...silentLogger, warning: keep, debug: keep }, lines }
}

/** Where the peer's own address counts. */
const OWN = /^127\.0\.0\.1:\d+ by 127\.0\.0\.1, http:\/\/a\/$/

const SERVED: [string, Buffer, string | RegExp][] = [
  ['version 1 with IPv4', v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), '203.0.113.9:4711 by 127.0.0.1, http://a/'],
  ['version 1 with IPv6', v1('TCP6 2001:db8::9 2001:db8::1 4711 443'), '[2001:db8::9]:4711 by 127.0.0.1, http://a/'],
  ['version 1 without an address', v1('UNKNOWN'), OWN],
  ['version 1 with an address that is to be ignored', v1('UNKNOWN 2001:db8::9 2001:db8::1 4711 443'), OWN],
  ['version 2 with IPv4', v2(PROXY, V4, ADDRESSES), '203.0.113.9:4711 by 127.0.0.1, http://a/'],
  ['version 2 with IPv6', v2(PROXY, V6, ipv6('2001:db8::9', 4711)), '[2001:db8::9]:4711 by 127.0.0.1, http://a/'],
  ['version 2 with mapped IPv4', v2(PROXY, V6, ipv6('::ffff:203.0.113.9', 4711)), '203.0.113.9:4711 by 127.0.0.1, http://a/'],
  ['version 2 with a unix socket', v2(PROXY, UNIX, unix('/run/client')), '/run/client by 127.0.0.1, http://a/'],
  ['version 2 without an address', v2(PROXY, UNSPECIFIED), OWN],
  ['version 2 from the proxy itself', v2(LOCAL, UNSPECIFIED), OWN],
  ['version 2 from the proxy itself, with an address', v2(LOCAL, V4, ADDRESSES), OWN],
  ['a client with TLS', v2(PROXY, V4, ADDRESSES, TLS), '203.0.113.9:4711 by 127.0.0.1, https://a/'],
  ['fields that mean nothing here', v2(PROXY, V4, ADDRESSES, field(2, 'a.example'), field(0xe0, 'own')), '203.0.113.9:4711 by 127.0.0.1, http://a/'],
  ['a checksum', withChecksum(v2(PROXY, V4, ADDRESSES, checksum(), TLS)), '203.0.113.9:4711 by 127.0.0.1, https://a/'],
  ['the largest header', v2(PROXY, V4, ADDRESSES, field(4, Buffer.alloc(4096 - 16 - 12 - 3))), '203.0.113.9:4711 by 127.0.0.1, http://a/'],
]

for (const [title, header, expected] of SERVED) {
  test(`served: ${title}`, async (t) => {
    const { connect, server } = await behind(t)
    const found = await told(send(await connect(), header, GET))
    if (typeof expected === 'string') t.is(found, expected)
    else t.regex(found, expected)
    t.deepEqual(server.getRefusals(), {})
  })
}

for (const ioThreads of [0, 2]) {
  for (const [title, header] of [
    ['version 1', v1('TCP4 203.0.113.9 10.0.0.1 4711 443')],
    ['version 2', withChecksum(v2(PROXY, V4, ADDRESSES, checksum(), TLS))],
  ] as const) {
    test(`${title} may be split at any byte, with ${ioThreads} threads`, async (t) => {
      const { connect } = await behind(t, (request) => Response.text(`<${address(request.getClient())}>`), { ioThreads })
      const whole = Buffer.concat([header, Buffer.from(GET)])
      for (let at = 1; at < whole.length; at++) {
        const wire = await connect()
        wire.socket.setNoDelay().write(whole.subarray(0, at))
        await nextTurn()
        await nextTurn()
        wire.socket.write(whole.subarray(at))
        t.is(await told(wire), '203.0.113.9:4711 by 127.0.0.1', `split at ${at}`)
        wire.socket.destroy()
      }
    })
  }
}

test('requests behind the header follow one another on the connection', async (t) => {
  const { connect } = await behind(t, (request) => Response.text(`${request.getPath()} ${request.getRemoteAddress()}.`))
  const wire = send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), GET, GET)
  await wire.until((text) => text.split('/ 203.0.113.9:4711.').length === 3)
  wire.send(GET)
  t.pass(await wire.until((text) => text.split('/ 203.0.113.9:4711.').length === 4))
})

test('only the first header counts: a second one is no request', async (t) => {
  const { connect } = await behind(t)
  const line = v1('TCP4 203.0.113.9 10.0.0.1 4711 443')
  t.regex(await send(await connect(), line, line, GET).end(), /^HTTP\/1.1 400/)
})

const REFUSED: [string, Buffer | string, string, RegExp][] = [
  ['a request without a header', GET, 'MISSING', /127\.0\.0\.1 sends no PROXY header/],
  ['a request that begins like one', 'POST / HTTP/1.1\r\n', 'MISSING', /sends no PROXY header/],
  ['TLS without a header', Buffer.from([0x16, 3, 1, 0, 5]), 'MISSING', /sends no PROXY header/],
  ['a line that breaks the grammar', v1('TCP4 203.0.113.9 10.0.0.1 4711'), 'V1', /breaks the grammar/],
  ['a line that is too long', v1(`UNKNOWN ${'x'.repeat(107)}`), 'TOO_LARGE', /too large/],
  ['another version', v2(PROXY, V4, ADDRESSES).fill(0x31, 12, 13), 'V2', /malformed/],
  ['an unknown family', v2(PROXY, 0x41, ADDRESSES), 'V2', /malformed/],
  ['a field that ends outside', v2(PROXY, V4, ADDRESSES, Buffer.from([4, 0, 1])), 'V2', /malformed/],
  ['a header that is too large', v2(PROXY, V4, ADDRESSES, field(4, Buffer.alloc(4096))), 'TOO_LARGE', /too large/],
  ['a wrong checksum', v2(PROXY, V4, ADDRESSES, checksum()), 'CHECKSUM', /wrong checksum/],
]

for (const [title, sent, code, line] of REFUSED) {
  test(`refused without a byte: ${title}`, async (t) => {
    const { logger, lines } = keepLines()
    const { connect, server } = await behind(t, tell, { logger: { ...logger, debug: () => {} } })
    t.is(await send(await connect(), sent, GET).end(), '')
    t.deepEqual(server.getRefusals(), { [`BUSBAR_PROXY_HEADER_${code}`]: 1 })
    await until(() => lines.length > 0)
    t.is(lines.length, 1)
    t.regex(lines[0]!, line)
    t.regex(lines[0]!, /^1 connection was refused: .*proxyProtocol/)
  })
}

for (const ioThreads of [0, 2]) {
  test(`a header that isn't complete in time is refused, with ${ioThreads} threads`, async (t) => {
    const { logger, lines } = keepLines()
    const { connect, server } = await behind(t, tell, { proxyHeaderTimeout: 0.05, logger: { ...logger, debug: () => {} }, ioThreads })
    const [silent, half] = [await connect(), send(await connect(), v2(PROXY, V4, ADDRESSES).subarray(0, 20))]
    t.deepEqual(await Promise.all([silent.end(), half.end()]), ['', ''])
    t.deepEqual(server.getRefusals(), { BUSBAR_PROXY_HEADER_TIMEOUT: 2 })
    await until(() => lines.length > 0)
    t.regex(lines[0]!, /127\.0\.0\.1 has sent no complete PROXY header within 0\.05 s \(proxyHeaderTimeout\)/)
  })

  test(`a peer that is no proxy is refused, whatever it sends, with ${ioThreads} threads`, async (t) => {
    const { logger, lines } = keepLines()
    const settings = { proxies: ['10.0.0.1', 'unix'], logger: { ...logger, debug: () => {} }, ioThreads }
    const { connect, server } = await behind(t, tell, settings)
    for (const sent of [v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), v2(LOCAL, UNSPECIFIED), GET]) {
      t.is(await send(await connect(), sent, GET).end(), '')
    }
    t.deepEqual(server.getRefusals(), { BUSBAR_PROXY_UNTRUSTED: 3 })
    await until(() => lines.length > 0)
    t.regex(lines[0]!, /127\.0\.0\.1 isn't one of the option proxies/)
  })

  test(`connections are counted by the announced address, with ${ioThreads} threads`, async (t) => {
    const settings = { proxies: HTTP.proxies, connectionsPerIpLimit: 2, ioThreads }
    const { connect, server, next } = await hold(t, settings, HTTP.listen)
    const from = async (header: Buffer) => send(await connect(), header, GET)
    const client = (port: number) => v2(PROXY, V4, ipv4('203.0.113.9', port))
    const open = [await from(client(1)), await from(client(2))]
    const held = [await next(), await next()]
    t.regex(await (await from(client(3))).end(), /^HTTP\/1.1 503 .*there are too many connections from this address/s)
    // Another address, a private one and the proxy itself aren't concerned.
    for (const header of [v2(PROXY, V4, ipv4('203.0.113.8', 1)), v2(PROXY, V4, ipv4('10.1.1.1', 1)), v2(LOCAL, UNSPECIFIED), v1('UNKNOWN')]) {
      const wire = await from(header)
      ;(await next()).answer(new Response(204))
      await wire.until((text) => text.startsWith('HTTP/1.1 204'))
    }
    t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTIONS_PER_IP_LIMIT: 1 })
    // A connection that has ended counts no more.
    const gone = closed(held[0]!.client)
    open[0]!.socket.resetAndDestroy()
    open[1]!.socket.resetAndDestroy()
    await gone
    const last = await from(client(4))
    ;(await next()).answer(new Response(204))
    await last.until((text) => text.startsWith('HTTP/1.1 204'))
  })
}

test('an idle connection of the announced address is closed for a new one', async (t) => {
  const { connect, server } = await behind(t, tell, { connectionsPerIpLimit: 1, ioThreads: 0 })
  const idle = send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 1 443'), GET)
  await told(idle)
  t.regex(await told(send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 2 443'), GET)), /^203.0.113.9:2 /)
  await idle.end()
  t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTIONS_PER_IP_LIMIT_EVICTED: 1 })
})

test('a peer that closes without having sent anything is no refusal', async (t) => {
  const { logger, lines } = keepLines()
  const { connect, server } = await behind(t, tell, { logger: { ...logger, debug: () => {} } })
  const wire = await connect()
  wire.socket.end()
  t.is(await wire.end(), '')
  await told(send(await connect(), v1('UNKNOWN'), GET))
  t.deepEqual([server.getRefusals(), lines], [{}, []])
})

test('forwarded fields are believed from the announced address, not from the proxy', async (t) => {
  const settings = { proxies: ['127.0.0.1', '10.0.0.0/8'] }
  const { connect } = await behind(t, (request) => Response.text(`<${request.getRemoteAddress()}, ${request.getUri()}>`), settings)
  const asked = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n'
  t.is(await told(send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), asked)), '203.0.113.9:4711, http://a/')
  t.is(await told(send(await connect(), v1('TCP4 10.0.0.7 10.0.0.1 4711 443'), asked)), '198.51.100.7, https://a/')
  // What the outer proxy tells of the scheme counts more than how it has connected.
  const plain = asked.replace('https', 'http')
  t.is(await told(send(await connect(), v2(PROXY, V4, ipv4('10.0.0.7', 1), TLS), plain)), '198.51.100.7, http://a/')
})

for (const [title, header, expected] of [
  ['an address', v2(PROXY, V4, ADDRESSES, TLS), /^203\.0\.113\.9:4711 by 127\.0\.0\.1 https:$/],
  ['a path', v2(PROXY, UNIX, unix('/run/client')), /^\/run\/client by 127\.0\.0\.1 http:$/],
  ['nothing', v2(LOCAL, UNSPECIFIED), /^127\.0\.0\.1:\d+ by 127\.0\.0\.1 http:$/],
] as const) {
  test(`what a header announces is known after the client has left: ${title}`, async (t) => {
    let answer: (text: string) => void = () => {}
    const answered = new Promise<string>((resolve) => (answer = resolve))
    let isRunning = false
    const { connect } = await behind(t, async (request) => {
      isRunning = true
      await request.buffer().catch(() => {})
      // Only now is the client asked for: what is known of it comes with the head of the request.
      answer(`${address(request.getClient())} ${request.getUri().protocol}`)
      return new Response(204)
    })
    const wire = send(await connect(), header, postHead(10), 'half')
    await until(() => isRunning)
    wire.socket.resetAndDestroy()
    t.regex(await answered, expected)
  })
}

test('the log names the announced address', async (t) => {
  const { logger, lines } = keepLines()
  const { connect } = await behind(t, tell, { logger })
  await told(send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), GET))
  t.regex(lines.find((line) => line.includes('requests'))!, /^client \d+ at 203\.0\.113\.9:4711 requests GET/)
})

test('without the PROXY protocol there is no proxy address, and a header is no request', async (t) => {
  const { connect } = await open(t, tell, { proxies: HTTP.proxies })
  t.regex(await told(send(await connect(), GET)), /^127\.0\.0\.1:\d+ by undefined, http:\/\/a\/$/)
  t.regex(await send(await connect(), v1('UNKNOWN'), GET).end(), /^HTTP\/1.1 400/)
})

test('a unix socket takes headers where proxies holds unix', async (t) => {
  const path = join(await temporaryDirectory(t), 'server.sock')
  const handler: Handler = (request) => {
    const client = request.getClient()
    return Response.text(`<${client.getRemoteAddress()} by ${client.getProxyAddress()}, ${client.isUnix()}>`)
  }
  await open(t, handler, { proxies: ['unix'] }, { path, proxyProtocol: true })
  const wire = send(await dial(t, { path }), v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), GET)
  t.is(await told(wire), `203.0.113.9:4711 by ${path}, true`)
  const half = send(await dial(t, { path }), 'PROXY TCP4 203')
  half.socket.end()
  t.is(await half.end(), '')
})

test('factories see the announced address, and a driver the bytes behind the header', async (t) => {
  const seen: string[] = []
  const inner = new DefaultClientFactory()
  const { connect } = await behind(t, (request) => Response.text(request.getPath()), {
    driverFactory: choosing((client) => {
      seen.push(`driver ${address(client)}`)
      return new LineDriver()
    }),
    clientFactory: {
      createClient(socket) {
        seen.push(`client ${socket.getRemoteAddress()} by ${socket.getProxyAddress()?.getHost()}`)
        return inner.createClient(socket)
      },
    },
  })
  const wire = send(await connect(), v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), '/first\n/se')
  await wire.until((text) => text === '/first\n')
  wire.send('cond\n')
  await wire.until((text) => text === '/first\n/second\n')
  t.deepEqual(seen.sort(), ['client 203.0.113.9:4711 by 127.0.0.1', 'driver 203.0.113.9:4711 by 127.0.0.1'])
})

test('TLS follows the header, in the same segment or in another', async (t) => {
  const { cert, key } = new Authority().issue()
  const listen = { ...HTTP.listen, tls: { cert, key } }
  const { port, server } = await open(t, tell, { proxies: HTTP.proxies, connectionsPerIpLimit: 1 }, listen)
  const ask = async (header: Buffer, isCorked: boolean): Promise<string> => {
    const plain = openSocket({ port, host: '127.0.0.1' })
    t.teardown(() => plain.destroy())
    if (isCorked) plain.cork()
    plain.write(header)
    const secured = openTls({ socket: plain, rejectUnauthorized: false })
    await nextTurn()
    if (isCorked) plain.uncork()
    const wire = new Wire(secured)
    return told(wire.send(GET))
  }
  t.is(await ask(v1('TCP4 203.0.113.9 10.0.0.1 4711 443'), false), '203.0.113.9:4711 by 127.0.0.1, https://a/')
  t.is(await ask(v2(PROXY, V4, ipv4('203.0.113.8', 4711)), true), '203.0.113.8:4711 by 127.0.0.1, https://a/')
  t.deepEqual(server.getRefusals(), {})
})

for (const ioThreads of [0, 2]) {
  test(`a stop ends connections whose header has not come, with ${ioThreads} threads`, async (t) => {
    const { connect, server } = await behind(t, tell, { ioThreads })
    const silent = await connect()
    // A connection that is served shows that the other is accepted.
    await told(send(await connect(), v1('UNKNOWN'), GET))
    const stopped = server.stop(60_000)
    t.is(await silent.end(), '')
    t.deepEqual(await stopped, { cutOff: 0 })
  })

  test(`a header of which a part has come when the server stops may be completed, with ${ioThreads} threads`, async (t) => {
    const { connect, server } = await behind(t, tell, { ioThreads })
    const half = send(await connect(), 'PROXY TCP4 203')
    await told(send(await connect(), v1('UNKNOWN'), GET))
    const stopped = server.stop(60_000)
    send(half, '.0.113.9 10.0.0.1 4711 443\r\n', GET)
    t.is(await told(half), '203.0.113.9:4711 by 127.0.0.1, http://a/')
    t.regex(await half.end(), /\r\nconnection: close\r\n/)
    t.deepEqual(await stopped, { cutOff: 0 })
  })
}

const FROM_OUTSIDE = v2(PROXY, V4, ADDRESSES)
const FROM_INSIDE = v2(PROXY, V4, ipv4('10.0.0.7', 1))
const BY_TLS = v2(PROXY, V4, ADDRESSES, TLS)

for (const http2Cleartext of [false, true]) {
  test(`the announced address decides how long a connection may be idle, and about https, with http2Cleartext: ${http2Cleartext}`, async (t) => {
    const { connect } = await behind(t, tell, { http2Cleartext })
    const ask = async (header: Buffer, target: string): Promise<string> => {
      const wire = send(await connect(), header, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const head = await wire.until((text) => text.includes('\r\n\r\n'))
      return `${head.slice(9, 12)} ${/keep-alive: timeout=(\d+)/.exec(head)?.[1]}`
    }
    t.is(await ask(FROM_OUTSIDE, '/'), '200 15')
    t.is(await ask(FROM_INSIDE, '/'), '200 75')
    t.is(await ask(FROM_OUTSIDE, 'https://a/'), '421 undefined')
    t.is(await ask(FROM_INSIDE, 'https://a/'), '200 75')
    // The proxy has ended the TLS of this one.
    t.is(await ask(BY_TLS, 'https://a/'), '200 15')
  })
}

test('HTTP/2 behind a proxy that has ended TLS may ask for https', async (t) => {
  const { port } = await behind(t, tell, { http2Cleartext: true })
  const ask = async (header: Buffer): Promise<unknown> => {
    const plain = openSocket({ port, host: '127.0.0.1' })
    plain.write(header)
    const session = connectHttp2('https://a', { createConnection: () => plain })
    t.teardown(() => session.destroy())
    const [{ ':status': status }] = (await once(session.request({ ':path': '/' }), 'response')) as [{ ':status': number }]
    return status
  }
  t.deepEqual([await ask(FROM_OUTSIDE), await ask(FROM_INSIDE), await ask(BY_TLS)], [421, 200, 200])
})

test('a socket that listens already may expect headers, too', async (t) => {
  const plan = planOne({ fd: 3, proxyProtocol: true })
  t.true(plan.sockets.every(({ fd, proxyProtocol }) => fd === 3 && proxyProtocol))
  t.throws(() => new HttpServer({ fd: 3, proxyProtocol: true }, tell), { instanceOf: OptionError })
})

test('proxyProtocol needs the proxies that may connect', (t) => {
  const make = (proxies: string[], listen: object) => () => new HttpServer(listen, tell, { proxies })
  for (const [proxies, listen] of [
    [[], { port: 0, proxyProtocol: true }],
    [['unix'], { port: 0, proxyProtocol: true }],
    [['10.0.0.1'], { path: '/tmp/x', proxyProtocol: true }],
  ] as const) {
    const error = t.throws(make([...proxies], listen), { instanceOf: OptionError })
    t.regex(error.message, /^proxyProtocol must be false for .* unless the option proxies holds/)
  }
  t.throws(make(['10.0.0.1'], { port: 0, proxyProtocol: 'yes' }), { instanceOf: OptionError })
  t.throws(() => make(['10.0.0.1'], { port: 0 })().expose({ path: '/tmp/x', proxyProtocol: true }), { instanceOf: OptionError })
  t.notThrows(make(['10.0.0.1'], { port: 0, proxyProtocol: true }))
  t.notThrows(make(['unix'], { path: '/tmp/x', proxyProtocol: true }))
})
