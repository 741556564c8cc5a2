/**
 * Bun and Deno. They are run from the directory BUSBAR_RUNTIMES, where npm has installed them; missing ones are
 * skipped.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Agent, request } from 'undici'
import { GET, Wire, count } from './support.ts'

const RUNTIMES: Readonly<Record<string, readonly string[]>> = { bun: [], deno: ['run', '-A'] }

const inRoot = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

for (const [name, flags] of Object.entries(RUNTIMES)) {
  const program = join(process.env['BUSBAR_RUNTIMES'] ?? '', 'node_modules/.bin', name)
  const serial = existsSync(program) ? test.serial : test.serial.skip

  const run = (t: ExecutionContext, args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const env = { ...process.env, BUSBAR_IO_THREADS: '', PORT: '', ...environment }
    const child = spawn(program, [...flags, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
    t.teardown(() => child.kill('SIGKILL'))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const line = async (): Promise<string> => String((await lines.next()).value)
    const stderr = text(child.stderr)
    const ended = once(child, 'close').then(([code]) => code as number)
    return { child, line, stderr, ended }
  }

  serial(`${name} serves the example by the command, and ends it at a signal`, async (t) => {
    const { child, line, stderr, ended } = run(t, [inRoot('dist/cli.js'), 'serve', inRoot('examples/hello.mjs'), '--port', '0'])
    const url = /http:\S+/.exec(await line())?.[0]
    t.regex(await (await fetch(url!)).text(), /^Hello, /)
    child.kill('SIGTERM')
    t.is(await ended, 0, await stderr)
  })

  serial(`${name} serves pipelines, bodies and 10,000 requests, notices clients that leave, stops and exits`, async (t) => {
    const { line, stderr, ended } = run(t, [inRoot('__test__/fixtures/runtime.mjs')])
    const port = Number(await line())

    const wire = new Wire(connect(port, '127.0.0.1'))
    const targets = Array.from({ length: 64 }, (_, at) => (at % 3 === 0 ? '/later' : `/${at}`))
    wire.send(targets.map((target) => GET.replace('/', target)).join(''))
    await wire.until((received) => count(received, 'HTTP/1.1 200') === 64 && received.endsWith('\r\n\r\nlater'))
    const bodies = wire.received.split(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n/).slice(1)
    t.deepEqual(bodies, targets.map((target) => target.replace('/later', 'later')))
    wire.socket.destroy()

    const dispatcher = new Agent({ connections: 32, pipelining: 4 })
    const origin = `http://127.0.0.1:${port}`
    const body = 'x'.repeat(100_000)
    const echoed = await request(`${origin}/`, { method: 'POST', body, dispatcher })
    t.is(await echoed.body.text(), body)
    let answered = 0
    const ask = async (from: number): Promise<void> => {
      for (let at = from; at < from + 100; at++) {
        const answer = await request(`${origin}/${at}`, { dispatcher })
        if ((await answer.body.text()) === `/${at}`) answered++
      }
    }
    await Promise.all(Array.from({ length: 100 }, (_, at) => ask(at * 100)))
    t.is(answered, 10_000)
    await dispatcher.close()

    const leaving = connect(port, '127.0.0.1').on('error', () => {})
    leaving.write(GET.replace('/', '/never'))
    t.is(await line(), 'waits')
    leaving.resetAndDestroy()
    t.is(await line(), 'aborted')

    const last = new Wire(connect(port, '127.0.0.1')).send(GET.replace('/', '/stop'))
    t.regex(await last.end(), /stopping$/)
    t.deepEqual([await line(), await line()].sort(), ['closed', 'stopped'])
    t.is(await ended, 0, await stderr)
  })

  serial(`${name} can't serve sockets on its own event loop, and throws`, async (t) => {
    const { stderr, ended } = run(t, [inRoot('__test__/fixtures/runtime.mjs')], { BUSBAR_IO_THREADS: '0' })
    t.not(await ended, 0)
    t.regex(await stderr, new RegExp(`BUSBAR_IO_THREADS in the environment must be at least 1 on ${name}`, 'i'))
  })
}
