/**
 * Load: one work against one port for some seconds, by wrk if it is installed, else autocannon; by bulk.c for bodies
 * that are too long for these.
 */
import { spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { LOAD_CORE, compiled, pinned } from './peers.mjs'

const AUTOCANNON = fileURLToPath(new URL('../node_modules/autocannon/autocannon.js', import.meta.url))

/** The load generator for short bodies. */
export const tool = spawnSync('wrk', ['--version']).error === undefined ? 'wrk' : 'autocannon'

/** Sends the requests of a work for some seconds; returns their count, rate and errors. */
export async function load(work, port, { seconds, connections, scratch }) {
  if (work.bulk !== undefined) return bulk(work.bulk, port, seconds, scratch)
  const run = tool === 'wrk' ? wrk : autocannon
  return run(work, port, seconds, connections, scratch)
}

/** The output of a program on the core of the load. */
export async function output(command, args) {
  const [name, all] = pinned(LOAD_CORE, command, args)
  const child = spawn(name, all, { stdio: ['ignore', 'pipe', 'ignore'] })
  return text(child.stdout)
}

async function wrk(work, port, seconds, connections, scratch) {
  const lua = join(scratch, `${work.name.replaceAll(/\W/g, '-')}.lua`)
  writeFileSync(lua, luaOf(work))
  // wrk accepts whole seconds only.
  const duration = Math.max(1, Math.round(seconds))
  const args = ['-t1', `-c${connections}`, `-d${duration}s`, '-s', lua, `http://127.0.0.1:${port}${work.path ?? '/'}`]
  const printed = await output('wrk', args)
  const requests = Number(/(\d+) requests in/.exec(printed)?.[1] ?? 0)
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(printed)
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(printed)?.[1] ?? 0)
  // wrk may count a connection that the server closes after a response as an error.
  const counted = (socket ?? []).slice(1).map(Number)
  if (work.closes) counted[1] = 0
  return {
    requests,
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(printed)?.[1] ?? 0),
    errors: refused + counted.reduce((sum, count) => sum + count, 0),
  }
}

function luaOf({ method, headers = {}, body, chunk, pipeline = 1 }) {
  const fields = chunk === undefined ? headers : { ...headers, 'transfer-encoding': 'chunked' }
  const lines = Object.entries(fields).map(([name, value]) => `wrk.headers[${quoted(name)}] = ${quoted(value)}`)
  if (method !== undefined) lines.push(`wrk.method = ${quoted(method)}`)
  // With a body wrk would declare its length.
  if (body !== undefined && chunk === undefined) lines.push(`wrk.body = ${quoted(body)}`)
  lines.push(
    'local all',
    'init = function()',
    `  local one = wrk.format()${chunk === undefined ? '' : ` .. ${quotedLines(inChunks(body, chunk))}`}`,
    `  all = string.rep(one, ${pipeline})`,
    'end',
    'request = function() return all end',
  )
  return `${lines.join('\n')}\n`
}

const quoted = (value) => JSON.stringify(value)
const quotedLines = (text) => `"${text.replaceAll('\r', '\\r').replaceAll('\n', '\\n')}"`

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
    const file = join(scratch, `${work.name.replaceAll(/\W/g, '-')}.body`)
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

/** Connections of a load with long bodies. */
const BULK_CONNECTIONS = 4

async function bulk({ method, sends, receives }, port, seconds, scratch) {
  const args = [port, BULK_CONNECTIONS, seconds, method, sends, receives].map(String)
  return JSON.parse(await output(compiled('bulk', scratch), args))
}

/** Sends one request of a work and throws unless the response is right. */
export async function check(work, { port, peer }) {
  if (work.bulk !== undefined) return checkBulk(work, port, peer)
  const { method = 'GET', path = '/', headers = {}, body = '', chunk, answer } = work
  const fields = Object.entries({ host: 'localhost', connection: 'close', ...headers })
  if (chunk !== undefined) fields.push(['transfer-encoding', 'chunked'])
  else if (body !== '') fields.push(['content-length', String(Buffer.byteLength(body))])
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(5000, () => socket.destroy(new Error(`${peer.name} doesn't answer`)))
  socket.write(`${method} ${path} HTTP/1.1\r\n${head}\r\n${chunk === undefined ? body : inChunks(body, chunk)}`)
  const received = await text(socket)
  const [start, content] = received.split('\r\n\r\n')
  const isRight = start.startsWith('HTTP/1.1 200 ') && /\r\ncontent-length: \d+/i.test(start) && /\r\ndate: /i.test(start)
  if (!isRight || content !== answer) {
    throw new Error(`${peer.name} answers ${work.name} with ${JSON.stringify(received.slice(0, 400))}`)
  }
}

/** Does the same for a response too long for a string, whose bytes are all the same. */
async function checkBulk({ name, bulk: { method, sends, receives } }, port, peer) {
  const expected = Buffer.alloc(1024 * 1024, 'x')
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(10_000, () => socket.destroy(new Error(`${peer.name} doesn't answer`)))
  socket.write(`${method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${sends}\r\n\r\n`)
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
