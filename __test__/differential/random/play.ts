/** Runs programs on one kind of server: the handlers on it, and a client on a raw socket. */
import { once } from 'node:events'
import type { Server, ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Dialogue, readResponse } from '../wire.ts'
import { perform, reveal } from './perform.ts'
import type { Outcome, Program, Turn } from './program.ts'

type Create = (options: ServerOptions) => Server

/** Milliseconds without an event or a byte after which nothing more is expected. Longer than the last timer of a handler. */
const QUIET = 70
/** The same once the connection is closed. */
const AFTERMATH = 40
const MOST = 3000

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** The two parts in which a request is sent; the second is empty when it comes whole. */
function bytesOf({ method, version, fields, body }: Turn, at: number, isSlow: boolean): [string, string] {
  const pieces = (body?.pieces ?? []).map((piece) => Buffer.from(piece).toString('latin1'))
  const framing = body === null ? [] : body.framing === 'chunked' ? ['Transfer-Encoding: chunked'] : [`Content-Length: ${pieces.join('').length}`]
  const lines = ['Host: example.org', ...fields.map(([name, value]) => `${name}: ${value}`), ...framing]
  const head = `${method} /${at} HTTP/${version}\r\n${lines.join('\r\n')}\r\n\r\n`
  const parts = body?.framing === 'chunked' ? [...pieces.filter((piece) => piece !== '').map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`), `0\r\n${body.trailers.map((line) => `${line}\r\n`).join('')}\r\n`] : pieces
  const half = isSlow ? Math.floor(parts.length / 2) : parts.length
  return [head + parts.slice(0, half).join(''), parts.slice(half).join('')]
}

/** Runs one program. */
export async function play(create: Create, program: Program, uncaught: string[]): Promise<Outcome> {
  const notes: string[] = []
  let latest = performance.now()
  const alive = (): void => void (latest = performance.now())
  const noteAs = (at: number) => (text: string): void => {
    alive()
    notes.push(`${at} ${text}`)
  }
  const options = Object.fromEntries(Object.entries(program.options).map(([key, value]) => [key, reveal(value, alive as never)]))
  const server = create({ keepAliveTimeout: 60_000, ...options })
  const messages: object[] = []
  server.on('request', (req, res) => {
    const at = Number(req.url!.slice(1))
    noteAs(at)('request')
    messages.push(req, res)
    perform(program.turns[at]!, req, res, server, noteAs(at))
  })
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    noteAs(-1)(`clientError ${error.code}`)
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dialogue = await Dialogue.dial((server.address() as AddressInfo).port)
  dialogue.socket.on('data', alive)
  dialogue.socket.on('close', alive)
  alive()
  const quiet = async (millis: number): Promise<void> => {
    const from = performance.now()
    while (performance.now() - latest < millis && performance.now() - from < MOST) await pause(Math.max(2, millis - (performance.now() - latest)))
  }
  const whole = converse(program, dialogue, notes)
  await Promise.race([whole, pause(MOST)])
  alive()
  await quiet(QUIET)
  const { received, ending } = dialogue
  dialogue.close()
  notes.push('-')
  alive()
  await quiet(AFTERMATH)
  server.close()
  server.closeAllConnections()
  return { notes, received, ending, uncaught: [...uncaught] }
}

/** Sends what the program says. */
async function converse({ flow, isSlow, departure, turns }: Program, dialogue: Dialogue, notes: readonly string[]): Promise<void> {
  const leave = (): void => {
    if (departure!.how === 'end') dialogue.halfClose()
    else if (departure!.how === 'reset') dialogue.socket.resetAndDestroy()
    else dialogue.close()
  }
  const handled = async (count: number): Promise<void> => {
    for (let turn = 0; turn < 20 && notes.filter((note) => note.endsWith(' request')).length < count; turn++) await pause(3)
  }
  const requests = turns.map((turn, at) => bytesOf(turn, at, isSlow))
  if (flow === 'pipelined') {
    const all = requests.flat()
    // Only the last body is slow: what follows a half one can't be sent.
    const late = all.pop()!
    dialogue.send(all.join(''))
    if (departure?.at === 'sent' && late === '') return leave()
    if (departure?.at === 'handled' || departure?.at === 'body') {
      await handled(1)
      return leave()
    }
    if (late !== '') {
      await pause(20)
      dialogue.send(late)
      if (departure?.at === 'sent') return leave()
    }
    if (departure?.at === 'answered') {
      await Promise.race([dialogue.until((text) => text.length > 0), pause(300)])
      await pause(5)
      leave()
    }
    return
  }
  for (const [at, [first, late]] of requests.entries()) {
    const isLast = at === requests.length - 1
    dialogue.send(first)
    if (isLast && departure !== null && departure.at !== 'answered') {
      if (departure.at !== 'sent') await handled(at + 1)
      return leave()
    }
    if (late !== '') {
      await handled(at + 1)
      await pause(20)
      dialogue.send(late)
    }
    // Behind a response that is due, requests wait or don't.
    if (!(await isAnswered(dialogue, turns, at))) return
    if (isLast && departure !== null) leave()
  }
}

/** Waits for the response to a request, as long as one may be expected. Returns whether it has come. */
async function isAnswered(dialogue: Dialogue, turns: readonly Turn[], at: number): Promise<boolean> {
  const isEnough = (text: string): boolean => split(text, turns, false).responses.filter(({ line }) => !/^HTTP\/1\.1 1(?!01)/.test(line)).length > at
  await Promise.race([dialogue.until(isEnough), pause(100)])
  // Behind the timers of its handler.
  await pause(45)
  return isEnough(dialogue.received)
}

/** All responses in the text of a connection, and what is left of it. */
export function split(text: string, turns: readonly Turn[], isOver: boolean): { responses: { line: string }[]; rest: string } {
  const responses: { line: string }[] = []
  let rest = text
  for (let at = 0; rest !== ''; ) {
    const read = readResponse(rest, turns[at]?.method ?? 'GET', isOver)
    if (read === null) break
    responses.push(read.response)
    rest = read.rest
    if (!/^HTTP\/1\.1 1(?!01)/.test(read.response.line)) at++
  }
  return { responses, rest }
}
