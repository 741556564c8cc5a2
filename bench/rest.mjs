/**
 * Latency at a fixed rate, memory of idle connections, and time to start.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { privateMemory } from './cpu.mjs'
import { load } from './load.mjs'
import { LOAD_CORE, compiled, pinned, start } from './peers.mjs'
import { median } from './table.mjs'
import { WORKS } from './works.mjs'

const HELLO = WORKS[0]
const CONNECTIONS = 64
const SHARES = [0.2, 0.5, 0.8]

/** p50, p99 and p99.9 in microseconds, at shares of the highest rate of node:http. */
export async function latency(peers, settings) {
  const most = await atMost(peers.find(({ name }) => name === 'node:http') ?? peers[0], settings)
  const program = compiled('fixed-rate', settings.scratch)
  const results = []
  for (const share of SHARES) {
    const rate = Math.round(most * share)
    for (const peer of peers) {
      const running = await start(peer, { ...settings, handler: 'hello' })
      await load(HELLO, running.port, { ...settings, seconds: 1, connections: CONNECTIONS })
      const args = [running.port, CONNECTIONS, rate, settings.seconds + 1].map(String)
      const { stdout } = spawnSync(...pinned(LOAD_CORE, program, args), { encoding: 'utf8' })
      results.push({ name: peer.name, share, rate, ...JSON.parse(stdout) })
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

/** Bytes of memory for each idle connection that has made one request, measured with a warm heap. */
export async function idleMemory(peers, settings, count = 8000) {
  const results = []
  for (const peer of peers) {
    const running = await start(peer, { ...settings, handler: 'hello' })
    await load(HELLO, running.port, { ...settings, seconds: 2, connections: CONNECTIONS })
    const before = privateMemory(running.pid)
    const sockets = []
    try {
      for (let at = 0; at < count; at += 100) {
        sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => openIdle(running.port)))))
      }
      await pause(500)
      results.push({ name: peer.name, connections: count, bytes: ((privateMemory(running.pid) - before) * 1024) / count })
    } finally {
      sockets.forEach((socket) => socket.destroy())
      await running.stop()
    }
  }
  return results
}

async function openIdle(port) {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  return socket
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
