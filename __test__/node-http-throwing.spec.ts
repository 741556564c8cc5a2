/** Handlers that throw and reject, plain and in frameworks: the same response, events and uncaught errors as on node:http. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { IS_CURRENT, ordered } from './differential/requests.ts'

interface Outcome {
  /** What came, its lines sorted. */
  readonly text: readonly string[]
  readonly ending: 'end' | 'reset' | null
  /** The status line of a further request on the connection. */
  readonly next: string | null
  readonly events: readonly string[]
}

const FIXTURE = fileURLToPath(new URL('differential/throwing.mjs', import.meta.url))
const FINISHED = ['res finish', 'res close', 'req close']
const THROWN = 'uncaughtException Error thrown'

/** Where Node has a fault that isn't copied. */
const FAULTS: Readonly<Record<string, { readonly reason: string; readonly instead: Partial<Outcome> }>> = {
  'plain /throws behind the end': {
    reason: 'Node refuses what follows on the connection',
    instead: { ending: null, next: 'HTTP/1.1 200 OK', events: [THROWN, ...FINISHED, ...FINISHED] },
  },
  'plain /throws in the callback of the end': {
    reason: 'Node never finishes the response, and answers nothing that follows',
    instead: { ending: null, next: 'HTTP/1.1 200 OK', events: ['res finish', THROWN, 'res close', 'req close', ...FINISHED] },
  },
}

async function outcomesOf(kind: 'node' | 'busbar'): Promise<Record<string, Outcome>> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=@oxc-node/core/register', FIXTURE, kind], { timeout: 120_000 })
  const outcomes = JSON.parse(stdout) as Record<string, Outcome>
  return Object.fromEntries(Object.entries(outcomes).map(([name, outcome]) => [name, { ...outcome, events: ordered(outcome.events) }]))
}

test('what handlers throw, and what they reject with, has the same consequences as on node:http', async (t) => {
  t.timeout(150_000)
  const [nodes, ours] = await Promise.all([outcomesOf('node'), outcomesOf('busbar')])
  t.true(Object.keys(nodes).length > 60)
  t.deepEqual(Object.keys(ours), Object.keys(nodes))
  for (const [name, outcome] of Object.entries(nodes)) {
    const { reason, instead = {} } = FAULTS[name] ?? {}
    t.deepEqual(ours[name], { ...outcome, ...instead, ...(instead.events && { events: ordered(instead.events) }) }, name)
    // Those of older releases are others.
    if (reason !== undefined && IS_CURRENT) t.notDeepEqual(ours[name], outcome, `${name}: ${reason}`)
  }
})
