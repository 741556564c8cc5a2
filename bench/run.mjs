/**
 * Measures busbar and its peers: see README.md in this directory.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { useCubic } from './congestion.mjs'
import { check, load, tool } from './load.mjs'
import { COMPILER, LOAD_CORE, PEERS, Running, pinThis } from './peers.mjs'
import { idleMemory, latency, startTime } from './rest.mjs'
import { hasH2load, http2Works, idleHttp2 } from './http2.mjs'
import { writePlots } from './plot.mjs'
import { inRounds } from './rounds.mjs'
import { eventStreams, upgrades, webSockets } from './streams.mjs'
import { idleTls, missing, overTls } from './tls.mjs'
import { table, workTable } from './table.mjs'
import { WORKS } from './works.mjs'

const HELP = `Usage: npm run bench -- [--works hello,JSON] [--servers busbar,node:http] [--rounds 5] [--seconds 2]
       [--connections 64] [--node PATH] [--latency] [--idle] [--start] [--events]
       [--websockets] [--upgrades] [--tls] [--h2] [--json] [--smoke] [--plot]

Without --works, --latency, --idle, --start, --events, --websockets, --upgrades, --tls and --h2 everything is measured.
`
const { values } = parseArgs({
  options: {
    works: { type: 'string' },
    servers: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
    node: { type: 'string', default: process.execPath },
    latency: { type: 'boolean', default: false },
    idle: { type: 'boolean', default: false },
    start: { type: 'boolean', default: false },
    events: { type: 'boolean', default: false },
    websockets: { type: 'boolean', default: false },
    upgrades: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    h2: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    plot: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const scratch = mkdtempSync(join(tmpdir(), 'busbar-bench-'))
process.on('exit', () => {
  Running.killAll()
  rmSync(scratch, { recursive: true, force: true })
})
// Ends by a signal run the hooks of 'exit', too.
for (const [signal, code] of [['SIGHUP', 129], ['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code))
// This process sends requests, too, so it runs on the core of the load.
pinThis(LOAD_CORE)

/** For CI: a short run of the servers that are dependencies. */
const SMOKE = { servers: 'busbar,node:http,uWebSockets.js,Fastify,busbar/fetch,Hono on busbar', rounds: '1', seconds: '1', connections: '8' }
const settings = values.smoke ? { ...values, ...SMOKE, servers: values.servers ?? SMOKE.servers } : values
const rounds = Number(settings.rounds)
const seconds = Number(settings.seconds)
const connections = Number(settings.connections)
const shared = { node: settings.node, scratch, rounds, seconds, connections }

// Names of works may contain commas.
const isNamed = (list, name) => list === undefined || `,${list},`.includes(`,${name},`)
const versions = new Map(PEERS.map((peer) => [peer.name, peer.version(settings)]))
const peers = PEERS.filter(({ name }) => isNamed(settings.servers, name) && versions.get(name) !== null)
/** Those that have the other measurements. */
const plain = peers.filter(({ handlers = ['hello'] }) => handlers.includes('hello'))
const says = (text) => void (values.json || process.stdout.write(`${text}\n`))

/** CPU per request of each server that the work is for. */
function measure(work) {
  const wanted = peers.filter(({ name }) => (work.servers ?? [name]).includes(name))
  const send = (each, server, way) => load(each, server.port, way)
  return inRounds(work, wanted, { ...shared, isCold: values.smoke }, send, check)
}

says([...versions].map(([name, version]) => `${name} ${version ?? '(not installed)'}`).join(', '))
says(`load by ${tool}, ${connections} connections, median of ${rounds} rounds of ${seconds} s, interleaved`)
const congestion = useCubic()
if (congestion !== null) says(`congestion control: ${congestion.name}${congestion.before === null ? '' : `, instead of ${congestion.before}`}`)

const isAll = !values.smoke && settings.works === undefined && !values.latency && !values.idle && !values.start && !values.events && !values.websockets && !values.upgrades && !values.tls && !values.h2
const report = { versions: Object.fromEntries(versions), congestion, works: {} }
for (const work of WORKS) {
  const isWanted = values.smoke || isAll || (settings.works !== undefined && isNamed(settings.works, work.name))
  const isLeftOut = (work.bulk !== undefined && values.smoke) || (COMPILER === null && (work.bulk ?? work.chunk) !== undefined)
  if (!isWanted || isLeftOut) continue
  report.works[work.name] = await measure(work)
  says(`\n${workTable(work, report.works[work.name])}`)
}

const lacks = missing()
const cpuOf = (work, name) => report.works[work]?.find((row) => row.name === name)?.cpu ?? Number.NaN
if (report.works['8 headers, unread'] !== undefined && report.works.hello !== undefined) {
  const extra = (name) => cpuOf('8 headers, unread', name) - cpuOf('hello', name)
  report.unreadHeaders = { busbar: extra('busbar'), bare: extra('bare epoll') }
  const { busbar, bare } = report.unreadHeaders
  says(`\n8 unread headers cost busbar ${busbar.toFixed(2)} us, the bare loop ${bare.toFixed(2)} us`)
}
if (values.latency && COMPILER === null) says('\n--latency needs a C compiler')
if ((isAll || values.latency) && COMPILER !== null) {
  report.latency = await latency(plain, shared)
  const rows = report.latency.map(({ name, share, rate, cpu, p50, p99, p999, errors }) => [
    `${name} at ${share * 100} % of node:http's most`, String(rate), cpu.toFixed(2), String(p50), String(p99), String(p999), String(errors),
  ])
  says(`\n${table([['latency, us', 'req/s', 'CPU', 'p50', 'p99', 'p99.9', 'errors'], ...rows])}`)
}
if (isAll || values.idle) {
  report.idle = await idleMemory(plain, shared)
  if (lacks === null) report.idle.push(...(await idleTls(plain, shared)))
  if (hasH2load) report.idle.push(...(await idleHttp2(shared)))
  const rows = report.idle.map(({ name, bytes }) => [name, (bytes / 1000).toFixed(2)])
  says(`\n${table([['idle connection', 'KB'], ...rows])}`)
}
if (isAll || values.start) {
  const nodes = plain.filter(({ name }) => name !== 'bare epoll' && name !== 'nginx')
  report.start = await startTime(nodes, shared)
  const rows = report.start.map(({ name, milliseconds }) => [name, milliseconds.toFixed(1)])
  says(`\n${table([['import and listen', 'ms over bare node'], ...rows])}`)
}
for (const [name, unit, measureAll] of [['events', 'event', eventStreams], ['websockets', 'message', webSockets], ['upgrades', 'piece', upgrades]]) {
  const isLeftOut = name !== 'events' && COMPILER === null
  if ((!isAll && !values[name]) || isLeftOut) continue
  report[name] = await measureAll(plain, shared)
  const node = report[name].find((row) => row.name === 'node:http')?.cpu ?? Number.NaN
  const rows = report[name].map((row) => [row.name, row.cpu.toFixed(2), String(Math.round(row.rate)), (row.cpu / node).toFixed(2)])
  says(`\n${table([[name, `us/${unit}`, `${unit}s/s`, '/ node'], ...rows])}`)
}
if (values.tls && lacks !== null) says(`\n--tls needs ${lacks}`)
if ((isAll || values.tls) && lacks === null) {
  report.tls = await overTls(plain, { ...shared, isWanted: (name) => isNamed(settings.works, name) })
  for (const work of new Set(report.tls.map((row) => row.work))) {
    const rows = report.tls.filter((row) => row.work === work)
    const node = rows.find((row) => row.name === 'node:http')?.cpu ?? Number.NaN
    const cells = rows.map(({ name, cpu, main }) => [name, cpu.toFixed(2), main.toFixed(2), (cpu / node).toFixed(2)])
    says(`\n${table([[work, rows[0].unit, 'main thread', '/ node'], ...cells])}`)
  }
}
if ((isAll || values.h2) && hasH2load) {
  const isWanted = (name) => isNamed(settings.works, name)
  await http2Works({ ...shared, isWanted, isServer: (name) => isNamed(settings.servers, name) }, (work, rows) => {
    report.works[work.name] = rows
    says(`\n${workTable(work, rows)}`)
  })
}
if (values.plot) says(`\n${writePlots(report).join(', ')}`)
if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)

const errors = Object.values(report.works).flat().filter((row) => row.errors > 0)
for (const { name, errors: count } of errors) process.stderr.write(`${name}: ${count} errors\n`)
process.exit(errors.length > 0 ? 1 : 0)
