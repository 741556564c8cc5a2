/** A plain `(req, res)` function: each path is one way to answer, as applications and libraries write it. */
import { createHash } from 'node:crypto'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { chunked, raw, request } from './requests.ts'

/** What a message looks like, for comparison. */
function shown(req, body) {
  const { method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers, headersDistinct, rawHeaders, trailers, rawTrailers, complete } = req
  return JSON.stringify({ method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers, headersDistinct, rawHeaders, trailers, rawTrailers, complete, body })
}

async function textOf(req) {
  let text = ''
  req.setEncoding('latin1')
  for await (const piece of req) text += piece
  return text
}

/** Calls a function and says what it has thrown. */
function attempt(run) {
  try {
    const value = run()
    return typeof value === 'object' ? typeof value : String(value)
  } catch (error) {
    return `${error.name} ${error.code} ${error.message}`
  }
}

const WAYS = {
  '/end': (_req, res) => void res.end('hello'),
  '/empty': (_req, res) => void res.end(),
  '/buffer': (_req, res) => void res.end(Buffer.from([0, 127, 128, 255])),
  '/latin1': (_req, res) => void res.end('\u00fcml\u00e4ut', 'latin1'),
  '/utf8': (_req, res) => void res.end('\u00fcml\u00e4ut \u{1f600}'),
  '/hex': (_req, res) => void res.end('68656c6c6f', 'hex'),
  '/write-end': (_req, res) => { res.write('a'); res.end('b') },
  '/writes': (_req, res) => { res.write('a'); res.write(''); res.write(Buffer.from('b')); res.write('Yw==', 'base64'); res.end() },
  '/write-later': (_req, res) => { res.write('a'); setImmediate(() => res.end('b')) },
  '/end-later': (_req, res) => void setImmediate(() => res.end('late')),
  '/end-callback': (_req, res) => void res.end('x', () => {}),
  '/cork': (_req, res) => { res.cork(); res.write('a'); res.write('b'); res.uncork(); res.end() },
  '/flush': (_req, res) => { res.setHeader('X-A', '1'); res.flushHeaders(); setImmediate(() => res.end('body')) },
  '/flush-empty': (_req, res) => { res.flushHeaders(); res.end() },
  '/set': (_req, res) => { res.setHeader('X-Mixed-Case', 'a'); res.setHeader('x-number', 5); res.setHeader('Set-Cookie', ['a=1', 'b=2']); res.end() },
  '/append': (_req, res) => { res.appendHeader('X-List', 'a'); res.appendHeader('X-List', ['b', 'c']); res.end(res.getHeader('x-list').join('+')) },
  '/replace': (_req, res) => { res.setHeader('X-A', '1'); res.setHeader('x-a', '2'); res.removeHeader('x-b'); res.end(JSON.stringify([res.getHeaders(), res.getHeaderNames(), res.getRawHeaderNames(), res.hasHeader('X-A')])) },
  '/remove': (_req, res) => { res.setHeader('X-A', '1'); res.removeHeader('X-a'); res.end('x') },
  '/set-headers': (_req, res) => { res.setHeaders(new Map([['A', '1'], ['B', ['2', '3']]])); res.end() },
  '/no-date': (_req, res) => { res.sendDate = false; res.end() },
  '/own-date': (_req, res) => { res.setHeader('Date', 'yesterday'); res.end(res.getHeader('date')) },
  '/write-head': (_req, res) => void res.writeHead(201, { 'Content-Type': 'text/plain', 'X-A': ['1', '2'] }).end('made'),
  '/write-head-reason': (_req, res) => void res.writeHead(404, 'Nowhere', { 'X-A': '1' }).end(),
  '/write-head-array': (_req, res) => void res.writeHead(200, ['X-A', '1', 'X-A', '2', 'x-b', '3']).end('array'),
  '/write-head-merged': (_req, res) => { res.setHeader('X-A', '1'); res.setHeader('X-B', '1'); res.writeHead(200, { 'x-a': '2' }); res.end() },
  '/write-head-array-merged': (_req, res) => { res.setHeader('X-A', '1'); res.writeHead(200, ['x-a', '2', 'X-C', '3']); res.end() },
  '/length': (_req, res) => { res.writeHead(200, { 'Content-Length': 5 }); res.write('he'); res.end('llo') },
  '/length-set': (_req, res) => { res.setHeader('Content-Length', '5'); res.end('hello') },
  '/chunked': (_req, res) => { res.setHeader('Transfer-Encoding', 'chunked'); res.end('hello') },
  '/no-length': (_req, res) => { res.removeHeader('content-length'); res.end('hello') },
  '/no-chunks': (_req, res) => { res.removeHeader('transfer-encoding'); res.write('a'); res.end('b') },
  '/not-by-default': (_req, res) => { res.useChunkedEncodingByDefault = false; res.write('a'); res.end('b') },
  '/connection-close': (_req, res) => { res.setHeader('Connection', 'close'); res.end('bye') },
  '/should-close': (_req, res) => { res.shouldKeepAlive = false; res.end('bye') },
  '/connection-keep': (_req, res) => { res.setHeader('Connection', 'keep-alive'); res.end('stay') },
  '/no-connection': (_req, res) => { res.removeHeader('connection'); res.end('stay') },
  '/keep-alive-field': (_req, res) => { res.setHeader('Keep-Alive', 'timeout=9'); res.end('stay') },
  '/trailers': (_req, res) => { res.writeHead(200, { Trailer: 'X-Sum' }); res.write('a'); res.addTrailers({ 'X-Sum': '1', 'x-more': '2' }); res.end() },
  '/trailers-array': (_req, res) => { res.write('a'); res.addTrailers([['X-Sum', '1']]); res.end() },
  '/trailer-with-length': (_req, res) => { res.setHeader('Trailer', 'X'); res.setHeader('Content-Length', 1); const said = attempt(() => res.write('a')); res.removeHeader('Trailer'); res.removeHeader('Content-Length'); res.end(said) },
  '/early-hints': (_req, res) => { res.writeEarlyHints({ link: '</a.css>; rel=preload' }); res.end('hinted') },
  '/processing': (_req, res) => { res.writeProcessing(); res.end('processed') },
  '/status-message': (_req, res) => { res.statusCode = 201; res.statusMessage = 'Mine'; res.end() },
  '/status-unknown': (_req, res) => { res.statusCode = 299; res.end() },
  '/status-text': (_req, res) => { res.statusCode = '201'; res.end('x') },
  '/headers-sent': (_req, res) => { const before = res.headersSent; res.write('a'); res.end(`${before}${res.headersSent}${res.writableEnded}${res.finished}`) },
  '/late-header': (_req, res) => { res.write('x'); res.end([attempt(() => res.setHeader('a', '1')), attempt(() => res.removeHeader('a')), attempt(() => res.appendHeader('a', '1')), attempt(() => res.writeHead(200))].join()) },
  '/bad-values': (_req, res) => { const said = [
    attempt(() => res.setHeader('a b', '1')), attempt(() => res.setHeader('', '1')), attempt(() => res.setHeader('a', 'b\r\nc')), attempt(() => res.setHeader('a', undefined)),
    attempt(() => res.setHeader('a', 'ü\u{1f600}')), attempt(() => res.writeHead(99)), attempt(() => res.writeHead('x')), attempt(() => res.writeHead(200, 'a\nb')), attempt(() => res.writeHead(200, ['a'])),
    attempt(() => res.write(null)), attempt(() => res.write(5)), attempt(() => res.end({})), attempt(() => res.getHeader()), attempt(() => res.addTrailers({ 'a b': '1' })), attempt(() => res.appendHeader('x', null)),
    attempt(() => res.writeEarlyHints({ link: 'bad' })), attempt(() => res.writeEarlyHints(null)), attempt(() => res.setHeaders({})),
  ]; res.statusCode = 200; res.statusMessage = 'OK'; res.end(said.join('\n')) },
  '/end-twice': (_req, res) => { res.on('error', () => {}); res.end('once'); res.end(); res.end('again') },
  '/write-after-end': (_req, res) => { res.on('error', () => {}); res.end('once'); res.write('more') },
  '/strict-length': (_req, res) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 406)
    res.write('first,')
    const said = [attempt(() => res.write('x'.repeat(401))), attempt(() => res.end('short'))]
    res.end(said.join().padEnd(400))
  },
  '/read-only': (_req, res) => void res.end([attempt(() => res.pipe(process.stdout)), res.writable, res.writableObjectMode, res.writableCorked, res.writableLength, res.writableFinished, res.closed, res.errored, res.destroyed].join()),
  '/pipe': (_req, res) => void Readable.from(['a', 'b', 'c']).pipe(res),
  '/pipeline': (_req, res) => void pipeline(Readable.from([Buffer.from('a'), Buffer.from('b')]), res),
  '/through': (req, res) => void req.pipe(new Transform({ transform: (piece, _encoding, done) => done(null, String(piece).toUpperCase()) })).pipe(res),
  '/iterate': async (req, res) => void res.end(createHash('sha1').update(await textOf(req), 'latin1').digest('hex')),
  '/big': (_req, res) => void res.end(Buffer.alloc(300_000, 'x')),
  '/big-pieces': (_req, res) => { for (let at = 0; at < 30; at++) res.write(Buffer.alloc(10_000, 'y')); res.end() },
  '/drain': (_req, res) => { let left = 40; const go = () => { while (left-- > 0) if (!res.write(Buffer.alloc(20_000, 'z'))) return void res.once('drain', go); res.end() }; go() },
  '/204': (_req, res) => void res.writeHead(204).end(),
  '/204-body': (_req, res) => { res.statusCode = 204; res.write('no'); res.end('body') },
  '/205': (_req, res) => void res.writeHead(205).end(),
  '/304': (_req, res) => void res.writeHead(304, { ETag: '"a"' }).end(),
  '/304-length': (_req, res) => void res.writeHead(304, { 'Content-Length': 5 }).end(),
  '/304-body': (_req, res) => { res.statusCode = 304; res.end('no body') },
  '/show': (req, res) => void res.end(shown(req, null)),
  '/body': async (req, res) => { const body = await textOf(req); res.end(shown(req, body)) },
  '/body-events': (req, res) => { const seen = []; req.on('data', (piece) => seen.push(piece.length)); req.on('end', () => res.end(`${seen.reduce((sum, one) => sum + one, 0)} ${req.complete} ${req.readableEnded}`)) },
  '/body-readable': (req, res) => { let text = ''; req.on('readable', () => { for (let piece; (piece = req.read()) !== null; ) text += piece }); req.on('end', () => res.end(text.slice(-1000))) },
  '/body-late': (req, res) => void setTimeout(() => { let text = ''; req.on('data', (piece) => (text += piece)); req.on('end', () => res.end(text.slice(-1000))) }, 10),
  '/body-paused': (req, res) => { req.pause(); setTimeout(() => { let text = ''; req.on('data', (piece) => (text += piece)); req.on('end', () => res.end(text.slice(-1000))); req.resume() }, 10) },
  '/body-unread': (_req, res) => void res.end('unread'),
  '/body-resume': (req, res) => { req.resume(); req.on('end', () => res.end('resumed')) },
  '/state': (req, res) => void res.end([
    req.aborted, req.complete, req.destroyed, req.readable, req.readableFlowing, req.readableEnded, req.readableAborted, req.upgrade, req.statusCode, req.readableHighWaterMark > 0,
    req.socket === res.socket, req.connection === req.socket, req.socket.writable, req.socket.readable, req.socket.destroyed, req.socket.encrypted, req.socket.readyState, req.socket.remoteFamily, req.socket.remoteAddress,
    typeof req.socket.remotePort, req.socket.localAddress, typeof req.socket.server, res.req === req, res.shouldKeepAlive, res.chunkedEncoding, res.sendDate, typeof res.statusMessage, Object.prototype.toString.call(req.headers), req.socket.connecting, req.socket.pending,
    req.socket.timeout, req.socket.allowHalfOpen,
  ].join()),
  '/mutable': (req, res) => { req.url = '/other'; req.method = 'PUT'; req.headers.host = 'mine'; req.headers['x-new'] = '1'; req.custom = true; res.end(`${req.url} ${req.method} ${req.headers.host} ${req.headers['x-new']} ${req.custom}`) },
  '/destroy-after': (_req, res) => { res.end('bye'); res.on('finish', () => res.destroy()) },
}

/** @type {import('./requests.ts').Application} */
export function plain() {
  return (req, res) => {
    const way = WAYS[req.url.split('?')[0]]
    if (way === undefined) res.writeHead(404).end('none')
    else way(req, res)
  }
}

const WITH_BODY = ['/through', '/iterate', '/body', '/body-events', '/body-readable', '/body-late', '/body-paused', '/body-unread', '/body-resume']
const HEADS = ['/end', '/empty', '/write-end', '/length', '/chunked', '/204', '/304', '/205', '/pipe', '/connection-close', '/flush', '/big']
const OLD = ['/end', '/write-end', '/length', '/empty', '/204', '/connection-keep', '/chunked', '/pipe', '/no-length']

/** The requests for it. */
export const plainRequests = [
  ...Object.keys(WAYS).filter((path) => !WITH_BODY.includes(path)).map((path) => request(`GET ${path}`)),
  ...WITH_BODY.flatMap((path) => [
    request(`POST ${path}`, {}, 'hello'),
    request(`POST ${path}`, { 'Transfer-Encoding': 'chunked' }, chunked('hello ', 'world')),
    request(`PUT ${path}`, {}, 'x'.repeat(100_000)),
  ]),
  request('GET /body', {}, ''),
  request('POST /body', {}, ''),
  request('DELETE /body', {}, 'with a body'),
  request('GET /body', {}, 'with a body'),
  request('POST /body', { 'Transfer-Encoding': 'chunked', Trailer: 'X-Sum' }, '5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n'),
  request('POST /body', { 'Transfer-Encoding': 'chunked' }, '5;ext=1\r\nhello\r\n0\r\n\r\n'),
  request('POST /body', { 'Content-Type': 'application/octet-stream' }, '\u0000\u007f\u0080\u00ff'),
  request('POST /body', { Expect: '100-continue' }, 'hello'),
  request('POST /body-unread', { Expect: '100-continue' }, 'hello'),
  request('POST /body-late', { Expect: '100-continue' }, 'hello'),
  request('GET /end', { Expect: '100-continue' }),
  request('GET /end', { Expect: 'something' }),
  ...HEADS.map((path) => request(`HEAD ${path}`)),
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE', 'QUERY', 'M-SEARCH', 'TRACE', 'REPORT'].map((method) => request(`${method} /show`)),
  request('GET /show?a=b&c=%20d#'.replace('#', '')),
  request('GET /show?a=%FF&b=\\'),
  request('GET /show//double/../dots'),
  request('OPTIONS *'),
  request('GET http://example.org/show'),
  request('GET /show', { Connection: 'close' }),
  request('GET /show', { Connection: 'keep-alive' }),
  request('GET /show', { Connection: 'upgrade', Upgrade: 'foo' }),
  raw('GET /show HTTP/1.1\r\nhost: example.org\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nSet-Cookie: c\r\nset-cookie: d\r\nUser-Agent: a\r\nUser-Agent: b\r\nETag: 1\r\netag: 2\r\n\r\n'),
  raw('GET /show HTTP/1.1\r\nHost: example.org\r\nX-Empty:\r\nX-Space:   a b  \r\n__proto__: x\r\nconstructor: y\r\nAuthorization: Basic YTpi\r\n\r\n'),
  raw('GET /show HTTP/1.1\r\nHost: example.org\r\nX-Latin: \u00fc\u00e4\r\n\r\n'),
  raw('\r\nGET /end HTTP/1.1\r\nHost: example.org\r\n\r\n'),
  ...OLD.flatMap((path) => [
    raw(`GET ${path} HTTP/1.0\r\n\r\n`),
    raw(`GET ${path} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`),
  ]),
  raw('HEAD /end HTTP/1.0\r\n\r\n'),
  raw('HEAD /write-end HTTP/1.0\r\n\r\n'),
  raw('POST /body HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'),
]
