/** The same application on node:http and on busbar: what a client gets, and what the application sees, are alike. */
import test from 'ava'
import { DECISIONS } from './differential/decisions.ts'
import { compare, converse } from './differential/requests.ts'
import type { Application, Sent } from './differential/requests.ts'
import { frameworks } from './differential/frameworks.mjs'
import { middleware } from './differential/middleware.mjs'
import { plain, plainRequests } from './differential/plain.mjs'

const used = new Set<object>()
const apps = [{ name: 'a plain function', app: plain as Application, requests: plainRequests }, ...frameworks, ...middleware] as { name: string; app: Application; requests: Sent[] }[]

for (const { name, app, requests } of apps) {
  test(`${name} answers as on node:http, and sees the same events in the same order`, async (t) => {
    // Watched as well: who listens to nothing takes shorter ways.
    for (const isWatched of [false, true]) {
      const [nodes, ours] = await Promise.all([converse(t, 'node', app, requests, isWatched), converse(t, 'busbar', app, requests, isWatched)])
      for (const decision of compare(t, requests, nodes, ours)) used.add(decision)
    }
  })
}

test.after('each difference that was decided has been seen', (t) => {
  t.deepEqual(DECISIONS.filter((decision) => !used.has(decision)).map(({ reason }) => reason), [])
})
