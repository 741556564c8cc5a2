/**
 * The servers over TLS 1.3 with a key on P-256: requests on open connections, and handshakes. The load is h2load's and
 * openssl's, because both are written in C.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cpuTime } from './cpu.mjs'
import { output } from './load.mjs'
import { LONG_STATIC_FILE, start } from './peers.mjs'
import { IDLE_TLS, idleMemory } from './rest.mjs'

/** Servers that have TLS here. */
const SERVERS = ['busbar', 'busbar (1 thread)', 'node:http', 'uWebSockets.js', 'Bun', 'nginx']

export const CIPHER = 'TLS_AES_128_GCM_SHA256'

/** Sends requests on open connections, so many a second of the round as a fast server answers; returns how many. */
async function requests(port, { seconds, connections }, rate, path = '/', more = []) {
  const count = Math.max(connections, Math.round(rate * seconds))
  const args = ['--h1', '-t1', `-c${connections}`, `-n${count}`, `--tls13-ciphers=${CIPHER}`]
  const printed = await output('h2load', [...args, ...more, `https://127.0.0.1:${port}${path}`])
  return Number(/, (\d+) succeeded/.exec(printed)?.[1] ?? 0)
}

/** Sends requests with a body of 1 MiB, which comes back. */
async function echoes(port, shared) {
  const body = join(shared.scratch, 'mebibyte')
  if (!existsSync(body)) writeFileSync(body, 'x'.repeat(1024 ** 2))
  return requests(port, shared, 100, '/', ['-d', body])
}

/** Opens connections with one request each; returns how many. */
async function handshakes(port, { seconds }, ...how) {
  const duration = String(Math.max(1, Math.round(seconds)))
  const args = ['s_time', '-connect', `127.0.0.1:${port}`, '-time', duration, '-www', '/', '-ciphersuites', CIPHER]
  const printed = await output('openssl', [...args, ...how])
  return Number(/(\d+) connections in \d+ real seconds/.exec(printed)?.[1] ?? 0)
}

const WORKS = [
  { name: 'hello over TLS', handler: 'hello', load: (port, shared) => requests(port, shared, 15_000), unit: 'us/request' },
  { name: '1 MiB over TLS', handler: 'longer', load: (port, shared) => requests(port, shared, 250), unit: 'us/request' },
  { name: 'echo 1 MiB over TLS', handler: 'echo', servers: ['busbar', 'busbar (1 thread)', 'node:http', 'uWebSockets.js'], load: echoes, unit: 'us/request' },
  {
    name: 'file of 16 MiB over TLS',
    handler: 'static',
    servers: ['busbar', 'busbar (1 thread)', 'nginx'],
    load: (port, shared) => requests(port, shared, 60, `/${LONG_STATIC_FILE.name}`),
    unit: 'us/request',
  },
  { name: 'full handshakes', handler: 'hello', load: (port, shared) => handshakes(port, shared, '-new'), unit: 'us/handshake' },
  {
    name: 'resumed handshakes',
    handler: 'hello',
    load: (port, shared) => handshakes(port, shared, '-reuse'),
    unit: 'us/handshake',
  },
]

/** Memory of idle connections of the servers that have TLS here. */
export async function idleTls(peers, shared) {
  return overCertificate(shared.scratch, () => idleMemory(peers.filter(({ name }) => SERVERS.includes(name)), shared, IDLE_TLS))
}

/** Runs `run` with a certificate for the servers that it starts. */
async function overCertificate(scratch, run) {
  makeCertificate(scratch)
  try {
    return await run()
  } finally {
    delete process.env.BENCH_TLS_CERT
    delete process.env.BENCH_TLS_KEY
  }
}

/** Makes a certificate for the servers; the names of its files are in the environment of each. */
function makeCertificate(scratch) {
  const [cert, key] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')]
  if (!existsSync(cert)) {
    const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost']
    const { status, stderr } = spawnSync('openssl', ['req', '-x509', ...how, '-keyout', key, '-out', cert], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl can't make a certificate: ${stderr}`)
  }
  process.env.BENCH_TLS_CERT = cert
  process.env.BENCH_TLS_KEY = key
}

/** Runs `measure` with servers that speak TLS. */
export async function withCertificate(scratch, measure) {
  makeCertificate(scratch)
  try {
    return await measure()
  } finally {
    delete process.env.BENCH_TLS_CERT
    delete process.env.BENCH_TLS_KEY
  }
}

/** What is missing on this machine; null when nothing is. */
export function missing() {
  const tools = [['openssl', 'version'], ['h2load', '--version']]
  return tools.find(([tool, argument]) => spawnSync(tool, [argument]).status !== 0)?.[0] ?? null
}

/** CPU time of each server and work, the median of the rounds. */
export function overTls(peers, shared) {
  return overCertificate(shared.scratch, () => allWorks(peers, shared))
}

async function allWorks(peers, shared) {
  const able = peers.filter(({ name }) => SERVERS.includes(name))
  const rows = []
  for (const work of WORKS.filter(({ name }) => shared.isWanted(name))) {
    const running = []
    const wanted = able.filter(({ name, handlers = [work.handler] }) => {
      return handlers.includes(work.handler) && (work.servers ?? [name]).includes(name)
    })
    for (const peer of wanted) {
      running.push(await start(peer, { ...shared, handler: work.handler }))
    }
    const costs = new Map(running.map((server) => [server, []]))
    try {
      // The first round warms up and isn't counted.
      for (let round = 0; round <= shared.rounds; round++) {
        for (const server of running) {
          const before = cpuTime(server.pid)
          const count = await work.load(server.port, shared)
          const after = cpuTime(server.pid)
          if (count === 0) throw new Error(`${server.peer.name} has answered nothing of "${work.name}"`)
          const cost = { all: (after.all - before.all) / 1000 / count, main: (after.main - before.main) / 1000 / count }
          if (round > 0) costs.get(server).push(cost)
        }
      }
    } finally {
      for (const server of running) await server.stop()
    }
    for (const [server, all] of costs) {
      rows.push({ work: work.name, unit: work.unit, name: server.peer.name, cpu: median(all, 'all'), main: median(all, 'main') })
    }
  }
  return rows
}

function median(costs, part) {
  const sorted = costs.map((cost) => cost[part]).toSorted((one, other) => one - other)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
