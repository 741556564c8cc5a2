/** Runs programs on both kinds of servers, compares what came of them, and finds the smallest program that differs. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isDecided, soften } from './decided.ts'
import type { View } from './decided.ts'
import { split } from './play.ts'
import type { Act, Outcome, Program, Turn, Value } from './program.ts'
import type { Received } from '../wire.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

/** A process that runs programs on one kind of server. */
class Player {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (outcome: Outcome) => void>()
  #last = 0

  constructor(kind: 'node' | 'busbar') {
    this.#process = fork(WORKER, [kind], { execArgv: ['--import=@oxc-node/core/register', '--no-warnings'] })
    this.#process.on('message', ({ id, outcome }: { id: number; outcome: Outcome }) => {
      this.#waiting.get(id)?.(outcome)
      this.#waiting.delete(id)
    })
    this.#process.on('exit', (code, signal) => {
      for (const resolve of this.#waiting.values()) resolve({ notes: [`the process has ended: ${code} ${signal}`], received: '', ending: null, uncaught: [] })
    })
  }

  play(program: Program): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting.set(++this.#last, resolve)
      this.#process.send({ id: this.#last, program })
    })
  }

  close(): void {
    this.#process.disconnect()
  }
}

/** What a program shows on both kinds of servers, where they differ. */
export interface Difference {
  readonly program: Program
  readonly node: View
  readonly busbar: View
}

function view(program: Program, { notes, received, ending, uncaught }: Outcome): View {
  const { responses, rest } = split(received, program.turns, ending !== null)
  return { notes: [...notes], responses: responses as Received[], rest: rest.replaceAll(/^date: .*\r\n/gim, ''), ending, uncaught: [...uncaught] }
}

export function isSame(one: View, other: View): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Both kinds of servers. */
export class Judge {
  readonly #node = new Player('node')
  readonly #busbar = new Player('busbar')

  close(): void {
    this.#node.close()
    this.#busbar.close()
  }

  /** What a program shows on both, where they differ. */
  async once(program: Program): Promise<Difference | null> {
    const [node, busbar] = await Promise.all([this.#node.play(program), this.#busbar.play(program)])
    const nodes = soften(program, view(program, node))
    const ours = soften(program, view(program, busbar))
    return isSame(nodes, ours) || isDecided(program, nodes, ours) ? null : { program, node: nodes, busbar: ours }
  }

  /** The same so many times: null unless it differs in the same way each time. */
  async always(program: Program, times = 5): Promise<Difference | null> {
    let first: Difference | null = null
    for (let turn = 0; turn < times; turn++) {
      const found = await this.once(program)
      if (found === null) return null
      first ??= found
      if (!isSame(first.node, found.node) && !isSame(first.busbar, found.busbar)) return null
    }
    return first
  }

  /** The smallest program that still differs. */
  async shrink(difference: Difference, limit = 250): Promise<Difference> {
    let best = difference
    let tries = 0
    for (let isSmaller = true; isSmaller && tries < limit; ) {
      isSmaller = false
      for (const smaller of smallerOnes(best.program)) {
        if (++tries > limit) break
        const found = await this.always(smaller, 2)
        if (found === null) continue
        best = found
        isSmaller = true
        break
      }
    }
    return (await this.always(best.program, 5)) ?? difference
  }
}

/** Programs that are a little smaller, the smallest first. */
function* smallerOnes(program: Program): Iterable<Program> {
  const { turns } = program
  if (turns.length > 1) for (const at of turns.keys()) yield { ...program, turns: turns.filter((_, other) => other !== at) }
  if (program.departure !== null) yield { ...program, departure: null }
  if (program.isSlow) yield { ...program, isSlow: false }
  if (program.flow === 'serial' && turns.length === 1) yield { ...program, flow: 'pipelined' }
  if (Object.keys(program.options).length > 0) yield { ...program, options: {} }
  for (const [at, turn] of turns.entries()) {
    const changed = (to: Partial<Turn>): Program => ({ ...program, turns: turns.map((each, other) => (other === at ? { ...each, ...to } : each)) })
    const { steps, body, fields } = turn
    if (steps.length > 3) {
      const half = Math.floor(steps.length / 2)
      yield changed({ steps: steps.slice(half) })
      yield changed({ steps: steps.slice(0, half) })
    }
    for (const place of steps.keys()) yield changed({ steps: steps.filter((_, other) => other !== place) })
    if (body !== null) yield changed({ body: null, fields: fields.filter(([name]) => name !== 'Expect') })
    if (fields.length > 0) yield changed({ fields: [] })
    if (turn.version === '1.0') yield changed({ version: '1.1' })
    if (turn.method !== 'GET' && body === null) yield changed({ method: 'GET' })
    // Without listeners a response is closed earlier than its request.
    if (turn.isWatched && !steps.some(({ when }) => when.startsWith('req '))) yield changed({ isWatched: false })
    if (body !== null && body.framing === 'chunked') yield changed({ body: { ...body, framing: 'length', trailers: [] } })
    if (body !== null && (body.pieces.length !== 1 || body.pieces[0]!.length > 9)) yield changed({ body: { ...body, pieces: ['piece'] } })
    for (const [place, step] of steps.entries()) {
      if (step.when !== 'now') yield changed({ steps: steps.map((each, other) => (other === place ? { ...each, when: 'now' } : each)) })
      for (const act of smallerActs(step.act)) yield changed({ steps: steps.map((each, other) => (other === place ? { ...each, act } : each)) })
    }
  }
}

function* smallerActs(act: Act): Iterable<Act> {
  if (!('call' in act)) return
  const { given } = act
  if (given.length > 0) yield { ...act, given: given.slice(0, -1) }
  for (const [at, value] of given.entries()) {
    for (const smaller of smallerValues(value)) yield { ...act, given: given.map((each, other) => (other === at ? smaller : each)) }
  }
}

function* smallerValues(value: Value): Iterable<Value> {
  if (typeof value !== 'object' || value === null) return
  if ('text' in value) yield 'a'
  if ('buffer' in value || 'bytes' in value) yield 'a'
  if (!('object' in value)) return
  const entries = Object.entries(value.object)
  for (const at of entries.keys()) yield { object: Object.fromEntries(entries.filter((_, other) => other !== at)) }
}

/** A program in few lines. */
export function tell({ options, flow, isSlow, departure, turns }: Program): string {
  const said = [flow, ...(isSlow ? ['slow'] : []), ...(departure === null ? [] : [`leaves: ${departure.how} when ${departure.at}`]), ...(Object.keys(options).length === 0 ? [] : [JSON.stringify(options)])]
  const lines = turns.map(({ method, version, fields, body, isWatched, steps }) => {
    const shown = body === null ? '' : ` ${body.framing} [${body.pieces.map((piece) => (piece.length > 20 ? piece.length : piece)).join(',')}]${body.trailers.join()}`
    return [`${method} ${version} ${JSON.stringify(fields)}${shown}${isWatched ? '' : ' unwatched'}`, ...steps.map(({ when, act }) => `    ${when}: ${tellAct(act)}`)].join('\n')
  })
  return [said.join(' '), ...lines].join('\n  ')
}

function tellAct(act: Act): string {
  if ('use' in act) return act.use
  if ('hear' in act) return `${act.on} hears ${act.hear}`
  if ('get' in act) return `${act.on}.${act.get}`
  if ('set' in act) return `${act.on}.${act.set} = ${JSON.stringify(act.to)}`
  return `${act.on}.${act.call}(${act.given.map((each) => JSON.stringify(each)).join(', ')})`
}

/** What differs: the notes from the first other one on, and the bytes. */
export function tellDifference({ node, busbar }: Difference): string {
  const first = node.notes.findIndex((note, at) => note !== busbar.notes[at])
  const from = Math.max(0, (first < 0 ? Math.min(node.notes.length, busbar.notes.length) : first) - 1)
  const shown = (view: View): string => {
    const { notes, ...others } = view
    return `${notes.slice(from, from + 8).join(' | ')}\n    ${JSON.stringify(others).slice(0, 1000)}`
  }
  return `  node   ${shown(node)}\n  busbar ${shown(busbar)}`
}
