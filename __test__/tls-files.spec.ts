import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import { GET, LAST_GET, keepErrors, until } from './support.ts'
import { dialTls, openTls, readAll } from './tls-support.ts'

const CONTENT = Uint8Array.from({ length: 1_500_000 }, (_, at) => (at * 7 + (at >> 8)) % 251)

/** A file in a new directory, which is removed with the test. */
function file(t: ExecutionContext, content = CONTENT, base = tmpdir()): string {
  const folder = mkdtempSync(join(base, 'busbar-tls-file-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'a.bin')
  writeFileSync(path, content)
  return path
}

/** Has the kernel forget what it keeps of a file in memory. */
function forget(path: string): void {
  execFileSync('sync', [path])
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
}

async function bodyOf(t: ExecutionContext, port: number, request = LAST_GET): Promise<Buffer> {
  const socket = await dialTls(t, port)
  socket.write(request)
  const text = await readAll(socket)
  return Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
}

test('a file arrives over TLS as it is', async (t) => {
  const path = file(t)
  const { port } = await openTls(t, {}, () => Response.file(path))
  t.true((await bodyOf(t, port)).equals(CONTENT))
  const range = LAST_GET.replace('\r\n\r\n', '\r\nRange: bytes=70000-1400000\r\n\r\n')
  t.true((await bodyOf(t, port, range)).equals(CONTENT.subarray(70_000, 1_400_001)))
})

if (process.platform === 'linux') {
  test('files that aren\'t in memory arrive over TLS on many connections, and others are answered meanwhile', async (t) => {
    const path = file(t)
    const { port } = await openTls(t, {}, (request) => (request.getPath() === '/' ? Response.text('hello') : Response.file(path)))
    forget(path)
    const whole = Array.from({ length: 20 }, () => bodyOf(t, port, LAST_GET.replace('/', '/file')))
    t.is(String(await bodyOf(t, port)), 'hello')
    for (const body of await Promise.all(whole)) t.true(body.equals(CONTENT))
  })
}

if (existsSync('/dev/shm')) {
  test('a file of a file system in memory arrives over TLS', async (t) => {
    const path = file(t, CONTENT, '/dev/shm')
    const { port } = await openTls(t, {}, () => Response.file(path))
    t.true((await bodyOf(t, port)).equals(CONTENT))
  })
}

test('a file that shrinks while it is sent over TLS cuts the connection, and is logged', async (t) => {
  const path = file(t, new Uint8Array(32_000_000))
  const { logger, errors } = keepErrors()
  const { port } = await openTls(t, {}, () => Response.file(path), { logger })
  const socket = await dialTls(t, port)
  socket.write(GET)
  await once(socket, 'readable')
  truncateSync(path, 10)
  // Node's TLS may report a reset as an end.
  const received = await readAll(socket).catch(() => '')
  t.true(received.length < 32_000_000)
  await until(() => errors.length > 0)
  t.regex(String(errors[0]!.exception), /it has shrunk/)
})

test('an answer behind a file follows it over TLS', async (t) => {
  const path = file(t)
  const { port } = await openTls(t, {}, (request) => (request.getPath() === '/' ? Response.text('behind') : Response.file(path)))
  const body = await bodyOf(t, port, GET.replace('/', '/file') + LAST_GET)
  t.true(body.subarray(0, CONTENT.length).equals(CONTENT))
  t.true(body.subarray(CONTENT.length).toString().endsWith('\r\n\r\nbehind'))
})

if (process.platform === 'linux') {
  test('the descriptor of a file is closed when the client leaves', async (t) => {
    const path = file(t, new Uint8Array(16_000_000))
    const { port } = await openTls(t, {}, () => Response.file(path))
    for (let at = 0; at < 10; at++) {
      const socket = await dialTls(t, port)
      socket.write(GET)
      await once(socket, 'data')
      socket.destroy()
    }
    const isOpen = (): boolean => {
      const found = execFileSync('sh', ['-c', `ls -l /proc/${process.pid}/fd`], { encoding: 'utf8' })
      return found.includes(path)
    }
    await until(() => !isOpen())
    t.false(isOpen())
    t.is(readFileSync(path).length, 16_000_000)
  })
}
