/** Departures, half-closes, timeouts, errors and pipelines: alike on node:http and on busbar, with the events of all involved. */
import type { Server, ServerOptions } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { IS_CURRENT, KINDS, listen, ordered } from './differential/requests.ts'
import { scenes } from './differential/scenes.mjs'
import { Dialogue } from './differential/wire.ts'
import { IS_TLS } from './transport.ts'

interface Context {
  /** A request has come. */
  readonly here: Promise<void>
  /** Waits until an event was noted. */
  readonly noted: (event: string) => Promise<void>
}

interface Scene {
  readonly title: string
  readonly options?: ServerOptions
  readonly serve: (server: Server, note: (event: string) => void) => void
  /** What the client sends at once. */
  readonly first?: string
  readonly talk: (dialogue: Dialogue, context: Context) => unknown
  /** Node does so since release 24. */
  readonly isNew?: boolean
  /** Over TLS Node does otherwise. */
  readonly isPlain?: boolean
  /** What busbar does otherwise, by decision. */
  readonly differs?: { reason: string | undefined; said?: unknown; events?: readonly string[] }
}

/** Milliseconds for what still happens behind a scene. */
const AFTERMATH = 80

async function play(t: ExecutionContext, kind: keyof typeof KINDS, { options = {}, serve, first, talk }: Scene): Promise<{ said: unknown; events: string[]; dialogue: Dialogue }> {
  const events: string[] = []
  const server = KINDS[kind]({ keepAliveTimeout: 5000, ...options })
  serve(server, (event) => events.push(event))
  const here = new Promise<void>((resolve) => server.once('request', () => setTimeout(resolve, 10)))
  const noted = async (event: string): Promise<void> => {
    while (!events.includes(event)) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const dialogue = await Dialogue.dial(await listen(t, server))
  if (first !== undefined) dialogue.send(first)
  const patience = new Promise((resolve) => setTimeout(resolve, 3000, 'nothing came').unref())
  const said = await Promise.race([talk(dialogue, { here, noted }), patience])
  await new Promise((resolve) => setTimeout(resolve, AFTERMATH))
  return { said, events, dialogue }
}

/** The same scene on both kinds of servers. What comes late on one of them is waited for. */
async function playBoth(t: ExecutionContext, scene: Scene): Promise<Record<keyof typeof KINDS, { said: unknown; events: string[] }>> {
  const [node, busbar] = await Promise.all([play(t, 'node', scene), play(t, 'busbar', scene)])
  const isLate = (): boolean => busbar.events.length < node.events.length || (scene.differs === undefined && node.events.length < busbar.events.length)
  for (let turn = 0; turn < 100 && isLate(); turn++) await new Promise((resolve) => setTimeout(resolve, 20))
  const over = ({ said, events, dialogue }: Awaited<ReturnType<typeof play>>): { said: unknown; events: string[] } => {
    const shown = { said, events: ordered(events) }
    dialogue.close()
    return shown
  }
  return { node: over(node), busbar: over(busbar) }
}

for (const scene of scenes as Scene[]) {
  const { reason, ...instead } = scene.differs ?? { reason: undefined }
  // One at a time: timers of several scenes would come in another order when the process is late.
  const run = (scene.isNew === true && !IS_CURRENT) || (scene.isPlain === true && IS_TLS) ? test.serial.skip : test.serial
  run(`${scene.title}: ${reason === undefined ? 'as on node:http' : `otherwise than on node:http, since ${reason}`}`, async (t) => {
    const { node: nodes, busbar: ours } = await playBoth(t, scene)
    t.deepEqual(ours, { ...nodes, ...instead, ...(instead.events && { events: ordered(instead.events) }) })
    // Over TLS, where the order doesn't count, some are alike.
    if (reason !== undefined && !IS_TLS) t.notDeepEqual(ours, nodes)
  })
}
