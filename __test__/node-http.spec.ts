import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { RequestListener } from 'node:http'
import test from 'ava'
import http, { Server, createServer } from '../src/node-http/index.ts'
import { open, packaged, serveNode } from './node-http-support.ts'

test('a function of a request and a response answers', async (t) => {
  const { get } = await serveNode(t, (req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end(`${req.method} ${req.url} ${req.headers.host?.split(':')[0]} HTTP/${req.httpVersion}`)
  })
  const answer = await get('/a?b=c')
  t.is(answer.status, 200)
  t.is(answer.headers['content-type'], 'text/plain')
  t.is(answer.headers['content-length'], '29')
  t.is(answer.text, 'GET /a?b=c 127.0.0.1 HTTP/1.1')
})

test('an Express application answers, called by a function of its own and given to createServer', async (t) => {
  const express = packaged<() => Express>('express')
  const app = express()
  app.get('/', (req, res) => void res.send(`hello ${req.ip}`))
  const direct = await serveNode(t, app)
  t.is((await direct.get('/')).text, 'hello 127.0.0.1')
  const wrapped = await serveNode(t, (req, res) => app(req, res))
  const answer = await wrapped.get('/')
  t.is(answer.text, 'hello 127.0.0.1')
  t.is(answer.headers['x-powered-by'], 'Express')
  t.is((await wrapped.get('/none')).status, 404)
})

interface Express extends RequestListener {
  get(path: string, handler: (req: { ip: string }, res: { send(text: string): void }) => void): void
}

for (const size of [5, 4096, 1_000_000]) {
  test(`a body of ${size} bytes is read by events, by a loop and by a pipe`, async (t) => {
    const { get } = await serveNode(t, (req, res) => {
      if (req.url === '/pipe') return void req.pipe(res)
      if (req.url === '/loop') {
        void (async () => {
          let length = 0
          for await (const piece of req) length += (piece as Buffer).length
          res.end(`${length} ${req.complete}`)
        })()
        return
      }
      let length = 0
      req.on('data', (piece: Buffer) => (length += piece.length))
      req.on('end', () => res.end(`${length} ${req.complete}`))
    })
    const body = Buffer.alloc(size, 'x')
    t.is((await get('/events', { method: 'POST' }, body)).text, `${size} true`)
    t.is((await get('/loop', { method: 'POST' }, body)).text, `${size} true`)
    t.is((await get('/pipe', { method: 'POST' }, body)).text, body.toString())
  })
}

test('a response is written in pieces, with trailers, and by a length that was set', async (t) => {
  const { get } = await serveNode(t, (req, res) => {
    if (req.url === '/trailers') {
      res.writeHead(201, 'Made', { trailer: 'x-sum' })
      res.write('a')
      res.addTrailers({ 'x-sum': '1' })
    } else res.writeHead(200, { 'content-length': 2 })
    res.write('b')
    setImmediate(() => res.end('c'))
  })
  const chunked = await get('/trailers')
  t.is(chunked.reason, 'Made')
  t.is(chunked.headers['transfer-encoding'], 'chunked')
  t.is(chunked.text, 'abc')
  t.is(chunked.trailers['x-sum'], '1')
  const sized = await get('/')
  t.is(sized.headers['content-length'], '2')
  t.is(sized.text, 'bc')
})

test('a server closes when its connections have', async (t) => {
  const { server, get } = await serveNode(t, (_req, res) => void res.end('ok'))
  t.true(server.listening)
  await get('/')
  const closed = once(server, 'close')
  server.close()
  t.false(server.listening)
  await closed
  t.is(server.address(), null)
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => server.close(resolve))
  t.is(error?.code, 'ERR_SERVER_NOT_RUNNING')
})

test('the class is made with and without new, extended, and is one of Node’s', async (t) => {
  class Mine extends Server {}
  const made = [new Server(), createServer(), (Server as unknown as () => nodeHttp.Server)(), new Mine(), http.createServer()]
  for (const server of made) {
    t.true(server instanceof nodeHttp.Server)
    t.true(server instanceof Server)
  }
  t.true(made[3] instanceof Mine)
  made[3]!.on('request', (_req, res: nodeHttp.ServerResponse) => void res.end('mine'))
  const { get } = await open(t, made[3]!)
  t.is((await get('/')).text, 'mine')
})
