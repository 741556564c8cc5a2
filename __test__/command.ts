/**
 * Runs the command for its specs.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The path of a file that is given relative to this folder. */
export const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
/** The command as it is in the sources. */
export const SOURCE = ['--import=@oxc-node/core/register', pathOf('../src/cli.ts')]
/** The command as it is built. */
export const BUILT = [pathOf('../dist/cli.js')]

/** A running command. */
export interface Command {
  readonly child: ChildProcess
  /** The next line of its standard output. */
  line(): Promise<string>
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

/** Runs the command; it is killed at the end of the test. */
export function busbar(t: ExecutionContext, args: string[], env: Record<string, string> = {}, command = SOURCE): Command {
  const { PORT: _, ...inherited } = process.env
  const child = spawn(process.execPath, [...command, ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const forLines = child.stdout.pipe(new PassThrough())
  const lines = createInterface({ input: forLines })[Symbol.asyncIterator]()
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const ended = once(child, 'close').then(async ([code]) => {
    const [stdout, stderr] = await output
    return { code: code as number | null, stdout, stderr }
  })
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the command has ended: ${JSON.stringify(await ended)}`)
    return value
  }
  return { child, line, ended }
}
