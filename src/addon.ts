/**
 * Loads the addon: the binary for this system.
 *
 *   BUSBAR_NATIVE_PATH ──► it alone
 *   otherwise ──► beside the package ──► the package for this system ──► beside this file
 *                  └─ built here          └─ from a registry              └─ moved with a bundle
 *             ──► what a bundler made of the literal requires ──► Node's own search ──► an error with its fix
 *
 * The first places are paths, which cost microseconds; a search by name takes 1.5 ms of a start. Each form is
 * one that tools recognise: `new URL(…, import.meta.url)` (webpack, Next's tracer), `require` of a literal
 * (esbuild, rolldown), `createRequire` with a literal (Next's tracer, in any layout of node_modules).
 *
 * Out of scope: why a load failed (addon-failure).
 */
import type * as Addon from '../index.js'
import { failure, refusedPermission } from './core/addon-failure.ts'
import type { Attempt } from './core/addon-failure.ts'

const { existsSync } = process.getBuiltinModule('node:fs')
// Under this name, since the tracer of Next looks for `module.createRequire`.
const module = process.getBuiltinModule('node:module')
const { resolve } = process.getBuiltinModule('node:path')
const { fileURLToPath } = process.getBuiltinModule('node:url')

/** Names of the binaries for a system, as in `busbar.NAME.node`; of two the system's loader refuses that for another libc. */
export function targetsFor(platform: string, arch: string): string[] {
  const abis: Readonly<Record<string, readonly string[]>> = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }
  return (abis[platform] ?? ['']).map((abi) => `${platform}-${arch}${abi}`)
}

/** Where a binary is to be: its path, or the addon itself where a bundler or Node has loaded it. */
type Place = (target: string) => string | typeof Addon | null

/** Beside the package's `index.d.ts`. */
function ofPackage(target: string): string {
  try {
    return fileURLToPath(new URL(`../busbar.${target}.node`, import.meta.url).href)
  } catch {
    return besideThis(`../busbar.${target}.node`)
  }
}

/** In the package for the system, where package managers put it: a sibling of this one. */
function ofSibling(target: string): string | null {
  try {
    return fileURLToPath(new URL(`../../@busbar/${target}/busbar.${target}.node`, import.meta.url).href)
  } catch {
    return null
  }
}

/** Beside the file that this module has become part of. */
function ofBundle(target: string): string {
  return besideThis(`busbar.${target}.node`)
}

/** Bundles in CommonJS have no `import.meta`. */
function besideThis(name: string): string {
  return resolve(import.meta.dirname ?? (typeof __dirname === 'string' ? __dirname : '.'), name)
}

/** Seen by bundlers that follow `require`; in Node's own modules there is none. */
function ofBundler(target: string): string | typeof Addon | null {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('../busbar.linux-x64-gnu.node')
      case 'linux-arm64-gnu':
        return require('../busbar.linux-arm64-gnu.node')
      case 'darwin-x64':
        return require('../busbar.darwin-x64.node')
      case 'darwin-arm64':
        return require('../busbar.darwin-arm64.node')
    }
  } catch (error) {
    return copied(error)
  }
  return null
}

/** The same for the packages. */
function ofBundledPackage(target: string): string | typeof Addon | null {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('@busbar/linux-x64-gnu')
      case 'linux-arm64-gnu':
        return require('@busbar/linux-arm64-gnu')
      case 'darwin-x64':
        return require('@busbar/darwin-x64')
      case 'darwin-arm64':
        return require('@busbar/darwin-arm64')
    }
  } catch (error) {
    return copied(error)
  }
  return null
}

/**
 * The binary that esbuild has copied for a bundle of ES modules. What it makes of `require` there can't run,
 * and only its error names the copy.
 */
function copied(error: unknown): string | null {
  const text = error instanceof Error ? error.message : ''
  return /^Dynamic require of "(\.{1,2}\/.+\.node)" is not supported$/.exec(text)?.[1] ?? null
}

/** Where Node finds the package for the system: node_modules of directories above, NODE_PATH, Plug'n'Play. */
function ofSearch(target: string): typeof Addon | null {
  try {
    const required = module.createRequire(import.meta.url)
    switch (target) {
      case 'linux-x64-gnu':
        return required('@busbar/linux-x64-gnu')
      case 'linux-arm64-gnu':
        return required('@busbar/linux-arm64-gnu')
      case 'darwin-x64':
        return required('@busbar/darwin-x64')
      case 'darwin-arm64':
        return required('@busbar/darwin-arm64')
    }
  } catch {
    // It isn't installed.
  }
  return null
}

/** The same for busbar's own package, for a bundle that stands in the project it was made of. */
function ofSearchedPackage(target: string): string | null {
  try {
    return resolve(module.createRequire(import.meta.url).resolve('busbar/package.json'), `../busbar.${target}.node`)
  } catch {
    return null
  }
}

const PLACES: readonly Place[] = [ofPackage, ofSibling, ofBundle, ofBundler, ofBundledPackage, ofSearch, ofSearchedPackage]

/** The addon. Throws when there is no binary that this process can load, with the reason and what helps. */
export function loadAddon(): typeof Addon {
  const named = nativePath()
  const attempts: Attempt[] = []
  const { platform, arch } = process
  const targets = targetsFor(platform, arch)
  const found = named === '' ? search(targets, attempts) : load(resolve(named), attempts)
  if (found !== null) return found
  throw failure({ platform, arch, targets, attempts, named, directory: besideThis('..') })
}

function nativePath(): string {
  try {
    return process.env['BUSBAR_NATIVE_PATH'] ?? ''
  } catch {
    // Deno refuses to tell: then none is set.
    return ''
  }
}

function search(targets: readonly string[], attempts: Attempt[]): typeof Addon | null {
  for (const place of PLACES) {
    for (const target of targets) {
      const found = place(target)
      const addon = typeof found === 'string' ? load(found, attempts) : found
      if (addon !== null) return addon
      // What refuses one refuses all, and may ask the user each time.
      if (attempts.some(({ error }) => refusedPermission(error) !== null)) return null
    }
  }
  return null
}

function load(found: string, attempts: Attempt[]): typeof Addon | null {
  // Bundlers give paths that are relative to the file they have written.
  const path = besideThis(found)
  if (attempts.some((attempt) => attempt.path === path)) return null
  const loaded = { exports: {} }
  try {
    process.dlopen(loaded, path)
    return loaded.exports as typeof Addon
  } catch (error) {
    attempts.push({ path, error, exists: existsSync(path) })
    return null
  }
}
