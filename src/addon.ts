/**
 * Loads the addon: the binary for this system.
 *
 *   BUSBAR_NATIVE_PATH ──► it alone
 *   otherwise ──► beside the package ──► the package for this system ──► beside this file
 *                  └─ built here          └─ from a registry              └─ moved with a bundle
 *             ──► what a bundler made of the literal requires ──► Node's own search ──► an error with its fix
 *
 * The first places are paths, which cost microseconds; a search by name takes 1.5 ms of a start. Tools recognise these
 * forms: `new URL(…, import.meta.url)` (webpack, the tracer of Next), `require` of a literal (esbuild, rolldown),
 * `createRequire` and a literal (the tracer of Next, in any layout of node_modules).
 *
 * Out of scope: the message for a failed load (addon-failure).
 */
import type * as Addon from '../index.js'
import { failure, libcOf, refusedPermission } from './core/addon-failure.ts'
import type { Attempt } from './core/addon-failure.ts'

const { existsSync } = process.getBuiltinModule('node:fs')
// The tracer of Next recognises `module.createRequire` by this name.
const module = process.getBuiltinModule('node:module')
const { resolve } = process.getBuiltinModule('node:path')
const { fileURLToPath } = process.getBuiltinModule('node:url')

/** Names of the binaries for a system, as in `busbar.NAME.node`. Of two, the dynamic loader refuses that for the other libc. */
export function targetsFor(platform: string, arch: string): string[] {
  const abis: Readonly<Record<string, readonly string[]>> = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }
  return (abis[platform] ?? ['']).map((abi) => `${platform}-${arch}${abi}`)
}

/** Finds a binary: gives its path, or the addon where a bundler or Node has loaded it. */
type Place = (target: string) => string | typeof Addon | null

/** Beside the package's `index.d.ts`. */
function ofPackage(target: string): string {
  try {
    return fileURLToPath(new URL(`../busbar.${target}.node`, import.meta.url).href)
  } catch {
    return besideThis(`../busbar.${target}.node`)
  }
}

/** In the package for the system, which package managers install beside this one. */
function ofSibling(target: string): string | null {
  try {
    return fileURLToPath(new URL(`../../@busbar/${target}/busbar.${target}.node`, import.meta.url).href)
  } catch {
    return null
  }
}

/** Beside the bundle that this module is part of. */
function ofBundle(target: string): string {
  return besideThis(`busbar.${target}.node`)
}

/** A path relative to this file. Bundles in CommonJS have no `import.meta`. */
function besideThis(name: string): string {
  return resolve(import.meta.dirname ?? (typeof __dirname === 'string' ? __dirname : '.'), name)
}

/** For bundlers that follow `require`; in an ES module on Node it throws. */
function ofBundler(target: string): string | typeof Addon | null {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('../busbar.linux-x64-gnu.node')
      case 'linux-arm64-gnu':
        return require('../busbar.linux-arm64-gnu.node')
      case 'linux-x64-musl':
        return require('../busbar.linux-x64-musl.node')
      case 'linux-arm64-musl':
        return require('../busbar.linux-arm64-musl.node')
      case 'darwin-x64':
        return require('../busbar.darwin-x64.node')
      case 'darwin-arm64':
        return require('../busbar.darwin-arm64.node')
      case 'win32-x64-msvc':
        return require('../busbar.win32-x64-msvc.node')
      case 'win32-arm64-msvc':
        return require('../busbar.win32-arm64-msvc.node')
    }
  } catch (error) {
    return copied(error)
  }
  return null
}

/** The same for the packages of the systems. */
function ofBundledPackage(target: string): string | typeof Addon | null {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('@busbar/linux-x64-gnu')
      case 'linux-arm64-gnu':
        return require('@busbar/linux-arm64-gnu')
      case 'linux-x64-musl':
        return require('@busbar/linux-x64-musl')
      case 'linux-arm64-musl':
        return require('@busbar/linux-arm64-musl')
      case 'darwin-x64':
        return require('@busbar/darwin-x64')
      case 'darwin-arm64':
        return require('@busbar/darwin-arm64')
      case 'win32-x64-msvc':
        return require('@busbar/win32-x64-msvc')
      case 'win32-arm64-msvc':
        return require('@busbar/win32-arm64-msvc')
    }
  } catch (error) {
    return copied(error)
  }
  return null
}

/**
 * The path of a binary that esbuild has copied for a bundle of ES modules. Its `require` throws there, and only the
 * error has the path.
 */
function copied(error: unknown): string | null {
  const text = error instanceof Error ? error.message : ''
  return /^Dynamic require of "(\.{1,2}\/.+\.node)" is not supported$/.exec(text)?.[1] ?? null
}

/** The package for the system by Node's own search: node_modules above, NODE_PATH, Plug'n'Play. */
function ofSearch(target: string): typeof Addon | null {
  try {
    const required = module.createRequire(import.meta.url)
    switch (target) {
      case 'linux-x64-gnu':
        return required('@busbar/linux-x64-gnu')
      case 'linux-arm64-gnu':
        return required('@busbar/linux-arm64-gnu')
      case 'linux-x64-musl':
        return required('@busbar/linux-x64-musl')
      case 'linux-arm64-musl':
        return required('@busbar/linux-arm64-musl')
      case 'darwin-x64':
        return required('@busbar/darwin-x64')
      case 'darwin-arm64':
        return required('@busbar/darwin-arm64')
      case 'win32-x64-msvc':
        return required('@busbar/win32-x64-msvc')
      case 'win32-arm64-msvc':
        return required('@busbar/win32-arm64-msvc')
    }
  } catch {
    // It isn't installed.
  }
  return null
}

/** In busbar's own package by Node's own search: for a bundle in the project that it was made from. */
function ofSearchedPackage(target: string): string | null {
  try {
    return resolve(module.createRequire(import.meta.url).resolve('busbar/package.json'), `../busbar.${target}.node`)
  } catch {
    return null
  }
}

const PLACES: readonly Place[] = [ofPackage, ofSibling, ofBundle, ofBundler, ofBundledPackage, ofSearch, ofSearchedPackage]

/** The addon. Throws when the process can load no binary; the message has the reason and the fix. */
export function loadAddon(): typeof Addon {
  const named = nativePath()
  const attempts: Attempt[] = []
  const { platform, arch } = process
  const targets = targetsFor(platform, arch)
  const found = named === '' ? search(targets, attempts) : load(resolve(named), attempts)
  if (found !== null) return found
  throw failure({ platform, arch, libc: libcOf(platform), targets, attempts, named, directory: besideThis('..') })
}

function nativePath(): string {
  try {
    return process.env['BUSBAR_NATIVE_PATH'] ?? ''
  } catch {
    // Deno without --allow-env.
    return ''
  }
}

function search(targets: readonly string[], attempts: Attempt[]): typeof Addon | null {
  for (const place of PLACES) {
    for (const target of targets) {
      const found = place(target)
      const addon = typeof found === 'string' ? load(found, attempts) : found
      if (addon !== null) return addon
      // A missing permission fails all attempts, and Deno may ask for it each time.
      if (attempts.some(({ error }) => refusedPermission(error) !== null)) return null
    }
  }
  return null
}

function load(found: string, attempts: Attempt[]): typeof Addon | null {
  // Paths from bundlers are relative to the bundle.
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
