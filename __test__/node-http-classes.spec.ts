/** The options IncomingMessage and ServerResponse: messages of the application's classes, as on node:http. */
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import nodeHttp from 'node:http'
import type { ServerOptions } from 'node:http'
import { inherits } from 'node:util'
import test from 'ava'
import { createSecureServerOf } from '../src/node-http/http2.ts'
import http from '../src/node-http/index.ts'
import { Authority } from './authority.ts'
import { DECISIONS } from './differential/decisions.ts'
import { plain, plainRequests } from './differential/plain.mjs'
import { compare, converse, listen } from './differential/requests.ts'
import type { Application, Sent } from './differential/requests.ts'
import { Dialogue } from './differential/wire.ts'
import { packaged, serveNode } from './node-http-support.ts'

const GET = 'GET /path HTTP/1.1\r\nHost: a\r\n\r\n'

/** Adds members, and overrides some of Node's. */
class MyRequest extends nodeHttp.IncomingMessage {
  readonly mine = true
  readonly path: string
  events: string[] = []

  constructor(socket: ConstructorParameters<typeof nodeHttp.IncomingMessage>[0]) {
    super(socket)
    this.path = `${this.url} ${String(this.method)}`
    this.on('end', () => this.events.push('end'))
    this.setEncoding('latin1')
  }

  get agent(): string {
    return this.headers['user-agent'] ?? 'none'
  }

  override resume(): this {
    this.events.push('resume')
    return super.resume()
  }
}

class MyResponse extends nodeHttp.ServerResponse<MyRequest> {
  readonly made: string

  constructor(...given: ConstructorParameters<typeof nodeHttp.ServerResponse<MyRequest>>) {
    super(...given)
    this.made = `${given[0].method} ${given[0].url} ${given[0].headers.host}`
    this.setHeader('X-Made-By', 'MyResponse')
  }

  json(value: unknown): this {
    return this.setHeader('Content-Type', 'application/json').end(JSON.stringify(value))
  }

  override end(...given: unknown[]): this {
    if (!this.headersSent) this.setHeader('X-Ended', String(given.length))
    return super.end(...(given as []))
  }

  override writeHead(...given: unknown[]): this {
    if (!this.headersSent) this.setHeader('X-Head', String(given[0]))
    return super.writeHead(...(given as [number]))
  }
}

function OldRequest(this: nodeHttp.IncomingMessage, socket: never): void {
  Reflect.apply(nodeHttp.IncomingMessage as never, this, [socket])
  Object.assign(this, { old: true })
}
inherits(OldRequest, nodeHttp.IncomingMessage)

const CLASSES = { IncomingMessage: MyRequest, ServerResponse: MyResponse } as ServerOptions

test('messages of the application’s classes answer as on node:http, and see the same events in the same order', async (t) => {
  for (const isWatched of [false, true]) {
    const sent = plainRequests as Sent[]
    const [nodes, ours] = await Promise.all((['node', 'busbar'] as const).map((kind) => converse(t, kind, plain as Application, sent, isWatched, CLASSES)))
    t.true(compare(t, sent, nodes!, ours!).size <= DECISIONS.length)
  }
})

test('constructors run, and their members and overrides are used', async (t) => {
  const answers = await Promise.all([nodeHttp, http].map(async ({ createServer }) => {
    const server = createServer({ ...CLASSES, keepAliveTimeout: 5000 } as ServerOptions<typeof MyRequest, typeof MyResponse>, (req, res) => {
      let text = ''
      req.resume()
      req.on('data', (piece: string) => (text += piece))
      req.on('end', () => {
        t.true(req instanceof MyRequest && res instanceof MyResponse)
        t.is(res.req, req)
        res.json([req.mine, req.path, req.agent, req.events, res.made, req.url, req.method, req.headers, req.rawHeaders, req.complete, text])
      })
    })
    const dialogue = await Dialogue.dial(await listen(t, server as never))
    return dialogue.send('POST /path HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nContent-Length: 5\r\n\r\nh\u00e4llo').response('POST')
  }))
  t.deepEqual(answers[1], answers[0])
  t.regex(answers[1]![0]!.body, /^\[true," null","b",\["resume","resume","end"\],"POST \/path a"/)
})

test('a class is a function as well, one of the two may be Node’s, and both kinds of servers can share it', async (t) => {
  const listener = (req: nodeHttp.IncomingMessage, res: nodeHttp.ServerResponse): void => void res.end(`${'old' in req} ${req.url} ${req.headers.host}`)
  for (const options of [{ IncomingMessage: OldRequest as never }, { IncomingMessage: OldRequest as never, ServerResponse: http.ServerResponse }]) {
    for (const { createServer } of [http, nodeHttp, http]) {
      const dialogue = await Dialogue.dial(await listen(t, createServer(options, listener)))
      t.is((await dialogue.send(GET).response('GET'))![0]!.body, 'true /path a')
    }
  }
})

test('Express takes requests of a class, and HTTP/1.0 keeps its connection', async (t) => {
  type Route = (req: MyRequest & { get: (name: string) => string; query: Record<string, string> }, res: { send: (text: string) => void }) => void
  const app = packaged<() => nodeHttp.RequestListener & { get: (path: string, route: Route) => void }>('express')()
  app.get('/path', (req, res) => res.send(`${String(req.mine)} ${req.get('host')} ${req.query['a']}`))
  const { server } = await serveNode(t, app, CLASSES)
  const dialogue = await Dialogue.dial((server.address() as { port: number }).port)
  const [answer] = (await dialogue.send('GET /path?a=b HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n').response('GET'))!
  // Express has replaced the prototype, the fields of the object stay.
  t.is(answer!.body, 'true a b')
  t.true(answer!.fields.includes('connection: keep-alive'))
})

test('what extends nothing of Node’s is served by Node', async (t) => {
  const servers = new Map<unknown, string>()
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel')
  const listener = (message: unknown): void => void servers.set((message as { server: object }).server, (message as { servedBy: string }).servedBy)
  subscribe('busbar.server', listener)
  const Strange = function (this: object, socket: never) {
    return Reflect.construct(nodeHttp.IncomingMessage, [socket]) as object
  }
  const servedBy: (string | undefined)[] = []
  for (const options of [{ IncomingMessage: Strange as never }, CLASSES, {}]) {
    const { get, server } = await serveNode(t, (_req, res) => void res.end('ok'), options)
    t.is((await get('/')).text, 'ok')
    servedBy.push(servers.get(server))
  }
  unsubscribe('busbar.server', listener)
  t.deepEqual(servedBy, ['node', 'busbar', 'busbar'])
})

test('a server of node:http2 has its own names for them', async (t) => {
  const { cert, key } = new Authority().issue()
  const create = createSecureServerOf(createSecureServer)
  const server = create({ cert, key, allowHTTP1: true, Http1IncomingMessage: MyRequest, Http1ServerResponse: MyResponse as never }, (req, res) => void res.end(String((req as unknown as MyRequest).mine)))
  const port = await listen(t, server as never)
  const { request } = await import('node:https')
  const [response] = (await once(request({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false }).end(), 'response')) as [nodeHttp.IncomingMessage]
  t.is(response.headers['x-made-by'], 'MyResponse')
  response.setEncoding('utf8')
  t.is(((await once(response, 'data')) as [string])[0], 'true')
})
