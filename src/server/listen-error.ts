/**
 * The reason for which an address can't be listened on.
 */
import { ListenError } from '../core/errors.ts'
import type { ListenPlan } from './listen.ts'

/** Bytes that a path of a unix socket may have: the field of the system has a zero byte at its end. */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103

const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program; stop it or choose another port',
  EBADF: "isn't open in this process",
  ENOTSOCK: "isn't a socket",
  EADDRNOTAVAIL: "isn't an address of this machine",
  EAFNOSUPPORT: "can't be used: this system has no IPv6",
  EPERM: "can't be used: the system doesn't permit it",
  EROFS: "can't be made: its file system is read-only",
  ELOOP: "can't be made: its path has too many links",
  ENOENT: "can't be made: its directory doesn't exist",
  ENOTDIR: "can't be made: a part of its path is a file",
  ENAMETOOLONG: "can't be made: a name in its path is too long",
  EMFILE: "can't be opened: the process has too many open files (ulimit -n)",
  ENFILE: "can't be opened: the system has too many open files",
}

/** The public error for an error of the engine, whose message begins with the system's code. */
export function listenError(plan: ListenPlan, error: unknown): ListenError {
  const message = error instanceof Error ? error.message : String(error)
  const [{ path = null, port = 0 } = {}] = plan.sockets
  const isTooLong = path !== null && Buffer.byteLength(path) > LONGEST_PATH
  const reason = isTooLong ? 'ENAMETOOLONG' : (/^E[A-Z0-9]+/.exec(message)?.[0] ?? 'EIO')
  const why = path === null ? portWords(reason, port) : isTooLong ? tooLong(path) : pathWords(reason, path)
  return new ListenError(`${plan.shown} ${why ?? WORDS[reason] ?? `can't be listened on: ${message}`} (${reason})`, reason)
}

function portWords(reason: string, port: number): string | null {
  if (reason !== 'EACCES') return null
  if (port >= 1024) return "can't be used: the system doesn't permit it"
  return `can't be used by this user: ports below 1024 need privileges; choose another port, or on Linux give the capability CAP_NET_BIND_SERVICE`
}

function tooLong(path: string): string {
  return `can't be made: its path has ${Buffer.byteLength(path)} bytes, and the system allows ${LONGEST_PATH}; choose a shorter one`
}

function pathWords(reason: string, path: string): string | null {
  if (reason === 'EACCES') return "can't be made: this user may not write to its directory"
  if (reason !== 'EADDRINUSE') return null
  const what = kindOf(path)
  if (what === 'socket' || what === null) return 'is in use by another program; stop it or choose another path'
  return `can't be made: a ${what} is in its place; remove it or choose another path`
}

/** What lies at a path; null when that can't be seen. */
function kindOf(path: string): 'socket' | 'directory' | 'file' | null {
  try {
    const found = process.getBuiltinModule('node:fs').statSync(path)
    return found.isSocket() ? 'socket' : found.isDirectory() ? 'directory' : 'file'
  } catch {
    return null
  }
}
