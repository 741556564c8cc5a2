/**
 * Loads the addon: the binary for this system, which lies beside the package's `index.d.ts`.
 *
 * The loader that @napi-rs/cli generates isn't used. It detects the libc and searches for packages and WebAssembly
 * that busbar doesn't have, which takes 4 ms of each start; `require` takes another 1.5 ms to resolve a known path.
 */
import type * as Addon from '../index.js'

/** The file names of the binary for a system. Of two, the dynamic loader refuses the one for the other libc. */
export function binariesFor(platform: string, arch: string): string[] {
  const abis: Readonly<Record<string, readonly string[]>> = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }
  return (abis[platform] ?? ['']).map((abi) => `busbar.${platform}-${arch}${abi}.node`)
}

/** The addon. Throws when the system can load no binary; the message has the reason for each. */
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
    `busbar has no binary that can be loaded on ${platform} ${arch}; there are binaries for Linux with glibc and `  +
      `for macOS, on x64 and arm64${refusals.join('')}`,
  )
}
