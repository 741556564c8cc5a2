/** Where layers with the API of node:http have failed before: each is a test of its own. */
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable, finished } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { inherits } from 'node:util'
import test from 'ava'
import http, { createServer } from '../src/node-http/index.ts'
import { ask, open, packaged, serveNode } from './node-http-support.ts'

type Express = RequestListener & { get(path: string, handler: (req: IncomingMessage & { ip: string }, res: ServerResponse & { send(text: string): void }) => void): void }

/** Resolves when the next response of a server has closed. */
function nextClose(server: Server): Promise<{ req: IncomingMessage; res: ServerResponse }> {
  return new Promise((resolve) => {
    server.once('request', (req: IncomingMessage, res: ServerResponse) => res.once('close', () => resolve({ req, res })))
  })
}

test('a prototype that an application gives requests hides nothing, in either kind of server', async (t) => {
  const express = packaged<() => Express>('express4')
  const app = express()
  app.get('/', (req, res) => {
    // The first look at a request whose prototype was replaced.
    const { host } = req.headers
    res.send(`${host !== undefined} ${req.rawHeaders.length > 0} ${req.socket.remoteAddress} ${req.ip}`)
  })
  const ours = await serveNode(t, (req, res) => app(req, res))
  t.is((await ours.get('/')).text, 'true true 127.0.0.1 127.0.0.1')
  const nodes = await open(t, nodeHttp.createServer(app))
  t.is((await nodes.get('/')).text, 'true true 127.0.0.1 127.0.0.1')
  t.is((await ours.get('/')).text, 'true true 127.0.0.1 127.0.0.1')
})

test('a field that is set by a method of Node’s prototype is sent', async (t) => {
  const { get } = await serveNode(t, (_req, res) => {
    nodeHttp.OutgoingMessage.prototype.setHeader.call(res, 'Set-Cookie', ['a=b', 'c=d'])
    res.end()
  })
  t.deepEqual((await get('/')).headers['set-cookie'], ['a=b', 'c=d'])
})

test('the exported classes are called without new by what inherits from them', (t) => {
  function Fake(this: object, request: IncomingMessage): void {
    Reflect.apply(http.ServerResponse as unknown as () => void, this, [request])
  }
  inherits(Fake, http.ServerResponse)
  const fake = new (Fake as unknown as new (request: object) => ServerResponse)({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 })
  fake.setHeader('a', 'b')
  t.is(fake.getHeader('a'), 'b')
  t.is(fake.statusCode, 200)
})

test('requests, responses, sockets and servers are instances of Node’s classes', async (t) => {
  const { Socket: NetSocket } = await import('node:net')
  const { server, get } = await serveNode(t, (req, res) => {
    const checks = [req instanceof nodeHttp.IncomingMessage, req instanceof Readable, res instanceof nodeHttp.ServerResponse]
    res.end([...checks, res instanceof nodeHttp.OutgoingMessage, req.socket instanceof NetSocket].join())
  })
  t.is((await get('/')).text, 'true,true,true,true,true')
  t.true(server instanceof nodeHttp.Server)
})

test('streams know requests and responses for what they are', async (t) => {
  const ends: string[] = []
  const { server, get } = await serveNode(t, (req, res) => {
    finished(req, (error) => ends.push(`req ${error?.code}`))
    finished(res, (error) => ends.push(`res ${error?.code}`))
    void pipeline(Readable.from(['a', 'b']), res).then(() => ends.push('piped'))
  })
  const closed = nextClose(server)
  t.is((await get('/')).text, 'ab')
  await closed
  await new Promise(setImmediate)
  t.deepEqual(ends.toSorted(), ['piped', 'req undefined', 'res undefined'])
})

test('methods that a library replaces on a response are called', async (t) => {
  const { get } = await serveNode(t, (_req, res) => {
    const { writeHead, end } = res
    res.writeHead = function (this: ServerResponse, ...given: unknown[]) {
      this.setHeader('x-head', 'seen')
      return Reflect.apply(writeHead, this, given) as ServerResponse
    } as typeof res.writeHead
    res.end = function (this: ServerResponse, text: string) {
      return Reflect.apply(end, this, [`${text}!`]) as ServerResponse
    } as typeof res.end
    res.end('hello')
  })
  const answer = await get('/')
  t.is(answer.headers['x-head'], 'seen')
  t.is(answer.text, 'hello!')
})

test('a response behind another has no socket before its turn', async (t) => {
  const seen: string[] = []
  const { dial } = await serveNode(t, (req, res) => {
    seen.push(`${req.url} ${res.socket !== null}`)
    res.on('socket', () => seen.push(`${req.url} has its turn`))
    res.on('finish', () => seen.push(`${req.url} finished`))
    setTimeout(() => res.end(req.url), req.url === '/1' ? 50 : 1)
  })
  const wire = await dial()
  wire.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  const text = await wire.until((received) => received.endsWith('/2'))
  t.true(text.indexOf('\r\n\r\n/1') < text.indexOf('\r\n\r\n/2'))
  t.deepEqual(seen, ['/1 true', '/2 false', '/2 has its turn', '/1 finished', '/2 finished'])
})

test('a body that had come whole can be read after its client has left', async (t) => {
  const { server, dial } = await serveNode(t, () => {})
  const closed = nextClose(server)
  const wire = await dial()
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel').send('lo')
  await once(server, 'request')
  await new Promise((resolve) => setTimeout(resolve, 50))
  wire.socket.destroy()
  const { req } = await closed
  t.true(req.complete)
  t.true(req.readableAborted)
  t.is(String(req.read()), 'hello')
})

test('when a client leaves, events come in Node’s order', async (t) => {
  const seen: string[] = []
  const { server, dial } = await serveNode(t, (req, res) => {
    for (const event of ['aborted', 'error', 'close']) req.on(event, () => seen.push(`req ${event}`))
    res.on('close', () => seen.push('res close'))
  })
  const wire = await dial()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  const closed = new Promise((resolve) => req.once('close', resolve))
  wire.socket.destroy()
  await closed
  t.deepEqual(seen, ['req aborted', 'res close', 'req error', 'req close'])
  t.true(req.aborted)
  t.true(req.destroyed)
  t.false(res.writableFinished)
})

test('a timeout is an event of the request, the response and the server, and destroys a socket without a listener', async (t) => {
  const { server, get, dial } = await serveNode(t, (req, res) => {
    if (req.url === '/res') res.setTimeout(20, () => res.end('late'))
    else req.socket.setTimeout(20, () => {})
  })
  t.is((await get('/res')).text, 'late')
  const wire = await dial()
  t.is(await wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n').end(), '')
  server.setTimeout(20, (socket: Socket) => void socket.end('HTTP/1.1 408 Mine\r\n\r\n'))
  const other = await dial()
  t.is(await other.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n').end(), 'HTTP/1.1 408 Mine\r\n\r\n')
})

test('an emit that was replaced is called for each request', async (t) => {
  const { server, get } = await serveNode(t, (_req, res) => void res.end('ok'))
  const seen: string[] = []
  const { emit } = server
  server.emit = function (this: Server, event: string, ...given: unknown[]) {
    seen.push(event)
    return Reflect.apply(emit, this, [event, ...given]) as boolean
  } as typeof server.emit
  await get('/')
  t.true(seen.includes('request'))
})

test.serial('diagnostics channels have the start, the creation and the end', async (t) => {
  const seen: string[] = []
  const names = ['http.server.request.start', 'http.server.response.created', 'http.server.response.finish'] as const
  const listeners = names.map((name) => {
    const listener = (message: unknown): void => {
      const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
      if (request.url === '/channel' && response instanceof nodeHttp.ServerResponse) seen.push(name)
    }
    channel(name).subscribe(listener)
    return listener
  })
  t.teardown(() => names.forEach((name, at) => channel(name).unsubscribe(listeners[at]!)))
  const { server, get } = await serveNode(t, (_req, res) => void res.end('ok'))
  const closed = nextClose(server)
  await get('/channel')
  await closed
  t.deepEqual(seen, ['http.server.response.created', 'http.server.request.start', 'http.server.response.finish'])
})

test('a connection has one socket, which the server announces to those who listen', async (t) => {
  const server = createServer((req, res) => {
    seen.push(req.socket)
    res.end(String(req.socket === res.socket))
  })
  const seen: unknown[] = []
  server.on('connection', (socket) => seen.push(socket))
  const { dial } = await open(t, server)
  const wire = await dial()
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.endsWith('true'))
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await wire.until((text) => text.split('true').length === 3)
  t.is(new Set(seen).size, 1)
  t.is(seen.length, 3)
})

test('errors have Node’s codes', async (t) => {
  const codes: unknown[] = []
  const attempt = (run: () => void): void => {
    try {
      run()
    } catch (error) {
      codes.push((error as NodeJS.ErrnoException).code)
    }
  }
  const { server, get } = await serveNode(t, (_req, res) => {
    attempt(() => res.setHeader('a b', '1'))
    attempt(() => res.setHeader('x', 'a\nb'))
    attempt(() => res.setHeader('x', undefined as unknown as string))
    attempt(() => res.writeHead(99))
    attempt(() => res.write(null))
    attempt(() => res.write(5))
    res.on('error', (error) => codes.push((error as NodeJS.ErrnoException).code))
    res.writeHead(200)
    attempt(() => res.setHeader('late', '1'))
    attempt(() => res.writeHead(200))
    res.pipe(res)
    res.end('ok')
    res.write('late')
  })
  const closed = nextClose(server)
  await get('/')
  await closed
  t.deepEqual(codes, [
    'ERR_INVALID_HTTP_TOKEN', 'ERR_INVALID_CHAR', 'ERR_HTTP_INVALID_HEADER_VALUE', 'ERR_HTTP_INVALID_STATUS_CODE',
    'ERR_STREAM_NULL_VALUES', 'ERR_INVALID_ARG_TYPE', 'ERR_HTTP_HEADERS_SENT', 'ERR_HTTP_HEADERS_SENT',
    'ERR_STREAM_CANNOT_PIPE', 'ERR_STREAM_WRITE_AFTER_END',
  ])
  const { port } = server.address() as { port: number }
  const second = createServer()
  second.listen(port, '127.0.0.1')
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException & { port: number; address: string }]
  t.like(error, { code: 'EADDRINUSE', syscall: 'listen', port, address: '127.0.0.1', errno: -98 })
})

test('Fastify listens on all addresses of localhost by a factory of its own', async (t) => {
  interface Fastify {
    get(path: string, handler: () => Promise<string>): void
    listen(options: object): Promise<string>
    server: Server
    close(): Promise<void>
  }
  const fastify = packaged<(options: object) => Fastify>('fastify')
  const app = fastify({ serverFactory: (handler: RequestListener) => createServer(handler), forceCloseConnections: true })
  app.get('/', () => Promise.resolve('hello'))
  await app.listen({ host: 'localhost', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as { port: number }
  t.is((await ask({ host: 'localhost', port, path: '/' })).text, 'hello')
})
