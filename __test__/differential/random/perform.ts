/** Does what the handlers of a program do, and notes what they see. */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Readable, finished, pipeline } from 'node:stream'
import type { Duplex } from 'node:stream'
import type { Act, Step, Turn, Value } from './program.ts'

type Note = (text: string) => void
type Known = Readonly<Record<string, object | null>>

const REQ_EVENTS = ['aborted', 'end', 'close', 'error', 'timeout']
const RES_EVENTS = ['prefinish', 'finish', 'close', 'error', 'drain', 'timeout', 'pipe', 'unpipe', 'socket']
/** Milliseconds of the two timers. Far apart, so that a late process keeps their order. */
const TIMERS: Readonly<Record<string, number>> = { 'timer 1': 12, 'timer 2': 36 }

/** A value of a program as the handler gives it. */
export function reveal(value: Value, note: Note): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((each) => reveal(each, note))
  if ('undefined' in value) return undefined
  if ('buffer' in value) return Buffer.from(value.buffer)
  if ('bytes' in value) return new Uint8Array(Buffer.from(value.bytes))
  if ('text' in value) return value.text.repeat(value.times)
  if ('callback' in value) return (...given: unknown[]) => note(`callback ${value.callback}(${given.map((each) => show(each, {})).join(', ')})`)
  if ('error' in value) return new Error(value.error)
  if ('headers' in value) return new Headers(value.headers.map(([key, of]): [string, string] => [key, of]))
  if ('map' in value) return new Map(value.map.map(([key, of]) => [key, reveal(of, note)]))
  return Object.fromEntries(Object.entries(value.object).map(([key, of]) => [key, reveal(of, note)]))
}

/** A value as text that is the same on every kind of server. */
export function show(value: unknown, known: Known): string {
  if (typeof value === 'string') return value.length > 300 ? `${JSON.stringify(value.slice(0, 20))}… of ${value.length}` : JSON.stringify(undated(value))
  if (typeof value === 'function') return 'function'
  if (typeof value !== 'object' || value === null) return String(value)
  for (const [name, object] of Object.entries(known)) if (object === value) return name
  if (value instanceof Error) return showError(value)
  if (value instanceof Uint8Array) return value.length > 300 ? `bytes of ${value.length}` : `bytes ${JSON.stringify(Buffer.from(value).toString('latin1'))}`
  if (value instanceof Readable) return 'a stream'
  const text = JSON.stringify(value)
  return text.length > 600 ? `${text.slice(0, 40)}… of ${text.length}` : text
}

function undated(text: string): string {
  return text.replaceAll(/^date: \w{3}, [^\r]* GMT\r\n/gim, '')
}

function showError(error: Error & { code?: string }): string {
  return `${error.name} ${error.code ?? ''} ${error.message}`
}

/** Hears of an event and notes it. */
function hear(target: EventEmitter, name: string, event: string, note: Note): void {
  target.on(event, (...given: unknown[]) => note(`${name} ${event}${given.length === 0 ? '' : ` ${given.map((each) => (typeof each === 'object' && !(each instanceof Error) && !(each instanceof Uint8Array) ? 'object' : show(each, {}))).join(', ')}`}`))
}

/** Handles one request as its turn says. */
export function perform(turn: Turn, req: IncomingMessage, res: ServerResponse, server: Server, note: Note): void {
  const socket = req.socket
  const known: Known = { req, res, socket, server }
  const done = (step: Step): void => doAct(step.act, { req, res, socket, server }, known, note)
  if (turn.isWatched) {
    for (const event of REQ_EVENTS) hear(req, 'req', event, note)
    for (const event of RES_EVENTS) hear(res, 'res', event, note)
  }
  for (const step of turn.steps) {
    const { when } = step
    if (when === 'now') done(step)
    else if (when === 'tick') process.nextTick(done, step)
    else if (when === 'microtask') queueMicrotask(() => done(step))
    else if (when === 'immediate') setImmediate(done, step)
    else if (when in TIMERS) setTimeout(done, TIMERS[when], step)
    else {
      const [target = '', event = ''] = when.split(' ')
      ;(target === 'req' ? req : res).once(event, () => done(step))
    }
  }
}

interface Targets {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly socket: Duplex
  readonly server: Server
}

function doAct(act: Act, targets: Targets, known: Known, note: Note): void {
  if ('use' in act) return use(act.use, targets, note)
  const target = targets[act.on] as unknown as Record<string, unknown>
  if ('hear' in act) return hear(target as never, act.on, act.hear, note)
  const label = `${act.on}.${'call' in act ? act.call : 'get' in act ? act.get : act.set}`
  try {
    if ('get' in act) note(`${label} is ${show(target[act.get], known)}`)
    else if ('set' in act) target[act.set] = reveal(act.to, note)
    else {
      const given = act.given.map((each) => reveal(each, note))
      note(`${label}()`)
      const method = target[act.call]
      if (typeof method !== 'function') note(`${label} is no function`)
      else note(`${label} returned ${show(Reflect.apply(method as (...all: unknown[]) => unknown, target, given), known)}`)
    }
  } catch (error) {
    note(`${label} threw ${show(error, known)}`)
  }
}

function use(name: string, { req, res }: Targets, note: Note): void {
  const told = (what: string) => (error?: Error | null) => note(`${what} ${error ? show(error, {}) : 'done'}`)
  try {
    switch (name) {
      case 'pipe':
        req.pipe(res)
        break
      case 'pipe from':
        Readable.from(['from ', 'a ', 'stream']).pipe(res)
        break
      case 'pipeline':
        pipeline(Readable.from(['from ', 'a ', 'pipeline']), res, told('pipeline'))
        break
      case 'pipeline echo':
        pipeline(req, res, told('echo'))
        break
      case 'pipeline failing':
        pipeline(Readable.from(failing()), res, told('failing'))
        break
      case 'finished res':
        finished(res, told('finished res'))
        break
      case 'finished req':
        finished(req, told('finished req'))
        break
      case 'iterate':
        void iterate(req, note)
        break
      case 'collect': {
        let length = 0
        req.on('data', (piece: Buffer | string) => (length += piece.length)).on('end', () => note(`collected ${length}`))
        break
      }
      case 'once data':
        req.once('data', (piece: Buffer) => note(`once data ${show(piece, {})}`))
        break
      case 'read all': {
        let length = 0
        req.on('readable', () => {
          for (let piece: Buffer | null; (piece = req.read() as Buffer | null) !== null; ) length += piece.length
          note(`read ${length}`)
        })
        break
      }
      case 'text':
        new Response(Readable.toWeb(req) as never).text().then((text) => note(`text of ${text.length}`), told('text'))
        break
      case 'corked':
        res.cork()
        res.write('cor', () => note('corked'))
        res.write('ked')
        res.uncork()
        break
      case 'throw':
        process.nextTick(() => { throw new Error('thrown') })
        break
      case 'reject':
        void Promise.reject(new Error('rejected'))
        break
    }
    note(`used ${name}`)
  } catch (error) {
    note(`${name} threw ${show(error, {})}`)
  }
}

function* failing(): Generator<string> {
  yield 'first'
  throw new Error('of the source')
}

async function iterate(req: IncomingMessage, note: Note): Promise<void> {
  let length = 0
  try {
    for await (const piece of req) length += (piece as Buffer).length
    note(`iterated ${length}`)
  } catch (error) {
    note(`iterated ${length}, then ${show(error, {})}`)
  }
}
