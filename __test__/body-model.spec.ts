/**
 * Random request bodies, compared with a model: framing, sizes, splits, ways of reading, limits, early responses and
 * clients that leave, side by side on reused connections. `BUSBAR_SEED` tries another run.
 */
import type { Socket } from 'node:net'
import { setImmediate as nextRound } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { ClientException, Response } from '../src/index.ts'
import type { Request, RequestBody } from '../src/index.ts'
import { open } from './support.ts'
import type { Wire } from './support.ts'

const SEED = Number(process.env['BUSBAR_SEED'] ?? 1)
const CONNECTIONS = 20
const REQUESTS = 10
const LIMIT = 200_000
/** A request that takes longer hangs. */
const PATIENCE = 60_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void

const WAYS = ['whole', 'pieces', 'slowly', 'first, then whole', 'as a stream of the web', 'first, then closed', 'not'] as const
const FRAMINGS = ['length', 'chunks', 'chunks and trailers'] as const
/** Sizes around each one at which the code takes another path. */
const SIZES = [1, 64, 1000, 4096, 16_384, 65_536, 131_072, LIMIT, 262_144, 1_048_576, 1_500_000]

/** Pseudo-random numbers of a seed. */
class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A whole number below another. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end
  }

  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

/** One request and its outcome. */
interface Plan {
  readonly name: number
  readonly framing: (typeof FRAMINGS)[number]
  readonly way: (typeof WAYS)[number]
  readonly from: number
  readonly size: number
  /** The limit of its body, which may be raised at once or after the first piece. */
  readonly limit: number
  readonly isRaisedLate: boolean
  readonly expectsContinue: boolean
  /** Bytes after which the client leaves; null when it stays. */
  readonly cut: number | null
  /** Its handler was called. */
  isCalled: boolean
  /** The code of the error that ended the reads of its handler. */
  code: number | null
  length: number
}

const content = Buffer.alloc(4 * 1024 * 1024)
const noise = new Chance(SEED)
for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(noise.below(2 ** 32), at)

function planOf(chance: Chance, name: number): Plan {
  const size = Math.max(1, chance.oneOf(SIZES) + chance.below(3) - 1 - (chance.below(2) === 0 ? chance.below(500) : 0))
  const isRaised = chance.below(3) > 0
  const way = chance.oneOf(WAYS)
  return {
    name,
    framing: chance.oneOf(FRAMINGS),
    way,
    isRaisedLate: way === 'slowly' && chance.below(2) === 0,
    from: chance.below(content.length - size),
    size,
    limit: isRaised ? LIMIT + chance.below(2_000_000) : LIMIT,
    expectsContinue: chance.below(6) === 0,
    cut: chance.below(12) === 0 ? chance.below(size) : null,
    isCalled: false,
    code: null,
    length: 0,
  }
}

/** Pieces that handlers have read and overwritten: the server must not write there any more. */
type Kept = { piece: Uint8Array; copy: Buffer }[]

async function read(body: RequestBody, plan: Plan, kept: Kept): Promise<void> {
  const take = (piece: Uint8Array | null): boolean => {
    if (piece === null) return false
    const at = plan.from + plan.length
    if (content.compare(piece, 0, piece.length, at, at + piece.length) !== 0) throw new Error('other bytes than were sent')
    plan.length += piece.length
    if (piece.length % 2 === 0) piece.fill(0xee)
    kept.push({ piece, copy: Buffer.from(piece) })
    return true
  }
  switch (plan.way) {
    case 'not':
      return
    case 'whole':
      return void take(await body.buffer())
    case 'first, then whole':
      take(await body.read())
      return void take(await body.buffer())
    case 'first, then closed':
      take(await body.read())
      return body.close()
    case 'as a stream of the web':
      for await (const piece of body.stream() as unknown as AsyncIterable<Uint8Array>) take(piece)
      return
    case 'slowly':
      for (let isFirst = true; take(await body.read()); isFirst = false) {
        if (isFirst && plan.isRaisedLate) body.increaseSizeLimit(plan.limit)
        await nextRound()
      }
      return
    case 'pieces':
      for await (const piece of body) take(piece)
  }
}

/** Resolves when a socket accepts more bytes, or has closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

/** Sends a request in parts of random lengths; false when the client has left in the middle. */
async function send(wire: Wire, plan: Plan, chance: Chance): Promise<boolean> {
  const isChunked = plan.framing !== 'length'
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${plan.size}`
  const expectation = plan.expectsContinue ? 'Expect: 100-continue\r\n' : ''
  wire.send(`POST /${plan.name} HTTP/1.1\r\nHost: a\r\n${framing}\r\n${expectation}\r\n`)
  if (plan.expectsContinue) {
    await wire.until((text) => text.includes('HTTP/1.1'))
    if (!wire.received.includes('HTTP/1.1 100')) return true
  }
  const longest = 1 + chance.oneOf([100, 5000, 100_000, 2_000_000])
  const end = plan.cut ?? plan.size
  for (let at = 0; at < end && !wire.socket.destroyed; ) {
    const part = content.subarray(plan.from + at, plan.from + Math.min(end, at + 1 + chance.below(longest)))
    at += part.length
    if (isChunked) wire.send(`${part.length.toString(16)}\r\n`)
    const isTaken = wire.socket.write(part)
    if (isChunked) wire.send('\r\n')
    // A server that has refused the rest may reset the connection.
    if (!isTaken && chance.below(2) === 0) await drained(wire.socket)
    else if (chance.below(8) === 0) await nextRound()
  }
  if (plan.cut !== null) {
    if (chance.below(2) === 0) wire.socket.resetAndDestroy()
    else wire.socket.destroy()
    return false
  }
  if (isChunked) wire.send(plan.framing === 'chunks' ? '0\r\n\r\n' : '0\r\nX-Check: yes\r\n\r\n')
  return true
}

/** Whether the client declares a length above the limit, and so gets no 100. */
function isForbidden(plan: Plan): boolean {
  return plan.expectsContinue && plan.framing === 'length' && plan.size > (plan.isRaisedLate ? LIMIT : plan.limit)
}

function isTooLarge(plan: Plan): boolean {
  return plan.size > plan.limit || isForbidden(plan)
}

/** Checks the outcome of a plan. */
function verdict(plan: Plan): string {
  const isOver = isTooLarge(plan)
  // The head of a client that leaves at once may be lost.
  if (!plan.isCalled) return plan.cut === null ? 'never seen' : ''
  if (plan.way === 'not') return plan.length === 0 ? '' : 'bytes without a read'
  if (plan.cut !== null) {
    if (plan.length > plan.cut) return 'more than was sent'
    return plan.code === null && plan.way !== 'first, then closed' ? 'the end of a body that was cut off' : ''
  }
  if (plan.way === 'first, then closed') return plan.length > 0 || isOver ? '' : 'no first piece'
  if (!isOver) return plan.code === null && plan.length === plan.size ? '' : 'not all of it'
  if (plan.code !== 413) return 'no 413'
  if (isForbidden(plan)) return plan.length === 0 ? '' : 'begun though it is too large'
  return plan.way === 'whole' || plan.way === 'first, then whole' || plan.length === plan.limit ? '' : 'less than the limit'
}

for (const ioThreads of [0, 2]) {
  test.serial(`bodies arrive unchanged, or fail as the model says: ${ioThreads} threads, seed ${SEED}`, async (t) => {
    const plans = new Map<string, Plan>()
    const kept: Kept = []
    const settled: Promise<void>[] = []
    const handle = async (request: Request): Promise<Response> => {
      const plan = plans.get(request.getPath())!
      const body = request.getBody()
      plan.isCalled = true
      if (plan.limit > LIMIT && !plan.isRaisedLate) body.increaseSizeLimit(plan.limit)
      let settle = (): void => {}
      settled.push(new Promise((resolve) => (settle = resolve)))
      try {
        await read(body, plan, kept)
        if (plan.framing === 'chunks and trailers' && plan.length === plan.size && plan.way !== 'first, then closed') {
          const trailers = await (await request.getTrailers()!).getMessage()
          if (trailers.getHeader('x-check') !== 'yes') throw new Error('no trailers')
        }
        return Response.text(`<${plan.name}>`)
      } catch (error) {
        plan.code = error instanceof ClientException ? error.getCode() : -1
        if (plan.code === -1) t.fail(`${String(error)}: ${JSON.stringify(plan)}`)
        throw error
      } finally {
        settle()
      }
    }
    const { connect } = await open(t, handle, { bodySizeLimit: LIMIT, ioThreads })

    const run = async (chance: Chance, first: number): Promise<void> => {
      let wire = await connect()
      for (let name = first; name < first + REQUESTS; name++) {
        const plan = planOf(chance, name)
        plans.set(`/${name}`, plan)
        wire.received = ''
        let hasStayed = false
        const work = (async () => {
          hasStayed = await send(wire, plan, chance)
          // A response arrives, or the connection is closed.
          if (hasStayed) await wire.until((text) => /<\d+>$|HTTP\/1\.1 4\d\d/.test(text)).catch(() => {})
        })()
        const timer = setTimeout(() => t.fail(`hangs: ${JSON.stringify(plan)} ${wire.received}`), PATIENCE)
        await work
        clearTimeout(timer)
        if (hasStayed && !isTooLarge(plan)) t.true(wire.received.endsWith(`<${name}>`), JSON.stringify(plan))
        if (chance.below(4) === 0) collect({ type: 'minor' })
        // A body above its limit ends the connection, at the latest when it reaches the limit.
        const isOver = !hasStayed || isTooLarge(plan) || wire.received.includes('connection: close')
        if (!isOver) continue
        wire.socket.destroy()
        wire = await connect()
      }
    }
    const chance = new Chance(SEED)
    const works = Array.from({ length: CONNECTIONS }, (_, at) => run(new Chance(chance.below(2 ** 31)), at * REQUESTS))
    await Promise.all(works)
    const timer = setTimeout(() => t.fail('a handler hangs'), PATIENCE)
    await Promise.all(settled)
    clearTimeout(timer)
    collect()
    for (const plan of plans.values()) t.is(verdict(plan), '', JSON.stringify(plan))
    for (const { piece, copy } of kept) if (copy.compare(piece) !== 0) t.fail('written to after it was handed out')
  })
}
