/**
 * Servers on sockets that listen already: descriptors, and those of systemd.
 */
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, ListenError, OptionError, Response } from '../src/index.ts'
import { LAST_GET, dial, open, temporaryDirectory } from './support.ts'

/** A socket that listens already, and its descriptor. */
async function listening(t: ExecutionContext, target: { port: number; host: string } | { path: string }) {
  const given = createServer()
  given.listen(target)
  await once(given, 'listening')
  t.teardown(() => given.close())
  const { fd } = (given as unknown as { _handle: { fd: number } })._handle
  return { fd, address: given.address() }
}

test('a socket that listens already is served, and stays open', async (t) => {
  const { fd, address } = await listening(t, { port: 0, host: '127.0.0.1' })
  const { port } = address as AddressInfo
  const { server } = await open(t, () => Response.text('served'), {}, { fd })
  t.is(server.url, `http://127.0.0.1:${port}/`)
  const wire = (await dial(t, { port, host: '127.0.0.1' })).send(LAST_GET)
  t.true((await wire.end()).endsWith('served'))
  await server.stop()
  // The socket itself accepts connections still.
  await t.notThrowsAsync(dial(t, { port, host: '127.0.0.1' }))
})

test('the file of a unix socket that listens already stays', async (t) => {
  const path = join(await temporaryDirectory(t), 'socket')
  const { fd } = await listening(t, { path })
  const { server } = await open(t, () => Response.text('served'), {}, { fd })
  t.is(server.url, `unix:${path}`)
  t.true((await (await dial(t, { path })).send(LAST_GET).end()).endsWith('served'))
  await server.stop()
  t.true(existsSync(path))
})

test('a descriptor that does not listen is refused with the reason', async (t) => {
  const file = openSync(fileURLToPath(import.meta.url), 'r')
  t.teardown(() => closeSync(file))
  await t.throwsAsync(open(t, () => new Response(204), {}, { fd: file }), { instanceOf: ListenError, message: /^descriptor \d+ isn't a socket \(ENOTSOCK\)/ })
  await t.throwsAsync(open(t, () => new Response(204), {}, { fd: 99_999 }), { instanceOf: ListenError, message: /isn't open in this process \(EBADF\)/ })
  for (const wrong of [{ fd: -1 }, { fd: 3, port: 80 }]) t.throws(() => new HttpServer(wrong, () => new Response(204)), { instanceOf: OptionError })
})

test.serial('sockets of systemd are found by their process, number and name', async (t) => {
  const { fd } = await listening(t, { port: 0, host: '127.0.0.1' })
  const names = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']
  t.teardown(() => names.forEach((name) => delete process.env[name]))
  const handler = (): Response => new Response(204)
  t.throws(() => new HttpServer('systemd', handler), { instanceOf: ListenError, message: /LISTEN_FDS is not set/ })
  process.env['LISTEN_FDS'] = String(fd - 2)
  process.env['LISTEN_PID'] = '1'
  t.throws(() => new HttpServer('systemd', handler), { instanceOf: ListenError, message: /for process 1,/ })
  process.env['LISTEN_PID'] = String(process.pid)
  process.env['LISTEN_FDNAMES'] = [...Array<string>(fd - 3).fill('other'), 'web'].join(':')
  t.throws(() => new HttpServer('systemd:api', handler), { instanceOf: ListenError, message: /no such socket/ })
  const { server } = await open(t, handler, {}, 'systemd:web')
  t.is(server.getServers().length, 1)
})
