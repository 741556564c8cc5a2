import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, ListenError, OptionError, Response, SocketAddress, serve, silentLogger } from '../src/index.ts'
import type { Handler, Listen } from '../src/index.ts'
import { LAST_GET, Wire } from './support.ts'

const SILENT = { logger: silentLogger }
const handler: Handler = (request) => Response.text(`from ${request.getClient().getRemoteAddress().getHost()}`)
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

async function listening(t: ExecutionContext, listen: Listen | readonly Listen[]): Promise<HttpServer> {
  const server = await serve(listen, handler, SILENT)
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
  })
  return server
}

async function ask(socket: Socket): Promise<string> {
  await once(socket, 'connect')
  return new Wire(socket).send(LAST_GET).end()
}

function pathOf(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'busbar-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return join(directory, 'app.sock')
}

test('a unix socket has its path as address and URL, and its file is removed when the server stops', async (t) => {
  const path = pathOf(t)
  const server = await listening(t, `unix:${path}`)
  t.is(server.url, `unix:${path}`)
  t.deepEqual(server.getServers().map(String), [path])
  t.true((await ask(connect(path))).endsWith(`from ${path}`))
  await server.stop()
  t.false(existsSync(path))
})

test('the mode of a unix socket can be set', async (t) => {
  const path = pathOf(t)
  for (const mode of [0o600, 0o666]) {
    const server = await listening(t, { path, mode })
    t.is(statSync(path).mode & 0o777, mode)
    await server.stop()
  }
})

test('a stale socket file is replaced', async (t) => {
  const path = pathOf(t)
  const leave = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', leave])
  t.true(statSync(path).isSocket())
  await listening(t, `unix:${path}`)
  t.true((await ask(connect(path))).endsWith(`from ${path}`))
})

test('a unix socket in use is not replaced, nor is an ordinary file', async (t) => {
  const path = pathOf(t)
  await listening(t, `unix:${path}`)
  const error = await t.throwsAsync(serve(`unix:${path}`, handler), { instanceOf: ListenError })
  t.is(error.reason, 'EADDRINUSE')
  t.regex(error.message, /^unix:\/.* is in use by another program/)
  t.true((await ask(connect(path))).endsWith(`from ${path}`))
  const file = `${path}.txt`
  writeFileSync(file, 'mine')
  t.is((await t.throwsAsync(serve(`unix:${file}`, handler), { instanceOf: ListenError })).reason, 'EADDRINUSE')
  t.is(statSync(file).size, 4)
})

const OBSTACLES: readonly (readonly [string, (path: string) => Listen, string, RegExp])[] = [
  ['a plain file', (path) => (writeFileSync(path, 'mine'), `unix:${path}`), 'EADDRINUSE', /: a file is in its place; remove it or choose another path/],
  ['a directory', (path) => (mkdirSync(path), `unix:${path}`), 'EADDRINUSE', /: a directory is in its place; remove it or choose another path/],
  ['a part that is a file', (path) => (writeFileSync(path, 'mine'), `unix:${path}/app.sock`), 'ENOTDIR', /a part of its path is a file/],
  ['a path that is too long', (path) => `unix:${path}${'x'.repeat(200)}`, 'ENAMETOOLONG', /its path has \d{3} bytes, and the system allows 10[37]; choose a shorter one/],
  ['an address of another machine', () => '203.0.113.9:0', 'EADDRNOTAVAIL', /isn't an address of this machine/],
]
for (const [what, make, reason, message] of OBSTACLES) {
  test(`the reason is named when there is ${what}`, async (t) => {
    const error = await t.throwsAsync(serve(make(pathOf(t)), handler), { instanceOf: ListenError, message })
    t.is(error.reason, reason)
  })
}

/** Whether a command can run as a user without privileges, for whom ports below 1024 are closed. */
const unprivileged = ['--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--']
const canDrop = spawnSync('setpriv', [...unprivileged, process.execPath, '-e', `require('node:net').createServer().on('error', () => process.exit(5)).listen(81, '127.0.0.1', () => process.exit(0))`], { timeout: 5000 }).status === 5

;(canDrop ? test : test.skip)('the reason is named when a port below 1024 needs privileges', (t) => {
  const source = `const { serve, Response } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)})
    await serve('127.0.0.1:81', () => new Response(204)).catch((error) => console.log(error.message))`
  const { stdout } = spawnSync('setpriv', [...unprivileged, process.execPath, '--input-type=module', '-e', source], { encoding: 'utf8' })
  t.regex(stdout, /^127\.0\.0\.1:81 can't be used by this user: ports below 1024 need privileges; .*\(EACCES\)\n$/)
})

test('a unix socket in a missing directory is an error with the reason', async (t) => {
  const error = await t.throwsAsync(serve(`unix:${pathOf(t)}/no/app.sock`, handler), { instanceOf: ListenError })
  t.regex(error.message, /its directory doesn't exist \(ENOENT\)$/)
})

test('several addresses are served at once, each with its URL in the log', async (t) => {
  const path = pathOf(t)
  const lines: string[] = []
  const logger = { ...silentLogger, info: (line: string) => void lines.push(line) }
  const server = await serve(['127.0.0.1:0', `unix:${path}`, { host: '127.0.0.1', port: 0, backlog: 4 }], handler, { logger })
  t.teardown(() => server.stop(0))
  const [first, unix] = server.getServers()
  t.is(server.getServers().length, 2, 'the same address twice counts once')
  t.true((await ask(connect(first!.getPort()!, '127.0.0.1'))).endsWith('from 127.0.0.1'))
  t.true((await ask(connect(unix!.getHost()))).endsWith(`from ${path}`))
  t.deepEqual(lines, [`listening on http://127.0.0.1:${first!.getPort()}/`, `listening on unix:${path}`])
})

test('if one of several addresses is in use, the server listens on none', async (t) => {
  const path = pathOf(t)
  const taken = await listening(t, '127.0.0.1:0')
  const port = taken.getServers()[0]!.getPort()!
  const server = new HttpServer([`unix:${path}`, `127.0.0.1:${port}`], handler, SILENT)
  await t.throwsAsync(server.start(), { instanceOf: ListenError, message: new RegExp(`127\\.0\\.0\\.1:${port} is in use`) })
  t.false(existsSync(path))
  t.is(server.getState(), HttpServer.STOPPED)
})

;(hasIpv6 ? test : test.skip)('localhost is IPv4 and IPv6 on one port', async (t) => {
  const server = await listening(t, 'localhost:0')
  const addresses = server.getServers()
  t.deepEqual(addresses.map((address) => address.getHost()), ['127.0.0.1', '::1'])
  t.is(addresses[0]!.getPort(), addresses[1]!.getPort())
  t.is(server.url, `http://localhost:${addresses[0]!.getPort()}/`)
  for (const host of ['127.0.0.1', '::1']) {
    t.true((await ask(connect(addresses[0]!.getPort()!, host))).endsWith(`from ${host}`))
  }
})

;(hasIpv6 ? test : test.skip)('a port alone is all interfaces for IPv4 and IPv6, and IPv4 peers have IPv4 addresses', async (t) => {
  for (const listen of [0, '0', ':0', { port: 0 }]) {
    const server = await listening(t, listen)
    const port = server.getServers()[0]!.getPort()!
    t.is(server.url, `http://localhost:${port}/`)
    for (const host of ['127.0.0.1', '::1']) t.true((await ask(connect(port, host))).endsWith(`from ${host}`))
    await server.stop()
  }
})

;(hasIpv6 ? test : test.skip)('an IPv6 wildcard can be limited to IPv6', async (t) => {
  const server = await listening(t, { host: '::', port: 0, ipv6Only: true })
  const port = server.getServers()[0]!.getPort()!
  t.is(server.url, `http://[::]:${port}/`)
  t.true((await ask(connect(port, '::1'))).endsWith('from ::1'))
  await t.throwsAsync(ask(connect(port, '127.0.0.1')), { message: /ECONNREFUSED/ })
})

;(process.platform === 'linux' ? test : test.skip)('servers share a port if all of them set reusePort', async (t) => {
  const first = await listening(t, { host: '127.0.0.1', port: 0, reusePort: true })
  const port = first.getServers()[0]!.getPort()!
  await listening(t, { host: '127.0.0.1', port, reusePort: true })
  const error = await t.throwsAsync(serve({ host: '127.0.0.1', port }, handler), { instanceOf: ListenError })
  t.is(error.reason, 'EADDRINUSE')
  await first.stop()
  t.true((await ask(connect(port, '127.0.0.1'))).endsWith('from 127.0.0.1'))
})

const NONSENSE: readonly (readonly [unknown, RegExp])[] = [
  [[], /listen must be a port, .* at least one of them/],
  [-1, /port must be an integer from 0 to 65535; got -1/],
  [65_536, /port must be/],
  ['99999', /port must be/],
  [1.5, /port must be/],
  [undefined, /listen must be a port/],
  [null, /listen must be a port/],
  [true, /listen must be a port/],
  ['', /listen must be a port/],
  ['unix:', /listen must be a port/],
  ['http://localhost:8080', /listen must be a port/],
  ['::1:8080', /listen must be a port/],
  ['[127.0.0.1]:8080', /listen must be a port/],
  ['example.org:80', /host must be an IP address or 'localhost'.*got "example\.org"/],
  [{}, /port must be an integer/],
  [{ host: 'localhost' }, /port must be an integer/],
  [{ port: '80' }, /port must be an integer.*got "80"/],
  [{ port: 80, hots: 'localhost' }, /keys host, port.*got "hots"/],
  [{ path: '' }, /path must be the path of a unix socket/],
  [{ path: '/a', port: 80 }, /either a path or a host and port/],
  [{ port: 80, backlog: 0 }, /backlog must be an integer from 1/],
  [{ port: 80, backlog: 2 ** 31 }, /backlog must be/],
  [{ port: 80, reusePort: 1 }, /reusePort must be true or false/],
  [{ port: 80, ipv6Only: 'yes' }, /ipv6Only must be true or false/],
  [{ path: '/a', mode: '0600' }, /mode must be an integer/],
  [{ path: '/a', mode: 0o10000 }, /mode must be/],
]
for (const [listen, message] of NONSENSE) {
  test(`${JSON.stringify(listen) ?? 'undefined'} is no listen address, and the constructor throws with the reason`, (t) => {
    t.throws(() => new HttpServer(listen as Listen, handler), { instanceOf: OptionError, message })
  })
}

test('IPv4-mapped addresses are shown and compared as IPv4, however they are written', (t) => {
  for (const host of ['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:c000:0201']) {
    const address = new SocketAddress(host, 80)
    t.is(address.toString(), '192.0.2.1:80')
    t.is(address.getVersion(), 4)
    t.deepEqual([...address.getBytes()], [192, 0, 2, 1])
  }
  t.is(new SocketAddress('::ffff:0:192.0.2.1', 80).getVersion(), 6)
  t.is(new SocketAddress('fe80::ffff:1', 80).toString(), '[fe80::ffff:1]:80')
})

test('an address has a host, a port, a type, a version and its bytes', (t) => {
  const [six, unix] = [new SocketAddress('2001:db8::1', 443), new SocketAddress('/run/app.sock')]
  t.deepEqual([six.getHost(), six.getPort(), six.getType(), six.getVersion()], ['2001:db8::1', 443, 'internet', 6])
  t.deepEqual([...six.getBytes()], [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
  t.deepEqual([unix.getHost(), unix.getPort(), unix.getType(), unix.getVersion()], ['/run/app.sock', null, 'unix', null])
  t.is(`${unix}`, '/run/app.sock')
  t.is(`${new SocketAddress('::1', 0)}`, '::1')
  for (const port of [-1, 65_536, 1.5]) t.throws(() => new SocketAddress('::1', port), { instanceOf: OptionError })
})
