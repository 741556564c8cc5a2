import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { OptionError, Options, Response, silentLogger } from '../src/index.ts'
import type { Logger } from '../src/index.ts'
import { GET, count, hold, open, temporaryDirectory, until } from './support.ts'

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
  return JSON.parse(stdout) as { statuses: string[]; warnings: string[]; refusals: Record<string, number> }
}

test('at the connection limit the connection that has been idle longest is closed', async (t) => {
  const { connect, server } = await open(t, () => Response.text('served'), { connectionLimit: 3, ioThreads: 0 })
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
  t.deepEqual(server.getRefusals(), {})
})

test('when all connections are busy a further one is closed without a byte, and the log has the reason', async (t) => {
  const { logger, warnings } = keepWarnings()
  const { connect, server, next } = await hold(t, { connectionLimit: 2, logger })
  const busy = [await connect(), await connect()]
  const held = []
  for (const wire of busy) {
    wire.send(GET)
    held.push(await next())
  }
  for (let at = 0; at < 5; at++) t.is(await (await connect()).end(), '')
  t.deepEqual(server.getRefusals(), { BUSBAR_CONNECTION_LIMIT: 5 })
  await until(() => warnings.length > 0)
  t.deepEqual(warnings, ['1 connection was refused: 2 are open and none of them is idle (connectionLimit)'])
  held.forEach(({ answer }) => answer(Response.text('still served')))
  for (const wire of busy) await wire.until((text) => text.endsWith('still served'))
  // They are idle now.
  const last = (await connect()).send(GET)
  ;(await next()).answer(Response.text('let in'))
  await last.until((text) => text.endsWith('let in'))
})

test('connections of unix sockets count for connectionLimit', async (t) => {
  const path = join(await temporaryDirectory(t), 'socket')
  const { next, server } = await hold(t, { connectionLimit: 1 }, `unix:${path}`)
  const { dial } = await import('./support.ts')
  const busy = (await dial(t, { path })).send(GET)
  const { answer } = await next()
  t.is(await (await dial(t, { path })).end(), '')
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
