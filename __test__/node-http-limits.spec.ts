/** Limits that are set while a server listens, and what ends connections. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import test from 'ava'
import { KINDS, listen, plays } from './differential/requests.ts'
import { Dialogue } from './differential/wire.ts'
import { IS_TLS } from './transport.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const createServer = KINDS.busbar
const ok = (): Server => createServer((_req, res) => void res.end('ok'))

test('keepAliveTimeout is announced and kept from the moment when it is set', async (t) => {
  const server = ok()
  const port = await listen(t, server)
  const first = await Dialogue.dial(port)
  t.true((await first.send(GET).response('GET'))!.at(-1)!.fields.includes('keep-alive: timeout=75'))
  server.keepAliveTimeout = 7000
  t.true((await first.send(GET).response('GET'))!.at(-1)!.fields.includes('keep-alive: timeout=7'))
  t.is(server.keepAliveTimeout, 7000)
  t.true(Object.keys(server).includes('keepAliveTimeout'))
  server.keepAliveTimeout = 50
  await first.send(GET).response('GET')
  await first.end()
  t.is(first.ending, 'end')
})

test('headersTimeout and requestTimeout hold from the moment when they are set', async (t) => {
  const server = createServer({ headersTimeout: 60_000, requestTimeout: 60_000 }, (req, res) => void req.resume().on('end', () => res.end()))
  const port = await listen(t, server)
  server.headersTimeout = 50
  t.regex(await (await Dialogue.dial(port)).send('GET / HTTP/1.1\r\n').end(), /^HTTP\/1\.1 408 /)
  server.headersTimeout = 60_000
  server.requestTimeout = 50
  const late = await Dialogue.dial(port)
  t.regex(await late.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n').end(), /^(?:HTTP\/1\.1 408 |$| \[)/)
})

test('maxHeadersCount holds from the moment when it is set', async (t) => {
  const server = ok()
  const dialogue = await Dialogue.dial(await listen(t, server))
  const many = `GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(20)}\r\n`
  t.is((await dialogue.send(many).response('GET'))!.at(-1)!.line, 'HTTP/1.1 200 OK')
  server.maxHeadersCount = 10
  // A response of the event loop comes to an I/O thread behind the limit.
  await dialogue.send(GET).response('GET')
  t.regex((await dialogue.send(many).response('GET'))!.at(-1)!.line, /^HTTP\/1\.1 431 /)
})

test('a maxHeadersCount of 0 is no limit', async (t) => {
  await plays(t, 'HTTP/1.1 200 OK', async (create) => {
    const server = create({ maxHeaderSize: 200_000 }, (_req, res) => void res.end('ok'))
    server.maxHeadersCount = 0
    const dialogue = await Dialogue.dial(await listen(t, server))
    const many = `GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(2500)}\r\n`
    return (await dialogue.send(many).response('GET'))!.at(-1)!.line
  })
})

test('maxRequestsPerSocket and timeout hold for what comes after they were set', async (t) => {
  const server = createServer((req, res) => void (req.url === '/' && res.end('ok')))
  const port = await listen(t, server)
  const first = await Dialogue.dial(port)
  await first.send(GET).response('GET')
  server.maxRequestsPerSocket = 2
  t.true((await first.send(GET).response('GET'))!.at(-1)!.fields.includes('connection: close'))
  server.timeout = 500
  t.is(await (await Dialogue.dial(port)).send('GET /never HTTP/1.1\r\nHost: a\r\n\r\n').end(), ' [end]')
})

test('the timeout of a server spares a client that reads, and ends one that does not', async (t) => {
  let cut = 0
  const server = createServer((_req, res) => {
    res.on('close', () => (cut += Number(!res.writableFinished)))
    res.end(Buffer.alloc(40_000_000))
  })
  server.timeout = 300
  const port = await listen(t, server)
  const [reading, silent] = [await Dialogue.dial(port), await Dialogue.dial(port)]
  silent.socket.pause()
  silent.send(GET)
  reading.send(GET)
  let received = 0
  reading.socket.removeAllListeners('data').on('data', (text: string) => {
    if (Math.floor((received + text.length) / 2_000_000) > Math.floor(received / 2_000_000)) {
      reading.socket.pause()
      setTimeout(() => reading.socket.resume(), 100)
    }
    received += text.length
  })
  while (received < 40_000_000 && reading.ending === null) await new Promise((resolve) => setTimeout(resolve, 10))
  t.true(received > 40_000_000)
  while (cut === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  silent.socket.resume()
  await silent.until(() => false)
  t.true(silent.received.length < 40_000_000)
})

test('closeAllConnections ends connections that have sent nothing, or half a head, and spares upgraded ones', async (t) => {
  const server = ok()
  server.on('upgrade', (_req, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    socket.resume().on('end', () => socket.end())
  })
  const port = await listen(t, server)
  const [silent, half, idle, upgraded] = [await Dialogue.dial(port), await Dialogue.dial(port), await Dialogue.dial(port), await Dialogue.dial(port)] as const
  half.send('GET / HT')
  await idle.send(GET).response('GET')
  await upgraded.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n').until((text) => text.includes('101'))
  server.closeAllConnections()
  await Promise.all([silent, half, idle].map((each) => each.end()))
  t.is(upgraded.ending, null)
  const count = await new Promise((resolve) => server.getConnections((_error, connections) => resolve(connections)))
  t.is(count, 1)
  const closed = once(server, 'close')
  upgraded.close()
  server.close()
  await closed
})

test('closeIdleConnections spares a connection that has sent nothing', async (t) => {
  const server = ok()
  const port = await listen(t, server)
  const [silent, idle] = [await Dialogue.dial(port), await Dialogue.dial(port)] as const
  await idle.send(GET).response('GET')
  server.closeIdleConnections()
  await idle.end()
  t.is((await silent.send(GET).response('GET'))!.at(-1)!.line, 'HTTP/1.1 200 OK')
})

// A dropped connection has no handshake.
const plainTest = IS_TLS ? test.skip : test
plainTest('maxConnections holds from the moment when it is set, lower and higher', async (t) => {
  await plays(t, [['drop', 'drop', 'drop'], ' [end]', 200, ' [end]', 200, 200], async (create) => {
    const events: string[] = []
    const server = create((_req, res) => void res.end('ok')).on('drop', () => events.push('drop'))
    const port = await listen(t, server)
    const [silent, used] = [await Dialogue.dial(port), await Dialogue.dial(port)] as const
    const status = async (one: Dialogue): Promise<number> => Number((await one.send(GET).response('GET'))!.at(-1)!.line.split(' ')[1])
    await status(used)
    const dropped = async (): Promise<string> => (await Dialogue.dial(port)).end()
    server.maxConnections = 2
    const atFull = await dropped()
    server.maxConnections = 3
    const third = await Dialogue.dial(port)
    const results = [atFull, await status(third), await dropped()]
    third.close()
    await until(server, 2)
    results.push(await status(await Dialogue.dial(port)))
    const info = once(server, 'drop') as Promise<[{ remotePort: number }]>
    const last = connect(port, '127.0.0.1')
    await once(last, 'connect')
    const { localPort } = last
    last.on('error', () => {}).resume()
    t.is((await info)[0].remotePort, localPort!)
    results.push(await status(silent))
    return [events, ...results]
  })
})

plainTest('of connections that come at once as many are taken as maxConnections allows', async (t) => {
  await plays(t, [3, 7], async (create) => {
    let dropped = 0
    const server = create((_req, res) => void res.end('ok')).on('drop', () => dropped++)
    server.maxConnections = 3
    const port = await listen(t, server)
    const all = await Promise.all(Array.from({ length: 10 }, () => Dialogue.dial(port)))
    await until(server, 3)
    while (dropped < 7) await new Promise((resolve) => setTimeout(resolve, 2))
    await Promise.all(all.map(async (one) => one.ending ?? (await Promise.race([one.send(GET).response('GET'), one.end()]))))
    return [all.filter((one) => one.ending === null).length, dropped]
  })
})

/** Waits until a server has so many connections. */
async function until(server: Server, count: number): Promise<void> {
  for (;;) {
    const now = await new Promise((resolve) => server.getConnections((_error, connections) => resolve(connections)))
    if (now === count) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
