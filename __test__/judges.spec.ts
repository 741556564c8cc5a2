/**
 * Clients of other projects: curl, undici and autocannon.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import test from 'ava'
import autocannon from 'autocannon'
import { Agent, Client, fetch, request } from 'undici'
import { Response } from '../src/index.ts'
import type { Handler } from '../src/index.ts'
import { CURL, count, hold, open } from './support.ts'

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Answers with the method, the length and the hash of the body, and the id of the connection. */
const tell: Handler = async (request) => {
  const bytes = await request.buffer()
  return Response.json({
    method: request.getMethod(),
    path: request.getPath(),
    length: bytes.length,
    sha: sha(bytes),
    client: request.getClient().getId(),
  })
}

interface Told {
  method: string
  path: string
  length: number
  sha: string
  client: number
}

const MEBIBYTE = 1024 * 1024
const curlTest = spawnSync('curl', ['--version']).status === 0 ? test : test.skip

async function curl(args: string[], input: Uint8Array | string = ''): Promise<{ code: number; out: string; log: string }> {
  const child = spawn('curl', ['-sS', '--max-time', '20', ...CURL, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, log, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number, out, log }
}

curlTest('curl uses one connection for several requests', async (t) => {
  const { server } = await open(t, tell)
  const url = server.url
  const { code, out } = await curl(['-w', '\n%{http_code} %{num_connects}\n', url, url, url])
  t.is(code, 0)
  t.deepEqual(out.match(/^200 \d$/gm), ['200 1', '200 0', '200 0'])
})

curlTest('curl gets the same fields by HEAD as by GET, and no body', async (t) => {
  const { server } = await open(t, () => Response.text('x'.repeat(1234)))
  const head = await curl(['-I', server.url])
  const get = await curl(['-D', '-', '-o', '/dev/null', server.url])
  t.deepEqual([head.code, get.code], [0, 0])
  const fields = (out: string): string => out.replace(/^date: .*\r\n/m, '')
  t.is(fields(head.out), fields(get.out))
  t.true(head.out.includes('content-length: 1234\r\n'))
})

curlTest('curl posts a form', async (t) => {
  const { server } = await open(t, async (request) => Response.text(`${request.getHeader('content-type')}: ${await request.text()}`))
  const { code, out } = await curl(['-d', 'a=1', '-d', 'b=2', server.url])
  t.is(code, 0)
  t.is(out, 'application/x-www-form-urlencoded: a=1&b=2')
})

curlTest('curl --http1.0 gets a response that ends with the connection', async (t) => {
  const { server } = await open(t, tell)
  const { code, out, log } = await curl(['-v', '-i', '--http1.0', server.url, server.url])
  t.is(code, 0)
  t.is(count(out, 'HTTP/1.1 200 OK'), 2)
  t.is(count(out, 'connection: close'), 2)
  t.false(out.includes('transfer-encoding'))
  t.true(log.includes('Closing connection'))
})

curlTest('curl -T waits for 100 Continue and sends a body within the limit', async (t) => {
  const { server } = await open(t, tell, { bodySizeLimit: 4 * MEBIBYTE })
  const body = randomBytes(3 * MEBIBYTE)
  const { code, out, log } = await curl(['-v', '-H', 'Expect: 100-continue', '-T', '-', server.url], body)
  t.is(code, 0)
  const told = JSON.parse(out) as Told
  t.deepEqual([told.method, told.length, told.sha], ['PUT', body.length, sha(body)])
  t.regex(log, /< HTTP\/1\.1 100 Continue[^]*< HTTP\/1\.1 200 OK/)
  t.is(count(log, '100 Continue'), 1)
})

curlTest('curl -T with a content-length above the limit gets 413 and no 100 Continue', async (t) => {
  const { server } = await open(t, tell)
  const { out, log } = await curl(
    ['-v', '-i', '-X', 'PUT', '-H', 'Expect: 100-continue', '--data-binary', '@-', server.url],
    randomBytes(MEBIBYTE),
  )
  t.regex(out, /^HTTP\/1\.1 413 /)
  t.false(log.includes('100 Continue'))
})

curlTest('curl sends a chunked body', async (t) => {
  const { server } = await open(t, tell, { bodySizeLimit: Infinity })
  const body = randomBytes(MEBIBYTE)
  const { code, out, log } = await curl(['-v', '-H', 'Expect:', '-T', '-', server.url], body)
  t.is(code, 0)
  t.is((JSON.parse(out) as Told).sha, sha(body))
  t.true(log.includes('> Transfer-Encoding: chunked'))
})

curlTest('an aborted upload of curl is distinguished from a complete one', async (t) => {
  const { server, next } = await hold(t, { bodySizeLimit: Infinity })
  const child = spawn('curl', ['-sS', '-H', 'Expect:', '-T', '-', server.url], { stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.write('the beginning')
  const { request } = await next()
  const read = t.throwsAsync(request.text(), { code: 'BUSBAR_CLIENT' })
  child.kill('SIGTERM')
  await read
})

test('undici keeps one connection for all its requests', async (t) => {
  const { server } = await open(t, tell)
  const dispatcher = new Agent({ connections: 1 })
  t.teardown(() => dispatcher.close())
  const clients = new Set<number>()
  for (let n = 0; n < 50; n++) {
    const response = await fetch(server.url, { dispatcher })
    clients.add(((await response.json()) as Told).client)
  }
  t.is(clients.size, 1)
})

test('undici gets pipelined responses in the order of its requests', async (t) => {
  const delays = new Map(Array.from({ length: 200 }, (_, n) => [`/${n}`, (n * 7) % 11]))
  const { server } = await open(t, async (request) => {
    await new Promise((resolve) => setTimeout(resolve, delays.get(request.getPath())))
    return tell(request)
  })
  const client = new Client(server.url, { pipelining: 10 })
  t.teardown(() => client.close())
  const all = [...delays.keys()].map(async (path) => {
    const { statusCode, body } = await client.request({ method: 'GET', path })
    t.is(statusCode, 200)
    return (await body.json()) as Told
  })
  const told = await Promise.all(all)
  t.deepEqual(told.map(({ path }) => path), [...delays.keys()])
  t.is(new Set(told.map(({ client }) => client)).size, 1)
})

test('undici sends POST, chunked uploads and HEAD on one connection', async (t) => {
  const { server } = await open(t, tell, { bodySizeLimit: Infinity })
  const client = new Client(server.url)
  t.teardown(() => client.close())
  const body = randomBytes(2 * MEBIBYTE)
  const whole = await client.request({ method: 'POST', path: '/', body })
  const first = (await whole.body.json()) as Told
  t.is(first.sha, sha(body))
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000)
  }
  const chunked = await client.request({ method: 'PUT', path: '/', body: pieces() as never })
  const second = (await chunked.body.json()) as Told
  t.is(second.sha, sha(body))
  t.is(second.client, first.client)
  // undici closes the connection after a HEAD, so that is the last request.
  const head = await client.request({ method: 'HEAD', path: '/' })
  t.is(head.statusCode, 200)
  t.true(Number(head.headers['content-length']) > 0)
  t.is(await head.body.text(), '')
})

test('undici that aborts a request fires its signal', async (t) => {
  const { server, next } = await hold(t)
  const controller = new AbortController()
  const asked = t.throwsAsync(request(server.url, { signal: controller.signal }), { any: true, name: 'AbortError' })
  const held = await next()
  const aborted = once(held.request.getSignal(), 'abort')
  controller.abort()
  await Promise.all([asked, aborted])
  t.pass()
})

const AMOUNT = 10_000
const CONNECTIONS = 20

for (const [how, settings] of Object.entries({
  'one at a time': {},
  pipelined: { pipelining: 8 },
  'with bodies': { method: 'POST' as const, body: 'x'.repeat(500) },
})) {
  test.serial(`autocannon gets 10,000 responses without an error, ${how}`, async (t) => {
    const { server } = await open(t, async (request) => Response.text(await request.text()))
    const result = await autocannon({ url: server.url, amount: AMOUNT, connections: CONNECTIONS, ...settings })
    const { non2xx, errors, timeouts, resets, mismatches } = result
    t.deepEqual([non2xx, errors, timeouts, resets, mismatches], [0, 0, 0, 0, 0])
    // It closes the connections when it has counted enough, with pipelined responses still under way.
    const cut = how === 'pipelined' ? CONNECTIONS * 7 : 0
    t.true(result['2xx'] >= AMOUNT - cut, `${result['2xx']} answers`)
  })
}
