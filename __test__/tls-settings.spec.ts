import { once } from 'node:events'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, OptionError, Response, TlsError, silentLogger } from '../src/index.ts'
import type { Logger, TlsOptions } from '../src/index.ts'
import { TlsContext } from '../src/native.ts'
import { Authority } from './authority.ts'
import { temporaryDirectory } from './support.ts'
import { ask, authority, dialTls, leaf, openTls, sessionOf } from './tls-support.ts'

function server(tls: unknown, logger: Logger = silentLogger): HttpServer {
  return new HttpServer({ host: '127.0.0.1', port: 0, tls: tls as TlsOptions }, () => Response.text('done'), { logger })
}

async function refused(t: ExecutionContext, tls: TlsOptions, code: string, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(server(tls).start(), { instanceOf: TlsError, message })
  t.is(error.code, code as never)
}

const { cert, key } = leaf

for (const [name, tls, message] of [
  ['a text', 'yes', /tls must be an object/],
  ['nothing', {}, /cert and key/],
  ['no key', { cert }, /tls\.key/],
  ['no certificate', { key }, /tls\.cert/],
  ['an unknown name', { cert, key, ciphers: 'x' }, /ciphers/],
  ['a pfx', { pfx: 'a' }, /tls\.pfx.*openssl pkcs12/],
  ['another version', { cert, key, minVersion: 'TLSv1.1' }, /tls\.minVersion.*TLSv1\.2/],
  ['an unknown mode', { cert, key, clientAuth: true }, /tls\.clientAuth/],
  ['a mode that needs a ca', { cert, key, clientAuth: 'require' }, /tls\.ca/],
  ['a ca without a mode', { cert, key, ca: cert }, /tls\.clientAuth/],
  ['a short ticket key', { cert, key, ticketKeys: [Buffer.alloc(31)] }, /tls\.ticketKeys.*32 bytes/],
  ['text to be watched', { cert, key, watch: true }, /tls\.cert.*watch/],
  ['certificates that are none', { certificates: [1] }, /tls\.certificates\[0\]/],
  ['no list of suites', { cert, key, cipherSuites: [] }, /tls\.cipherSuites/],
] as const) {
  test(`the constructor refuses ${name}`, (t) => {
    t.throws(() => server(tls), { instanceOf: OptionError, message })
  })
}

test('an address is given once, or with the same TLS', (t) => {
  const listen = (...all: TlsOptions[]): HttpServer =>
    new HttpServer(all.map((tls) => ({ host: '127.0.0.1', port: 0, tls })), () => Response.text('done'))
  t.throws(() => listen({ cert, key }, { cert, key, minVersion: 'TLSv1.3' }), { instanceOf: OptionError, message: /127\.0\.0\.1:0/ })
  t.notThrows(() => listen({ cert, key }, { cert, key }))
})

test('an error of the constructor never shows a key', (t) => {
  const error = t.throws(() => server({ cert, key: { secret: key } }), { instanceOf: OptionError })
  t.false(error.message.includes('secret'))
})

test('a file that is missing is named at the start', async (t) => {
  await refused(t, { cert: '/nowhere/cert.pem', key }, 'BUSBAR_TLS_FILE', /\/nowhere\/cert\.pem \(tls\.cert\).*ENOENT/)
})

test('a file that holds something else is named', async (t) => {
  const path = join(await temporaryDirectory(t), 'cert.pem')
  writeFileSync(path, 'hello')
  const error = await t.throwsAsync(server({ cert: path, key }).start(), { instanceOf: TlsError })
  t.true(error.message.includes(path))
})

test('a key of another certificate is refused with the names of both', async (t) => {
  const other = authority.issue({ commonName: 'other' })
  await refused(t, { cert, key: other.key }, 'BUSBAR_TLS_KEY_MISMATCH', /tls\.key.*tls\.cert.*CN=localhost/)
})

test('an encrypted key needs its passphrase', async (t) => {
  const secret = authority.issue({ passphrase: 'open sesame' })
  await refused(t, { ...pair(secret) }, 'BUSBAR_TLS_PASSPHRASE', /passphrase/)
  await refused(t, { ...pair(secret), passphrase: 'wrong' }, 'BUSBAR_TLS_PASSPHRASE', /passphrase/)
  const { port } = await openTls(t, { ...pair(secret), passphrase: 'open sesame' })
  t.regex(await ask(t, port), /done$/)
})

function pair({ cert: certificate, key: privateKey }: { cert: string; key: string }) {
  return { cert: certificate, key: privateKey }
}

test('an expired certificate warns, and the server starts', async (t) => {
  const warnings: string[] = []
  const logger = { ...silentLogger, warning: (message: string) => void warnings.push(message) }
  const started = server(pair(authority.issue({ from: -20, to: -2.5 })), logger)
  await started.start()
  await started.stop(0)
  t.is(warnings.length, 1)
  t.regex(warnings[0]!, /tls\.cert.*CN=localhost.*expired 3 days ago/)
})

test('an unknown cipher suite or group is named with those that are known', async (t) => {
  await t.throwsAsync(server({ cert, key, cipherSuites: ['RC4'] }).start(), { message: /"RC4".*TLS_AES_128_GCM_SHA256/ })
  await t.throwsAsync(server({ cert, key, groups: ['P-1'] }).start(), { message: /"P-1".*X25519MLKEM768/ })
})

test('files, urls, bytes and DER are taken', async (t) => {
  const directory = await temporaryDirectory(t)
  const [certPath, keyPath] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  writeFileSync(certPath, cert)
  writeFileSync(keyPath, key)
  const der = Buffer.from(cert.replace(/-----.*-----|\n/g, ''), 'base64')
  for (const tls of [
    { cert: certPath, key: keyPath },
    { cert: new URL(`file://${certPath}`), key: new URL(`file://${keyPath}`) },
    { cert: Buffer.from(cert), key: Buffer.from(key) },
    { cert: der, key },
  ]) {
    const { port } = await openTls(t, tls)
    t.regex(await ask(t, port), /done$/)
  }
})

test('certificates are chosen by name, exact before wildcard, and the first for all others', async (t) => {
  const named = (commonName: string, ...names: string[]) => pair(authority.issue({ commonName, names }))
  const { port } = await openTls(t, {
    ...named('default', 'localhost'),
    certificates: [named('wild', '*.example.org'), named('exact', 'a.example.org')],
  })
  const shown = async (servername: string): Promise<string> => {
    const socket = await dialTls(t, port, { servername, checkServerIdentity: () => undefined })
    return String(socket.getPeerCertificate().subject.CN)
  }
  t.is(await shown('a.example.org'), 'exact')
  t.is(await shown('A.EXAMPLE.org'), 'exact')
  t.is(await shown('b.example.org'), 'wild')
  t.is(await shown('a.b.example.org'), 'default')
  t.is(await shown('elsewhere'), 'default')
  t.is(await shown(''), 'default')
})

test('servers with the same ticketKeys resume the sessions of each other', async (t) => {
  const ticketKeys = [Buffer.alloc(32, 1)]
  const first = await openTls(t, { cert, key, ticketKeys })
  const second = await openTls(t, { cert, key, ticketKeys: [Buffer.alloc(48, 2), ...ticketKeys] })
  const third = await openTls(t, { cert, key })
  const socket = await dialTls(t, first.port)
  const session = await sessionOf(socket)
  t.true((await dialTls(t, second.port, { session })).isSessionReused())
  t.false((await dialTls(t, third.port, { session })).isSessionReused())
})

test('an authority that has signed nothing is no authority of the client', async (t) => {
  const { port } = await openTls(t)
  await t.throwsAsync(dialTls(t, port, { ca: new Authority().cert }))
})

test('a ticket key that is given and seals for more than a day is warned of, once a day', async (t) => {
  const HOUR = 3_600_000
  const { mock } = await import('node:test')
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() })
  const real = TlsContext.prototype.overdue
  let hours = 0
  // The engine's own clock doesn't turn.
  TlsContext.prototype.overdue = () => (hours > 24 ? 'overdue' : null)
  t.teardown(() => {
    TlsContext.prototype.overdue = real
    mock.timers.reset()
  })
  const warnings: string[] = []
  const logger = { ...silentLogger, warning: (message: string) => void warnings.push(message) }
  const started = server({ cert, key, ticketKeys: [Buffer.alloc(32, 1)] }, logger)
  await started.start()
  for (hours = 1; hours <= 60; hours++) mock.timers.tick(HOUR)
  await started.stop(0)
  for (; hours <= 120; hours++) mock.timers.tick(HOUR)
  t.deepEqual(warnings, ['overdue', 'overdue'])
})

test('keyLog has the secrets of each session in a file for its owner alone, and warns', async (t) => {
  const keyLog = join(await temporaryDirectory(t), 'keys.log')
  const warnings: string[] = []
  const logger = { ...silentLogger, warning: (message: string) => void warnings.push(message) }
  const { port } = await openTls(t, { keyLog }, undefined, { logger })
  const told: string[] = []
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, servername: 'localhost', maxVersion })
    socket.on('keylog', (line: Buffer) => void told.push(line.toString().trim()))
    await once(socket, 'secureConnect')
    socket.destroy()
  }
  const kept = readFileSync(keyLog, 'utf8').split('\n')
  t.true(told.some((line) => line.startsWith('CLIENT_RANDOM ')) && told.some((line) => line.startsWith('SERVER_TRAFFIC_SECRET_0 ')))
  for (const line of told) t.true(kept.includes(line), line)
  t.is(statSync(keyLog).mode & 0o777, 0o600)
  t.regex(warnings.join(), /keyLog/)
})

/** The OCSP response that a client is shown. */
async function stapled(t: ExecutionContext, port: number): Promise<Buffer | null> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, servername: 'localhost', requestOCSP: true } as ConnectionOptions)
  t.teardown(() => socket.destroy())
  const [response] = (await once(socket, 'OCSPResponse')) as [Buffer | null]
  return response
}

test('an OCSP response is stapled while it holds; one that is expired or damaged is not, with a warning', async (t) => {
  const good = authority.vouch(leaf, 24)
  t.deepEqual(await stapled(t, (await openTls(t, { cert, key, ocsp: good })).port), good)
  for (const [ocsp, why] of [[authority.vouch(leaf, 0.5), /has expired/], [Buffer.from('none'), /not a successful OCSP response/]] as const) {
    const warnings: string[] = []
    const logger = { ...silentLogger, warning: (message: string) => void warnings.push(message) }
    const { port, server: running } = await openTls(t, { cert, key, ocsp }, undefined, { logger })
    t.is(await stapled(t, port), null)
    t.regex(warnings.join(), why)
    await running.reload({ tls: { ocsp: good } })
    t.deepEqual(await stapled(t, port), good)
  }
})

const isRoot = process.getuid?.() === 0
;(isRoot ? test.skip : test)('a file that may not be read is named', async (t) => {
  const path = join(await temporaryDirectory(t), 'key.pem')
  writeFileSync(path, key)
  chmodSync(path, 0)
  await refused(t, { cert, key: path }, 'BUSBAR_TLS_FILE', /key\.pem.*EACCES/)
})
