import { once } from 'node:events'
import { Agent, createServer, get, request as makeRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as openSocket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { start as startNodeHttp } from '../examples/node-http.mjs'
import { start as startRedis } from '../examples/redis.mjs'
import streams from '../examples/streams.mjs'
import { HttpServer, serve, silentLogger } from '../dist/index.js'
import { LAST_GET, Wire, count } from './support.ts'

async function running(t: ExecutionContext, started: Promise<HttpServer>) {
  const server = await started
  t.teardown(async () => {
    if (server.getState() === HttpServer.STARTED) await server.stop(0)
  })
  const port = server.getServers()[0]!.getPort()!
  const connect = async (): Promise<Wire> => {
    const socket = openSocket({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return new Wire(socket)
  }
  return { server, port, connect }
}

const command = (...parts: string[]): string =>
  `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`

const redis = (t: ExecutionContext) => running(t, startRedis('127.0.0.1:0', { logger: silentLogger }))

test('the Redis example answers commands: whole, pipelined, and split at every byte', async (t) => {
  const { connect } = await redis(t)
  const session = [
    command('PING'),
    command('set', 'key', 'some\r\nvalue'),
    command('GET', 'key'),
    command('GET', 'nothing'),
    command('ECHO', 'echo'),
    command('DEL', 'key'),
    command('DEL', 'key'),
    command('FLY'),
    command('SET', 'key'),
    command('GET'),
    command('DEL'),
    command('QUIT'),
  ].join('')
  const expected =
    '+PONG\r\n+OK\r\n$11\r\nsome\r\nvalue\r\n$-1\r\n$4\r\necho\r\n:1\r\n:0\r\n-ERR unknown command\r\n' +
    '-ERR wrong number of arguments\r\n'.repeat(3) +
    '+OK\r\n'
  for (let at = 1; at <= session.length; at++) {
    const wire = await connect()
    wire.send(session.slice(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    wire.send(session.slice(at))
    wire.socket.end()
    t.is(await wire.end(), expected, `cut at ${at}`)
  }
})

test('the Redis example leaves other connections of its listener to HTTP', async (t) => {
  const { port, connect } = await redis(t)
  const wire = await connect()
  wire.send(command('SET', 'greeting', 'hello'))
  await wire.until((text) => text === '+OK\r\n')
  const response = await fetch(`http://127.0.0.1:${port}/greeting`)
  t.is(await response.text(), 'hello')
  t.is((await fetch(`http://127.0.0.1:${port}/other`)).status, 404)
  const raw = await connect()
  raw.send('GET /greeting HTTP/1.1\r\nHost: a\r\n\r\n')
  await raw.until((text) => text.endsWith('hello'))
  raw.send(LAST_GET.replace('GET /', 'GET /greeting'))
  t.is(count(await raw.end(), 'hello'), 2)
  const nonsense = await connect()
  nonsense.send('\x16\x03\x01nonsense\r\n\r\n')
  t.regex(await nonsense.end(), /^HTTP\/1\.1 400 /)
})

test('the Redis example sends an error for an invalid command, and closes', async (t) => {
  const { connect } = await redis(t)
  for (const wrong of ['*x\r\n', '*1\r\n+PING\r\n', '*1\r\n$4\r\nPINGxx', '*65\r\n', '*1\r\n$999999999\r\n', `*${'1'.repeat(40)}`]) {
    const wire = await connect()
    wire.send(wrong)
    t.regex(await wire.end(), /^-ERR Protocol error: /, wrong)
  }
})

test('the Redis example stops reading from a client that does not read its answers', async (t) => {
  const { connect } = await redis(t)
  const wire = await connect()
  wire.send(command('SET', 'key', 'x'.repeat(500_000)))
  await wire.until((text) => text === '+OK\r\n')
  wire.socket.pause()
  let isSent = false
  wire.socket.write(command('GET', 'key').repeat(200), () => (isSent = true))
  wire.socket.end()
  wire.socket.resume()
  const text = await wire.end()
  t.is(count(text, '$500000\r\n'), 200)
  t.true(isSent)
})

/** A node:http server in the example, and a way to send it requests. */
async function node(t: ExecutionContext, listener: Parameters<typeof createServer>[1] & {}) {
  const application = createServer(listener)
  const opened = await running(t, startNodeHttp('127.0.0.1:0', application, { logger: silentLogger }))
  return { application, ...opened }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

test('the node:http example serves keep-alive and pipelined connections', async (t) => {
  const { port, connect } = await node(t, (request, response) => {
    response.end(`${request.method} ${request.url} from ${request.socket.remoteAddress}`)
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let round = 0; round < 20; round++) {
    const [response] = (await once(get({ port, host: '127.0.0.1', path: `/${round}`, agent }), 'response')) as [IncomingMessage]
    t.is(await bodyOf(response), `GET /${round} from 127.0.0.1`)
  }
  const wire = await connect()
  wire.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n' + LAST_GET)
  const text = await wire.end()
  t.deepEqual(text.match(/GET \/\d? from/g), ['GET /1 from', 'GET /2 from', 'GET / from'])
})

test('the node:http example streams megabytes both ways', async (t) => {
  const { port } = await node(t, (request, response) => void request.pipe(response))
  const large = Buffer.alloc(8 * 1024 * 1024, 'z')
  const request = makeRequest({ port, host: '127.0.0.1', method: 'POST' })
  request.end(large)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let length = 0
  for await (const chunk of response) length += (chunk as Buffer).length
  t.is(length, large.length)
})

test('the node:http example emits close when a client leaves', async (t) => {
  let gone = (): void => {}
  const hasGone = new Promise<void>((resolve) => (gone = resolve))
  const { connect } = await node(t, (_request, response) => {
    response.once('close', () => gone())
    response.write('begun')
  })
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.includes('begun'))
  wire.socket.resetAndDestroy()
  await hasGone
  t.pass()
})

test('the node:http example passes upgrades to the application', async (t) => {
  const { application, connect } = await node(t, () => {})
  application.on('upgrade', (_request, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  })
  const wire = await connect()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst')
  await wire.until((text) => text.endsWith('first'))
  wire.send(', second')
  await wire.until((text) => text.endsWith('first, second'))
  wire.socket.end()
  t.true((await wire.end()).endsWith('first, second'))
})

test('the node:http example stops: idle connections are closed, requests under way finish', async (t) => {
  let finish = (): void => {}
  const { application, server, connect } = await node(t, (request, response) => {
    if (request.url === '/slow') finish = () => response.end('in the end')
    else response.end('fast')
  })
  // The keep-alive timeout of Node must not be what closes it.
  application.keepAliveTimeout = 0
  const unused = await connect()
  const idle = await connect()
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await idle.until((text) => text.endsWith('fast'))
  const wire = await connect()
  wire.send('GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const before = finish
  while (finish === before) await new Promise((resolve) => setImmediate(resolve))
  const stopped = server.stop(60_000)
  await idle.end()
  await unused.end()
  finish()
  t.true((await wire.end()).endsWith('in the end'))
  await stopped
})

test('the node:http example keeps the time limits of its application', async (t) => {
  const application = createServer({ headersTimeout: 50, connectionsCheckingInterval: 10 }, () => t.fail())
  const { connect } = await running(t, startNodeHttp('127.0.0.1:0', application, { logger: silentLogger }))
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: ')
  t.regex(await wire.end(), /^HTTP\/1\.1 408 /)
})

test('the examples answer invalid paths with a 400', async (t) => {
  const streaming = await running(t, serve('127.0.0.1:0', streams, { logger: silentLogger }))
  t.is((await fetch(`http://127.0.0.1:${streaming.port}/files/%zz`)).status, 400)
  t.is((await fetch(`http://127.0.0.1:${streaming.port}/files/package.json`)).status, 200)
  const { port } = await redis(t)
  t.is((await fetch(`http://127.0.0.1:${port}/%zz`)).status, 400)
})
