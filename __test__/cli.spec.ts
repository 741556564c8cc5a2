import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { BUILT, busbar, pathOf } from './command.ts'
import type { Command } from './command.ts'

async function urlOf({ line }: Command): Promise<string> {
  return /(http:\S+)/.exec(await line())?.[1] ?? ''
}

/** What the command says at its first signal when it doesn't drain. */
const told = (signal: string, timeout = 25): string => `${signal}: stops within ${timeout} s; a second signal ends it at once`

/** The body of a response, on a connection of its own. */
async function ask(url: string): Promise<{ body: string; headers: Record<string, unknown> }> {
  const [response] = await once(get(url, { agent: false }), 'response')
  return { body: await text(response), headers: response.headers }
}

test('serve prints its URL and start time, and serves the module', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/plain.mjs'), '--port', '0', '--host', '127.0.0.1'])
  const ready = await command.line()
  t.regex(ready, /^➜ http:\/\/127\.0\.0\.1:\d+\/ \(http\/1\.1\) · ready in \d+ ms$/)
  t.is((await ask(`${ready.split(' ')[1]}a`)).body, 'plain /a')
  command.child.kill('SIGTERM')
  t.deepEqual(await command.ended, { code: 0, stdout: `${ready}\n${told('SIGTERM')}\nstopped: 0 requests under way finished, 0 cut off\n`, stderr: '' })
})

test('serve serves an application of Hono', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/hono.mjs'), '--port', '0', '--host', '127.0.0.1'])
  t.is((await ask(`${await urlOf(command)}a`)).body, 'hono a')
})

test('serve listens where a module for Bun says, unless the command says otherwise', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/web.mjs')])
  const url = await urlOf(command)
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  t.is((await ask(`${url}a`)).body, 'web /a')
  const elsewhere = busbar(t, ['serve', pathOf('fixtures/web.mjs'), '--host', 'localhost'], { PORT: '0' })
  t.regex(await urlOf(elsewhere), /^http:\/\/localhost:\d+\/$/)
})

test('serve without a module shows a page with the request', async (t) => {
  const command = busbar(t, ['serve', '--port=0'])
  const url = await urlOf(command)
  t.regex(url, /^http:\/\/localhost:\d+\/$/)
  const { body, headers } = await ask(`${url.replace('localhost', '127.0.0.1')}?q='"><script>`)
  t.is(headers['content-type'], 'text/html; charset=utf-8')
  t.true(body.includes('busbar is running'))
  t.false(body.includes('<script>'))
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} lets a pending request be answered, and exits with 0`, async (t) => {
    const command = busbar(t, ['serve', pathOf('fixtures/waits-for-signal.ts'), '--port=0', '--host=127.0.0.1'])
    const answer = ask(await urlOf(command))
    t.is(await command.line(), 'called')
    command.child.kill(signal)
    t.is(await command.line(), told(signal))
    t.is(await command.line(), signal)
    const { body, headers } = await answer
    t.deepEqual([body, headers['connection']], ['answered', 'close'])
    const { code, stderr } = await command.ended
    t.deepEqual([code, stderr], [0, ''])
  })
}

test('a second signal ends the command at once, which says so', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/waits-for-signal.ts'), '--port=0', '--host=127.0.0.1'])
  const answer = t.throwsAsync(ask(`${await urlOf(command)}never`))
  t.is(await command.line(), 'called')
  command.child.kill('SIGTERM')
  t.is(await command.line(), told('SIGTERM'))
  t.is(await command.line(), 'SIGTERM')
  command.child.kill('SIGINT')
  const { code, stdout, stderr } = await command.ended
  t.deepEqual([code, stderr], [1, ''])
  t.regex(stdout, /\nSIGINT again: ended at once\n$/)
  await answer
})

test('the command ends with 0 even if a handler never answers', async (t) => {
  const args = ['serve', pathOf('fixtures/waits-for-signal.ts'), '--port=0', '--host=127.0.0.1', '--stop-timeout=0.1']
  const command = busbar(t, args)
  const answer = t.throwsAsync(ask(`${await urlOf(command)}never`))
  t.is(await command.line(), 'called')
  command.child.kill('SIGTERM')
  const { code, stderr } = await command.ended
  t.is(code, 0)
  t.regex(stderr, /^busbar warning: the stop has cut off connections: 1 request or upgraded socket [^\n]+\n$/)
  await answer
})

test('while it drains the command says so, still serves with connection: close, and its module sees that it is not ready', async (t) => {
  const args = ['serve', pathOf('fixtures/observed.mjs'), '--port=0', '--host=127.0.0.1', '--drain-delay=600']
  const command = busbar(t, args)
  t.is(await command.line(), 'started')
  const url = await urlOf(command)
  t.is((await fetch(url)).headers.get('connection'), 'keep-alive')
  t.is((await fetch(`${url}ready`)).status, 204)
  command.child.kill('SIGTERM')
  t.is(await command.line(), 'told of SIGTERM')
  t.is(await command.line(), 'SIGTERM: serves on for 600 s with connection: close, then stops within 25 s; a second signal ends it at once')
  const response = await fetch(url)
  t.deepEqual([await response.text(), response.headers.get('connection')], ['observed', 'close'])
  t.is((await fetch(`${url}ready`)).status, 503)
  command.child.kill('SIGTERM')
  t.is((await command.ended).code, 1)
})

test('after the drain delay the command stops as usual', async (t) => {
  const args = ['serve', pathOf('fixtures/observed.mjs'), '--port=0', '--host=127.0.0.1', '--drain-delay=0.05']
  const command = busbar(t, args)
  t.is(await command.line(), 'started')
  t.is((await ask(await urlOf(command))).body, 'observed')
  command.child.kill('SIGTERM')
  t.is(await command.line(), 'told of SIGTERM')
  t.regex(await command.line(), /^SIGTERM: serves on for 0\.05 s/)
  t.is(await command.line(), 'stopped')
  const { code, stderr } = await command.ended
  t.deepEqual([code, stderr], [0, ''])
})

test('a port in use is one clear line and exit code 1', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.teardown(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as AddressInfo
  const { code, stdout, stderr } = await busbar(t, ['serve', '--host=127.0.0.1', `--port=${port}`]).ended
  t.deepEqual([code, stdout], [1, ''])
  t.regex(stderr, new RegExp(`^busbar: 127\\.0\\.0\\.1:${port} is in use by another program;[^\\n]*\\(EADDRINUSE\\)\\n$`))
})

const MISUSES: readonly (readonly [string, string[], Record<string, string>, RegExp])[] = [
  ['no command', [], {}, /a command is missing/],
  ['an unknown command', ['start'], {}, /unknown: start/],
  ['an unknown option', ['serve', '--prot=1'], {}, /--prot/],
  ['more than one module', ['serve', 'a.mjs', 'b.mjs'], {}, /b\.mjs/],
  ['a port that is no number', ['serve', '--port=http'], {}, /"http"/],
  ['a port that is too large', ['serve', '--port=65536'], {}, /"65536"/],
  ['PORT that is no number', ['serve'], { PORT: 'http' }, /"http"/],
  ['a stop timeout that is no number', ['serve', '--stop-timeout=1s'], {}, /--stop-timeout must be .*"1s"/],
  ['a drain delay below 0', ['serve', '--drain-delay=-1'], {}, /--drain-delay must be .*"-1"/],
  ['a certificate without its key', ['serve', '--cert=a.pem'], {}, /--cert needs --key/],
  ['a key without its certificate', ['serve', '--tls', '--key=a.pem'], {}, /--key needs --cert/],
  ['a host that is a name', ['serve', '--port=0', '--host=example.org'], {}, /"example\.org"/],
]

for (const [misuse, args, env, message] of MISUSES) {
  test(`wrong usage is one line and exit code 2: ${misuse}`, async (t) => {
    const { code, stdout, stderr } = await busbar(t, args, env).ended
    t.deepEqual([code, stdout], [2, ''])
    t.regex(stderr, /^busbar: [^\n]+\n$/)
    t.regex(stderr, message)
  })
}

test('--help shows every option, --version the version', async (t) => {
  const help = await busbar(t, ['--help']).ended
  t.deepEqual([help.code, help.stderr], [0, ''])
  for (const part of ['Usage: busbar serve', '--port', '--host', '--stop-timeout', '--drain-delay', '--watch', '--tls', '--cert', '--key', '--help', '--version']) t.true(help.stdout.includes(part))
  const { version } = JSON.parse(readFileSync(pathOf('../package.json'), 'utf8')) as { version: string }
  t.deepEqual(await busbar(t, ['--version']).ended, { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('PORT is the default of --port', async (t) => {
  const free = createServer().listen(0)
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  const command = busbar(t, ['serve'], { PORT: String(port) })
  t.is(await urlOf(command), `http://localhost:${port}/`)
  const other = busbar(t, ['serve', '--port=0'], { PORT: String(port) })
  t.not(await urlOf(other), `http://localhost:${port}/`)
})

test('settings that a module exports are those of the server', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/settings.mjs'), '--port=0', '--host=127.0.0.1'])
  const response = await fetch(await urlOf(command))
  t.deepEqual([await response.text(), response.headers.get('keep-alive')], ['with settings', 'timeout=77'])
})

test('a wrong setting that a module exports is one clear line and exit code 2', async (t) => {
  const { code, stderr } = await busbar(t, ['serve', pathOf('fixtures/settings.mjs'), '--port=0'], { WRONG: '1' }).ended
  t.deepEqual([code, stderr], [2, 'busbar: bodyLimit must be given as bodySizeLimit, in bytes; got 1\n'])
})

test('with --watch the module is served anew when it changes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'busbar-watch-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const module = join(directory, 'app.ts')
  const write = (word: string): void => {
    const index = JSON.stringify(pathOf('../src/index.ts'))
    writeFileSync(module, `import { Response } from ${index}\nexport default () => Response.text('${word}')\n`)
  }
  write('first')
  const command = busbar(t, ['serve', module, '--watch', '--port=0', '--host=127.0.0.1'])
  const nextUrl = async (): Promise<string> => {
    for (let line; ; ) if ((line = await command.line()).startsWith('➜')) return /(http:\S+)/.exec(line)![1]!
  }
  t.is((await ask(await nextUrl())).body, 'first')
  write('second')
  t.is((await ask(await nextUrl())).body, 'second')
  command.child.kill('SIGTERM')
  t.is((await command.ended).stderr, '')
})

const MODULES: readonly (readonly [string, string, RegExp])[] = [
  ['has no handler', 'no-handler.mjs', /no-handler\.mjs has no handler as its default export/],
  ['throws', 'broken.mjs', /broken\.mjs can't be loaded: this module is broken \(.*broken\.mjs:\d+\)/],
  ["doesn't exist", 'missing.mjs', /missing\.mjs can't be loaded: there is no file \/.*missing\.mjs\n$/],
  ['exports an application of another server', 'foreign.mjs', /foreign\.mjs: handler must be .*this is an Express or Connect application/],
  ['exports settings that are no object', 'wrong-settings.mjs', /wrong-settings\.mjs exports settings that are no object/],
  ['is a directory', '', /can't be loaded: \/.*fixtures is a directory\n$/],
]

for (const [fault, module, message] of MODULES) {
  test(`a module that ${fault} is one clear line and exit code 1`, async (t) => {
    const { code, stdout, stderr } = await busbar(t, ['serve', pathOf(`fixtures/${module}`), '--port=0']).ended
    t.deepEqual([code, stdout], [1, ''])
    t.regex(stderr, message)
    t.regex(stderr, /^busbar: [^\n]+\n$/)
  })
}

const WRONG: readonly (readonly [string[], RegExp])[] = [
  [[], /^busbar: a command is missing; see busbar --help\n$/],
  [['srve'], /^busbar: unknown: srve; see busbar --help\n$/],
  [['serve', 'a.mjs', 'b.mjs'], /^busbar: unknown: b\.mjs; see busbar --help\n$/],
  [['serve', '--prot=80'], /^busbar: Unknown option '--prot'; see busbar --help\n$/],
  [['serve', '--port'], /^busbar: Option '--port <value>' argument missing; see busbar --help\n$/],
]

for (const [args, message] of WRONG) {
  test(`busbar ${args.join(' ')}: one clear line and exit code 2`, async (t) => {
    const { code, stderr } = await busbar(t, args).ended
    t.regex(stderr, message)
    t.is(code, 2)
  })
}

;(existsSync(BUILT[0]!) ? test : test.skip)('a syntax error in a module is shown with its place', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'busbar-cli-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const module = join(directory, 'wrong.mjs')
  writeFileSync(module, 'export default () => {}\nno javascript\n')
  const { code, stderr } = await busbar(t, ['serve', module, '--port=0'], {}, BUILT).ended
  t.is(code, 1)
  t.regex(stderr, /wrong\.mjs:2\nno javascript\n/)
})

const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

;(stripsTypes && existsSync(BUILT[0]!) ? test : test.skip)('the built command serves a TypeScript module', async (t) => {
  const command = busbar(t, ['serve', pathOf('fixtures/typed.ts'), '--port=0', '--host=127.0.0.1'], {}, BUILT)
  t.is((await ask(await urlOf(command))).body, 'typed')
})

;(existsSync(BUILT[0]!) ? test : test.skip)('the built command runs without a loader', async (t) => {
  const command = busbar(t, ['serve', '--port=0', '--host=127.0.0.1'], {}, BUILT)
  t.regex((await ask(await urlOf(command))).body, /busbar is running/)
})
