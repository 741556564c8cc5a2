/**
 * A process that runs programs on one kind of server. What isn't caught there belongs to the programs that ran.
 *
 * Usage: worker.ts node|busbar, with programs by IPC.
 */
import nodeHttp from 'node:http'
import http from '../../../src/node-http/index.ts'
import { show } from './perform.ts'
import { play } from './play.ts'
import type { Program } from './program.ts'

const { createServer } = process.argv[2] === 'busbar' ? http : nodeHttp
const running = new Set<string[]>()

process.on('uncaughtException', (error, origin) => {
  for (const uncaught of running) uncaught.push(`${origin} ${show(error, {})}`)
})

process.on('message', ({ id, program }: { id: number; program: Program }) => {
  const uncaught: string[] = []
  running.add(uncaught)
  void play(createServer, program, uncaught)
    .catch((error: unknown) => ({ failed: show(error, {}) }))
    .then((outcome) => {
      running.delete(uncaught)
      process.send!({ id, outcome })
    })
})
process.on('disconnect', () => process.exit(0))
