import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setImmediate as nextRound } from 'node:timers/promises'
import test from 'ava'
import { HttpServer, Response, StateError, silentLogger } from '../src/index.ts'
import type { Client, Logger, TlsInfo } from '../src/index.ts'
import { GET, LAST_GET, collected, postHead, temporaryDirectory, until } from './support.ts'
import { ask, authority, dialTls, leaf, openTls, readAll, sessionOf } from './tls-support.ts'

test('a server with a certificate answers over TLS, and says https', async (t) => {
  const { server, port } = await openTls(t, {}, (request) => Response.text(String(request.getUri())))
  t.is(server.url, `https://127.0.0.1:${port}/`)
  t.regex(await ask(t, port), /^HTTP\/1\.1 200 OK[^]*\r\n\r\nhttps:\/\/a\/$/)
})

test('TlsInfo tells what was negotiated, is one object, and stays after the close', async (t) => {
  const clients: Client[] = []
  const { port, infos } = await openTls(t, {}, (request) => {
    clients.push(request.getClient())
    return Response.text('done')
  })
  const socket = await dialTls(t, port, { ALPNProtocols: ['http/1.1'] })
  const cipher = socket.getCipher().name
  socket.write(LAST_GET)
  await readAll(socket)
  const [info] = infos
  const [client] = clients
  await until(() => client!.isClosed())
  t.is(client!.getTlsInfo(), info as TlsInfo)
  t.true(client!.isEncrypted())
  t.is(info?.getVersion(), 'TLSv1.3')
  t.is(info?.getCipherName(), cipher)
  t.is(info?.getCipherBits(), info?.getCipherName().includes('128') ? 128 : 256)
  t.is(info?.getCipherVersion(), 'TLSv1.3')
  t.is(info?.getApplicationLayerProtocol(), 'http/1.1')
  t.is(socket.alpnProtocol, 'http/1.1')
  t.is(info?.getServerName(), 'localhost')
  // Newer clients offer ML-KEM beside it.
  t.regex(info?.getKeyExchangeGroup() ?? '', /^X25519(MLKEM768)?$/)
  t.false(info?.isResumed())
  t.regex(String(info), new RegExp(`^TLSv1\\.3 ${cipher} X25519(MLKEM768)? http/1\\.1$`))
  t.throws(() => info?.getPeerCertificates(), { instanceOf: StateError, message: /clientAuth/ })
})

for (const [version, cipher] of [
  ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
  ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
] as const) {
  test(`${version} with ${cipher} is spoken`, async (t) => {
    const { port, infos } = await openTls(t)
    t.regex(await ask(t, port, { minVersion: version, maxVersion: version, ciphers: cipher }), /done$/)
    t.deepEqual([infos[0]?.getVersion(), infos[0]?.getCipherName()], [version, cipher])
  })
}

for (const group of ['X25519', 'P-256', 'P-384']) {
  test(`the group ${group} is negotiated`, async (t) => {
    const { port, infos } = await openTls(t)
    await ask(t, port, { ecdhCurve: group })
    t.is(infos[0]?.getKeyExchangeGroup(), group)
  })
}

for (const type of ['rsa', 'p384', 'ed25519'] as const) {
  test(`a certificate with a key of type ${type} works`, async (t) => {
    const { cert, key } = authority.issue({ type })
    const { port } = await openTls(t, { cert, key })
    t.regex(await ask(t, port), /done$/)
  })
}

test('weak offers are refused with an alert, and counted', async (t) => {
  const { server, port } = await openTls(t)
  const offers = [
    { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' },
  ] as const
  for (const offer of offers) await t.throwsAsync(dialTls(t, port, offer), { message: /alert|version|handshake/i })
  await until(() => Object.values(server.getRefusals()).reduce((sum, one) => sum + one, 0) >= offers.length)
  t.true(Object.keys(server.getRefusals()).every((code) => code.startsWith('BUSBAR_TLS_')))
})

test('without a common protocol the handshake fails', async (t) => {
  const { server, port } = await openTls(t)
  await t.throwsAsync(dialTls(t, port, { ALPNProtocols: ['nonsense'] }), { message: /no application protocol/ })
  await until(() => server.getRefusals()['BUSBAR_TLS_NO_APPLICATION_PROTOCOL'] === 1)
  t.pass()
})

test('minVersion, cipherSuites and groups restrict what is offered', async (t) => {
  const { port } = await openTls(t, { minVersion: 'TLSv1.3', cipherSuites: ['TLS_AES_128_GCM_SHA256'], groups: ['P-256'] })
  await t.throwsAsync(dialTls(t, port, { maxVersion: 'TLSv1.2' }), { message: /version/ })
  await t.throwsAsync(dialTls(t, port, { ciphers: 'TLS_AES_256_GCM_SHA384' }), { message: /handshake/ })
  t.regex(await ask(t, port), /done$/)
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session of ${version} is resumed by its ticket`, async (t) => {
    const { port, infos } = await openTls(t)
    const first = await dialTls(t, port, { minVersion: version, maxVersion: version })
    const session = sessionOf(first)
    first.write(LAST_GET)
    await readAll(first)
    const second = await dialTls(t, port, { minVersion: version, maxVersion: version, session: await session })
    t.true(second.isSessionReused())
    second.write(LAST_GET)
    t.regex(await readAll(second), /done$/)
    t.deepEqual(infos.map((info) => info?.isResumed()), [false, true])
  })
}

test('plain HTTP on a port for TLS gets a short 400 that says so', async (t) => {
  const { server, port } = await openTls(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(GET)
  const text = await collected(socket)
  t.regex(text, /^HTTP\/1\.1 400 Bad Request\r\n[^]*connection: close[^]*HTTPS/)
  t.is(Number(/content-length: (\d+)/.exec(text)?.[1]), text.split('\r\n\r\n')[1]!.length)
  await until(() => server.getRefusals()['BUSBAR_TLS_PLAIN_HTTP'] === 1)
})

test('a long body arrives whole in both directions, and so does a file', async (t) => {
  const path = join(await temporaryDirectory(t), 'file.bin')
  const bytes = Buffer.alloc(3_000_001, 'abcdefghijklm')
  writeFileSync(path, bytes)
  const { port } = await openTls(
    t,
    {},
    async (request) => {
      if (request.getPath() === '/file') return Response.file(path)
      return new Response(200, {}, await request.getBody().buffer())
    },
    { bodySizeLimit: 10_000_000 },
  )
  for (const head of [postHead(bytes.length, 'Connection: close'), LAST_GET.replace('/', '/file')]) {
    const socket = await dialTls(t, port)
    socket.write(head)
    if (head.startsWith('POST')) socket.write(bytes)
    const text = await readAll(socket)
    t.true(text.endsWith(`\r\n\r\n${bytes.toString('latin1')}`))
  }
})

test('with debug, what was negotiated is logged once a connection', async (t) => {
  const lines: string[] = []
  const logger: Logger = { ...silentLogger, debug: (message) => void lines.push(message) }
  const { port } = await openTls(t, {}, undefined, { logger, debug: true })
  const socket = await dialTls(t, port)
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  for (let requests = 1; requests <= 2; requests++) {
    socket.write(GET)
    await until(() => text.split('done').length > requests)
  }
  const told = lines.filter((line) => line.includes('negotiated'))
  t.is(told.length, 1)
  t.regex(told[0]!, /^client \d+ has negotiated TLSv1\.3 TLS_\w+ X25519(MLKEM768)?$/)
})

test('close_notify of the client behind a request is its half-close: it is answered', async (t) => {
  const { port } = await openTls(t, {}, async () => {
    await nextRound()
    return Response.text('done')
  })
  const socket = await dialTls(t, port, { allowHalfOpen: true } as object)
  socket.end(GET)
  t.regex(await readAll(socket), /done$/)
})

test('the end of the connection is a close_notify, also when the client has sent none', async (t) => {
  const { port } = await openTls(t)
  const socket = await dialTls(t, port)
  socket.write(LAST_GET)
  await readAll(socket)
  // Node reports a missing close_notify as an error, which readAll would have thrown.
  t.true(socket.readableEnded)
})

test('a FIN inside a body aborts it', async (t) => {
  let reads: Promise<string> | null = null
  const { port } = await openTls(t, {}, (request) => {
    reads = request.text()
    return reads.then(() => Response.text('done'))
  })
  const plain = connect(port, '127.0.0.1')
  await once(plain, 'connect')
  const socket = await dialTls(t, port, { socket: plain } as object)
  socket.write(`${postHead(1000)}beginning`)
  await until(() => reads !== null)
  // Below TLS, so that no close_notify is sent.
  plain.end()
  await t.throwsAsync(reads!, { message: /client/ })
})

test('one listener speaks TLS and another plain HTTP', async (t) => {
  const server = new HttpServer(
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0, tls: { cert: leaf.cert, key: leaf.key } }],
    (request) => Response.text(`${request.getUri().protocol} ${request.getClient().isEncrypted()}`),
    { logger: silentLogger },
  )
  await server.start()
  t.teardown(() => server.stop(0))
  const [plain, secure] = server.getServers()
  const socket = connect(plain!.getPort()!, '127.0.0.1')
  socket.write(LAST_GET)
  t.regex(await collected(socket), /http: false$/)
  t.regex(await ask(t, secure!.getPort()!), /https: true$/)
})
