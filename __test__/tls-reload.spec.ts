import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { HttpServer, OptionError, Response, StateError, TlsError, silentLogger } from '../src/index.ts'
import type { Logger } from '../src/index.ts'
import type { Leaf } from './authority.ts'
import { GET, count, open, temporaryDirectory } from './support.ts'
import { ask, authority, dialTls, leaf, openTls, sessionOf, shownName } from './tls-support.ts'

const pair = ({ cert, key }: Leaf) => ({ cert, key })
const named = (commonName: string, ...names: string[]) =>
  pair(authority.issue({ commonName, names: ['localhost', ...names] }))

async function shown(t: ExecutionContext, port: number, servername = 'localhost'): Promise<string> {
  const socket = await dialTls(t, port, { servername, checkServerIdentity: () => undefined })
  const name = shownName(socket)
  socket.destroy()
  return name
}

test('reload replaces the certificate for new connections, and open ones go on', async (t) => {
  const { server, port } = await openTls(t, named('old'))
  const socket = await dialTls(t, port)
  await server.reload({ tls: named('new') })
  t.is(shownName(socket), 'old')
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  socket.write(GET)
  while (!text.endsWith('done')) await new Promise((resolve) => socket.once('data', resolve))
  t.is(await shown(t, port), 'new')
  t.deepEqual(server.getCertificates().map((certificate) => certificate.getSubject()), ['CN=new'])
})

test('a bad new pair is refused with the reason, and the old one stays in force', async (t) => {
  const { server, port } = await openTls(t, named('old'))
  const error = await t.throwsAsync(server.reload({ tls: { ...named('new'), key: leaf.key } }), { instanceOf: TlsError })
  t.is(error.code, 'BUSBAR_TLS_KEY_MISMATCH')
  const expired = pair(authority.issue({ from: -10, to: -1 }))
  await t.throwsAsync(server.reload({ tls: expired }), { instanceOf: TlsError, message: /expired/ })
  await t.throwsAsync(server.reload({ tls: { minVersion: 'SSLv3' as never } }), { instanceOf: OptionError })
  t.is(await shown(t, port), 'old')
})

test('reload merges: client authentication stays when the pair is replaced', async (t) => {
  const { server, port } = await openTls(t, { ...named('old'), clientAuth: 'require', ca: authority.cert })
  await server.reload({ tls: named('new') })
  await t.throwsAsync(ask(t, port))
  t.regex(await ask(t, port, leaf), /done$/)
})

test('sessions are resumed across a reload', async (t) => {
  const { server, port } = await openTls(t, named('old'))
  const session = await sessionOf(await dialTls(t, port))
  await server.reload({ tls: named('new') })
  t.true((await dialTls(t, port, { session })).isSessionReused())
})

test('reload without anything reads the files again', async (t) => {
  const directory = await temporaryDirectory(t)
  const paths = write(directory, named('old'))
  const { server, port } = await openTls(t, paths)
  write(directory, named('new'))
  await server.reload()
  t.is(await shown(t, port), 'new')
})

function write(directory: string, { cert, key }: { cert: string; key: string }) {
  const paths = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
  writeFileSync(paths.cert, cert)
  writeFileSync(paths.key, key)
  return paths
}

test('reload needs a listener with TLS, and a name where listeners differ', async (t) => {
  const { server: plain } = await open(t, () => new Response(204), {}, { port: 0, host: '127.0.0.1' })
  if (process.env['BUSBAR_TEST_TLS'] !== '1') await t.throwsAsync(plain.reload(), { instanceOf: StateError, message: /TLS/ })
  const server = new HttpServer(
    [
      { host: '127.0.0.1', port: 0, tls: named('one') },
      { host: '127.0.0.2', port: 0, tls: named('two') },
    ],
    () => Response.text('done'),
    { logger: silentLogger },
  )
  await t.throwsAsync(server.reload(), { instanceOf: StateError })
  await server.start()
  t.teardown(() => server.stop(0))
  await t.throwsAsync(server.reload({ tls: named('new') }), { instanceOf: OptionError, message: /127\.0\.0\.1.*127\.0\.0\.2/ })
  await t.throwsAsync(server.reload({ listener: 2 }), { instanceOf: OptionError })
  await server.reload({ listener: 1, tls: named('new') })
  const [, second] = server.getServers()
  await server.reload({ listener: second!.toString(), tls: named('newer') })
  await server.reload()
  t.deepEqual(server.getCertificates().map((certificate) => certificate.getSubject()), ['CN=one', 'CN=newer'])
})

test('a reload of several listeners is done for all of them or for none', async (t) => {
  const directory = await temporaryDirectory(t)
  const [first, second] = ['first', 'second'].map((name) => {
    mkdirSync(join(directory, name))
    return write(join(directory, name), named(`old ${name}`))
  }) as [ReturnType<typeof write>, ReturnType<typeof write>]
  const listen = [first, second].map((tls, at) => ({ host: `127.0.0.${at + 1}`, port: 0, tls }))
  const server = new HttpServer(listen, () => Response.text('done'), { logger: silentLogger })
  await server.start()
  t.teardown(() => server.stop(0))
  const subjects = (): string[] => server.getCertificates().map((certificate) => certificate.getSubject())
  write(join(directory, 'first'), named('new first'))
  writeFileSync(second.cert, 'half of a')
  await t.throwsAsync(server.reload(), { instanceOf: TlsError, message: /second\/cert\.pem/ })
  t.deepEqual(subjects(), ['CN=old first', 'CN=old second'])
  write(join(directory, 'second'), named('new second'))
  await Promise.all([server.reload(), server.reload({ listener: 1 }), server.reload()])
  t.deepEqual(subjects(), ['CN=new first', 'CN=new second'])
  t.is(await shown(t, server.getServers()[0]!.getPort()!), 'new first')
})

test('a reload under load fails no request', async (t) => {
  const { server, port } = await openTls(t, named('0'))
  let isOver = false
  let answered = 0
  const load = async (): Promise<void> => {
    while (!isOver) {
      t.regex(await ask(t, port), /done$/)
      answered += 1
    }
  }
  const loads = Array.from({ length: 8 }, load)
  for (let round = 1; round <= 20; round++) {
    await server.reload({ tls: named(String(round)) })
    const before = answered
    while (answered < before + 4) await new Promise((resolve) => setImmediate(resolve))
  }
  isOver = true
  await Promise.all(loads)
  t.deepEqual(server.getRefusals(), {})
})

/** Waits until a new connection is shown another certificate. */
async function changed(t: ExecutionContext, port: number, name: string): Promise<void> {
  while ((await shown(t, port)) !== name) await pause(50)
}

for (const [way, replace] of [
  ['written in two steps', async (directory: string, one: { cert: string; key: string }) => {
    writeFileSync(join(directory, 'cert.pem'), one.cert)
    await pause(100)
    writeFileSync(join(directory, 'key.pem'), one.key)
  }],
  ['replaced by a rename', async (directory: string, one: { cert: string; key: string }) => {
    for (const name of ['cert', 'key'] as const) {
      writeFileSync(join(directory, 'next'), one[name])
      renameSync(join(directory, 'next'), join(directory, `${name}.pem`))
    }
  }],
] as const) {
  test(`files that are watched are read when they were ${way}`, async (t) => {
    const directory = await temporaryDirectory(t)
    const { port } = await openTls(t, { ...write(directory, named('old')), watch: true })
    t.is(await shown(t, port), 'old')
    await replace(directory, named('new'))
    await changed(t, port, 'new')
    t.pass()
  })
}

test('files that are watched are read when a link points elsewhere, as with secrets of Kubernetes', async (t) => {
  const directory = await temporaryDirectory(t)
  const { mkdirSync } = await import('node:fs')
  for (const name of ['old', 'new']) {
    mkdirSync(join(directory, name))
    write(join(directory, name), named(name))
  }
  const link = (to: string): void => {
    symlinkSync(to, join(directory, 'next'))
    renameSync(join(directory, 'next'), join(directory, 'data'))
  }
  link('old')
  const paths = { cert: join(directory, 'data', 'cert.pem'), key: join(directory, 'data', 'key.pem') }
  const { port } = await openTls(t, { ...paths, watch: true })
  t.is(await shown(t, port), 'old')
  link('new')
  await changed(t, port, 'new')
  t.pass()
})

test('files that are watched and become bad are refused with a warning', async (t) => {
  const directory = await temporaryDirectory(t)
  let warned: (message: string) => void = () => {}
  const warning = new Promise<string>((resolve) => (warned = resolve))
  const logger: Logger = { ...silentLogger, warning: (message) => warned(message) }
  const { port } = await openTls(t, { ...write(directory, named('old')), watch: true }, undefined, { logger })
  writeFileSync(join(directory, 'key.pem'), leaf.key)
  t.regex(await warning, /stay in force/)
  t.is(await shown(t, port), 'old')
})

test('certificateFor gives certificates for unknown names, one call for each', async (t) => {
  const asked: string[] = []
  const { port } = await openTls(t, {
    ...named('default'),
    certificateFor: async (name) => {
      asked.push(name)
      await pause(20)
      return name.startsWith('x') ? named(`for ${name}`, name) : null
    },
  })
  const names = await Promise.all(['x1', 'x1', 'x2', 'y1', 'localhost'].map((name) => shown(t, port, name)))
  t.deepEqual(names, ['for x1', 'for x1', 'for x2', 'default', 'default'])
  t.is(await shown(t, port, 'x1'), 'for x1')
  t.is(await shown(t, port, 'y1'), 'default')
  t.deepEqual(asked.toSorted(), ['x1', 'x2', 'y1'])
})

test('certificateFor that throws, gives a bad pair or is late means the default certificate, with a warning', async (t) => {
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warning: (message, context) => void warnings.push(`${message} ${String(context?.['exception'])}`) }
  const { port } = await openTls(
    t,
    {
      ...named('default'),
      certificateFor: (name) => {
        if (name === 'throws') throw new Error('no')
        if (name === 'late') return new Promise(() => {})
        return { ...named(name), key: leaf.key }
      },
    },
    undefined,
    { logger, tlsSetupTimeout: 1 },
  )
  for (const name of ['throws', 'bad', 'late']) t.is(await shown(t, port, name), 'default')
  t.deepEqual(warnings.map((line) => /for (\w+)/.exec(line)?.[1]), ['throws', 'bad', 'late'])
})

test('without a default certificate unknown names get an alert', async (t) => {
  const { server, port } = await openTls(t, {
    certificates: [],
    certificateFor: (name) => (name === 'known' ? named('known') : null),
  })
  t.is(await shown(t, port, 'known'), 'known')
  await t.throwsAsync(shown(t, port, 'unknown'), { message: /unrecognized name/ })
  t.is(count(Object.keys(server.getRefusals()).join(), 'UNRECOGNIZED_NAME'), 1)
})

test('a reload forgets what certificateFor has given', async (t) => {
  let round = 0
  const { server, port } = await openTls(t, { ...named('default'), certificateFor: () => named(`round ${(round += 1)}`) })
  t.is(await shown(t, port, 'x'), 'round 1')
  t.is(await shown(t, port, 'x'), 'round 1')
  await server.reload()
  t.is(await shown(t, port, 'x'), 'round 2')
})
