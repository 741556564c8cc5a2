import { once } from 'node:events'
import http2 from 'node:http2'
import nodeHttps from 'node:https'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import http, { serve, serverFactory as plainFactory } from '../src/node-http/index.ts'
import https, { createServer, serverFactory } from '../src/node-http/https.ts'
import { createSecureServerOf } from '../src/node-http/http2.ts'
import { Authority } from './authority.ts'
import { IS_CURRENT } from './differential/requests.ts'
import { ask, getByTls, packaged } from './node-http-support.ts'

const authority = new Authority()
const { cert, key } = authority.issue()

async function started(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections?.()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function getByHttp2(t: ExecutionContext, url: string): Promise<[string, number]> {
  const session = http2.connect(url, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/x' })
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
  let text = ''
  for await (const piece of stream) text += String(piece)
  session.close()
  return [text, headers[':status'] ?? 0]
}

const facts: RequestListener = (req, res) => {
  const socket = req.socket as TLSSocket
  res.setHeader('X-Mixed-Case', '1')
  res.end([req.httpVersion, socket.encrypted, socket.getProtocol(), socket instanceof tls.TLSSocket].join())
}

test('a server with TLS has Node’s options, and its sockets Node’s members', async (t) => {
  const port = await started(t, createServer({ cert, key }, facts))
  t.is(await getByTls(port), '1.1,true,TLSv1.3,true')
  t.is(await getByTls(port, { maxVersion: 'TLSv1.2' }), '1.1,true,TLSv1.2,true')
})

test('the same function answers over HTTP/1.1 and HTTP/2', async (t) => {
  const port = await started(t, createServer({ cert, key, http2: true }, facts))
  t.is(await getByTls(port), '1.1,true,TLSv1.3,true')
  t.deepEqual(await getByHttp2(t, `https://127.0.0.1:${port}`), ['2.0,true,TLSv1.3,true', 200])
})

test('HTTP/2 is spoken without TLS to those who begin with it', async (t) => {
  const port = await started(t, http.createServer({ http2: true }, (req, res) => void res.end(`${req.httpVersion} ${req.url}`)))
  t.deepEqual(await getByHttp2(t, `http://127.0.0.1:${port}`), ['2.0 /x', 200])
  t.is((await ask({ port, path: '/y' })).text, '1.1 /y')
})

/** On the way to an I/O thread responses are copied. */
const inLoopTest = (process.env['BUSBAR_IO_THREADS'] ?? '0') === '0' ? test : test.skip
for (const version of [1, 2] as const) {
  inLoopTest(`a response whose memory is taken away is aborted and closed, and others are served (HTTP/${version})`, async (t) => {
    let closed = 0
    const listener: RequestListener = (req, res) => {
      if (req.url === '/y') return void res.end('y')
      const body = Buffer.from(new ArrayBuffer(24_000_000))
      res.once('close', () => closed++)
      res.end(body)
      structuredClone(body.buffer, { transfer: [body.buffer] })
    }
    const port = await started(t, http.createServer({ http2: true }, listener))
    const session = http2.connect(`http://127.0.0.1:${port}`)
    t.teardown(() => session.destroy())
    if (version === 1) await t.throwsAsync(ask({ port, path: '/x' }))
    else await t.throwsAsync(once(session.request({ ':path': '/x' }).resume(), 'close'), { message: /INTERNAL_ERROR/ })
    while (closed === 0) await new Promise((resolve) => setImmediate(resolve))
    t.is((await ask({ port, path: '/y' })).text, 'y')
    t.is(closed, 1)
  })
}

test('an Express application runs on HTTP/2', async (t) => {
  const app = packaged<() => RequestListener & { use(handler: (req: { secure: boolean }, res: { json(value: unknown): void }) => void): void }>('express')()
  app.use((req, res) => void res.json({ secure: req.secure }))
  const port = await started(t, createServer({ cert, key, http2: true }, app))
  t.deepEqual(await getByHttp2(t, `https://127.0.0.1:${port}`), ['{"secure":true}', 200])
})

test('a server of http2.createSecureServer with allowHTTP1 speaks both', async (t) => {
  const create = createSecureServerOf(http2.createSecureServer as never)
  const port = await started(t, create({ cert, key, allowHTTP1: true }, facts as never) as unknown as Server)
  t.is(await getByTls(port), '1.1,true,TLSv1.3,true')
  t.deepEqual(await getByHttp2(t, `https://127.0.0.1:${port}`), ['2.0,true,TLSv1.3,true', 200])
})

test('connections that are announced to the application are served behind their handshake', async (t) => {
  const announced: string[] = []
  for (const prepare of [
    (server: Server) => server.on('secureConnection', (socket: TLSSocket) => announced.push(String(socket.getProtocol()))),
    (server: Server) => server.on('connection', () => announced.push('connection')),
    (server: Server) => server.setTimeout(60_000),
  ]) {
    const server = createSecureServerOf(http2.createSecureServer)({ cert, key, allowHTTP1: true }, facts as never) as unknown as Server
    prepare(server)
    const port = await started(t, server)
    t.is(await getByTls(port), '1.1,true,TLSv1.3,true')
    t.deepEqual(await getByHttp2(t, `https://127.0.0.1:${port}`), ['2.0,true,TLSv1.3,true', 200])
  }
  t.deepEqual(announced, ['TLSv1.3', 'TLSv1.3', 'connection', 'connection'])
})

test('a server of http2.createSecureServer is closed behind `await using`', async (t) => {
  for (const create of [createSecureServerOf(http2.createSecureServer as never), ...(IS_CURRENT ? [http2.createSecureServer] : [])]) {
    const server = create({ cert, key, allowHTTP1: true }, facts as never)
    await server[Symbol.asyncDispose]()
    const port = await started(t, server as never)
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    await once(session.request().resume(), 'close')
    const ended = once(session, 'close')
    await Promise.all([server[Symbol.asyncDispose](), ended])
    t.false(server.listening)
    await server[Symbol.asyncDispose]()
  }
})

test('SNICallback and addContext choose the certificate', async (t) => {
  const other = new Authority().issue()
  const asked: string[] = []
  const server = createServer(
    {
      cert, key,
      SNICallback: (name, done) => {
        asked.push(name)
        done(null, name === 'asked.example' ? tls.createSecureContext({ cert: other.cert, key: other.key }) : undefined)
      },
    },
    (_req, res) => void res.end(),
  )
  server.addContext('added.example', { cert: other.cert, key: other.key })
  const port = await started(t, server)
  const shown = async (servername: string): Promise<string> => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const usual = await shown('other.example')
  t.not(await shown('asked.example'), usual)
  t.is(await shown('added.example'), await shown('asked.example'))
  t.true(asked.includes('asked.example'))
  t.false(asked.includes('added.example'))
})

test('an SNICallback that fails ends the handshake, and the server serves others', async (t) => {
  const errors: [message: string, isSocket: boolean][] = []
  const SNICallback = (name: string, done: (error: Error | null) => void): void => {
    if (name === 'thrown.example') throw new Error('thrown')
    done(name === 'refused.example' ? new Error('refused') : null)
  }
  const server = createServer({ cert, key, SNICallback }, (_req, res) => void res.end('served'))
  const port = await started(t, server)
  for (const isHeard of [false, true]) {
    if (isHeard) server.on('tlsClientError', (error: Error, socket: unknown) => void errors.push([error.message, socket instanceof tls.TLSSocket]))
    for (const servername of ['refused.example', 'thrown.example']) {
      await t.throwsAsync(getByTls(port, { servername }), { code: 'ECONNRESET' })
      t.is(await getByTls(port, { servername: 'good.example' }), 'served')
    }
  }
  t.deepEqual(errors, [['refused', true], ['thrown', true]])
})

test('maxRequestsPerSocket counts no streams of HTTP/2', async (t) => {
  const server = createServer({ cert, key, http2: true }, (_req, res) => void res.end('served'))
  server.maxRequestsPerSocket = 2
  const session = http2.connect(`https://127.0.0.1:${await started(t, server)}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  for (let turn = 0; turn < 5; turn++) {
    const [headers] = (await once(session.request({ ':path': '/' }).resume(), 'response')) as [http2.IncomingHttpStatusHeader]
    t.is(headers[':status'], 200)
  }
})

test('a client’s certificate is seen and judged', async (t) => {
  const port = await started(
    t,
    createServer({ cert, key, requestCert: true, rejectUnauthorized: false, ca: authority.cert }, (req, res) => {
      const socket = req.socket as TLSSocket
      const certificate = socket.getPeerCertificate() as Partial<PeerCertificate>
      res.end(`${socket.authorized} ${certificate.fingerprint256 !== undefined}`)
    }),
  )
  t.is(await getByTls(port), 'false false')
  t.is(await getByTls(port, { cert, key }), 'true true')
})

test('what rustls can’t do is served by Node', async (t) => {
  const port = await started(t, createServer({ cert, key, maxVersion: 'TLSv1.2' }, facts))
  t.is(await getByTls(port), '1.1,true,TLSv1.2,true')
})

test('serve starts an application in one line', async (t) => {
  const Koa = packaged<new () => { use(handler: (ctx: { body: string }) => void): void; callback(): RequestListener }>('koa')
  const koa = new Koa()
  koa.use((ctx) => void (ctx.body = 'hello'))
  const server = await serve(koa, 0)
  t.teardown(() => server.close())
  t.is((await ask({ port: (server.address() as AddressInfo).port, path: '/' })).text, 'hello')
  await t.throwsAsync(serve({} as never, 0), { message: /serve takes a function/ })
})

test('Fastify’s server has its options', async (t) => {
  interface App {
    get(path: string, handler: () => Promise<string>): void
    listen(options: object): Promise<string>
    close(): Promise<void>
    readonly server: Server
  }
  const fastify = packaged<(options: object) => App>('fastify')
  const app = fastify({ serverFactory, https: { cert, key }, http2: true, keepAliveTimeout: 3000, requestTimeout: 9000, maxRequestsPerSocket: 7 })
  app.get('/x', () => Promise.resolve('hello'))
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  t.deepEqual(await getByHttp2(t, `https://127.0.0.1:${port}`), ['hello', 200])
  t.like(app.server, { keepAliveTimeout: 3000, requestTimeout: 9000, maxRequestsPerSocket: 7 })
  t.throws(() => plainFactory(() => {}, { https: {} }), { message: /busbar\/https/ })
  t.true(app.server instanceof nodeHttps.Server)
  t.true(https.createServer({ cert, key }) instanceof nodeHttps.Server)
})
