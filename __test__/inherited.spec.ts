/**
 * Servers on sockets that listen already: descriptors, and those of systemd.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, ListenError, OptionError, Response } from '../src/index.ts'
import type { Listen } from '../src/index.ts'
import { LAST_GET, dialPlain, open, temporaryDirectory } from './support.ts'

const FIXTURE = fileURLToPath(new URL('fixtures/inherited.ts', import.meta.url))

/** A process that serves a socket of this one, which is its descriptor 3. Resolves with its URL and what ends it. */
async function serving(t: ExecutionContext, target: { port: number; host: string } | { path: string }, listen: Listen) {
  const given = createServer()
  given.listen(target)
  await once(given, 'listening')
  const { fd } = (given as unknown as { _handle: { fd: number } })._handle
  const address = given.address()
  // The shell becomes the process, so its id is the one that the sockets are for.
  const command = ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', process.execPath, '--import=@oxc-node/core/register', FIXTURE]
  const child = spawn('sh', [...command, JSON.stringify(listen)], {
    stdio: ['pipe', 'pipe', 'inherit', fd],
    env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'web' },
  })
  t.teardown(() => {
    child.kill('SIGKILL')
    given.close()
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { url: line.toString().trim(), address, given, child }
}

for (const listen of [{ fd: 3 }, 'systemd', 'systemd:web'] as const) {
  test(`a socket that listens already is served: ${JSON.stringify(listen)}`, async (t) => {
    const { url, address, given } = await serving(t, { port: 0, host: '127.0.0.1' }, listen)
    const { port } = address as AddressInfo
    t.is(url, `http://127.0.0.1:${port}/`)
    // This process gives its own copy up.
    given.close()
    const target: NetConnectOpts = { port, host: '127.0.0.1' }
    t.true((await (await dialPlain(t, target)).send(LAST_GET).end()).endsWith('served'))
  })
}

test('the file of a unix socket that listens already stays', async (t) => {
  const path = join(await temporaryDirectory(t), 'socket')
  const { url, child } = await serving(t, { path }, { fd: 3 })
  t.is(url, `unix:${path}`)
  const ended = once(child, 'exit')
  child.stdin!.end()
  t.deepEqual(await ended, [0, null])
  t.true(existsSync(path))
})

test('a descriptor that does not listen is refused with the reason', async (t) => {
  const file = openSync(FIXTURE, 'r')
  t.teardown(() => closeSync(file))
  const refused = (fd: number, message: RegExp) => t.throwsAsync(open(t, () => new Response(204), {}, { fd }), { instanceOf: ListenError, message })
  await refused(file, /^descriptor \d+ isn't a socket \(ENOTSOCK\)/)
  await refused(99_999, /^descriptor 99999 isn't open in this process \(EBADF\)/)
  for (const wrong of [{ fd: -1 }, { fd: 3, port: 80 }]) t.throws(() => new HttpServer(wrong, () => new Response(204)), { instanceOf: OptionError })
})

test.serial('sockets of systemd are for one process and have names', (t) => {
  const names = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']
  t.teardown(() => names.forEach((name) => delete process.env[name]))
  const refused = (listen: string, message: RegExp) => t.throws(() => new HttpServer(listen, () => new Response(204)), { instanceOf: ListenError, message })
  refused('systemd', /LISTEN_FDS is not set/)
  Object.assign(process.env, { LISTEN_FDS: '1', LISTEN_PID: '1', LISTEN_FDNAMES: 'web' })
  refused('systemd', /for process 1,/)
  process.env['LISTEN_PID'] = String(process.pid)
  refused('systemd:api', /no such socket; the names are web/)
})
