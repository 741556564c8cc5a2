import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { checkIoThreads, hasLibuv, ioThreads } from '../src/server/io-threads.ts'
import { HttpServer, OptionError, Response } from '../src/index.ts'
import type { IoThreads } from '../src/index.ts'
import { GET, LAST_GET, count, hold, holdOne, open, until } from './support.ts'

const isLinux = process.platform === 'linux'
const MEBIBYTE = 1024 * 1024

test.serial('the environment sets the default of ioThreads, which a setting overrides', (t) => {
  const before = process.env['BUSBAR_IO_THREADS']
  t.teardown(() => {
    if (before === undefined) delete process.env['BUSBAR_IO_THREADS']
    else process.env['BUSBAR_IO_THREADS'] = before
  })
  delete process.env['BUSBAR_IO_THREADS']
  const auto = ['linux', 'darwin'].includes(process.platform) ? 0 : 1
  t.true(hasLibuv())
  t.is(ioThreads(undefined), auto)
  process.env['BUSBAR_IO_THREADS'] = '3'
  t.is(ioThreads(undefined), 3)
  t.is(ioThreads('auto'), auto)
  t.is(ioThreads(0), 0)
  process.env['BUSBAR_IO_THREADS'] = 'auto'
  t.is(ioThreads(undefined), auto)
  for (const nonsense of ['-1', '1.5', '65', 'many']) {
    process.env['BUSBAR_IO_THREADS'] = nonsense
    t.throws(() => ioThreads(undefined), { instanceOf: OptionError, message: /^BUSBAR_IO_THREADS in the environment must be/ })
  }
})

for (const given of [-1, 1.5, 65, NaN, '2', null, true]) {
  test(`ioThreads can't be ${inspect(given)}`, (t) => {
    const message = /^ioThreads must be an integer from 0 to 64, or 'auto'; got /
    t.throws(() => checkIoThreads(given as IoThreads), { instanceOf: OptionError, message })
    const make = (): HttpServer => new HttpServer(0, () => new Response(204), { ioThreads: given as IoThreads })
    t.throws(make, { instanceOf: OptionError, message })
  })
}

for (const threads of [0, 1, 2, 4]) {
  test(`with ioThreads ${threads} each of many connections gets its own responses`, async (t) => {
    const { connect } = await open(
      t,
      async (request) => {
        if (request.getTarget().endsWith('3')) await new Promise((resolve) => setImmediate(resolve))
        return Response.text(request.getTarget())
      },
      { ioThreads: threads },
    )
    await Promise.all(
      Array.from({ length: 32 }, async (_, client) => {
        const wire = await connect()
        const targets = Array.from({ length: 20 }, (_, at) => `/${client}/${at}`)
        wire.send(targets.slice(0, -1).map((target) => GET.replace('/', target)).join(''))
        wire.send(LAST_GET.replace('/', targets.at(-1)!))
        const bodies = (await wire.end()).split(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n/).slice(1)
        t.deepEqual(bodies, targets)
      }),
    )
  })
}

test('clients on different threads have different ids, and each its own addresses', async (t) => {
  const { connect, next } = await hold(t, { ioThreads: 3 }, 'localhost:0')
  const wires = await Promise.all(Array.from({ length: 9 }, () => connect()))
  for (const wire of wires) wire.send(GET)
  const held = []
  for (const _ of wires) held.push(await next())
  t.is(new Set(held.map(({ client }) => client.getId())).size, 9)
  const ports = held.map(({ client }) => client.getRemoteAddress().getPort()).sort()
  t.deepEqual(ports, wires.map(({ socket }) => socket.localPort!).sort())
  t.true(held.every(({ client }) => client.getLocalAddress().getHost() === '127.0.0.1'))
  const [first, ...others] = held
  t.true(first!.client.close())
  t.true(first!.client.isClosed())
  for (const { answer } of others) answer(Response.text('done', 200, { connection: 'close' }))
  const ends = await Promise.all(wires.map((wire) => wire.end()))
  t.is(ends.filter((received) => received.endsWith('done')).length, 8)
  t.is(ends.filter((received) => received === '').length, 1)
})

test('a read of a body after its client has disconnected is rejected', async (t) => {
  const { wire, request, client } = await holdOne(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab', { ioThreads: 1 })
  wire.socket.resetAndDestroy()
  // The I/O thread knows of the disconnect; this thread hasn't returned to its event loop.
  const end = performance.now() + 200
  while (performance.now() < end);
  const read = t.throwsAsync(request.text(), { code: 'BUSBAR_CLIENT' })
  await read
  t.true(client.isClosed())
})

test('responses between requests are sent before the event loop sleeps', async (t) => {
  const { connect, next } = await hold(t, { ioThreads: 2 })
  const wire = await connect()
  for (let round = 0; round < 20; round++) {
    wire.send(GET)
    const { answer } = await next()
    await new Promise((resolve) => setTimeout(resolve, round % 3))
    answer(Response.text(`${round};`))
    await wire.until((received) => received.endsWith(`${round};`))
  }
  t.is(count(wire.received, 'HTTP/1.1 200'), 20)
})

test('stop resolves when the clients of all threads are closed', async (t) => {
  const { server, connect, next } = await hold(t, { ioThreads: 3 })
  const wires = await Promise.all(Array.from({ length: 6 }, () => connect()))
  for (const wire of wires) wire.send(GET)
  const held = []
  for (const _ of wires) held.push(await next())
  let isStopped = false
  const stopped = server.stop(20_000).then(() => (isStopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  for (const { answer, client } of held) {
    t.false(isStopped)
    answer(Response.text('the last'))
    await until(() => client.isClosed())
  }
  await stopped
  for (const wire of wires) t.regex(await wire.end(), /connection: close\r\n[^]*the last$/)
})

function run(t: ExecutionContext, fixture: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const file = fileURLToPath(new URL(`fixtures/${fixture}.ts`, import.meta.url))
  const flags = ['--import=@oxc-node/core/register', file, ...args]
  const child = spawn(process.execPath, flags, { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => String((await lines.next()).value)
  const stderr = text(child.stderr)
  const ended = once(child, 'close').then(async ([code]) => ({ code: code as number, stderr: await stderr }))
  return { child, line, ended }
}

const ENDED_WELL = { code: 0, stderr: '' }

;(isLinux ? test.serial : test.serial.skip)('stopped servers release their threads and descriptors', async (t) => {
  const { line, ended } = run(t, 'threads-left', ['20'])
  const { before, during, after } = JSON.parse(await line()) as Record<string, { threads: number; descriptors: number }>
  t.deepEqual(await ended, ENDED_WELL)
  t.is(during!.threads, before!.threads + 3)
  t.deepEqual(after, before)
})

;(isLinux ? test.serial : test.serial.skip)('a thousand clients with pipelined requests to a slow handler wait in bounded memory, and all get responses', async (t) => {
  const CLIENTS = 1000
  const PIPELINED = 20
  const { child, line, ended } = run(t, 'slow-handlers', ['20'], { BUSBAR_IO_THREADS: '2' })
  const port = Number(await line())
  const memory = (): number =>
    Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))![1]) * 1024
  const before = memory()
  // 160 MB of heads, if all of them were read while the handler blocks its thread.
  const head = GET.replace('\r\n\r\n', `\r\nX-Long: ${'x'.repeat(8000)}\r\n\r\n`).repeat(PIPELINED)
  let most = 0
  const looks = setInterval(() => (most = Math.max(most, memory() - before)), 20)
  const answered = async (requests: string, answers: number): Promise<string> => {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1')
    socket.write(requests, 'latin1')
    let received = ''
    for await (const chunk of socket) {
      received += chunk as string
      if (count(received, 'HTTP/1.1 200 OK') === answers && received.endsWith('\r\n\r\n/')) break
    }
    return received
  }
  const received = await Promise.all(Array.from({ length: CLIENTS }, () => answered(head, PIPELINED)))
  clearInterval(looks)
  child.stdin.end()
  t.is(Number(await line()), CLIENTS * PIPELINED)
  t.deepEqual(await ended, ENDED_WELL)
  t.true(received.every((text) => count(text, 'HTTP/1.1 200 OK') === PIPELINED))
  t.true(most < 128 * MEBIBYTE, `${most} bytes`)
  t.log(`${(most / MEBIBYTE).toFixed(0)} MiB at most`)
})
