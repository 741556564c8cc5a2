/**
 * Where a server's sockets are served: on Node's event loop, or on threads of their own.
 */
import { OptionError } from '../core/errors.ts'

/**
 * How many threads serve sockets: 0 for none but the one that runs JavaScript, `'auto'` for 0 on Node for
 * Linux and macOS and 1 elsewhere.
 */
export type IoThreads = number | 'auto'

/** Overrides the default, so that an operator can fit it to the machine without touching the code. */
const IO_THREADS = 'BUSBAR_IO_THREADS'

/** More than this many can't be told apart by the engine, and serve nobody. */
const MOST_THREADS = 64

const ALLOWED = `an integer from 0 to ${MOST_THREADS}, or 'auto'`

/** Throws unless `given` is a value that `ioThreads` may have here. */
export function checkIoThreads(given: IoThreads): void {
  if (!isIoThreads(given)) throw new OptionError('ioThreads', given, ALLOWED)
  if (given === 0) mustHaveLoop('ioThreads')
}

/** How many threads a server that asks for `given` gets. Throws when the environment asks for nonsense. */
export function ioThreads(given: IoThreads | undefined): number {
  const wanted = given ?? fromEnvironment() ?? 'auto'
  if (wanted !== 'auto') return wanted
  return hasLibuv() && (process.platform === 'linux' || process.platform === 'darwin') ? 0 : 1
}

/**
 * Whether the runtime is Node, whose event loop can watch the engine's sockets. Others export the same
 * symbols and abort, or never call, when they are used; so it is told by name.
 */
export function hasLibuv(): boolean {
  return runtime() === 'Node'
}

function runtime(): string {
  if (process.versions['bun'] !== undefined) return 'Bun'
  if (process.versions['deno'] !== undefined) return 'Deno'
  return 'Node'
}

function fromEnvironment(): IoThreads | null {
  const given = process.env[IO_THREADS]
  if (given === undefined || given === '') return null
  const wanted = given === 'auto' ? given : Number(given)
  if (!isIoThreads(wanted)) throw new OptionError(`${IO_THREADS} in the environment`, given, ALLOWED)
  if (wanted === 0) mustHaveLoop(`${IO_THREADS} in the environment`)
  return wanted
}

function isIoThreads(given: unknown): given is IoThreads {
  return given === 'auto' || (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= MOST_THREADS)
}

function mustHaveLoop(name: string): void {
  if (!hasLibuv()) throw new OptionError(name, 0, `at least 1 on ${runtime()}, whose event loop can't serve busbar's sockets`)
}
