import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { howToTrust } from '../src/tls/development-certificate.ts'
import { Authority } from './authority.ts'
import { busbar, pathOf } from './command.ts'
import type { Command } from './command.ts'
import { temporaryDirectory } from './support.ts'

const PLAIN = ['serve', pathOf('fixtures/plain.mjs'), '--port=0', '--host=127.0.0.1']

/** The command with a cache folder of its own. */
async function developing(t: ExecutionContext, cache: string): Promise<Command & { readonly url: string; readonly told: string }> {
  const command = busbar(t, [...PLAIN, '--tls'], { XDG_CACHE_HOME: cache })
  const url = /^➜ (https:\S+) \(h2, http\/1\.1\) · ready in \d+ ms$/.exec(await command.line())?.[1] ?? ''
  return { ...command, url, told: await command.line() }
}

async function ask(url: string, ca: string | Buffer): Promise<string> {
  const [response] = await once(get(url, { agent: false, ca }), 'response')
  return text(response)
}

const places = (cache: string): Record<'folder' | 'cert' | 'key', string> => {
  const folder = join(cache, 'busbar/localhost')
  return { folder, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
}

test('--tls serves HTTPS with a certificate for localhost alone, made once and kept', async (t) => {
  const cache = await temporaryDirectory(t)
  const { folder, cert, key } = places(cache)
  const first = await developing(t, cache)
  const made = readFileSync(cert)
  t.is(await ask(`${first.url}a`, made), 'plain /a')
  t.is(await ask(`${first.url.replace('127.0.0.1', 'localhost')}a`, made), 'plain /a')
  const certificate = new X509Certificate(made)
  t.is(certificate.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  t.deepEqual([certificate.ca, certificate.keyUsage], [false, ['1.3.6.1.5.5.7.3.1']])
  const days = (new Date(certificate.validTo).getTime() - new Date(certificate.validFrom).getTime()) / 86_400_000
  t.true(days > 300 && days < 398)
  t.is(statSync(key).mode & 0o777, 0o600)
  t.is(first.told, `its certificate is ${cert}, for this machine alone, until ${new Date(certificate.validTo).toISOString().slice(0, 10)}; to trust it:`)
  t.is(await first.line(), `  curl     curl --cacert ${cert} ${first.url}`)
  const second = await developing(t, cache)
  t.is(await ask(second.url, made), 'plain /')
  t.deepEqual(readFileSync(cert), made)
  t.deepEqual(readdirSync(join(folder, '..')), ['localhost'])
})

test('processes that start together agree on one certificate', async (t) => {
  const cache = await temporaryDirectory(t)
  const all = await Promise.all(Array.from({ length: 4 }, () => developing(t, cache)))
  const kept = readFileSync(places(cache).cert)
  for (const { url } of all) t.is(await ask(url, kept), 'plain /')
  t.deepEqual(readdirSync(join(cache, 'busbar')), ['localhost'])
})

const old = new Authority('Old')
const FAULTS: readonly (readonly [string, (cache: string) => void])[] = [
  ['will soon expire', (cache) => {
    const { cert, key } = places(cache)
    const soon = old.issue({ to: 20 })
    writeFileSync(cert, soon.cert)
    writeFileSync(key, soon.key, { mode: 0o600 })
  }],
  ['is damaged', (cache) => writeFileSync(places(cache).cert, 'nothing')],
  ['has lost its key', (cache) => writeFileSync(places(cache).key, old.issue().key)],
  ['has a key that others can read', (cache) => chmodSync(places(cache).key, 0o644)],
]
for (const [fault, harm] of FAULTS) {
  test(`a kept certificate that ${fault} is made anew`, async (t) => {
    const cache = await temporaryDirectory(t)
    const { cert, key } = places(cache)
    const first = await developing(t, cache)
    const before = readFileSync(cert)
    first.child.kill('SIGKILL')
    await first.ended
    harm(cache)
    const { url } = await developing(t, cache)
    t.notDeepEqual(readFileSync(cert), before)
    t.is(await ask(url, readFileSync(cert)), 'plain /')
    t.is(statSync(key).mode & 0o777, 0o600)
  })
}

test('a cache folder that is none is one clear line and exit code 2', async (t) => {
  const cache = join(await temporaryDirectory(t), 'file')
  writeFileSync(cache, '')
  const { code, stdout, stderr } = await busbar(t, [...PLAIN, '--tls'], { XDG_CACHE_HOME: cache }).ended
  t.deepEqual([code, stdout], [2, ''])
  t.regex(stderr, /^busbar: the development certificate can't be kept in \S+ \(ENOTDIR\); .*--cert and --key\n$/)
})

test('--cert and --key serve that certificate, and take a new one from the same files', async (t) => {
  const directory = await temporaryDirectory(t)
  const authority = new Authority('Own CA')
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const put = (name: string): void => {
    const leaf = authority.issue({ commonName: name })
    writeFileSync(cert, leaf.cert)
    writeFileSync(key, leaf.key)
  }
  put('first')
  const command = busbar(t, [...PLAIN, '--cert', cert, '--key', key])
  const url = /(https:\S+)/.exec(await command.line())![1]!.replace('127.0.0.1', 'localhost')
  const shown = async (): Promise<string> => {
    const [response] = await once(get(url, { agent: false, ca: authority.cert }), 'response')
    response.resume()
    return response.socket.getPeerCertificate().subject.CN
  }
  t.is(await shown(), 'first')
  put('second')
  while ((await shown()) !== 'second') await new Promise((resolve) => setTimeout(resolve, 200))
  command.child.kill('SIGTERM')
  t.is((await command.ended).code, 0)
})

test('a certificate that is missing, or not for the key, is one clear line and exit code 2', async (t) => {
  const directory = await temporaryDirectory(t)
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const start = async (): Promise<string> => {
    const { code, stderr } = await busbar(t, [...PLAIN, '--cert', cert, '--key', key]).ended
    t.is(code, 2)
    return stderr
  }
  t.regex(await start(), /^busbar: \S+ \(tls\.\w+\) doesn't exist \(ENOENT\)\n$/)
  writeFileSync(cert, old.issue().cert)
  writeFileSync(key, old.issue().key)
  t.regex(await start(), /^busbar: the key in \S+key\.pem does not belong to the certificate in \S+cert\.pem [^\n]+\n$/)
})

test('the ways to trust it are those of the system', (t) => {
  const told = (platform: NodeJS.Platform): string => howToTrust('/a b/cert.pem', 'https://localhost:8443/', platform).join('\n')
  t.regex(told('linux'), /update-ca-certificates[^]*certutil -d sql:\$HOME\/\.pki\/nssdb .* "\/a b\/cert\.pem"/)
  t.regex(told('darwin'), /security add-trusted-cert -r trustRoot /)
  t.regex(told('win32'), /certutil -user -addstore Root /)
  for (const platform of ['linux', 'darwin', 'win32', 'freebsd'] as const) t.regex(told(platform), /^curl +curl --cacert "\/a b\/cert\.pem" https:/)
})
