import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const hook = fileURLToPath(new URL('../dist/register.js', import.meta.url))
// It replaces what the process has loaded, so each test has a process, which needs the build.
const built = existsSync(hook) ? test : test.skip
const run = promisify(execFile)

async function node(source: string, kind: 'commonjs' | 'module', env: NodeJS.ProcessEnv = {}): Promise<{ stdout: string; stderr: string }> {
  const given = [`--input-type=${kind}`, '--import', hook, '--eval', source]
  return run(process.execPath, given, { env: { ...process.env, NODE_OPTIONS: '', NODE_DEBUG: 'busbar', ...env } })
}

/** Serves one request and prints what the client has got. */
const CALL = `
function call(server) {
  server.listen(0, '127.0.0.1', () => {
    http.get({ port: server.address().port, host: '127.0.0.1', agent: false }, (res) => {
      let text = ''
      res.on('data', (piece) => (text += piece))
      res.on('end', () => { console.log(text, Object.keys(res.headers).length > 0); server.close() })
    })
  })
}`

built('servers of CommonJS are busbar’s', async (t) => {
  const source = `const http = require('http'); ${CALL}; call(http.createServer((req, res) => res.end('hello')))`
  const { stdout, stderr } = await node(source, 'commonjs')
  t.is(stdout, 'hello true\n')
  t.regex(stderr, /1 servers are served by busbar, 0 by node:http/)
})

built('servers of modules are busbar’s, by any way to the class', async (t) => {
  const source = `
    import http, { Server, createServer } from 'node:http'
    ${CALL}
    class Mine extends Server { mine = true }
    const mine = new Mine((req, res) => res.end('mine ' + mine.mine))
    call(mine)
    if (process.getBuiltinModule('http').createServer !== createServer) throw new Error('another createServer')`
  const { stdout, stderr } = await node(source, 'module')
  t.is(stdout, 'mine true true\n')
  t.regex(stderr, /1 servers are served by busbar/)
})

built('a variable of the environment leaves Node as it is', async (t) => {
  const source = `const http = require('http'); ${CALL}; call(http.createServer((req, res) => res.end('hello')))`
  const { stdout, stderr } = await node(source, 'commonjs', { BUSBAR_REGISTER: 'off' })
  t.is(stdout, 'hello true\n')
  t.notRegex(stderr, /served by busbar/)
})

built('what busbar can’t do is Node’s, with a warning once', async (t) => {
  const source = `
    const http = require('http'); ${CALL}
    for (let i = 0; i < 2; i++) call(http.createServer({ insecureHTTPParser: true }, (req, res) => res.end('hello')))`
  const { stdout, stderr } = await node(source, 'commonjs')
  t.is(stdout, 'hello true\nhello true\n')
  t.is(stderr.split('BusbarWarning').length, 2, stderr)
  t.regex(stderr, /0 servers are served by busbar, 2 by node:http/)
})

built('a socket that the application brings is served by Node', async (t) => {
  const source = `
    const http = require('http'), net = require('net'); ${CALL}
    const server = http.createServer((req, res) => res.end('brought'))
    const front = net.createServer((socket) => server.emit('connection', socket))
    front.listen(0, '127.0.0.1', () => http.get({ port: front.address().port, host: '127.0.0.1', agent: false }, (res) => {
      res.on('data', (piece) => console.log(String(piece)))
      res.on('end', () => front.close())
    }))`
  t.is((await node(source, 'commonjs')).stdout, 'brought\n')
})

built('a worker thread has the hook as well', async (t) => {
  const inner = `const http = require('http'); ${CALL}; call(http.createServer((req, res) => res.end('worker')))`
  const directory = mkdtempSync(join(tmpdir(), 'busbar-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'worker.cjs')
  writeFileSync(file, inner)
  const main = join(directory, 'main.cjs')
  writeFileSync(main, `const { Worker } = require('worker_threads'); new Worker(${JSON.stringify(file)})`)
  const { stdout, stderr } = await run(process.execPath, ['--import', hook, main], { env: { ...process.env, NODE_OPTIONS: '', NODE_DEBUG: 'busbar' } })
  t.is(stdout, 'worker true\n')
  t.regex(stderr, /1 servers are served by busbar/)
})
