// Runs binaries of other systems as far as this machine can: arm64 in an emulator, Windows on wine, musl by a program that
// is linked with it. Each is tried in a process of its own, with a limit of time.
//
// What it needs of Debian: qemu-user, libc6:arm64 and libstdc++6:arm64 for arm64; wine for Windows; musl and binutils for
// musl; openssl for a certificate.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { root } from '../targets.mjs'
import { useServer } from './client.mjs'

const path = (name) => fileURLToPath(new URL(name, root))
const folder = path('target/cross-try')
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

/** Node for another system, of npm; null when it can't be installed. */
export function nodeFor(name, major, program) {
  const prefix = path(`target/runtimes/${name}-${major}`)
  const node = join(prefix, `node_modules/node-${name}/bin/${program}`)
  if (existsSync(node)) return node
  // `force`: npm refuses packages of other systems.
  const { isOk } = run('npm', ['install', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', prefix, `node-${name}@${major}`])
  return isOk ? node : null
}

/** Starts a server by `command`, with the paths it has to be given, and uses it. Gives what it ran on; throws. */
async function tryServer(name, [command, ...args], env) {
  const [file, log, cert, key] = ['server.json', 'log.txt', 'cert.pem', 'key.pem'].map((end) => join(folder, `${name}-${end}`))
  const { isOk, text } = run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert,
  ])
  if (!isOk) throw new Error(text)
  rmSync(file, { force: true })
  // Files instead of pipes: programs on wine can't write to these.
  const output = openSync(log, 'w')
  const child = spawn(command, [...args, path('scripts/cross/server.mjs'), file, cert, key], { stdio: ['ignore', output, output], env: { ...process.env, ...env } })
  closeSync(output)
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  try {
    while (!existsSync(file)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended before it listened')
      await pause(50)
    }
    const { ports, text } = JSON.parse(readFileSync(file, 'utf8'))
    await useServer(ports)
    const [code] = await ended
    if (code !== 0) throw new Error(`it ended with ${code}`)
    return text
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`${error.message}\n${readFileSync(log, 'utf8').slice(-2000)}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** Node for arm64 in the emulator. */
async function tryArm64(target, binary, tell) {
  if (!has('qemu-aarch64')) return tell(true, `${target.name}: not run, qemu-aarch64 isn't installed`)
  const node = nodeFor('linux-arm64', 24, 'node')
  if (node === null) return tell(false, `${target.name}: Node for it can't be installed`)
  const told = await tryServer(target.name, ['qemu-aarch64', '-L', '/', node], { BUSBAR_NATIVE_PATH: binary })
  return tell(true, `${target.name}: ${told}: served, on qemu-aarch64`)
}

/** Rust's source of randomness on Windows, in a library that wine 8 lacks. */
const PRNG = `#include <stddef.h>
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *bytes, size_t length) { return SystemFunction036(bytes, length); }
`

/** Puts `bcryptprimitives.dll` into a folder; gives why it can't, or null. */
function shimForWine(directory) {
  const zig = path('target/tools/zig/bin/python-zig')
  const library = join(directory, 'bcryptprimitives.dll')
  if (existsSync(library)) return null
  if (!existsSync(zig)) return "zig isn't installed, which npm run cross does"
  writeFileSync(join(folder, 'prng.c'), PRNG)
  const { isOk, text } = run(zig, ['cc', '-O2', '-target', 'x86_64-windows-gnu', '-shared', '-o', library, join(folder, 'prng.c'), '-ladvapi32'])
  return isOk ? null : text
}

/** Node for Windows on wine, which has to pretend to be a newer Windows. */
async function tryWindows(target, binary, tell) {
  if (target.cpu !== 'x64' || !has('wine')) return tell(true, `${target.name}: not run, ${target.cpu === 'x64' ? "wine isn't installed" : 'nothing here runs it'}`)
  const node = nodeFor('win-x64', 22, 'node.exe')
  if (node === null) return tell(false, `${target.name}: Node for it can't be installed`)
  const env = { WINEPREFIX: path('target/wine'), WINEDEBUG: '-all', DISPLAY: '', BUSBAR_NATIVE_PATH: `Z:${binary.replaceAll('/', '\\')}` }
  run('wine', ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'], env)
  const shim = shimForWine(join(env.WINEPREFIX, 'drive_c/windows/system32'))
  if (shim !== null) return tell(false, `${target.name}: ${shim}`)
  const told = await tryServer(target.name, ['wine', node], env)
  return tell(true, `${target.name}: ${told}: served, on wine`)
}

/** A program linked with musl, which loads the binary; the functions of Node-API are its own and do nothing. */
function tryMusl(target, binary, tell) {
  const loader = '/lib/ld-musl-x86_64.so.1'
  const zig = path('target/tools/zig/bin/python-zig')
  if (target.cpu !== 'x64' || !existsSync(loader) || !existsSync(zig) || !has('nm')) {
    return tell(true, `${target.name}: not loaded, it needs musl's loader for ${target.cpu}, zig and nm`)
  }
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
  return tell(isOk && stdout.trim() === 'loaded', `${target.name}: ${text} by a program of musl's`)
}

/** Tries each target whose binary is in `directory`. */
export async function tryBinaries(targets, directory, tell) {
  mkdirSync(folder, { recursive: true })
  for (const target of targets) {
    const binary = join(directory, target.file)
    const attempt = target.name === 'linux-arm64-gnu' ? tryArm64 : target.os === 'win32' ? tryWindows : target.libc === 'musl' ? tryMusl : null
    if (!existsSync(binary)) tell(true, `${target.name}: not built`)
    else if (attempt === null) tell(true, `${target.name}: nothing here runs it`)
    else await Promise.resolve(attempt(target, binary, tell)).catch((error) => tell(false, `${target.name}: ${error.message}`))
  }
}
