import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
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

built('a server that lets the process end closes all the same', async (t) => {
  const source = `import http from 'node:http'
    const server = http.createServer(() => {}).listen(0, '127.0.0.1', () => {
      server.unref()
      server.close(() => console.log('closed'))
    })`
  t.is((await node(source, 'module')).stdout, 'closed\n')
})

built('an error of a handler that nothing catches is printed with a line of code, not a file', async (t) => {
  const source = `import http from 'node:http'
    const server = http.createServer(() => { throw new Error('thrown by a handler') }).listen(0, '127.0.0.1', () => {
      http.get({ port: server.address().port, host: '127.0.0.1' }).on('error', () => {})
    })`
  const { stderr } = await t.throwsAsync<Error & { stderr: string }>(node(source, 'module'))
  t.regex(stderr, /^Error: thrown by a handler\n {4}at /m)
  for (const line of stderr.split('\n')) t.true(line.length < 1000, line)
})

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

built('a socket that listens already is served by its descriptor', async (t) => {
  const given = createServer()
  given.listen(0, '127.0.0.1')
  await once(given, 'listening')
  const { fd } = (given as unknown as { _handle: { fd: number } })._handle
  const { port } = given.address() as AddressInfo
  const source = `const http = require('http')
    const server = http.createServer((req, res) => { res.end('by descriptor'); server.close() })
    server.listen({ fd: 3 }, () => console.log(server.address().port))`
  const child = spawn(process.execPath, ['--import', hook, '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    env: { ...process.env, NODE_OPTIONS: '', NODE_DEBUG: 'busbar' },
  })
  let told = ''
  child.stderr!.on('data', (text: Buffer) => (told += String(text)))
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  t.is(Number(line), port)
  // This process gives its own copy up.
  given.close()
  const exited = once(child, 'exit')
  t.is(await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text(), 'by descriptor')
  await exited
  t.regex(told, /1 servers are served by busbar, 0 by node:http/)
})

/** A primary process whose workers answer with what serves them; it prints the answers to several requests. */
const CLUSTER = (port: string): string => `
  const cluster = require('cluster'), http = require('http'), net = require('net')
  if (cluster.isPrimary) {
    // Below the ports that the system gives out, one of which another test might be given meanwhile.
    const free = net.createServer().listen(20_000 + (process.pid % 10_000), '127.0.0.1', () => {
      const { port } = free.address()
      free.close(() => {
        for (let i = 0; i < 2; i++) cluster.fork({ PORT: ${port} })
        let listening = 0
        cluster.on('exit', (worker, code) => code > 0 && process.exit(code))
        cluster.on('listening', async (worker, address) => {
          if (++listening < 2) return
          const answers = new Set()
          for (let i = 0; i < 40; i++) answers.add(await (await fetch('http://127.0.0.1:' + address.port, { headers: { connection: 'close' } })).text())
          console.log([...answers].map((answer) => answer.split(' ')[1]).join(), address.port === port)
          for (const each of Object.values(cluster.workers)) each.kill()
        })
      })
    })
  } else {
    let servedBy = ''
    require('diagnostics_channel').subscribe('busbar.server', (message) => (servedBy = message.servedBy))
    http.createServer((req, res) => res.end(process.pid + ' ' + servedBy)).listen(Number(process.env.PORT), '127.0.0.1')
  }`

async function cluster(port: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'busbar-'))
  try {
    const file = join(directory, 'cluster.cjs')
    writeFileSync(file, CLUSTER(port))
    // Workers get the hook with the other arguments of Node.
    return (await run(process.execPath, ['--import', hook, file], { env: { ...process.env, NODE_OPTIONS: '' } })).stdout
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const onLinux = process.platform === 'linux' ? built : test.skip

onLinux('workers of a cluster share a port, each served by busbar', async (t) => {
  t.regex(await cluster('port'), /^busbar(?:,busbar)? true\n$/)
})

built('workers of a cluster share port 0 by Node', async (t) => {
  t.regex(await cluster('0'), /^node(?:,node)? false\n$/)
})
