/**
 * Connections that live long: event streams with an event each second, and WebSockets that echo.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuTime } from './cpu.mjs'
import { start } from './peers.mjs'
import { median } from './table.mjs'

/** Streams that are open at once; each gets an event a second. */
const STREAMS = 5000
const WEBSOCKETS = 64
const MESSAGE = 1024

/** CPU microseconds per event, with so many event streams open on each server: all at once, in the same seconds. */
export async function eventStreams(peers, settings, streams = STREAMS) {
  const servers = []
  try {
    for (const peer of peers.filter(({ name }) => ['busbar', 'node:http', 'bare epoll'].includes(name))) {
      const server = { running: await start(peer, { ...settings, handler: 'events' }), received: 0, sockets: [], rounds: [] }
      servers.push(server)
      const onData = (chunk) => (server.received += count(chunk, 'data: '))
      server.sockets = await openAll(server.running.port, streams, GET, onData)
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
  return servers.map(({ running, rounds }) => {
    return { name: running.peer.name, cpu: median(rounds.map(({ cpu }) => cpu)), rate: median(rounds.map(({ rate }) => rate)) }
  })
}

const taken = ({ running, received }) => ({ cpu: cpuTime(running.pid).all, received, time: performance.now() })

/** Resolves between two events: those under way would be counted where their cost isn't. At the latest after two seconds. */
async function untilQuiet(servers) {
  const all = () => servers.reduce((sum, { received }) => sum + received, 0)
  for (let tries = 0, before = -1; before !== all() && tries < 50; tries++) {
    before = all()
    await pause(40)
  }
}

/** CPU microseconds per message of 1 KiB that a WebSocket server echoes, by the package `ws` on each server. */
export async function webSockets(peers, settings) {
  const rows = []
  for (const peer of peers.filter(({ name }) => name === 'busbar' || name === 'node:http')) {
    const running = await start(peer, { ...settings, handler: 'websocket' })
    const frame = maskedFrame(MESSAGE)
    let messages = 0
    const sockets = await openAll(running.port, WEBSOCKETS, UPGRADE, (chunk, socket) => {
      // What comes back has no mask: four bytes fewer.
      socket.echoed = (socket.echoed ?? 0) + chunk.length
      for (; socket.echoed >= frame.length - 4; socket.echoed -= frame.length - 4) {
        messages++
        socket.write(frame)
      }
    })
    try {
      for (const socket of sockets) socket.write(frame)
      await pause(500)
      rows.push({ name: peer.name, ...(await measured(running, settings.seconds, () => messages)) })
    } finally {
      sockets.forEach((socket) => socket.destroy())
      await running.stop()
    }
  }
  return rows
}

async function measured(running, seconds, done) {
  const [before, first] = [cpuTime(running.pid), done()]
  await pause(seconds * 1000)
  const [after, last] = [cpuTime(running.pid), done()]
  return { cpu: (after.all - before.all) / 1000 / (last - first), rate: (last - first) / seconds }
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

/** Opens connections a hundred at a time; each has its answer's head when this resolves. */
async function openAll(port, many, request, onData) {
  const sockets = []
  for (let at = 0; at < many; at += 100) {
    const wave = Array.from({ length: Math.min(100, many - at) }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(request)
      const [head] = await once(socket, 'data')
      const rest = head.subarray(head.indexOf('\r\n\r\n') + 4)
      if (rest.length > 0) onData(rest, socket)
      socket.on('data', (chunk) => onData(chunk, socket))
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

/** A text frame with a mask of zeros. RFC 6455 §5.2. */
function maskedFrame(length) {
  const head = Buffer.from([0x81, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0])
  return Buffer.concat([head, Buffer.alloc(length, 'x')])
}
