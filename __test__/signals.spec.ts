import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, OptionError, Response, stopOnSignals } from '../src/index.ts'

/** A process that serves until a signal. */
function serving(t: ExecutionContext, mode = '') {
  const file = fileURLToPath(new URL('fixtures/signals.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import=@oxc-node/core/register', file, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => String((await lines.next()).value)
  const code = once(child, 'exit').then(([exitCode]) => exitCode as number | null)
  return { child, line, code }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`stopOnSignals: ${signal} stops the server and ends the process with 0`, async (t) => {
    const { child, line, code } = serving(t)
    t.is(await (await fetch(await line())).text(), 'fine')
    child.kill(signal)
    t.is(await line(), 'stopping')
    t.is(await code, 0)
  })
}

test('stopOnSignals: a request that is never answered is cut off after the timeout', async (t) => {
  const { child, line, code } = serving(t)
  const answer = t.throwsAsync(fetch(`${await line()}never`))
  t.is(await line(), 'called')
  child.kill('SIGTERM')
  t.is(await line(), 'stopping')
  t.is(await code, 0)
  await answer
})

test('stopOnSignals: while it drains the server serves, each response closes its connection, and a second signal ends it', async (t) => {
  const { child, line, code } = serving(t, 'drains')
  const url = await line()
  t.is((await fetch(url)).headers.get('connection'), 'keep-alive')
  child.kill('SIGTERM')
  // The signal reaches the process at some time after the call.
  for (const path of ['', 'later']) {
    let response
    do response = await fetch(url + path)
    while (response.headers.get('connection') !== 'close' && (await response.text()) === 'fine')
    t.is(await response.text(), 'fine')
  }
  child.kill('SIGTERM')
  t.is(await code, 1)
})

test('stopOnSignals: an observer that fails makes the exit code 1', async (t) => {
  const { child, line, code } = serving(t, 'fails')
  await line()
  child.kill('SIGTERM')
  t.is(await code, 1)
})

test('stopOnSignals: several servers are stopped', async (t) => {
  const { child, line, code } = serving(t, 'two')
  await line()
  child.kill('SIGTERM')
  t.deepEqual([await line(), await line()], ['stopping', 'stopping'])
  t.is(await code, 0)
})

test('stopOnSignals: its result removes the signal handlers', async (t) => {
  const { child, line, code } = serving(t, 'removed')
  await line()
  child.kill('SIGTERM')
  t.is(await code, 7)
})

test('stopOnSignals refuses wrong arguments', (t) => {
  const server = new HttpServer(0, () => new Response(204))
  t.throws(() => stopOnSignals(server, { timeout: -1 }), { instanceOf: OptionError, message: /^timeout must be a number of seconds/ })
  t.throws(() => stopOnSignals(server, { drain: '5' as never }), { instanceOf: OptionError, message: /^drain must be a number of seconds/ })
  t.throws(() => stopOnSignals([{}] as never), { instanceOf: OptionError, message: /^servers must be/ })
})
