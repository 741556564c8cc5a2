/**
 * Latency at a fixed rate, memory of idle connections, and time to start.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuTime, privateMemory } from './cpu.mjs'
import { load, measured, output } from './load.mjs'
import { start } from './peers.mjs'
import { median } from './table.mjs'
import { WORKS } from './works.mjs'

const HELLO = WORKS[0]
const CONNECTIONS = 64
const SHARES = [0.2, 0.5, 0.8]

/** p50, p99 and p99.9 in microseconds, and CPU microseconds per request, at shares of the highest rate of node:http. */
export async function latency(peers, settings) {
  const most = await atMost(peers.find(({ name }) => name === 'node:http') ?? peers[0], settings)
  const results = []
  for (const share of SHARES) {
    const rate = Math.round(most * share)
    for (const peer of peers) {
      const running = await start(peer, { ...settings, handler: 'hello' })
      await load(HELLO, running.port, { ...settings, seconds: 1, connections: CONNECTIONS })
      const args = [running.port, CONNECTIONS, rate, settings.seconds + 1]
      const before = cpuTime(running.pid).all
      const { requests, ...rest } = await measured('fixed-rate', args, settings.scratch)
      const cpu = (cpuTime(running.pid).all - before) / 1000 / requests
      results.push({ name: peer.name, share, rate, cpu, ...rest })
      await running.stop()
    }
  }
  return results
}

async function atMost(peer, settings) {
  const running = await start(peer, { ...settings, handler: 'hello' })
  await load(HELLO, running.port, { ...settings, seconds: 1, connections: CONNECTIONS })
  const { rate } = await load(HELLO, running.port, { ...settings, seconds: 2, connections: CONNECTIONS })
  await running.stop()
  return rate
}

/**
 * Bytes of memory for each idle connection that has made one request, measured with a warm heap. `way` says how the
 * server is warmed up, and how `count` connections are opened.
 */
export async function idleMemory(peers, settings, { name: wayName, count, warm, open } = CLEARTEXT) {
  const results = []
  for (const peer of peers) {
    const running = await start(peer, { ...settings, handler: 'hello' })
    await warm(running.port, settings)
    const before = privateMemory(running.pid)
    const sockets = []
    try {
      for (let at = 0; at < count; at += 100) {
        sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => open(running.port)))))
      }
      await pause(500)
      const bytes = ((privateMemory(running.pid) - before) * 1024) / count
      results.push({ name: `${peer.name}${wayName}`, connections: count, bytes })
    } finally {
      sockets.forEach((socket) => socket.destroy())
      await running.stop()
    }
  }
  return results
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
/** The preface, empty SETTINGS, and HEADERS with GET, `/`, http and an empty authority, all from the static table. */
const HTTP2_REQUEST = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  Buffer.from([0, 0, 13, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86, 0x41, 8, ...Buffer.from('local.it')]),
])

async function asked(socket, request, event = 'connect') {
  socket.on('error', () => {})
  await once(socket, event)
  socket.write(request)
  await once(socket, 'data')
  return socket
}

const CLEARTEXT = {
  name: '',
  count: 8000,
  warm: (port, settings) => load(HELLO, port, { ...settings, seconds: 2, connections: CONNECTIONS }),
  open: (port) => asked(connect(port, '127.0.0.1'), REQUEST),
}

async function warmByH2load(url, ...how) {
  await output('h2load', ['-c64', '-n20000', ...how, url])
}

/** Idle connections over TLS; fewer, because the process that opens them needs more memory for each. */
export const IDLE_TLS = {
  name: ' over TLS',
  count: 2000,
  warm: (port) => warmByH2load(`https://127.0.0.1:${port}/`, '--h1'),
  open: (port) => asked(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }), REQUEST, 'secureConnect'),
}

/** Idle connections of HTTP/2 without TLS. */
export const IDLE_HTTP2 = {
  name: ' with HTTP/2',
  count: 8000,
  warm: (port) => warmByH2load(`http://127.0.0.1:${port}/`),
  open: (port) => asked(connect(port, '127.0.0.1'), HTTP2_REQUEST),
}

/** Milliseconds from the start of a process until it listens, minus those of an empty node process. */
export async function startTime(peers, settings, times = 11) {
  const bare = () => spawnSync(settings.node, ['-e', 'console.log(0)'])
  const results = new Map(peers.map(({ name }) => [name, []]))
  const empty = []
  for (let round = 0; round < times; round++) {
    empty.push(await timed(async () => bare()))
    for (const peer of peers) {
      let running
      const time = await timed(async () => (running = await start(peer, { ...settings, handler: 'hello' })))
      await running.stop()
      results.get(peer.name).push(time)
    }
  }
  return [...results].map(([name, times]) => ({ name, milliseconds: median(times) - median(empty) }))
}

async function timed(run) {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}
