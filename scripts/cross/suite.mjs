// Runs a part of the specs on Node for arm64 in an emulator, with the binary of target/cross. Each process that a spec
// starts as `process.execPath` runs in the emulator as well.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../targets.mjs'
import { nodeFor } from './try.mjs'

const path = (name) => fileURLToPath(new URL(name, root))
const folder = path('target/cross-try')
/** Minutes. */
const LIMIT = 60

/** What touches the engine in each of its parts; the emulator is ten times slower, so nothing that is about much or long. */
const SPECS = [
  'addon', 'body-model', 'client', 'client-counters', 'conditional', 'driver', 'file-answer', 'form', 'http2', 'inject', 'last-answer', 'listen', 'options',
  'outcome', 'proxy-protocol', 'request', 'request-body', 'response', 'response-stream', 'server', 'static', 'stop', 'tls-settings', 'trailers', 'upgrade',
  'versions', 'websocket',
].map((name) => `__test__/${name}.spec.ts`)

/** Reports to `tell(isOk, text)`. */
export function runSuite(target, directory, tell) {
  const binary = join(directory, target.file)
  if (target.name !== 'linux-arm64-gnu') return tell(true, `${target.name}: nothing here runs specs for it`)
  if (!existsSync(binary)) return tell(false, `${target.name}: not built`)
  const node = nodeFor('linux-arm64', 24, 'node')
  if (node === null) return tell(false, `${target.name}: Node for it can't be installed`)
  mkdirSync(folder, { recursive: true })
  const program = join(folder, 'node')
  writeFileSync(join(folder, 'program.cjs'), `process.execPath = ${JSON.stringify(program)}\n`)
  writeFileSync(program, `#!/bin/sh\nexec qemu-aarch64 -L / ${node} --require ${join(folder, 'program.cjs')} "$@"\n`)
  chmodSync(program, 0o755)
  const { status } = spawnSync(program, [path('node_modules/ava/entrypoints/cli.mjs'), '--config', 'scripts/cross/ava.config.mjs', '--concurrency', '2', ...SPECS], {
    cwd: path('.'), stdio: 'inherit', timeout: LIMIT * 60_000, env: { ...process.env, BUSBAR_NATIVE_PATH: binary },
  })
  return tell(status === 0, `${target.name}: ${SPECS.length} spec files on qemu-aarch64`)
}
