/**
 * Which threads serve the sockets of a server: the one of Node's event loop, or I/O threads.
 */
import { OptionError } from '../core/errors.ts'
import { IO_THREADS, fromEnvironment } from '../options/environment.ts'

/**
 * Number of I/O threads. With 0 the thread that runs JavaScript serves the sockets; `'auto'` is 0 on Node for Linux
 * and macOS, and 1 elsewhere.
 */
export type IoThreads = number | 'auto'

/** The engine has room for this many threads. */
const MOST_THREADS = 64

const ALLOWED = `an integer from 0 to ${MOST_THREADS}, or 'auto'`

/** Throws unless `given` is a value that `ioThreads` may have here. */
export function checkIoThreads(given: IoThreads): void {
  if (!isIoThreads(given)) throw new OptionError('ioThreads', given, ALLOWED)
  if (given === 0) mustHaveLoop('ioThreads')
}

/** The number of I/O threads for a setting. Throws when the environment has an invalid value. */
export function ioThreads(given: IoThreads | undefined): number {
  const wanted = given ?? override() ?? 'auto'
  if (wanted !== 'auto') return wanted
  return hasLibuv() && (process.platform === 'linux' || process.platform === 'darwin') ? 0 : 1
}

/**
 * Whether the runtime is Node, whose event loop can watch the engine's sockets. It is detected by name: Bun and Deno
 * export the same symbols, but abort or never call back.
 */
export function hasLibuv(): boolean {
  return runtime() === 'Node'
}

function runtime(): string {
  if (process.versions['bun'] !== undefined) return 'Bun'
  if (process.versions['deno'] !== undefined) return 'Deno'
  return 'Node'
}

function override(): IoThreads | null {
  const wanted = fromEnvironment(IO_THREADS, isIoThreads, ALLOWED)
  if (wanted === 0) mustHaveLoop(`${IO_THREADS} in the environment`)
  return wanted
}

function isIoThreads(given: unknown): given is IoThreads {
  return given === 'auto' || (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= MOST_THREADS)
}

function mustHaveLoop(name: string): void {
  const place = !hasLibuv() ? runtime() : process.platform === 'win32' ? 'Windows' : null
  if (place !== null) throw new OptionError(name, 0, `at least 1 on ${place}, whose event loop can't serve busbar's sockets`)
}
