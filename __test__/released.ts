/**
 * The systems that a release has binaries for, by the names of Rust's targets in package.json.
 */
import { readFileSync } from 'node:fs'

/** What package managers compare, and the name as in `busbar.NAME.node`. */
export interface Released {
  readonly name: string
  readonly os: 'linux' | 'darwin' | 'win32'
  readonly cpu: 'x64' | 'arm64'
  /** Null but for Linux. */
  readonly libc: 'glibc' | 'musl' | null
}

const LIBCS: Readonly<Record<string, Released['libc']>> = { gnu: 'glibc', musl: 'musl' }

export function releasedTargets(): Released[] {
  const { napi } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { napi: { targets: string[] } }
  return napi.targets.map((triple) => {
    const [processor, , system, abi] = triple.split('-')
    const os = system === 'windows' ? 'win32' : (system as 'linux' | 'darwin')
    const cpu = processor === 'x86_64' ? 'x64' : 'arm64'
    const name = [os, cpu, ...(abi === undefined ? [] : [abi])].join('-')
    return { name, os, cpu, libc: os === 'linux' ? (LIBCS[abi ?? ''] ?? null) : null }
  })
}
