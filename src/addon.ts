/**
 * Loads the addon: the binary for this system, which stands beside the package's `index.d.ts`.
 *
 * Not by the loader that @napi-rs/cli can generate: that one asks for the system's libc, looks for packages
 * and for WebAssembly that busbar doesn't have, and is a module of its own to find, read and parse, all of
 * which takes 4 ms of every start. `require` would take another 1.5 to find what has a name already.
 */
import type * as Addon from '../index.js'

/** The binary's file names for a system; of two the system's own loader refuses the one made for another libc. */
export function binariesFor(platform: string, arch: string): string[] {
  const abis: Readonly<Record<string, readonly string[]>> = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }
  return (abis[platform] ?? ['']).map((abi) => `busbar.${platform}-${arch}${abi}.node`)
}

/** The addon. Throws when there is no binary that this system can load, with what it says of each. */
export function loadAddon(): typeof Addon {
  const { platform, arch } = process
  const refusals: string[] = []
  for (const name of binariesFor(platform, arch)) {
    const loaded = { exports: {} }
    try {
      process.dlopen(loaded, `${import.meta.dirname}/../${name}`)
      return loaded.exports as typeof Addon
    } catch (error) {
      refusals.push(`\n  ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(
    `busbar has no binary that can be loaded on ${platform} ${arch}; there are some for Linux with glibc and ` +
      `for macOS, on x64 and arm64${refusals.join('')}`,
  )
}
