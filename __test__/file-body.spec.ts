import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HandlerError, OptionError, Request, Response } from '../src/index.ts'
import type { Handler } from '../src/index.ts'
import { GET, LAST_GET, keepErrors, open, until } from './support.ts'

/** A directory that is removed with the test. */
function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'busbar-file-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function answered(t: ExecutionContext, handler: Handler, request = LAST_GET): Promise<string> {
  const { connect } = await open(t, handler)
  return (await connect()).send(request).end()
}

/** Number of open descriptors of a path in this process. */
function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return execFileSync('readlink', [`/proc/${process.pid}/fd/${fd}`], { encoding: 'utf8' }).trim() === path
    } catch {
      return false
    }
  }).length
}

for (const [what, content] of Object.entries({ 'a short file': 'hello', 'an empty file': '', 'a long file': 'x'.repeat(1_000_000) })) {
  test(`${what} is sent with its type, length and modification time`, async (t) => {
    const path = join(directory(t), 'page.html')
    writeFileSync(path, content)
    const received = await answered(t, () => Response.file(path))
    t.regex(received, /^HTTP\/1\.1 200 OK\r\n/)
    t.regex(received, /\r\ncontent-type: text\/html; charset=utf-8\r\n/)
    t.regex(received, /\r\nlast-modified: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n/)
    t.regex(received, /\r\netag: "[0-9a-f]+-[0-9a-f]+"\r\n/)
    t.true(received.includes(`\r\ncontent-length: ${content.length}\r\n`))
    t.is(received.slice(received.indexOf('\r\n\r\n') + 4), content)
  })
}

test('a file is sent whole with the last descriptor that the process may open', async (t) => {
  const fixture = fileURLToPath(new URL('fixtures/last-descriptor.ts', import.meta.url))
  const command = [process.execPath, '--import=@oxc-node/core/register', fixture]
  const child = spawn('sh', ['-c', 'ulimit -n 300; exec "$@"', 'sh', ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  t.is(await text(child.stdout), 'complete\n')
})

test('HEAD gets the headers alone, HTTP/1.0 the file without chunks', async (t) => {
  const path = join(directory(t), 'a.txt')
  writeFileSync(path, 'hello')
  const head = await answered(t, () => Response.file(path), LAST_GET.replace('GET', 'HEAD'))
  t.regex(head, /\r\ncontent-length: 5\r\n/)
  t.true(head.endsWith('\r\n\r\n'))
  t.true((await answered(t, () => Response.file(pathToFileURL(path)), 'GET / HTTP/1.0\r\n\r\n')).endsWith('\r\n\r\nhello'))
})

test('headers of the application replace the defaults', async (t) => {
  const path = join(directory(t), 'a.unknown')
  writeFileSync(path, 'hello')
  t.regex(await answered(t, () => Response.file(path)), /\r\ncontent-type: application\/octet-stream\r\n/)
  const headers = { 'Content-Type': 'text/x-own', etag: '"1"', 'last-modified': 'never' }
  const received = await answered(t, () => Response.file(path, { headers }))
  t.regex(received, /\r\nContent-Type: text\/x-own\r\netag: "1"\r\nlast-modified: never\r\n/)
  t.is(received.toLowerCase().split('content-type').length, 2)
})

test('a path that is no readable file is a 404 of the error handler, and not logged', async (t) => {
  const root = directory(t)
  mkdirSync(join(root, 'sub'))
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(root, 'pipe')])
  const { logger, errors } = keepErrors()
  const errorHandler = { handleError: (status: number) => Response.json({ status }, status) }
  let path = ''
  const { connect, server } = await open(t, () => Response.file(path, { root }), { logger, errorHandler })
  for (path of ['missing', 'sub', '.', '', 'sub/missing', 'a\0b', 'x'.repeat(5000), 'pipe']) {
    const received = await (await connect()).send(LAST_GET).end()
    t.regex(received, /^HTTP\/1\.1 404 [^]*\{"status":404\}$/, path)
    t.is((await server.inject(Request.create('GET', '/'))).getStatus(), 404)
  }
  t.deepEqual(errors, [])
})

test('a root confines all paths and links', async (t) => {
  const base = directory(t)
  const root = join(base, 'public')
  mkdirSync(root)
  mkdirSync(join(base, 'public-not'))
  writeFileSync(join(base, 'secret'), 'secret')
  writeFileSync(join(base, 'public-not', 'secret'), 'secret')
  writeFileSync(join(root, 'open'), 'open')
  symlinkSync(join(base, 'secret'), join(root, 'link-out'))
  symlinkSync(base, join(root, 'directory-out'))
  symlinkSync(join(root, 'open'), join(root, 'link-in'))
  let path = ''
  const { connect } = await open(t, () => Response.file(path, { root }))
  const status = async (): Promise<string> => (await (await connect()).send(LAST_GET).end()).slice(9, 12)
  for (path of ['open', '/open', './open', 'x/../open', 'link-in', '//open']) t.is(await status(), '200', path)
  for (path of ['../secret', '/../secret', 'link-out', 'directory-out/secret', '../public-not/secret', join(base, 'secret')]) {
    t.is(await status(), '404', path)
  }
})

test('unknown settings of Response.file throw: a misspelt root would confine no path', (t) => {
  const file = Response.file as (...given: unknown[]) => Response
  const wrong: [RegExp, ...unknown[]][] = [
    [/^rot must be root, headers, maxAge, index, precompressed, getOnly or revalidate; got "public"$/, 'a', { rot: 'public' }],
    [/^rot must be root, headers, .*; got undefined$/, 'a', { rot: undefined }],
    [/^maxAge must be a whole number of seconds, at least 0; got -1$/, 'a', { maxAge: -1 }],
    [/^maxAge must be .*; got "1h"$/, 'a', { maxAge: '1h' }],
    [/^index must be the name of a file, .*; got true$/, 'a', { index: true }],
    [/^index must be .*; got \["a", "\.\."\]$/, 'a', { index: ['a', '..'] }],
    [/^index must be .*; got "a\/b"$/, 'a', { index: 'a/b' }],
    [/^precompressed must be true or false; got "br"$/, 'a', { precompressed: 'br' }],
    [/^getOnly must be true or false; got 1$/, 'a', { getOnly: 1 }],
    [/^revalidate must be a number of seconds, at least 0; got NaN$/, 'a', { revalidate: Number.NaN }],
    [/^settings must be an object such as .*; got "public"$/, 'a', 'public'],
    [/^settings must be .*; got null$/, 'a', null],
    [/^root must be a directory as a string or a URL; got 5$/, 'a', { root: 5 }],
    [/^path must be a string or a URL; got undefined$/],
    [/^path must be a string or a URL; got an object of class Buffer$/, Buffer.from('a')],
  ]
  for (const [message, ...given] of wrong) t.throws(() => file(...given), { instanceOf: OptionError, message })
  t.notThrows(() => [file('a', {}), file('a', { root: undefined, headers: undefined }), file('a', { root: null })])
})

test('a file is opened only when the response is sent', async (t) => {
  const path = join(directory(t), 'late.json')
  const response = Response.file(path)
  writeFileSync(path, '{"late":true}')
  t.regex(await answered(t, () => response), /\r\ncontent-type: application\/json\r\n[^]*\{"late":true\}$/)
})

test('a file that shrinks while it is sent aborts the connection, and is logged', async (t) => {
  const path = join(directory(t), 'shrinking.bin')
  writeFileSync(path, Buffer.alloc(32_000_000))
  const { logger, errors } = keepErrors()
  const { connect } = await open(t, () => Response.file(path), { logger })
  const wire = await connect()
  wire.send(GET)
  await wire.until((text) => text.length > 0)
  wire.socket.pause()
  truncateSync(path, 10)
  wire.socket.resume()
  await wire.end()
  t.true(wire.received.length < 32_000_000)
  await until(() => errors.length > 0)
  t.true(errors[0]!.exception instanceof HandlerError)
  t.regex(String(errors[0]!.exception), /it has shrunk|the file shrank/)
})

test('an injected request gets the whole file', async (t) => {
  const path = join(directory(t), 'a.bin')
  const content = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251)
  writeFileSync(path, content)
  const { server } = await open(t, () => Response.file(path))
  const response = await server.inject(Request.create('GET', '/'))
  t.is(response.getHeader('content-length'), '200000')
  t.deepEqual(Buffer.from(await response.buffer()), Buffer.from(content))
})

if (process.platform === 'linux') {
  test('descriptors are closed at every end of a response', async (t) => {
    const path = join(directory(t), 'big.bin')
    writeFileSync(path, Buffer.alloc(16_000_000))
    let [called, disposed] = [0, 0]
    const { connect } = await open(t, () => {
      const response = Response.file(path)
      called++
      response.onDispose(() => disposed++)
      return response
    })
    for (let at = 0; at < 40; at++) {
      const wire = await connect()
      wire.socket.pause()
      wire.send(at % 4 === 0 ? GET.replace('GET', 'HEAD') : GET)
      if (at % 4 === 1) await once(wire.socket.resume(), 'data')
      wire.socket.resetAndDestroy()
    }
    await (await connect()).send(LAST_GET.replace('GET', 'HEAD')).end()
    await until(() => disposed === called)
    t.true(called > 1)
    // The close runs in a thread of libuv's and may finish after the last read.
    while (descriptorsOf(path) > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    t.is(descriptorsOf(path), 0)
  })
}
