/**
 * What happens between a client and a server beside a request and its answer: departures, ends, timeouts, errors.
 *
 * Each scene prepares a server and talks to it. What is noted on the way, and what the client has received, is compared.
 */
import { request } from './requests.ts'

const GET = request('GET /').bytes
const get = (path, fields) => request(`GET ${path}`, fields).bytes
const HALF = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf'
/** Bytes behind a request that takes the connection over. From another thread they may come as the first data instead. */
const BEHIND = process.env.BUSBAR_IO_THREADS === undefined ? 'head' : ''
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis))

const CHUNKED_HALF = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'
/** What `behind` notes of a request whose body hasn't come whole. */
const BEHIND_ANSWER = 'behind the answer: complete false, ended false, readable true, destroyed false'

/** Notes the state of a POST some time after its answer. */
function behind(req, res, note) {
  if (req.method !== 'POST') return
  res.once('close', () => setTimeout(() => note(`behind the answer: complete ${req.complete}, ended ${req.readableEnded}, readable ${req.readable}, destroyed ${req.destroyed}`), 20))
}

/** Sends the rest of a body when it is answered, and then another request. */
async function rest(dialogue, { noted }, bytes = 'hello!') {
  const first = await dialogue.response('POST')
  await noted(BEHIND_ANSWER)
  dialogue.send(bytes)
  await noted('req close')
  return JSON.stringify([first, await dialogue.send(GET).response('GET')])
}

/** Notes the events of a request, of its response and of its socket. */
function watch(req, res, note, name = '') {
  for (const event of ['aborted', 'end', 'close', 'timeout']) req.on(event, () => note(`${name}req ${event}`))
  req.on('error', (error) => note(`${name}req error ${error.code} ${error.message}`))
  for (const event of ['prefinish', 'finish', 'close', 'drain', 'timeout']) res.on(event, () => note(`${name}res ${event}`))
  res.on('error', (error) => note(`${name}res error ${error.code} ${error.message}`))
  return [req, res]
}

/** A server that handles each request by a function, and tells when one has come. */
function handler(handle, isQuiet = false) {
  return (server, note) => {
    server.on('request', (req, res) => {
      if (!isQuiet) watch(req, res, note)
      handle(req, res, note, server)
    })
  }
}

/** What is left of a request and a response when both are over. */
function left(req, res, note) {
  res.once('close', () => setTimeout(() => {
    const { aborted, complete, destroyed, readableAborted, readableEnded, readable } = req
    const request = { aborted, complete, destroyed, readableAborted, readableEnded, readable, errored: req.errored?.code ?? null }
    const { closed, finished, writableEnded, writableFinished, headersSent, writable } = res
    note(`left ${JSON.stringify(request)} ${JSON.stringify({ destroyed: res.destroyed, closed, finished, writableEnded, writableFinished, headersSent, writable, socket: res.socket === null })}`)
  }, 40))
}

/** Ends an upgraded connection behind the scene: its client may have closed one side alone. */
const leaveLater = (socket) => setTimeout(() => socket.destroy(), 1000)

/** A server whose first response is given by a function, and the next ones after a while. */
const thenSlow = (handle, prepare = () => {}) => (server, note) => {
  prepare(server, note)
  handler((req, res) => {
    if (req.url === '/1') return handle(req, res, note)
    note(`timeout ${req.socket.timeout}`)
    setTimeout(() => res.end('slow'), 250)
  }, true)(server, note)
}

/** Sends two requests, one behind the other's response. Tells the second response, or that the connection has ended. */
async function inTurn(dialogue) {
  await dialogue.send(get('/1')).response('GET')
  dialogue.send(get('/2'))
  return (await dialogue.until((text) => text.includes('slow'))).includes('slow') ? 'answered' : `ended by ${dialogue.ending}`
}

const statusOf = (responses) => responses?.at(-1).line

/** Talks once the server has the request. */
const whenHere = (talk) => async (dialogue, context) => {
  await context.here
  return talk(dialogue, context)
}

export const scenes = [
  // Departures.
  { title: 'a client resets before the answer', serve: handler((req, res, note) => left(req, res, note)), first: GET, talk: whenHere((dialogue) => void dialogue.reset()) },
  { title: 'a client closes before the answer', serve: handler((req, res, note) => left(req, res, note)), first: GET, talk: whenHere((dialogue) => dialogue.close()) },
  { title: 'a client ends its side before the answer', serve: handler((req, res, note) => { left(req, res, note); setTimeout(() => { note(`late ${res.destroyed} ${res.write('late')}`); res.end('late') }, 60) }), first: GET, talk: whenHere(async (dialogue) => JSON.stringify(await dialogue.halfClose().response('GET'))), isNew: true },
  { title: 'a client ends its side, which is allowed', isPlain: true, serve: (server, note) => { server.httpAllowHalfOpen = true; handler((req, res) => setTimeout(() => res.end('late'), 20))(server, note) }, first: GET, talk: whenHere(async (dialogue) => { const answer = statusOf(await dialogue.halfClose().response('GET')); return `${answer} ${await dialogue.end()}` }) },
  { title: 'a client ends its side with its request', serve: handler((req, res) => res.end('at once')), first: GET, talk: async (dialogue) => statusOf(await dialogue.halfClose().response('GET')) },
  { title: 'a client leaves in the middle of a body that is read', serve: handler((req, res, note) => { req.on('data', (piece) => note(`data ${piece}`)); left(req, res, note) }), first: HALF, talk: whenHere((dialogue) => dialogue.close()) },
  { title: 'a client leaves in the middle of a body that is not read', serve: handler((req, res, note) => left(req, res, note)), first: HALF, talk: whenHere((dialogue) => dialogue.close()) },
  { title: 'a client leaves in the middle of a body that is iterated', serve: handler(async (req, res, note) => { try { for await (const piece of req) note(`piece ${piece}`) } catch (error) { note(`threw ${error.code} ${error.message}`) } }), first: HALF, talk: whenHere((dialogue) => dialogue.close()) },
  { title: 'a client leaves in the middle of an answer', isNew: true, serve: handler((req, res, note) => { res.write('first'); res.on('close', () => { res.write('more', (error) => note(`write ${error?.code}`)); res.end(() => note('end')) }); left(req, res, note) }), first: GET, talk: async (dialogue) => { await dialogue.until((text) => text.includes('first')); dialogue.close() } },
  { title: 'a client leaves while a long answer waits', serve: handler((req, res, note) => { note(`write ${res.write(Buffer.alloc(20_000_000))}`); left(req, res, note) }), first: GET, talk: async (dialogue) => { await dialogue.until((text) => text.length > 100); dialogue.socket.pause(); dialogue.reset() } },
  // The application ends it.
  { title: 'a handler destroys the request', serve: handler((req, res, note) => { req.destroy(); left(req, res, note) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler destroys the request with an error', serve: handler((req, res, note) => { req.destroy(new Error('mine')); left(req, res, note) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler destroys the response', serve: handler((req, res, note) => { res.destroy(); left(req, res, note) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler destroys the response with an error', serve: handler((req, res, note) => { res.destroy(new Error('mine')); note(`errored ${res.errored?.message}`); left(req, res, note) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler destroys the response behind its head', serve: handler((req, res, note) => { res.write('head'); setTimeout(() => { res.destroy(); left(req, res, note) }, 20) }), first: GET, talk: async (dialogue) => `${(await dialogue.end()).replace(/^[^]*\r\n\r\n/, '')}` },
  { title: 'a handler destroys the socket', serve: handler((req, res, note) => { req.socket.destroy(); note(`${req.socket.destroyed}`); left(req, res, note) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler ends the socket', serve: handler((req) => { req.socket.end() }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a handler destroys the socket behind its answer', serve: handler((req, res) => res.end('bye', () => req.socket.destroy())), first: GET, talk: async (dialogue) => (await dialogue.end()).replace(/^[^]*\r\n\r\n/, '') },
  { title: 'a handler destroys the socket soon', serve: handler((req, res) => { res.end('bye'); req.socket.destroySoon() }), first: GET, talk: async (dialogue) => (await dialogue.end()).replace(/^[^]*\r\n\r\n/, '') },
  { title: 'the events of a socket', serve: handler((req, res, note) => { for (const event of ['end', 'close', 'error', 'timeout']) req.socket.once(event, (given) => note(`socket ${event} ${typeof given === 'boolean' ? given : ''}`)); res.end('ok') }), first: GET, talk: async (dialogue) => { await dialogue.response('GET'); await pause(20); dialogue.halfClose(); return dialogue.end() } },
  { title: 'a socket without a request is announced, and its close', serve: (server, note) => void server.on('connection', (socket) => { note(`connection ${socket.remoteAddress} ${socket.readyState}`); socket.on('close', (hadError) => note(`close ${hadError}`)) }), talk: async (dialogue) => { await pause(20); dialogue.close() } },
  // Callbacks and their order.
  { title: 'callbacks come in order', serve: handler((_req, res, note) => { res.write('a', () => note('a')); res.write('b', () => note('b')); res.end('c', () => note('c')) }), first: GET, talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'callbacks of a response that is given at once', serve: handler((_req, res, note) => { res.on('finish', () => note('listener')); res.end('c', () => note('callback')); note('returned') }), first: GET, talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'the end of the end', serve: handler((_req, res, note) => { res.end('x'); res.end(() => note('second end')); res.on('close', () => { res.end((error) => note(`third end ${error?.code}`)); res.end('more', (error) => note(`fourth end ${error?.code}`)) }) }), first: GET, talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'what a finished response says', isNew: true, serve: handler((req, res, note) => { res.end('x'); note(`${res.writableEnded} ${res.writableFinished} ${res.finished} ${res.headersSent} ${res.destroyed}`); res.on('finish', () => note(`finish ${res.socket === null} ${res.writableFinished} ${req.socket.destroyed}`)); left(req, res, note) }), first: GET, talk: async (dialogue) => void (await dialogue.response('GET')) },
  { title: 'a write behind the close of its client', serve: handler((_req, res, note) => { res.on('close', () => { note(`${res.write('x', (error) => note(`write ${error?.code}`))} ${res.writableEnded}`); res.end('x', (error) => note(`end ${error?.code}`)) }) }), first: GET, talk: whenHere((dialogue) => dialogue.close()) },
  // Bodies and answers that overtake each other.
  { title: 'an answer before the body is whole', serve: handler((req, res) => { res.end('early'); req.resume() }), first: HALF, talk: async (dialogue) => { const first = await dialogue.response('POST'); dialogue.send('hello!'); await pause(20); dialogue.send(GET); return JSON.stringify([first, await dialogue.response('GET')]) } },
  { title: 'an answer to a body that is not read', serve: handler((req, res) => void res.end(`early ${req.method}`)), first: HALF, talk: async (dialogue) => { const first = await dialogue.response('POST'); dialogue.send('hello!'); await pause(20); dialogue.send(GET); return JSON.stringify([first, await dialogue.response('GET')]) } },
  { title: 'a body that is not read ends when it has come', serve: handler((req, res, note) => { behind(req, res, note); res.end('early') }), first: HALF, talk: rest },
  { title: 'a body that is not read ends when it has come, behind an answer in chunks', serve: handler((req, res, note) => { behind(req, res, note); res.write('ear'); res.end('ly') }), first: HALF, talk: rest },
  { title: 'a body in chunks that is not read ends when it has come', serve: handler((req, res, note) => { behind(req, res, note); res.end('early') }), first: CHUNKED_HALF, talk: (dialogue, context) => rest(dialogue, context, '6\r\nhello!\r\n0\r\nX-Sum: 1\r\n\r\n') },
  { title: 'a body is read on behind the answer', serve: handler((req, res, note) => { let text = ''; req.on('data', (piece) => (text += piece)); req.on('end', () => note(text)); behind(req, res, note); res.end('early') }), first: HALF, talk: rest },
  { title: 'a body is read by read() behind the answer', serve: handler((req, res, note) => { let text = ''; req.on('readable', () => { for (let piece; (piece = req.read()) !== null; ) text += piece }); req.on('end', () => note(text)); behind(req, res, note); res.end('early') }), first: HALF, talk: rest },
  { title: 'a body is resumed, and the answer comes first', serve: handler((req, res, note) => { req.resume(); behind(req, res, note); res.end('early') }), first: HALF, talk: rest },
  { title: 'a listener behind the answer to a body that was not read gets nothing', serve: handler((req, res, note) => { res.once('close', () => setTimeout(() => req.on('data', (piece) => note(`data ${piece}`)), 5)); behind(req, res, note); res.end('early') }), first: HALF, talk: rest },
  { title: 'a paused body holds the next request back, behind its answer as well', serve: handler((req, res, note) => { if (req.method === 'GET') return res.end('next'); req.once('data', () => { req.pause(); res.end('early'); setTimeout(() => { note('resumed'); req.resume() }, 60) }) }), first: HALF, talk: async (dialogue) => { const first = await dialogue.response('POST'); dialogue.send(`hello!${GET}`); return JSON.stringify([first, await dialogue.response('GET')]) } },
  { title: 'a handler destroys a request behind its answer, in the middle of its body', serve: handler((req, res) => { res.once('close', () => setTimeout(() => req.destroy(), 5)); res.end('early') }), first: HALF, talk: async (dialogue) => { const first = await dialogue.response('POST'); return JSON.stringify([first, await dialogue.end()]) } },
  { title: 'a client leaves behind the answer to a body that is not read', serve: handler((req, res, note) => { behind(req, res, note); res.end('early') }), first: HALF, talk: async (dialogue, { noted }) => { await dialogue.response('POST'); await noted(BEHIND_ANSWER); dialogue.close() }, differs: { reason: 'a request whose connection ends is closed', events: ['res prefinish', 'res finish', 'res close', BEHIND_ANSWER, 'req close'] } },
  { title: 'a streamed answer while the body comes', serve: handler((req, res) => { res.write('>'); req.on('data', (piece) => res.write(String(piece))); req.on('end', () => res.end('<')) }), first: HALF, talk: async (dialogue) => { await dialogue.until((text) => text.includes('half')); dialogue.send('hello!'); return JSON.stringify(await dialogue.response('POST')) } },
  { title: 'a request is paused and continues', serve: handler((req, res, note) => { let count = 0; req.on('data', (piece) => { count += piece.length; req.pause(); note(`flowing ${req.readableFlowing} ${req.isPaused()}`); setTimeout(() => req.resume(), 5) }); req.on('end', () => res.end(String(count))) }), first: HALF, talk: async (dialogue, { noted }) => { await noted('flowing false true'); dialogue.send('hello!'); return JSON.stringify(await dialogue.response('POST')) } },
  // Pipelining.
  {
    title: 'pipelined requests are answered in their order', first: get('/1') + get('/2') + get('/3'),
    serve: (server, note) => void server.on('request', (req, res) => { watch(req, res, note, `${req.url} `); res.on('socket', () => note(`${req.url} socket`)); note(`${req.url} ${res.socket === null}`); setTimeout(() => res.end(req.url), { '/1': 30, '/2': 10, '/3': 20 }[req.url]) }),
    talk: async (dialogue) => JSON.stringify([await dialogue.response('GET'), await dialogue.response('GET'), await dialogue.response('GET')]),
  },
  {
    title: 'pipelined requests, the middle one of which ends the connection', first: get('/1') + get('/2', { Connection: 'close' }) + get('/3'),
    serve: (server, note) => void server.on('request', (req, res) => { note(req.url); setTimeout(() => res.end(req.url), req.url === '/1' ? 20 : 1) }),
    talk: async (dialogue) => [statusOf(await dialogue.response('GET')), statusOf(await dialogue.response('GET')), await dialogue.end()].join(),
    differs: { reason: 'what follows is dropped, and doesn’t end the answer that is due', said: 'HTTP/1.1 200 OK,HTTP/1.1 200 OK, [end]' },
  },
  {
    title: 'a queued response is destroyed, and the one before it is sent', first: get('/1') + get('/2'), isNew: true,
    serve: (server, note) => void server.on('request', (req, res) => { if (req.url === '/2') { watch(req, res, note, '/2 '); res.destroy() } else setTimeout(() => res.end('first'), 20) }),
    talk: async (dialogue) => { const first = statusOf(await dialogue.response('GET')); await pause(20); return `${first} ${dialogue.ending}` },
    differs: { reason: 'the connection ends in the turn of a destroyed response', said: 'HTTP/1.1 200 OK end', events: ['/2 res close', '/2 req aborted', '/2 req error ECONNRESET aborted', '/2 req close'] },
  },
  {
    title: 'a pipelined HEAD, and one of no content', first: request('HEAD /1').bytes + get('/204') + get('/3'),
    serve: (server, note) => void server.on('request', (req, res) => { note(req.url); if (req.url === '/204') res.writeHead(204).end(); else res.setHeader('Content-Length', 2).end(req.url) }),
    talk: async (dialogue) => JSON.stringify([await dialogue.response('HEAD'), await dialogue.response('GET'), await dialogue.response('GET')]),
  },
  {
    title: 'a client leaves a pipeline', first: get('/1') + get('/2'),
    serve: (server, note) => void server.on('request', (req, res) => watch(req, res, note, `${req.url} `)), talk: whenHere((dialogue) => dialogue.close()),
    differs: { reason: 'a queued response hears of the close of its connection', events: ['/1', '/2'].flatMap((url) => [`${url} req aborted`, `${url} res close`]).concat(['/1', '/2'].flatMap((url) => [`${url} req error ECONNRESET aborted`, `${url} req close`])) },
  },
  // Expectations.
  { title: 'a client waits for a 100', serve: handler((req, res) => req.pipe(res)), first: request('POST /', { Expect: '100-continue', 'Content-Length': '5' }).bytes, talk: async (dialogue) => { const informed = await dialogue.until((text) => text.includes('\r\n\r\n')); dialogue.received = ''; return `${informed} ${JSON.stringify(await dialogue.send('hello').response('POST'))}` } },
  { title: 'a listener to checkContinue continues', serve: (server, note) => { server.on('checkContinue', (req, res) => { note('checkContinue'); watch(req, res, note); res.writeContinue(() => note('continued')); req.pipe(res) }) }, first: request('POST /', { Expect: '100-continue', 'Content-Length': '5' }).bytes, talk: async (dialogue) => { const informed = await dialogue.until((text) => text.includes('\r\n\r\n')); dialogue.received = ''; return `${informed} ${JSON.stringify(await dialogue.send('hello').response('POST'))}` } },
  { title: 'a listener to checkContinue refuses', serve: (server, note) => { server.on('checkContinue', (req, res) => { note('checkContinue'); watch(req, res, note); res.writeHead(417, { Connection: 'close' }).end('no') }) }, first: request('POST /', { Expect: '100-continue', 'Content-Length': '5' }).bytes, talk: async (dialogue) => { const status = statusOf(await dialogue.response('POST')); dialogue.close(); return status }, differs: { reason: 'a request whose connection ends is closed', events: ['checkContinue', 'res prefinish', 'res finish', 'res close', 'req close'] } },
  { title: 'a listener to checkExpectation', serve: (server, note) => { server.on('checkExpectation', (req, res) => { note(req.headers.expect); res.writeHead(202).end('ok') }) }, first: get('/', { Expect: 'tea' }), talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'an expectation that has no listener', serve: handler((_req, res) => void res.end('no')), first: get('/', { Expect: 'tea' }), talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  // Connections that leave HTTP.
  {
    title: 'an upgrade', first: `${get('/', { Connection: 'Upgrade', Upgrade: 'echo' })}${BEHIND}`,
    serve: (server, note) => void server.on('upgrade', (req, socket, head) => {
      note(`upgrade ${req.url} ${head} ${req.upgrade} ${req.headers.upgrade} ${socket === req.socket}`)
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      socket.on('data', (piece) => socket.write(`echo ${piece}`))
      for (const event of ['end', 'close', 'finish', 'error']) socket.on(event, () => note(`socket ${event}`))
      socket.on('end', () => socket.end())
    }),
    talk: async (dialogue) => { await dialogue.until((text) => text.includes('101')); dialogue.send('hello'); await dialogue.until((text) => text.includes('echo hello')); return dialogue.halfClose().end() },
  },
  { title: 'an upgraded connection whose client ends its side', first: get('/', { Connection: 'Upgrade', Upgrade: 'x' }), serve: (server, note) => void server.on('upgrade', (_req, socket) => { for (const event of ['end', 'finish', 'close']) socket.on(event, () => note(event)); socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'); socket.resume(); leaveLater(socket) }), talk: async (dialogue) => { await dialogue.until((text) => text.includes('101')); dialogue.halfClose(); await pause(100); return `${dialogue.ending}` } },
  { title: 'an upgrade is refused', serve: (server) => void server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 400 No\r\nConnection: close\r\n\r\n')), first: get('/', { Connection: 'Upgrade', Upgrade: 'x' }), talk: (dialogue) => dialogue.end() },
  { title: 'an upgrade that has no listener', serve: handler((req, res) => void res.end(`${req.upgrade} ${req.headers.upgrade}`)), first: get('/', { Connection: 'Upgrade', Upgrade: 'x' }), talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  {
    title: 'a tunnel', first: 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n' + BEHIND,
    serve: (server, note) => void server.on('connect', (req, socket, head) => { note(`connect ${req.method} ${req.url} ${head}`); socket.write('HTTP/1.1 200 Yes\r\n\r\n'); socket.pipe(socket); socket.on('close', () => note('socket close')) }),
    talk: async (dialogue) => { await dialogue.until((text) => text.includes('200')); dialogue.send('hello'); await dialogue.until((text) => text.includes('hello')); return dialogue.halfClose().end() },
  },
  { title: 'a tunnel that has no listener', serve: handler((_req, res) => void res.end()), first: 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n', talk: (dialogue) => dialogue.end() },
  // Timeouts.
  { title: 'a timeout of the server, which has no listener', serve: (server, note) => { server.setTimeout(30); handler(() => {}, true)(server, note) }, first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a timeout of the server with a listener', serve: (server, note) => { server.setTimeout(30, (socket) => { note('timeout'); server.setTimeout(0); socket.setTimeout(0); socket.end('HTTP/1.1 408 Mine\r\n\r\n') }); handler(() => {})(server, note) }, first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a timeout of the request', serve: handler((req, res, note) => { req.setTimeout(30, () => { note('asked'); req.destroy() }) }), first: HALF, talk: (dialogue) => dialogue.end() },
  { title: 'a timeout of the response', serve: handler((_req, res, note) => { res.setTimeout(30, () => { note('asked'); res.end('late') }) }), first: GET, talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'a timeout of the socket', serve: handler((req, _res, note) => { req.socket.setTimeout(30, () => note('asked')) }, true), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'a timeout of the request is over with it', serve: thenSlow((req, res, note) => { req.setTimeout(60, () => note('asked')); res.end('first') }), talk: inTurn },
  { title: 'a timeout of the response is over with it', serve: thenSlow((_req, res, note) => { res.setTimeout(60, () => note('asked')); res.end('first') }), talk: inTurn },
  { title: 'a timeout of the socket is over with the response', serve: thenSlow((req, res, note) => { req.socket.setTimeout(60, () => note('asked')); res.end('first') }), talk: inTurn },
  { title: 'a timeout that is set behind a response is over with the next request', serve: thenSlow((req, res) => { const { socket } = req; res.on('finish', () => socket.setTimeout(150)); res.end('first') }), talk: inTurn },
  { title: 'a timeout of one request that is longer than that of the server', serve: thenSlow((req, res) => { req.setTimeout(5000); res.end('first') }, (server) => server.setTimeout(100)), talk: inTurn },
  { title: 'one request has no timeout, and the server has', serve: thenSlow((req, res) => { req.setTimeout(0); res.end('first') }, (server) => server.setTimeout(100)), talk: inTurn },
  { title: 'a timeout stays where connections are kept without a limit', options: { keepAliveTimeout: 0 }, serve: thenSlow((req, res) => { req.setTimeout(100); res.end('first') }), talk: inTurn },
  { title: 'a timeout between requests where connections are kept without a limit', options: { keepAliveTimeout: 0 }, serve: thenSlow((req, res) => { req.setTimeout(100); res.end('first') }), first: get('/1'), talk: async (dialogue) => { await dialogue.response('GET'); return dialogue.end() } },
  { title: 'the server hears how long a connection is kept', options: { keepAliveTimeout: 50 }, serve: thenSlow((_req, res) => res.end('first'), (server, note) => { server.keepAliveTimeoutBuffer = 0; server.on('timeout', (socket) => { note('timeout'); socket.end() }) }), first: get('/1'), talk: async (dialogue) => { await dialogue.response('GET'); return dialogue.end() } },
  { title: 'a socket hears how long it is kept', options: { keepAliveTimeout: 50 }, serve: thenSlow((req, res, note) => { req.socket.on('timeout', () => note('timeout')); res.end('first') }, (server) => { server.keepAliveTimeoutBuffer = 0 }), first: get('/1'), talk: async (dialogue) => { await dialogue.response('GET'); return dialogue.end() } },
  { title: 'a connection that has closed has no timeout', options: { keepAliveTimeout: 0 }, serve: thenSlow((req, res) => { req.setTimeout(100); res.end('first') }, (server, note) => void server.on('timeout', () => note('timeout'))), first: get('/1'), talk: async (dialogue) => { await dialogue.response('GET'); dialogue.close(); await pause(150) } },
  { title: 'a connection that ends behind its response has no timeout', serve: thenSlow((req, res) => { req.setTimeout(100); res.end('first') }, (server, note) => void server.on('timeout', () => note('timeout'))), first: get('/1', { Connection: 'close' }), talk: async (dialogue) => { await dialogue.response('GET'); await dialogue.end(); await pause(150) } },
  { title: 'an upgraded connection is not kept for a time', options: { keepAliveTimeout: 50 }, first: get('/', { Connection: 'Upgrade', Upgrade: 'x' }), serve: (server, note) => { server.keepAliveTimeoutBuffer = 0; server.on('upgrade', (_req, socket) => { socket.resume().on('timeout', () => note('timeout')); socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'); leaveLater(socket) }) }, talk: async (dialogue) => { await dialogue.until((text) => text.includes('101')); await pause(150); return `${dialogue.ending}` } },
  { title: 'the timeout of the server is one of an upgraded connection', first: get('/', { Connection: 'Upgrade', Upgrade: 'x' }), serve: (server, note) => { server.setTimeout(100); server.on('upgrade', (_req, socket) => { socket.on('timeout', () => { note('timeout'); socket.destroy() }); socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n') }) }, talk: async (dialogue) => { await dialogue.until((text) => text.includes('101')); return dialogue.end() } },
  { title: 'a request with an expectation counts', serve: (server, note) => { server.maxRequestsPerSocket = 1; server.on('dropRequest', () => note('dropRequest')); server.on('checkContinue', (req, res) => { note('checkContinue'); res.end() }); server.on('checkExpectation', (req, res) => { note('checkExpectation'); res.end() }); handler((_req, res) => res.end(), true)(server, note) }, first: GET, talk: async (dialogue) => { await dialogue.response('GET'); return statusOf(await dialogue.send(get('/', { Expect: 'tea' })).response('GET')) } },
  // The server.
  { title: 'the server closes while a request runs', serve: handler((_req, res, note, server) => { if (server.listening) server.close((error) => note(`closed ${error?.code}`)); note(`${server.listening}`); setTimeout(() => res.end('done'), 20) }), first: GET, talk: async (dialogue) => { const answer = await dialogue.response('GET'); return `${answer.at(-1).fields} ${await dialogue.send(get('/', { Connection: 'close' })).end()}` } },
  { title: 'the server closes all connections', serve: handler((_req, _res, note, server) => { setTimeout(() => server.closeAllConnections(), 10) }), first: GET, talk: (dialogue) => dialogue.end() },
  { title: 'the server closes idle connections', serve: handler((_req, res, _note, server) => { res.end('ok'); setTimeout(() => server.closeIdleConnections(), 20) }, true), first: GET, talk: async (dialogue) => { await dialogue.response('GET'); return dialogue.end() } },
  { title: 'closing idle connections spares one that works', serve: handler((_req, res, _note, server) => { server.closeIdleConnections(); setTimeout(() => res.end('ok'), 10) }), first: GET, talk: async (dialogue) => JSON.stringify(await dialogue.response('GET')) },
  { title: 'connections have so many requests', options: { maxRequestsPerSocket: 2 }, serve: (server, note) => { server.maxRequestsPerSocket = 2; server.on('dropRequest', () => note('dropRequest')); handler((req, res) => void res.end(req.url), true)(server, note) }, first: get('/1'), talk: async (dialogue) => { const first = await dialogue.response('GET'); dialogue.send(get('/2')); const second = await dialogue.response('GET'); dialogue.send(get('/3')); return [statusOf(first), second.at(-1).fields[0], JSON.stringify(await dialogue.response('GET'))].join() } },
  { title: 'requests have so many fields', isNew: true, serve: (server, note) => { server.maxHeadersCount = 2; handler((_req, res) => void res.end('ok'), true)(server, note) }, first: get('/', { A: '1' }), talk: async (dialogue) => { const first = await dialogue.response('GET'); dialogue.send(get('/', { A: '1', B: '2' })); return [statusOf(first), statusOf(await dialogue.response('GET'))].join() } },
]
