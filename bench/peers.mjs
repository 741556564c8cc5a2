/**
 * The servers that are compared: how to start each, find its port and stop it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The core of the servers; the load runs on the other one. */
const SERVER_CORE = '0'
export const LOAD_CORE = '1'

const hasTaskset = spawnSync('taskset', ['--version']).status === 0

/** The command bound to one core, where the system supports it. */
export function pinned(core, command, args) {
  return hasTaskset ? ['taskset', ['-c', core, command, ...args]] : [command, args]
}

/** Binds this process to a core. */
export function pinThis(core) {
  if (hasTaskset) spawnSync('taskset', ['-a', '-c', '-p', core, String(process.pid)])
}

function versionOf(module) {
  const manifest = here(`../node_modules/${module}/package.json`)
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : null
}

/** The version in the first line of a command's output. */
function firstLine(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? `${stdout}${stderr}`.split('\n')[0] : null
}

function script(file, ...args) {
  return ({ node, handler }) => [node, [here(`servers/${file}.mjs`), handler, ...args]]
}

const BUSBAR = () => JSON.parse(readFileSync(here('../package.json'), 'utf8')).version

/** The C compiler; null when there is none. */
export const COMPILER = process.platform === 'linux' ? firstLine('cc', ['--version']) : null

/** Handlers that bare-bodies.c has. */
const BODIES = ['long', 'longer', 'stream', 'ahead', 'echo', 'pipe', 'huge', 'file']

/** Applications of servers/framework.mjs. */
const FRAMEWORKS = ['bare', 'express', 'express4', 'fastify', 'koa']

/** Beside the clone's packages, or where scripts/install-runtimes.sh puts it. */
const BUN = [here('../node_modules/.bin/bun'), here('../target/runtimes/node_modules/.bin/bun')].find((path, at) => at === 1 || existsSync(path))

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {(settings: { node: string }) => string | null} version null when it isn't installed
 * @property {(run: { node: string, handler: string, scratch: string, port: number }) => [string, string[]]} command
 * @property {readonly string[]} [handlers] the only handlers it has; all when left out
 * @property {boolean} [isHttp1] it is asked over HTTP/1.1 without TLS
 * @property {boolean} [needsPort] it can't choose a free port itself
 */

/** @type {readonly Peer[]} */
export const PEERS = [
  { name: 'busbar', version: BUSBAR, command: script('busbar') },
  { name: 'busbar (1 thread)', version: BUSBAR, command: script('busbar', '1') },
  { name: 'node:http', version: ({ node }) => firstLine(node, ['--version']), command: script('node-http') },
  { name: 'uWebSockets.js', version: () => versionOf('uwebsockets'), command: script('uwebsockets') },
  { name: 'Fastify', version: () => versionOf('fastify'), command: script('fastify') },
  {
    name: 'Bun',
    version: () => (existsSync(BUN) ? firstLine(BUN, ['--version']) : null),
    command: ({ handler }) => [BUN, [here('servers/bun.mjs'), handler]],
  },
  {
    name: 'nginx',
    version: () => firstLine('nginx', ['-v'])?.split('/')[1] ?? null,
    handlers: ['hello', 'json', 'static'],
    needsPort: true,
    command: ({ scratch, port, handler }) => ['nginx', ['-c', nginxConfiguration(scratch, port, handler), '-p', scratch]],
  },
  { name: 'busbar/fetch', version: BUSBAR, handlers: ['web'], command: script('web', 'fetch') },
  { name: 'busbar/http', version: BUSBAR, handlers: FRAMEWORKS, command: script('framework', 'busbar') },
  { name: 'busbar/http (1 thread)', version: BUSBAR, handlers: FRAMEWORKS, command: script('framework', 'busbar', '1') },
  { name: "Node's http", version: ({ node }) => firstLine(node, ['--version']), handlers: FRAMEWORKS, command: script('framework', 'node') },
  { name: 'Hono on busbar', version: () => versionOf('hono'), handlers: ['web'], command: script('web', 'hono') },
  { name: 'Hono on busbar (1 thread)', version: () => versionOf('hono'), handlers: ['web'], command: script('web', 'hono', '1') },
  { name: 'Hono on node-server', version: () => versionOf('@hono/node-server'), handlers: ['web'], command: script('web', 'hono-node-server') },
  {
    name: 'Hono on Bun',
    version: () => (existsSync(BUN) && versionOf('hono') !== null ? firstLine(BUN, ['--version']) : null),
    handlers: ['web'],
    command: () => [BUN, [here('servers/web.mjs'), 'web', 'hono-bun']],
  },
  {
    name: 'bare epoll',
    version: () => COMPILER,
    handlers: ['hello', 'events', ...BODIES],
    command({ scratch, handler }) {
      if (BODIES.includes(handler)) return [compiled('bare-bodies', scratch), [handler]]
      return [compiled(handler === 'events' ? 'bare-events' : 'bare-epoll', scratch), []]
    },
  },
]

/** The servers that speak HTTP/2, and the one that an application over HTTP/2 is compared with. @type {readonly Peer[]} */
export const HTTP2_PEERS = [
  { name: 'busbar', version: BUSBAR, command: script('busbar', '0', 'h2c') },
  { name: 'busbar (1 thread)', version: BUSBAR, command: script('busbar', '1', 'h2c') },
  { name: 'node:http2', version: ({ node }) => firstLine(node, ['--version']), command: script('node-http2') },
  {
    name: 'nginx',
    version: () => firstLine('nginx', ['-v'])?.split('/')[1] ?? null,
    handlers: ['hello', 'longer'],
    needsPort: true,
    command: ({ scratch, port, handler }) => ['nginx', ['-c', nginxConfiguration(scratch, port, handler, ' http2'), '-p', scratch]],
  },
  { name: 'busbar/http', version: BUSBAR, handlers: ['express'], command: script('framework', 'busbar-h2') },
  { name: "Node's http without TLS", isHttp1: true, version: ({ node }) => firstLine(node, ['--version']), handlers: ['express'], command: script('framework', 'node') },
]

/** Compiles one of the C files, once in a run. */
export function compiled(name, scratch) {
  const program = join(scratch, name)
  if (!existsSync(program)) {
    const { status, stderr } = spawnSync('cc', ['-O2', '-Wall', '-o', program, here(`${name}.c`)], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${name}.c can't be compiled: ${stderr}`)
  }
  return program
}

function nginxConfiguration(scratch, port, handler, protocol = '') {
  const answer =
    handler === 'longer'
      ? `default_type text/plain; root ${scratch}; try_files /${LONGER_FILE.name} =404;`
    : handler === 'static'
      ? `default_type text/plain; root ${scratch};`
      : handler === 'json'
        ? `default_type application/json; return 200 '${JSON.stringify({ message: 'Hello, World!', id: 42, ok: true })}';`
      : "default_type text/plain; return 200 'Hello, World!';"
  const path = join(scratch, `nginx-${port}.conf`)
  const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
  const [ssl, tls] =
    cert === undefined ? ['', ''] : [' ssl', `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;`]
  writeFileSync(
    path,
    `daemon off; master_process off; pid ${scratch}/nginx-${port}.pid; error_log /dev/null crit;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 1000000000; http2_max_concurrent_streams 128; keepalive_timeout 75; server_tokens off;
  client_body_temp_path ${scratch}; proxy_temp_path ${scratch}; fastcgi_temp_path ${scratch};
  uwsgi_temp_path ${scratch}; scgi_temp_path ${scratch};
  server { listen 127.0.0.1:${port}${ssl} backlog=4096${protocol}; ${tls} location / { ${answer} } }
}
`,
  )
  return path
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** The file that `file` sends: made once in a run. */
function longFile(scratch) {
  const path = join(scratch, 'gibibyte.txt')
  if (!existsSync(path)) {
    const portion = Buffer.alloc(16 * 1024 * 1024, 'x')
    for (let at = 0; at < 1024 ** 3; at += portion.length) appendFileSync(path, portion)
  }
  return path
}

/** The files that `static` serves: made once in a run. */
export const STATIC_FILE = { name: 'static.txt', content: 'x'.repeat(10 * 1024) }
export const LONG_STATIC_FILE = { name: 'long.txt', content: 'x'.repeat(16 * 1024 * 1024) }
/** What nginx sends where the others have a mebibyte in memory. */
const LONGER_FILE = { name: 'longer.txt', content: 'x'.repeat(1024 ** 2) }
const FILES = { static: [STATIC_FILE, LONG_STATIC_FILE], longer: [LONGER_FILE] }
function makeFiles(handler, scratch) {
  for (const { name, content } of FILES[handler] ?? []) {
    const path = join(scratch, name)
    if (!existsSync(path)) writeFileSync(path, content)
  }
}

/** A running peer; stopped by its process id. */
export class Running {
  static #all = new Set()

  constructor(peer, child, port) {
    this.peer = peer
    this.child = child
    this.port = port
    Running.#all.add(this)
  }

  get pid() {
    return this.child.pid
  }

  async stop() {
    Running.#all.delete(this)
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }

  /** Kills it synchronously, for the exit of this process. */
  static killAll() {
    for (const { child } of Running.#all) child.kill('SIGKILL')
  }
}

/** Starts a peer and waits until it accepts connections. */
export async function start(peer, { node, handler, scratch }) {
  const port = peer.needsPort ? await freePort() : 0
  const [command, args] = pinned(SERVER_CORE, ...peer.command({ node, handler, scratch, port }))
  makeFiles(handler, scratch)
  const env = { ...process.env, BENCH_FILE: handler === 'file' ? longFile(scratch) : '', BENCH_ROOT: scratch }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const running = new Running(peer, child, port)
  if (peer.needsPort) {
    await untilListening(port)
    return running
  }
  child.stdout.setEncoding('utf8')
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${peer.name} ended with code ${code}`))),
  ])
  running.port = Number.parseInt(line, 10)
  return running
}

async function untilListening(port) {
  const deadline = Date.now() + 5000
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
    } finally {
      socket.destroy()
    }
  }
}
