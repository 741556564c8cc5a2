import { X509Certificate } from 'node:crypto'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { ClientAuth, TlsOptions } from '../src/index.ts'
import { Authority } from './authority.ts'
import type { Leaf } from './authority.ts'
import { LAST_GET, until } from './support.ts'
import { ask, dialTls, openTls, readAll, sessionOf } from './tls-support.ts'

const clients = new Authority('Test CA of clients')
const alice = clients.issue({ names: ['alice.example'], commonName: 'alice' })
const expired = clients.issue({ names: [], commonName: 'expired', from: -10, to: -1 })
const stranger = new Authority('another').issue({ names: [], commonName: 'stranger' })
const revoked = clients.issue({ names: [], commonName: 'revoked' })

function open(t: ExecutionContext, clientAuth: ClientAuth, more: TlsOptions = {}) {
  return openTls(t, { clientAuth, ca: clients.cert, ...more }, (request) => {
    const info = request.getClient().getTlsInfo()!
    const [first] = info.getPeerCertificates()
    return Response.text(`${first?.getSubject() ?? 'no certificate'}: ${info.getPeerVerificationError() ?? 'verified'}`)
  })
}

const pair = ({ cert, key }: Leaf) => ({ cert, key })

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const limits = { minVersion: version, maxVersion: version } as const

  test(`require, ${version}: a good certificate is served, any other refused with an alert and counted`, async (t) => {
    const { server, port } = await open(t, 'require', { crl: clients.revoke([revoked]) })
    t.regex(await ask(t, port, { ...limits, ...pair(alice) }), /CN=alice: verified$/)
    for (const [given, code] of [
      [{}, 'CERTIFICATE_REQUIRED'],
      [pair(stranger), 'UNKNOWN_CA'],
      [pair(expired), 'CERTIFICATE_EXPIRED'],
      [pair(revoked), 'CERTIFICATE_REVOKED'],
    ] as const) {
      await t.throwsAsync(ask(t, port, { ...limits, ...given }), undefined, code)
      await until(() => Object.keys(server.getRefusals()).length > 0)
      t.is(server.getRefusals()[`BUSBAR_TLS_${code}`], 1, `${code} of ${JSON.stringify(server.getRefusals())}`)
    }
  })

  test(`request, ${version}: no certificate is served, a bad one refused`, async (t) => {
    const { port } = await open(t, 'request')
    t.regex(await ask(t, port, limits), /no certificate: the client has sent no certificate$/)
    t.regex(await ask(t, port, { ...limits, ...pair(alice) }), /CN=alice: verified$/)
    await t.throwsAsync(ask(t, port, { ...limits, ...pair(stranger) }))
  })

  test(`request-unverified, ${version}: a bad certificate is served, and TlsInfo says why it is bad`, async (t) => {
    const { port } = await open(t, 'request-unverified')
    t.regex(await ask(t, port, { ...limits, ...pair(alice) }), /CN=alice: verified$/)
    t.regex(await ask(t, port, { ...limits, ...pair(stranger) }), /CN=stranger: unknown_ca: /)
    t.regex(await ask(t, port, { ...limits, ...pair(expired) }), /CN=expired: certificate_expired: /)
  })

  test(`a session of a client that is revoked meanwhile is not resumed, ${version}`, async (t) => {
    const { server, port } = await open(t, 'require', { crl: clients.revoke([]) })
    const first = await dialTls(t, port, { ...limits, ...pair(alice) })
    const session = sessionOf(first)
    first.write(LAST_GET)
    await readAll(first)
    await server.reload({ tls: { crl: clients.revoke([alice]) } })
    await t.throwsAsync(ask(t, port, { ...limits, ...pair(alice), session: await session }))
    await until(() => server.getRefusals()['BUSBAR_TLS_CERTIFICATE_REVOKED'] === 1)
  })
}

test('a certificate of a client has its fields', async (t) => {
  const { port, infos } = await open(t, 'require')
  await ask(t, port, pair(alice))
  const [certificate] = infos[0]!.getPeerCertificates()
  const known = new X509Certificate(alice.cert)
  t.is(certificate?.getSubject(), 'CN=alice')
  t.deepEqual(certificate?.getSubjectFields(), [['CN', 'alice']])
  t.is(certificate?.getIssuer(), 'CN=Test CA of clients')
  t.is(certificate?.getFingerprint(), known.fingerprint256)
  t.is(certificate?.getSerialNumber(), known.serialNumber)
  t.deepEqual(certificate?.getNames(), ['DNS:alice.example'])
  t.deepEqual(certificate?.getBytes(), known.raw)
  t.is(certificate?.getValidTo().getTime(), Date.parse(known.validTo))
  t.is(certificate?.getValidFrom().getTime(), Date.parse(known.validFrom))
  t.is(certificate?.toX509Certificate().fingerprint512, known.fingerprint512)
  t.is(certificate?.getDaysLeft(), 29)
  t.true(infos[0]!.isPeerVerified())
})

test('a session of a listener without client certificates is not resumed where one is required', async (t) => {
  const ticketKeys = [Buffer.alloc(32, 7)]
  const open_ = await openTls(t, { ticketKeys })
  const strict = await open(t, 'require', { ticketKeys })
  const socket = await dialTls(t, open_.port)
  const session = await sessionOf(socket)
  await t.throwsAsync(ask(t, strict.port, { session }))
})

test('a connection becomes unverified when the list of revoked certificates is replaced', async (t) => {
  const { server, port, infos } = await open(t, 'require', { crl: clients.revoke([]) })
  const socket = await dialTls(t, port, pair(alice))
  socket.write(LAST_GET)
  await readAll(socket)
  t.true(infos[0]!.isPeerVerified())
  await server.reload({ tls: { crl: clients.revoke([alice]) } })
  t.false(infos[0]!.isPeerVerified())
  t.regex(String(infos[0]!.getPeerVerificationError()), /^certificate_revoked: /)
})
