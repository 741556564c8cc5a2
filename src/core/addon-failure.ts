/**
 * The error for an addon that can't be loaded: the reason and its fix.
 */

/** One file that was to be loaded. */
export interface Attempt {
  readonly path: string
  readonly error: unknown
  readonly exists: boolean
}

/** The facts of a failed load. */
export interface FailureFacts {
  readonly platform: string
  readonly arch: string
  /** The C library of a Linux; null elsewhere. */
  readonly libc: 'glibc' | 'musl' | null
  /** Names of the binaries that the system could load. */
  readonly targets: readonly string[]
  readonly attempts: readonly Attempt[]
  /** The value of BUSBAR_NATIVE_PATH; empty when it isn't set. */
  readonly named: string
  /** The directory of the package, unless this is part of a bundle. */
  readonly directory: string
}

/** Systems that there are binaries for. */
const RELEASED: ReadonlySet<string> = new Set(['linux', 'darwin', 'win32'].flatMap((system) => [`${system}-x64`, `${system}-arm64`]))
const RELEASED_TEXT = 'there are binaries for Linux, macOS and Windows, on x64 and arm64'
const FROM_SOURCE = 'build it from source (Rust and a C compiler; see CONTRIBUTING.md)'

/** Messages of dynamic loaders for a binary that needs a newer glibc; the group is its version. */
const NEWER_GLIBC = /GLIBC_(\d[\d.]*\d)/
/** Messages of dynamic loaders for a binary of another libc. */
const OTHER_LIBC = /GLIBCXX_|ld-linux|ld-musl|libc\.musl|libc\.so|Error relocating|symbol not found/
/** Messages for a binary of another system, or a damaged one. */
const OTHER_SYSTEM = /ELF|wrong architecture|incompatible architecture|mach-o|file too short|not a valid Win32|unknown file type/i

/** The error to throw: its message names the reason, the fix, and each attempt. */
export function failure(facts: FailureFacts): Error {
  const first = facts.attempts.find(({ exists }) => exists) ?? facts.attempts[0]
  const tried = facts.attempts.map(({ path, error }) => `\n  ${withPath(path, textOf(error))}`).join('')
  const error = new Error(`${reasonFor(facts)}${tried}`, first === undefined ? undefined : { cause: first.error })
  return Object.assign(error, { code: 'BUSBAR_NATIVE' })
}

function reasonFor(facts: FailureFacts): string {
  const { attempts, named, platform, arch } = facts
  const permission = attempts.map(({ error }) => refusedPermission(error)).find((text) => text !== null)
  if (permission !== undefined) return permission
  if (named !== '') return `BUSBAR_NATIVE_PATH is ${JSON.stringify(named)}, which can't be loaded; it has to be the path of a busbar.*.node file`
  const present = attempts.filter(({ exists }) => exists)
  if (present.length > 0) return reasonForPresent(facts, present)
  if (!RELEASED.has(`${platform}-${arch}`)) return `busbar has no binary for ${systemOf(facts)}: ${RELEASED_TEXT}; elsewhere ${FROM_SOURCE}`
  return reasonForMissing(facts)
}

/** The system as messages name it, such as `linux x64 with musl`. */
function systemOf({ platform, arch, libc }: FailureFacts): string {
  return `${platform} ${arch}${libc === null ? '' : ` with ${libc}`}`
}

/** The one binary for the system, and for its libc. */
function targetOf({ targets, libc }: FailureFacts): string {
  return targets.find((target) => target.endsWith('-musl') === (libc === 'musl')) ?? targets[0]!
}

function reasonForPresent(facts: FailureFacts, present: readonly Attempt[]): string {
  const text = present.map(({ error }) => textOf(error)).join('\n')
  const system = systemOf(facts)
  const glibc = NEWER_GLIBC.exec(text)?.[1]
  if (glibc !== undefined && facts.libc === 'glibc') {
    return `the binary of busbar needs glibc ${glibc}, and that of this ${system} is older: use a newer Linux, or ${FROM_SOURCE}`
  }
  if (glibc !== undefined || OTHER_LIBC.test(text)) {
    return (
      `the binary of busbar is for another C library than this ${system} has: install busbar again on this system, ` +
      `which brings @busbar/${targetOf(facts)}; node_modules can't be copied from one to the other`
    )
  }
  if (OTHER_SYSTEM.test(text)) return `the binary of busbar is damaged, or isn't one for ${system}: install busbar again on this system`
  return `the binary of busbar could not be loaded on ${system}`
}

function reasonForMissing(facts: FailureFacts): string {
  const { directory } = facts
  const system = systemOf(facts)
  const target = targetOf(facts)
  const fs = process.getBuiltinModule('node:fs')
  const names = (path: string): string[] => {
    try {
      return fs.readdirSync(path)
    } catch {
      return []
    }
  }
  if (nameIn(`${directory}/package.json`) !== 'busbar') {
    return (
      'the binary of busbar is missing: busbar was bundled, or its files were moved. Leave it out of the bundle ' +
      "(esbuild --external:busbar, external: ['busbar'] in rolldown, externals in webpack, serverExternalPackages in Next), " +
      'or have the binary copied (--loader:.node=file in esbuild, moduleTypes .node: copy in rolldown), ' +
      `or put busbar.${target}.node beside the bundle, or set BUSBAR_NATIVE_PATH to its path`
    )
  }
  const others = [...names(directory), ...names(`${directory}/../@busbar`)]
    .map((name) => name.replace(/^busbar\.(.+)\.node$/, '$1'))
    .filter((name, at, all) => /^(linux|darwin|win32|freebsd)-[\w-]+$/.test(name) && all.indexOf(name) === at)
  if (others.length > 0) {
    return `the binary of busbar is for ${others.join(', ')} and this is ${system}: node_modules was copied from another system; install again here`
  }
  return (
    `the binary of busbar for ${system} isn't installed: it is in the package @busbar/${target}, an optional dependency. Install busbar again ` +
    "on this system without --omit=optional or --no-optional, and without a lock file that leaves the package out; in a clone run `npm run build`"
  )

  function nameIn(path: string): unknown {
    try {
      return (JSON.parse(fs.readFileSync(path, 'utf8')) as { name?: unknown }).name
    } catch {
      return undefined
    }
  }
}

/** The C library of this process, by its report: null where a system has but one. */
export function libcOf(platform: string): FailureFacts['libc'] {
  if (platform !== 'linux') return null
  try {
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  } catch {
    return 'glibc'
  }
}

/** The message for a process without the permission to load addons; null for other errors. */
export function refusedPermission(error: unknown): string | null {
  const { code, name } = error as NodeJS.ErrnoException
  if (code === 'ERR_DLOPEN_DISABLED' || code === 'ERR_ACCESS_DENIED') {
    return "busbar has a native addon, which Node's permission model refuses: start node with --allow-addons"
  }
  if (name === 'NotCapable' || name === 'PermissionDenied') {
    return 'busbar has a native addon, which Deno refuses: start deno with --allow-ffi'
  }
  return null
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!
}

/** The messages of most systems contain the path. */
function withPath(path: string, text: string): string {
  return text.includes(path) ? text : `${path}: ${text}`
}
