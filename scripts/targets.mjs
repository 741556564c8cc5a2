// The systems that there are binaries for. `napi.targets` in package.json is the list; the names and the fields of the
// packages follow from it.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const SYSTEMS = { linux: 'linux', darwin: 'darwin', windows: 'win32' }
const PROCESSORS = { x86_64: 'x64', aarch64: 'arm64' }
const LIBCS = { gnu: 'glibc', musl: 'musl' }

export const root = new URL('..', import.meta.url)

/** How npm is called; Node runs no `npm.cmd` without a shell. */
export const NPM = process.platform === 'win32' ? [process.execPath, join(dirname(process.execPath), 'node_modules/npm/bin/npm-cli.js')] : ['npm']

/** Packages that are bundled into dist, each as a file that is loaded when it is needed. Their licences are in NOTICE. */
export const LIBRARIES = { '@fastify/busboy': 'busboy.js', 'find-my-way': 'find-my-way.js' }

/** The manifest of the clone. */
export function manifest() {
  return JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
}

/**
 * All targets: `triple` is Rust's name, `name` ours, as in `busbar.NAME.node` and `@busbar/NAME`; `os`, `cpu` and `libc`
 * are what package managers compare (`libc` on Linux only).
 */
export function targets() {
  return manifest().napi.targets.map((triple) => {
    const [processor, , system, abi] = triple.split('-')
    const os = SYSTEMS[system]
    const cpu = PROCESSORS[processor]
    const name = [os, cpu, ...(abi === undefined ? [] : [abi])].join('-')
    return { triple, name, os, cpu, libc: os === 'linux' ? LIBCS[abi] : undefined, file: `busbar.${name}.node`, package: `@busbar/${name}` }
  })
}

/** The target of this machine; undefined when it is none of the list. */
export function thisTarget() {
  const { header } = process.report.getReport()
  const libc = process.platform !== 'linux' ? undefined : header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  return targets().find(({ os, cpu, libc: wanted }) => os === process.platform && cpu === process.arch && wanted === libc)
}
