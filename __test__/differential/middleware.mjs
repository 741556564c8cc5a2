/** Each middleware in an application of Connect's kind, and the requests for it. */
import { createHash } from 'node:crypto'
import auth from 'basic-auth'
import bodyParser from 'body-parser'
import compression from 'compression'
import connect from 'connect'
import timeout from 'connect-timeout'
import cookieParser from 'cookie-parser'
import cookieSession from 'cookie-session'
import cors from 'cors'
import etag from 'etag'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import session from 'express-session'
import fresh from 'fresh'
import helmet from 'helmet'
import methodOverride from 'method-override'
import morgan from 'morgan'
import multer from 'multer'
import onFinished from 'on-finished'
import responseTime from 'response-time'
import send from 'send'
import favicon from 'serve-favicon'
import serveStatic from 'serve-static'
import vary from 'vary'
import { FILE } from './frameworks.mjs'
import { chunked, request } from './requests.ts'

const ROOT = FILE.slice(0, FILE.lastIndexOf('/') + 1)
const TEXT = 'a line of text that can be compressed\n'.repeat(100)
const FORM_TYPE = { 'Content-Type': 'application/x-www-form-urlencoded' }
const MULTIPART = { 'Content-Type': 'multipart/form-data; boundary=b' }

/** An application of functions, the last of which answers; an error is its message. */
function stack(...functions) {
  return () => {
    const app = connect()
    for (const one of functions) app.use(one)
    app.use((error, _req, res, _next) => { res.statusCode = error.status ?? 500; res.end(`${error.code ?? error.type ?? ''} ${error.message}`) })
    return app
  }
}

const json = (of) => (req, res) => void res.end(JSON.stringify(of(req, res)))
const body = json((req) => (Buffer.isBuffer(req.body) ? req.body.toString('hex') : (req.body ?? null)))
const gets = (...paths) => paths.map((path) => request(`GET ${path}`))
const part = (name, text, more = '') => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${text}\r\n`
const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex')

/** Keeps what the request before has left, and tells it with the next one. */
function told(make) {
  return () => {
    const lines = []
    return stack(...make((line) => lines.push(line)), (req, res) => void res.end(req.url === '/told' ? lines.join('\n') : 'answer'))()
  }
}

const BODIES = [
  request('POST /', { 'Content-Type': 'application/json' }, '{"a":[1,"\u00fc"]}'),
  request('POST /', { 'Content-Type': 'application/json' }, ''),
  request('POST /', { 'Content-Type': 'application/json' }, '{"a"'),
  request('POST /', { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }, chunked('[1,', '2]')),
  request('POST /', { 'Content-Type': 'application/json' }, JSON.stringify('x'.repeat(5000))),
  request('POST /', FORM_TYPE, 'a=1&b[c]=2&d=%20'),
  request('POST /', { 'Content-Type': 'text/plain' }, 'text'),
  request('POST /', { 'Content-Type': 'application/octet-stream' }, '\u0000\u00ff'),
  request('POST /', {}, 'no type'),
  request('GET /'),
  request('POST /', { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, 'no gzip'),
  request('POST /', { 'Content-Type': 'application/json', Expect: '100-continue' }, '{}'),
]

/** Each middleware: its application and what it is asked. */
export const middleware = [
  {
    name: 'body-parser',
    app: stack(bodyParser.json({ limit: '4kb' }), bodyParser.urlencoded({ extended: true }), bodyParser.text(), bodyParser.raw(), body),
    requests: BODIES,
  },
  {
    name: 'compression',
    app: stack(compression({ threshold: 100 }), (req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      if (req.url === '/short') return void res.end('short')
      if (req.url === '/none') return void res.writeHead(204).end()
      if (req.url === '/flush') { res.write(TEXT); res.flush(); return void setImmediate(() => res.end('end')) }
      if (req.url === '/pieces') { for (let at = 0; at < 50; at++) res.write(TEXT); return void res.end() }
      if (req.url === '/length') res.setHeader('Content-Length', TEXT.length)
      if (req.url === '/etag') res.setHeader('ETag', '"a"')
      res.end(TEXT)
    }),
    requests: [
      ...['/', '/short', '/none', '/flush', '/pieces', '/length', '/etag'].flatMap((path) => [request(`GET ${path}`, { 'Accept-Encoding': 'gzip' }), request(`GET ${path}`), request(`HEAD ${path}`)]),
      request('GET /', { 'Accept-Encoding': 'deflate' }), request('GET /', { 'Accept-Encoding': 'br;q=0.5, gzip;q=0' }),
    ],
  },
  {
    name: 'cors', app: stack(cors({ origin: ['https://a.example', /b\.example$/], credentials: true, exposedHeaders: ['X-A'], maxAge: 5 }), json(() => 'ok')),
    requests: [
      request('GET /', { Origin: 'https://a.example' }), request('GET /', { Origin: 'https://c.example' }), ...gets('/'),
      request('OPTIONS /', { Origin: 'https://a.example', 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-b' }),
    ],
  },
  { name: 'helmet', app: stack(helmet(), json(() => 'ok')), requests: [...gets('/', '/a'), request('HEAD /')] },
  {
    name: 'morgan',
    app: told((line) => [morgan(':method :url HTTP/:http-version :status :res[content-length] :referrer :user-agent :remote-addr', { stream: { write: line } })]),
    requests: [...gets('/', '/a?b', '/told'), request('POST /', { Referer: 'r', 'User-Agent': 'u' }, 'body'), ...gets('/told')],
  },
  {
    name: 'cookie-session', app: stack(cookieSession({ keys: ['k'] }), json((req) => { if (req.url === '/out') req.session = null; else req.session.count = (req.session.count ?? 0) + 1; return req.session?.count ?? null })),
    requests: [...gets('/', '/'), request('GET /', { Cookie: 'session=eyJjb3VudCI6MX0=; session.sig=bad' }), ...gets('/out'), request('HEAD /')],
  },
  {
    name: 'express-session',
    app: () => stack(session({ secret: 's', resave: false, saveUninitialized: true, genid: () => 'id' }), (req, res) => {
      req.session.count = (req.session.count ?? 0) + 1
      if (req.url === '/write') { res.write('a'); return void res.end('b') }
      if (req.url === '/destroy') return void req.session.destroy(() => res.end('destroyed'))
      res.end(`${req.session.count} ${req.sessionID} `)
    })(),
    requests: [...gets('/', '/write'), request('GET /', { Cookie: 'connect.sid=s%3Aid.G0Ck' }), ...gets('/destroy'), request('HEAD /')],
  },
  {
    name: 'serve-static', app: stack(serveStatic(ROOT), json(() => 'fell through')),
    requests: [
      ...gets('/LICENSE', '/nowhere', '/docs', '/../LICENSE', '/%2e%2e/LICENSE', '/%00'),
      request('HEAD /LICENSE'), request('POST /LICENSE', {}, 'x'), request('GET /LICENSE', { Range: 'bytes=0-9' }), request('GET /LICENSE', { Range: 'bytes=0-1,3-4' }),
      request('GET /LICENSE', { Range: 'bytes=-5' }), request('GET /LICENSE', { 'If-Modified-Since': 'Fri, 01 Jan 2100 00:00:00 GMT' }),
    ],
  },
  {
    name: 'send', app: stack((req, res) => void send(req, req.url, { root: ROOT, maxAge: 5000, dotfiles: 'deny' }).on('error', (error) => { res.statusCode = error.status; res.end(error.message) }).pipe(res)),
    requests: [...gets('/LICENSE', '/nowhere', '/.gitignore', '/docs/'), request('GET /LICENSE', { Range: 'bytes=99999999-' }), request('GET /LICENSE', { 'If-None-Match': '*' }), request('GET /LICENSE', { 'If-Match': '"no"' })],
  },
  {
    name: 'multer',
    app: () => {
      const app = express()
      app.post('/', multer({ limits: { fileSize: 100_000 } }).any(), (req, res) => void res.json([{ ...req.body }, req.files.map(({ fieldname, originalname, size, buffer }) => [fieldname, originalname, size, sha1(buffer)])]))
      app.use((error, _req, res, _next) => void res.status(400).send(`${error.code} ${error.message}`))
      return app
    },
    requests: [
      request('POST /', MULTIPART, `${part('a', '1')}${part('f', 'x'.repeat(70_000), '; filename="f.txt"')}--b--\r\n`),
      request('POST /', MULTIPART, `${part('f', 'x'.repeat(150_000), '; filename="f.txt"')}--b--\r\n`),
      request('POST /', { ...MULTIPART, 'Transfer-Encoding': 'chunked' }, chunked(part('a', '1'), '--b--\r\n')),
      request('POST /', MULTIPART, part('a', 'cut')),
      request('POST /', FORM_TYPE, 'a=1'),
    ],
  },
  {
    name: 'method-override', app: stack(methodOverride(), methodOverride('_method'), json((req) => [req.method, req.originalMethod])),
    requests: [request('POST /', { 'X-HTTP-Method-Override': 'PUT' }), request('POST /', { 'X-HTTP-Method-Override': 'nope' }), ...gets('/?_method=DELETE')],
  },
  {
    name: 'response-time', app: stack(responseTime((_req, res, time) => res.setHeader('X-Took', typeof time)), (req, res) => { if (req.url === '/write') res.write('a'); res.end('b') }),
    requests: [...gets('/', '/write'), request('HEAD /')],
  },
  {
    name: 'vary', app: stack((req, res) => { vary(res, 'Accept'); vary(res, 'accept, Origin'); if (req.url === '/all') vary(res, '*'); res.end('x') }),
    requests: gets('/', '/all'),
  },
  {
    name: 'etag and fresh',
    app: stack((req, res) => {
      res.setHeader('ETag', etag(TEXT))
      if (fresh(req.headers, res.getHeaders())) return void res.writeHead(304).end()
      res.end(TEXT)
    }),
    requests: [...gets('/'), request('GET /', { 'If-None-Match': etag(TEXT) }), request('GET /', { 'If-None-Match': '"no"' }), request('HEAD /')],
  },
  {
    name: 'cookie-parser', app: stack(cookieParser('secret'), json((req) => [req.cookies, req.signedCookies])),
    requests: [request('GET /', { Cookie: 'a=1; b=%20; c=j:{"x":1}; d=s:1.bad' }), ...gets('/')],
  },
  {
    name: 'on-finished',
    app: told((line) => [(req, res, next) => {
      onFinished(req, (error) => line(`req ${error?.code ?? null} ${onFinished.isFinished(req)}`))
      onFinished(res, (error) => line(`res ${error?.code ?? null} ${onFinished.isFinished(res)}`))
      next()
    }]),
    requests: [...gets('/', '/told'), request('POST /', {}, 'body'), ...gets('/told'), request('HEAD /'), ...gets('/told')],
  },
  {
    name: 'connect-timeout',
    app: stack(timeout(20), (req, res) => { if (req.url === '/') res.end('in time') }),
    requests: gets('/', '/slow', '/'),
  },
  {
    name: 'serve-favicon', app: stack(favicon(Buffer.from('an icon')), json(() => 'else')),
    requests: [...gets('/favicon.ico', '/'), request('HEAD /favicon.ico'), request('POST /favicon.ico'), request('OPTIONS /favicon.ico')],
  },
  {
    name: 'basic-auth', app: stack((req, res) => { const user = auth(req); if (user === undefined) res.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end(); else res.end(JSON.stringify(user)) }),
    requests: [...gets('/'), request('GET /', { Authorization: 'Basic YTpi' }), request('GET /', { Authorization: 'Basic !' })],
  },
  {
    name: 'express-rate-limit',
    app: () => {
      const app = express()
      app.use(rateLimit({ limit: 2, windowMs: 3_600_000, standardHeaders: 'draft-6', legacyHeaders: false }))
      app.use((_req, res) => { res.removeHeader('RateLimit-Reset'); res.send('ok') })
      return app
    },
    requests: gets('/', '/'),
  },
]
