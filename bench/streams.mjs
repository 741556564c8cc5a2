/**
 * Long connections: event streams with an event each second, WebSockets that echo, and connections that echo bytes.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuTime } from './cpu.mjs'
import { measured } from './load.mjs'
import { start } from './peers.mjs'
import { median } from './table.mjs'

/** Open streams; each gets an event a second. */
const STREAMS = 5000
const WEBSOCKETS = 64
const MESSAGE = 1024
/** Bytes that an upgraded connection echoes at once. */
const PIECE = 65_000

/** CPU microseconds per event. All servers are measured at the same time, each with `STREAMS` streams. */
export async function eventStreams(peers, settings, streams = STREAMS) {
  const servers = []
  try {
    for (const peer of peers.filter(({ name }) => ['busbar', 'node:http', 'bare epoll'].includes(name))) {
      const server = { running: await start(peer, { ...settings, handler: 'events' }), received: 0, sockets: [], rounds: [] }
      servers.push(server)
      const onData = (chunk) => (server.received += count(chunk, 'data: '))
      server.sockets = await openAll(server.running.port, streams, onData)
    }
    await pause(2000)
    for (let round = 0; round < settings.rounds; round++) {
      await untilQuiet(servers)
      const before = servers.map(taken)
      await pause(settings.seconds * 1000)
      await untilQuiet(servers)
      servers.forEach((server, at) => {
        const { cpu, received, time } = taken(server)
        const events = received - before[at].received
        server.rounds.push({ cpu: (cpu - before[at].cpu) / 1000 / events, rate: events / ((time - before[at].time) / 1000) })
      })
    }
  } finally {
    for (const { running, sockets } of servers) {
      sockets.forEach((socket) => socket.destroy())
      await running.stop()
    }
  }
  return servers.map(medians)
}

const taken = ({ running, received }) => ({ cpu: cpuTime(running.pid).all, received, time: performance.now() })

/** Resolves between two events, so that each is counted together with its CPU time. Resolves after two seconds at the latest. */
async function untilQuiet(servers) {
  const all = () => servers.reduce((sum, { received }) => sum + received, 0)
  for (let tries = 0, before = -1; before !== all() && tries < 50; tries++) {
    before = all()
    await pause(40)
  }
}

/** CPU microseconds per message of 1 KiB that a WebSocket server echoes, by the package `ws` on each server. */
export function webSockets(peers, settings) {
  return echoes(peers, settings, 'websocket', [MESSAGE])
}

/** CPU microseconds per 65 KB that an upgraded connection echoes. */
export function upgrades(peers, settings) {
  return echoes(peers, settings, 'upgrade', [PIECE, 'bytes'])
}

async function echoes(peers, { scratch, ...settings }, handler, load) {
  const servers = []
  try {
    for (const peer of peers.filter(({ name }) => ['busbar', 'busbar (1 thread)', 'node:http'].includes(name))) {
      servers.push({ running: await start(peer, { ...settings, scratch, handler }), rounds: [] })
    }
    for (let round = 0; round <= settings.rounds; round++) {
      for (const { running, rounds } of servers) {
        const before = cpuTime(running.pid).all
        const { requests } = await measured('frames', [running.port, WEBSOCKETS, settings.seconds, ...load], scratch)
        const cpu = (cpuTime(running.pid).all - before) / 1000 / requests
        if (round > 0) rounds.push({ cpu, rate: requests / settings.seconds })
      }
    }
  } finally {
    for (const { running } of servers) await running.stop()
  }
  return servers.map(medians)
}

function medians({ running, rounds }) {
  return { name: running.peer.name, cpu: median(rounds.map(({ cpu }) => cpu)), rate: median(rounds.map(({ rate }) => rate)) }
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** Opens connections, a hundred at a time; resolves when each has received the head of its response. */
async function openAll(port, many, onData) {
  const sockets = []
  for (let at = 0; at < many; at += 100) {
    const wave = Array.from({ length: Math.min(100, many - at) }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(GET)
      const [head] = await once(socket, 'data')
      onData(head.subarray(head.indexOf('\r\n\r\n') + 4))
      socket.on('data', onData)
      return socket
    })
    sockets.push(...(await Promise.all(wave)))
  }
  return sockets
}

function count(chunk, text) {
  let found = 0
  for (let at = chunk.indexOf(text); at >= 0; at = chunk.indexOf(text, at + 1)) found++
  return found
}
