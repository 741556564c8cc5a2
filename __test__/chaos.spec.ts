/**
 * Handlers that do anything, clients that send anything: nothing may be lost, leak, or disturb another client.
 *
 * BUSBAR_CHAOS_SECONDS sets the time of a longer run, BUSBAR_CHAOS_SEED repeats the choices of an earlier one.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HttpServer, Response, Trailers } from '../src/index.ts'
import type { Request } from '../src/index.ts'
import { Authority } from './authority.ts'
import { random } from './random.ts'
import type { Random } from './random.ts'
import { keepErrors, openDescriptors, plainTest, temporaryDirectory, until } from './support.ts'

const SECONDS = Number(process.env['BUSBAR_CHAOS_SECONDS'] ?? 4)
const SEED = Number(process.env['BUSBAR_CHAOS_SEED'] ?? Date.now() % 2 ** 31)

/** What the handlers throw. */
class Planned extends Error {}

async function* pieces(pick: Random): AsyncGenerator<Uint8Array> {
  for (let left = pick(20); left > 0; left--) {
    yield Buffer.alloc(pick(200_000), 'x')
    if (pick(3) === 0) await pause(pick(20))
  }
  if (pick(10) === 0) throw new Planned()
}

/** What a handler may do with a request. */
function actions(pick: Random, file: string): ((request: Request) => Response | Promise<Response>)[] {
  return [
    () => Response.text('short'),
    () => new Response(200, {}, 'x'.repeat(pick(300_000))),
    () => new Response(200, {}, Buffer.alloc(pick(3_000_000))),
    () => new Response(200, {}, pieces(pick)),
    () => new Response(200, {}, pieces(pick), new Trailers(() => ({ 'x-sum': '1' }), ['x-sum'])),
    () => Response.file(file),
    async (request) => new Response(200, {}, await request.buffer()),
    async (request) => {
      for await (const _ of request.getBody()) if (pick(5) === 0) break
      return new Response(204)
    },
    async () => {
      await pause(pick(200))
      return Response.json({ late: true })
    },
    (request) => {
      void pause(pick(50)).then(() => request.getClient().close())
      return new Response(200, {}, pieces(pick))
    },
    () => {
      const response = new Response(101, { upgrade: 'echo' })
      response.upgrade(async (socket) => {
        socket.write(Buffer.alloc(pick(100_000)))
        for await (const piece of socket) socket.write(piece)
      })
      return response
    },
    () => {
      throw new Planned()
    },
  ]
}

/** Asks again and again over a connection of its own until it has to stop. Returns how many answers were right. */
async function askHonestly(port: number, isOver: () => boolean): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let right = 0
  while (!isOver()) {
    const text = await new Promise<string>((resolve, reject) => {
      const request = get({ port, host: '127.0.0.1', path: '/honest', agent }, (response) => {
        let received = ''
        response.setEncoding('latin1').on('data', (piece) => (received += piece)).on('end', () => resolve(received)).on('error', reject)
      })
      request.on('error', reject)
    })
    if (text !== 'honest') throw new Error(`an honest client got ${text}`)
    right++
    await pause(10)
  }
  agent.destroy()
  return right
}

/**
 * Runs clients in processes of their own for some seconds, 4 seconds each. Node's clients crash now and then when their
 * sessions are destroyed like this, which is one more way to leave.
 */
async function runClients(plain: number, tls: number, seconds: number): Promise<void> {
  const program = fileURLToPath(new URL('fixtures/chaos-clients.ts', import.meta.url))
  for (let [left, seed] = [seconds, SEED]; left > 0; left -= 4, seed++) {
    const settings = [plain, tls, seed, 30, Math.min(left, 4)].map(String)
    const child = spawn(process.execPath, ['--import=@oxc-node/core/register', program, ...settings], { stdio: ['ignore', 'ignore', 'inherit'] })
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (code !== 0 && signal !== 'SIGSEGV') throw new Error(`the clients ended with ${code ?? signal}`)
  }
}

plainTest('whatever handlers and clients do, others are served, and all resources come back', async (t) => {
  t.log(`BUSBAR_CHAOS_SEED=${SEED}`)
  t.timeout((SECONDS + 60) * 1000)
  const pick = random(SEED)
  const file = join(await temporaryDirectory(t), 'file')
  await writeFile(file, Buffer.alloc(700_000, 'f'))
  const { cert, key } = new Authority().issue()
  const { logger, errors } = keepErrors()
  const does = actions(pick, file)
  let handled = 0
  const server = new HttpServer(
    [{ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0, tls: { cert, key } }],
    async (request) => {
      if (request.getPath() === '/honest') return Response.text('honest')
      handled++
      return does[pick(does.length)]!(request)
    },
    { http2Cleartext: true, bodySizeLimit: 5_000_000, headerTimeout: 2, bodyTimeout: 2, writeTimeout: 2, tlsSetupTimeout: 2, logger },
  )
  const descriptors = openDescriptors()
  await server.start()
  const [plain = 0, tls = 0] = server.getServers().map((address) => address.getPort() ?? 0)
  let isOver = false
  const honest = askHonestly(plain, () => isOver)
  await runClients(plain, tls, SECONDS)
  isOver = true
  t.true((await honest) > 0)
  t.true(handled > 0)
  // What is left is ended by its time limits.
  const isIdle = (): boolean => {
    const { connections, runningHandlers, waitingRequests, upgradedConnections } = server.getStatistics()
    return connections + runningHandlers + waitingRequests + upgradedConnections === 0
  }
  await until(isIdle)
  t.deepEqual(await server.stop({ timeout: 1 }), { cutOff: 0 })
  await until(() => openDescriptors() <= descriptors)
  const unplanned = errors.filter(({ exception }) => !(exception instanceof Planned))
  t.deepEqual(unplanned, [])
})
