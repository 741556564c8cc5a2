// All tests that .ci/run has no time for. Usage: npm run test:full [-- STEP…]
//
// Each step is a command with a limit of time; the names of the steps are printed by `npm run test:full -- --list`.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const ava = 'node_modules/ava/entrypoints/cli.mjs'
const nodes = [22, 24, 26].map((major) => [major, `target/runtimes/node-${major}/node_modules/node-${process.platform}-${process.arch}/bin/node`])

/** The specs whose clients can speak TLS. */
const OVER_TLS = [
  'body-rate', 'client-close', 'client-counters', 'departures', 'driver', 'driver-factory', 'driver-stop', 'driver-switch', 'file-answer', 'file-body', 'held-response',
  'http2', 'http2-ends', 'last-answer', 'leaving', 'lifecycle', 'limits', 'long-body', 'node-http-limits', 'node-http-parity', 'node-http-scenes', 'raw-bulk', 'read-ahead', 'repeated-response', 'request-body', 'request-body-end', 'request-limit', 'response',
  'response-stream', 'response-stream-failure', 'response-stream-leaving', 'response-stream-stop', 'stop', 'stream-memory', 'trailers', 'upgrade',
  'upgraded-socket', 'upgraded-socket-end', 'websocket',
].map((name) => `__test__/${name}.spec.ts`)

/** The specs whose clients can speak HTTP/2. */
const OVER_HTTP2 = [
  'body-rate', 'departures', 'held-response', 'leaving', 'limits', 'long-body', 'read-ahead', 'repeated-response', 'request-body', 'request-body-end', 'response-stream', 'response-stream-failure',
  'response-stream-leaving', 'response-stream-stop', 'stop', 'trailers',
].map((name) => `__test__/${name}.spec.ts`)

/** Name, command with arguments, minutes, environment. */
const STEPS = [
  ['runtimes', ['scripts/install-runtimes.sh'], 15],
  // The specs start Node by `process.execPath`, so all processes are of the one version.
  ...nodes.map(([major, node]) => [`node-${major}`, [node, ava, '--concurrency', '2'], 45]),
  ['tls', ['node', ava, '--concurrency', '2', ...OVER_TLS], 20, { BUSBAR_TEST_TLS: '1' }],
  ['chaos', ['node', ava, '--timeout', '5m', '__test__/chaos.spec.ts'], 5, { BUSBAR_CHAOS_SECONDS: '120' }],
  ['chaos-io', ['node', ava, '--timeout', '5m', '__test__/chaos.spec.ts'], 5, { BUSBAR_CHAOS_SECONDS: '120', BUSBAR_IO_THREADS: '2' }],
  // Programs that CI doesn't run; what is found is fresh each day.
  ['random', [nodes[1][1], ava, '--timeout', '25m', '__test__/node-http-random.spec.ts'], 30, { BUSBAR_RANDOM_PROGRAMS: '2000', BUSBAR_RANDOM_SEED: String(Math.floor(Date.now() / 86_400_000) * 2000) }],
  // The other library behind TLS, for systems that the usual one doesn't build for.
  ['ring', ['cargo', 'check', '-p', 'protocol', '--no-default-features', '--features', 'ring', '--all-targets', '--locked'], 15],
  ['http2', ['node', ava, '--concurrency', '2', ...OVER_HTTP2], 20, { BUSBAR_TEST_HTTP2: '1' }],
  ['bun-deno', ['npx', 'ava', '__test__/runtimes.spec.ts'], 15, { BUSBAR_RUNTIMES: 'target/runtimes' }],
  ['packages', ['node', 'scripts/release.mjs', '--dry-run'], 30],
  ['cross', ['node', 'scripts/cross.mjs'], 240],
  ['emulators', ['node', 'scripts/cross.mjs', '--try'], 30],
  ['arm64', ['node', 'scripts/cross.mjs', '--suite', 'linux-arm64-gnu'], 60],
]

const wanted = process.argv.slice(2)
if (wanted.includes('--list')) {
  for (const [name, command] of STEPS) console.log(`${name.padEnd(12)} ${command.join(' ')}`)
  process.exit(0)
}
const unknown = wanted.filter((name) => !STEPS.some(([known]) => known === name))
if (unknown.length > 0) {
  console.error(`test:full: no step ${unknown.join(', ')}; the steps are ${STEPS.map(([name]) => name).join(', ')}`)
  process.exit(1)
}

let failures = 0
for (const [name, [command, ...args], minutes, env = {}] of STEPS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  if (command.startsWith('target/') && !existsSync(`${root}${command}`)) {
    console.log(`skip ${name}: ${command} isn't there; the step "runtimes" installs it`)
    continue
  }
  const started = performance.now()
  const path = command.includes('/') ? `${root}${command}` : command
  const { status } = spawnSync(path, args, { cwd: root, stdio: 'inherit', timeout: minutes * 60_000, env: { ...process.env, ...env } })
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}, ${seconds} s`)
  if (status !== 0) failures += 1
}
process.exitCode = failures > 0 ? 1 : 0
