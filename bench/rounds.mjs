/**
 * Rounds of a work: every server under the same load in turn, several times.
 */
import { cpuTime } from './cpu.mjs'
import { start } from './peers.mjs'
import { summary } from './table.mjs'

/**
 * Seconds of the round that warms up. V8 compiles a function after thousands of calls, and meanwhile the compiler's work
 * counts as that of the requests: with a mebibyte each, a second has only hundreds of them.
 */
const WARM_UP = 5

/**
 * CPU per request of each server. `load(work, server, settings)` makes one round of requests and gives
 * `{ requests, rate, errors }`; `check`, if it is given, looks at one answer of each server before.
 */
export async function inRounds(work, peers, settings, load, check = async () => {}) {
  const able = peers.filter(({ handlers = [work.handler] }) => handlers.includes(work.handler))
  const running = []
  const results = new Map(able.map(({ name }) => [name, []]))
  try {
    for (const peer of able) running.push(await start(peer, { ...settings, handler: work.handler }))
    for (const server of running) await check(work, server)
    // The first round warms up and isn't counted.
    for (let round = settings.isCold === true ? 1 : 0; round <= settings.rounds; round++) {
      for (const server of running) {
        const before = cpuTime(server.pid)
        const seconds = round === 0 ? Math.max(WARM_UP, settings.seconds) : settings.seconds
        const { requests, rate, errors } = await load(work, server, { ...settings, seconds })
        const after = cpuTime(server.pid)
        const perRequest = (time) => time / 1000 / requests
        const cpu = perRequest(after.all - before.all)
        const main = perRequest(after.main - before.main)
        if (round > 0) results.get(server.peer.name).push({ cpu, main, rate, errors: errors + (requests === 0 ? 1 : 0) })
      }
    }
  } finally {
    for (const server of running) await server.stop()
  }
  return summary(results)
}
