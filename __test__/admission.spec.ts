import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { OptionError, Options, Response, silentLogger } from '../src/index.ts'
import type { Listen, Logger, ServerSettings } from '../src/index.ts'
import { GET, count, dial, hold, open, plainTest, postHead, temporaryDirectory, until } from './support.ts'

const ADDRESS = '203.0.113.7'

/** Runs a command in a network namespace, where that address exists. */
const AWAY = ['-rn', 'sh', '-c', `ip link set lo up && ip address add ${ADDRESS}/32 dev lo && exec "$@"`, 'sh']
const canGoAway = spawnSync('unshare', [...AWAY, 'true']).status === 0
const away = canGoAway ? test : test.skip

function keepWarnings(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = []
  return { logger: { ...silentLogger, warning: (message) => void warnings.push(message) }, warnings }
}

/** The answer of a server to a second connection from an address that may have one. */
async function second(...proxies: string[]) {
  const file = fileURLToPath(new URL('fixtures/one-address.ts', import.meta.url))
  const args = [...AWAY, process.execPath, '--import=@oxc-node/core/register', file, ADDRESS, ...proxies]
  const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 })
  return JSON.parse(stdout) as { statuses: string[]; warnings: string[]; refusals: Record<string, number>; keepAlive: string }
}

/** How many of six requests of one address run at the same time where `requestLimit` is 8. */
async function share(...proxies: string[]) {
  const file = fileURLToPath(new URL('fixtures/one-share.ts', import.meta.url))
  const args = [...AWAY, process.execPath, '--import=@oxc-node/core/register', file, ADDRESS, ...proxies]
  const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 })
  return JSON.parse(stdout) as { most: number; statuses: string[] }
}

/** The number of connections that the lines are about. */
const counted = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + Number.parseInt(line, 10), 0)

test('the log lines about a burst count all refused connections, at the latest when the server stops', async (t) => {
  for (const isStopped of [false, true]) {
    const { logger, warnings } = keepWarnings()
    const { connect, server, next } = await hold(t, { connectionLimit: 1, logger })
    const busy = (await connect()).send(GET)
    const { answer } = await next()
    const refused = await Promise.all(Array.from({ length: 20 }, async () => (await connect()).end()))
    for (const text of refused) t.regex(text, /^HTTP\/1\.1 503 /)
    answer(Response.text('served'))
    await busy.until((text) => text.endsWith('served'))
    if (isStopped) await server.stop()
    else await until(() => counted(warnings) === 20)
    t.is(counted(warnings), 20)
    t.true(warnings.length < 20)
  }
})

test('at the connection limit the connection that has been idle longest is closed', async (t) => {
  const { logger, warnings } = keepWarnings()
  const { connect, server } = await open(t, () => Response.text('served'), { connectionLimit: 3, ioThreads: 0, logger })
  const wires = []
  for (let at = 0; at < 4; at++) {
    const wire = (await connect()).send(GET)
    await wire.until((text) => text.endsWith('served'))
    wires.push(wire)
    // Deadlines differ by at least a millisecond.
    const [now, later] = [Date.now(), () => Date.now() > now + 1]
    await until(later)
  }
  await wires[0]!.end()
  for (const wire of wires.slice(1)) {
    wire.send(GET)
    await wire.until((text) => count(text, 'served') === 2)
  }
  t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTION_LIMIT_EVICTED: 1 })
  await until(() => warnings.length > 0)
  t.deepEqual(warnings, ['1 idle connection was closed for a new one: 3 were open (connectionLimit)'])
})

plainTest('when all connections are busy a further one gets a 503, and the log has the reason', async (t) => {
  const { logger, warnings } = keepWarnings()
  const { connect, server, next } = await hold(t, { connectionLimit: 2, logger })
  const busy = [await connect(), await connect()]
  const held = []
  for (const wire of busy) {
    wire.send(GET)
    held.push(await next())
  }
  for (let at = 0; at < 5; at++) t.regex(await (await connect()).end(), /^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n/)
  t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTION_LIMIT: 5 })
  // A line a second, with the number since the line before.
  await until(() => counted(warnings) === 5)
  for (const line of warnings) t.regex(line, /^(1 connection was|\d connections were) refused: 2 are open and none of them is idle \(connectionLimit\)$/)
  held.forEach(({ answer }) => answer(Response.text('still served')))
  for (const wire of busy) await wire.until((text) => text.endsWith('still served'))
  // They are idle now.
  const last = (await connect()).send(GET)
  ;(await next()).answer(Response.text('let in'))
  await last.until((text) => text.endsWith('let in'))
})

for (const ioThreads of [0, 2]) {
  plainTest(`a burst above the limit closes no connection without an answer: ${ioThreads} threads`, async (t) => {
    const { connect, server } = await open(t, () => Response.text('served'), { connectionLimit: 30, ioThreads })
    const wires = await Promise.all(Array.from({ length: 60 }, connect))
    const answers = await Promise.all(
      wires.map(async (wire) => {
        await wire.send(GET).until((text) => text.endsWith('served') || text.includes(' 503 '))
        return wire.received.slice(9, 12)
      }),
    )
    t.is(answers.length, 60)
    t.true(answers.filter((status) => status === '200').length >= 30)
    t.is(server.getRefusals()['BUSBAR_CONNECTION_LIMIT'], answers.filter((status) => status === '503').length)
  })
}

plainTest('a connection that is refused while it sends a large body receives the 503', async (t) => {
  const { connect, next } = await hold(t, { connectionLimit: 1 })
  const busy = (await connect()).send(GET)
  const { answer } = await next()
  const refused = (await connect()).send(postHead(1_000_000))
  for (let at = 0; at < 10; at++) refused.send('x'.repeat(20_000))
  t.regex(await refused.end(), /^HTTP\/1\.1 503 [^]*too many connections\n$/)
  answer(Response.text('served'))
  await busy.until((text) => text.endsWith('served'))
})

/** The idle time that a server announces to local clients. */
async function announced(t: ExecutionContext, settings: ServerSettings, listen?: Listen): Promise<string | undefined> {
  const { server, connect } = await open(t, () => new Response(204), settings, listen)
  const [address] = server.getServers()
  const wire = address!.getType() === 'unix' ? await dial(t, { path: address!.getHost() }) : await connect()
  const answer = await wire.send(GET).until((text) => text.endsWith('\r\n\r\n'))
  return /keep-alive: timeout=(\d+)/.exec(answer)?.[1]
}

test('local clients have an idle time that fits balancers, unless one is set by hand', async (t) => {
  const unix: Listen = `unix:${join(await temporaryDirectory(t), 'socket')}`
  t.is(await announced(t, {}), '75')
  t.is(await announced(t, {}, unix), '75')
  t.is(await announced(t, { http1Timeout: 20 }), '20')
  t.is(await announced(t, { http1Timeout: 15 }), '15')
  t.is(await announced(t, { options: Options.from().withHttp1Timeout(20) }), '20')
  t.is(await announced(t, { localHttp1Timeout: 650 }), '650')
  t.is(await announced(t, { http1Timeout: 20, localHttp1Timeout: 90 }), '90')
})

test('options that are copied keep both idle times', (t) => {
  const copy = Options.from(Options.from().toObject())
  t.deepEqual([copy.getHttp1Timeout(), copy.getLocalHttp1Timeout()], [15, 75])
})

test('an idle connection closes a second after the announced time', async (t) => {
  const { next, connect } = await hold(t, { http1Timeout: 1 })
  const wire = (await connect()).send(GET)
  const { client, answer } = await next()
  answer(new Response(204))
  await wire.until((text) => text.includes('keep-alive: timeout=1\r\n'))
  const now = Date.now() / 1000
  t.true(client.getExpirationTime() >= now + 1)
  t.true(client.getExpirationTime() <= now + 4)
})

away('other clients have 15 seconds, and those of proxies as many as local ones', async (t) => {
  t.is((await second()).keepAlive, '15')
  t.is((await second('203.0.113.0/24')).keepAlive, '75')
})

away('one address holds at most a quarter of requestLimit, and requests beyond it wait for their own', async (t) => {
  const { most, statuses } = await share()
  t.is(most, 2)
  t.deepEqual(statuses, Array(6).fill('200'))
})

away('an address of a proxy may hold all of requestLimit', async (t) => {
  t.is((await share('203.0.113.7')).most, 6)
})

plainTest('connections of unix sockets count for connectionLimit', async (t) => {
  const path = join(await temporaryDirectory(t), 'socket')
  const { next, server } = await hold(t, { connectionLimit: 1 }, `unix:${path}`)
  const busy = (await dial(t, { path })).send(GET)
  const { answer } = await next()
  t.regex(await (await dial(t, { path })).end(), /^HTTP\/1\.1 503 /)
  t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTION_LIMIT: 1 })
  answer(Response.text('served'))
  await busy.until((text) => text.endsWith('served'))
})

test('local connections are not counted by address', async (t) => {
  const { connect } = await open(t, () => Response.text('served'), { connectionsPerIpLimit: 1 })
  const wires = await Promise.all(Array.from({ length: 10 }, connect))
  for (const wire of wires) {
    wire.send(GET)
    await wire.until((text) => text.endsWith('served'))
  }
  t.pass()
})

away('an address that is busy with as many connections as it may have gets 503 for more, and the log asks for a proxy', async (t) => {
  const { statuses, warnings, refusals } = await second()
  t.deepEqual(statuses, ['200', '503', '503'])
  t.deepEqual(refusals, { BUSBAR_CONNECTIONS_PER_IP_LIMIT: 2 })
  t.is(
    warnings[0],
    `1 connection was refused: ${ADDRESS} has 1 already (connectionsPerIpLimit). If it is a proxy, name it in the option proxies`,
  )
})

away('connections of proxies are not counted by address', async (t) => {
  const { statuses, warnings } = await second('203.0.113.0/24', 'unix')
  t.deepEqual(statuses, ['200', '200', '200'])
  t.deepEqual(warnings, [])
})

test('the option proxies takes networks, addresses and unix', (t) => {
  const right = ['10.0.0.0/8', '::/0', '2001:db8::/32', '192.0.2.1', '::1', 'unix']
  t.deepEqual(Options.from({ proxies: right }).getProxies(), right)
  for (const wrong of ['', 'localhost', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0.0/-1', 'UNIX', 7]) {
    t.throws(() => Options.from({ proxies: [wrong as string] }), { instanceOf: OptionError, message: /proxies.*10\.0\.0\.0\/8/ })
  }
})
