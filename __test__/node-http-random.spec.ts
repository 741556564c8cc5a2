/**
 * Random programs of what applications do with requests and responses, and random clients: alike on node:http and on busbar.
 *
 * A difference counts when it comes each time, and is shown as the smallest program that has it. Node's behaviour is
 * that of Node 24. `BUSBAR_RANDOM_PROGRAMS` is how many are run, `BUSBAR_RANDOM_SEED` the seed of the first one.
 */
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { IS_CURRENT } from './differential/requests.ts'
import { FOUND } from './differential/random/found.ts'
import { generate } from './differential/random/generate.ts'
import { Judge, tell, tellDifference } from './differential/random/judge.ts'
import type { Difference } from './differential/random/judge.ts'

const COUNT = Number(process.env['BUSBAR_RANDOM_PROGRAMS'] ?? 100)
const FIRST = Number(process.env['BUSBAR_RANDOM_SEED'] ?? 200)
/** Programs that run at the same time. */
const AT_ONCE = 6
/** How often a difference has to come. */
const TIMES = 5

const ofCurrent = IS_CURRENT ? test.serial : test.serial.skip

/** Runs what differs once more, alone, until it doesn't differ. */
async function judged<Key>(t: ExecutionContext, keys: readonly Key[], programOf: (key: Key) => Parameters<Judge['once']>[0]): Promise<[Key, Difference][]> {
  const judge = new Judge()
  t.teardown(() => judge.close())
  const waiting = [...keys]
  const suspects: Key[] = []
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) if ((await judge.once(programOf(key))) !== null) suspects.push(key)
    }),
  )
  const found: [Key, Difference][] = []
  for (const key of suspects) {
    const difference = await judge.always(programOf(key), TIMES)
    if (difference !== null) found.push([key, await judge.shrink(difference)])
  }
  return found
}

ofCurrent('programs that have differed are alike', async (t) => {
  t.timeout(120_000)
  const found = await judged(t, Object.keys(FOUND), (name) => FOUND[name]!)
  t.is(found.map(([name, difference]) => `${name}\n${tell(difference.program)}\n${tellDifference(difference)}`).join('\n\n'), '')
})

ofCurrent('random programs are alike', async (t) => {
  t.timeout(60_000 + COUNT * 1000)
  const seeds = Array.from({ length: COUNT }, (_, at) => FIRST + at)
  const found = await judged(t, seeds, generate)
  t.is(found.map(([seed, difference]) => `seed ${seed}\n${tell(difference.program)}\n${tellDifference(difference)}`).join('\n\n'), '')
})
