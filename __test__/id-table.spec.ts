import test from 'ava'
import { IdTable } from '../src/core/id-table.ts'

test('a table of ids has what a Map has, in any order of additions and removals', (t) => {
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (const step of [1, 2, 64, 4096]) {
    const table = new IdTable<string>()
    const map = new Map<number, string>()
    // Beyond 32 bits as well.
    let next = 2 ** 32 - 2000 * step
    for (let turn = 0; turn < 20_000; turn++) {
      if (random(3) > 0 && map.size < 500) {
        next += step
        table.set(next, `value ${next}`)
        map.set(next, `value ${next}`)
      } else {
        const ids = [...map.keys()]
        // Mostly old ones, as with requests.
        const id = ids[random(4) === 0 ? random(ids.length || 1) : 0] ?? next + 1
        t.is(table.delete(id), map.delete(id))
      }
      if (turn % 100 === 0) for (const id of [...map.keys(), next + step]) t.is(table.get(id), map.get(id))
      if (turn % 1000 === 0) t.deepEqual(table.entries().toSorted(([one], [other]) => one - other), [...map])
      if (table.size !== map.size) t.fail(`${table.size} instead of ${map.size}`)
    }
  }
})

test('a value is replaced under its id', (t) => {
  const table = new IdTable<number>()
  table.set(7, 1)
  table.set(7, 2)
  t.is(table.get(7), 2)
  t.is(table.size, 1)
  t.true(table.delete(7))
  t.false(table.delete(7))
  t.is(table.get(7), undefined)
})
