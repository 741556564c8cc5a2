/**
 * Load: one work against one port for some seconds, by closed-loop.c where there is a C compiler, else by autocannon.
 */
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { COMPILER, LOAD_CORE, compiled, pinned } from './peers.mjs'

const AUTOCANNON = fileURLToPath(new URL('../node_modules/autocannon/autocannon.js', import.meta.url))

/** The load generator. */
export const tool = COMPILER === null ? 'autocannon' : 'closed-loop.c'

/** Sends the requests of a work for some seconds; returns their count, rate and errors. */
export async function load(work, port, { seconds, connections, scratch }) {
  const run = COMPILER === null ? autocannon : closedLoop
  return run(work, port, seconds, connections, scratch)
}

/** The output of a program on the core of the load. */
export async function output(command, args, errors = 'ignore') {
  const [name, all] = pinned(LOAD_CORE, command, args)
  const child = spawn(name, all, { stdio: ['ignore', 'pipe', errors] })
  return text(child.stdout)
}

/** What one of the loads in C has measured; it says itself why it failed. */
export async function measured(name, args, scratch) {
  const printed = await output(compiled(name, scratch), args.map(String), 'inherit')
  if (printed === '') throw new Error(`${name}.c has failed`)
  return JSON.parse(printed)
}

/** Connections of a load with long bodies. */
const BULK_CONNECTIONS = 4

async function closedLoop(work, port, seconds, connections, scratch) {
  const { name, bulk, pipeline = 1, closes = false } = work
  const file = fileOf(name, 'request', scratch)
  writeFileSync(file, requestOf(work), 'latin1')
  const args = [port, bulk === undefined ? connections : BULK_CONNECTIONS, seconds, file, bulk?.sends ?? 0, pipeline]
  return measured('closed-loop', closes ? [...args, 'closes'] : args, scratch)
}

/** A file for a load, named after its work. */
const fileOf = (name, kind, scratch) => join(scratch, `${name.replaceAll(/\W/g, '-')}.${kind}`)

/** The bytes of a work's request; without those of a body for `bulk`. */
function requestOf({ method = 'GET', path = '/', headers = {}, body = '', chunk, bulk }, more = {}) {
  const length = bulk?.sends ?? body.length
  const framing = chunk !== undefined ? { 'transfer-encoding': 'chunked' } : length > 0 ? { 'content-length': length } : {}
  const fields = Object.entries({ host: 'localhost', ...headers, ...framing, ...more })
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `${bulk?.method ?? method} ${path} HTTP/1.1\r\n${lines}\r\n${chunk === undefined ? body : inChunks(body, chunk)}`
}

/** A body of ASCII in chunks of `size` bytes. */
function inChunks(body, size) {
  const chunks = []
  for (let at = 0; at < body.length; at += size) {
    const content = body.slice(at, at + size)
    chunks.push(`${content.length.toString(16)}\r\n${content}\r\n`)
  }
  return `${chunks.join('')}0\r\n\r\n`
}

async function autocannon(work, port, seconds, connections, scratch) {
  const args = [AUTOCANNON, '-j', '-n', '-c', String(connections), '-d', String(seconds)]
  if (work.pipeline !== undefined) args.push('-p', String(work.pipeline))
  if (work.method !== undefined) args.push('-m', work.method)
  if (work.body !== undefined) {
    // By a file: an argument has at most 128 KiB.
    const file = fileOf(work.name, 'body', scratch)
    writeFileSync(file, work.body)
    args.push('-i', file)
  }
  for (const [name, value] of Object.entries(work.headers ?? {})) args.push('-H', `${name}=${value}`)
  const printed = await output(process.execPath, [...args, `http://127.0.0.1:${port}${work.path ?? '/'}`])
  const result = JSON.parse(printed)
  return {
    requests: result.requests.total,
    rate: result.requests.total / result.duration,
    errors: result.non2xx + result.timeouts + (work.closes ? 0 : result.errors),
  }
}

/** Sends one request of a work and throws unless the response is right. */
export async function check(work, { port, peer }) {
  if (work.bulk !== undefined) return checkBulk(work, port, peer)
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(5000, () => socket.destroy(new Error(`${peer.name} doesn't answer`)))
  socket.write(requestOf(work, { connection: 'close' }))
  const received = await text(socket)
  const [start, content] = received.split('\r\n\r\n')
  const isRight = start.startsWith('HTTP/1.1 200 ') && /\r\ncontent-length: \d+/i.test(start) && /\r\ndate: /i.test(start)
  if (!isRight || content !== work.answer) {
    throw new Error(`${peer.name} answers ${work.name} with ${JSON.stringify(received.slice(0, 400))}`)
  }
}

/** Does the same for a response too long for a string, whose bytes are all the same. */
async function checkBulk(work, port, peer) {
  const { name, bulk: { sends, receives } } = work
  const expected = Buffer.alloc(1024 * 1024, 'x')
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(10_000, () => socket.destroy(new Error(`${peer.name} doesn't answer`)))
  socket.write(requestOf(work, { connection: 'close' }))
  if (sends > 0) socket.write(Buffer.alloc(sends, 'x'))
  let head = ''
  let left = receives
  for await (const chunk of socket) {
    let body = chunk
    if (left === receives && !head.includes('\r\n\r\n')) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) continue
      body = Buffer.from(head.slice(end + 4), 'latin1')
    }
    left -= body.length
    if (left < 0 || !body.equals(expected.subarray(0, body.length))) throw new Error(`${peer.name} answers ${name} with other bytes`)
    if (left === 0) break
  }
  if (left > 0 || !head.startsWith('HTTP/1.1 200 ')) {
    throw new Error(`${peer.name} answers ${name} with ${JSON.stringify(head.slice(0, 400))} and ${left} bytes too few`)
  }
}
