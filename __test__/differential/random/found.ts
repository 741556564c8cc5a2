/** Programs in which busbar once differed from node:http, each as small as it can be. */
import type { Act, Program, Step, Turn, Value } from './program.ts'

const now = (act: Act): Step => ({ when: 'now', act })
const call = (on: 'req' | 'res' | 'socket' | 'server', named: string, ...given: Value[]): Step => now({ on, call: named, given })
const hear = (on: 'req' | 'socket', event: string): Step => now({ on, hear: event })
const get = (on: 'req' | 'res', name: string): Step => now({ on, get: name })
const use = (name: string): Step => now({ use: name })
const at = (when: string, { act }: Step): Step => ({ when, act })
const callback: Value = { callback: 'a' }
const mine: Value = { error: 'mine' }

/** A GET, unless it has a body. */
function turn(body: string | null, ...steps: Step[]): Turn {
  return { method: body === null ? 'GET' : 'POST', version: '1.1', fields: [], body: body === null ? null : { framing: 'length', pieces: [body], trailers: [] }, isWatched: true, steps }
}

function program(turns: Turn[], more: Partial<Program> = {}): Program {
  return { options: {}, flow: 'pipelined', isSlow: false, departure: null, turns, ...more }
}

const got = (...steps: Step[]): Program => program([turn(null, ...steps)])
const posted = (...steps: Step[]): Program => program([turn('piece', ...steps)])
const pipelined = (first: Step[], second: Step[]): Program => program([turn(null, ...first), turn(null, ...second)])
const unwatched = (one: Program): Program => ({ ...one, turns: one.turns.map((each) => ({ ...each, isWatched: false })) })
const toHead = (one: Program): Program => ({ ...one, turns: one.turns.map((each) => ({ ...each, method: 'HEAD' })) })

export const FOUND: Readonly<Record<string, Program>> = {
  'a socket behind its last response can’t be written to': program([turn(null, at('microtask', now({ on: 'socket', get: 'readyState' })), call('res', 'end')), { ...turn(null, call('res', 'end')), version: '1.0' }]),
  'callbacks of writes come two ticks later, with null': got(call('res', 'write', 'a', callback), at('tick', get('res', 'headersSent')), at('tick', call('res', 'end', callback))),
  'callbacks of what is written before the turn wait for it': pipelined([at('timer 1', call('res', 'end'))], [call('res', 'write', 'a', callback), call('res', 'writeProcessing', callback), at('timer 2', call('res', 'end'))]),
  'callbacks of informational responses before the turn wait for it': pipelined([at('timer 1', call('res', 'end'))], [call('res', 'writeEarlyHints', { object: { link: '</a.css>; rel=preload' } }, callback), at('timer 2', call('res', 'end'))]),
  'a write to a destroyed connection calls back with an error': got(call('req', 'destroy'), call('res', 'write', 'a', callback)),
  'an end of a destroyed connection calls nothing back': got(call('req', 'destroy'), call('res', 'end', callback)),
  'an end of a destroyed response calls nothing back': got(call('res', 'destroy'), call('res', 'end', callback)),
  'nothing is sent on a destroyed connection': got(call('socket', 'destroy'), call('res', 'writeProcessing'), call('res', 'write', 'a'), call('res', 'flushHeaders')),
  'a head that is flushed is sent before a destroy': got(call('res', 'flushHeaders'), call('res', 'destroy')),
  'a response that is destroyed with an error behind its end doesn’t finish': got(call('res', 'end', callback), call('res', 'destroy', mine)),
  'a response whose request is destroyed with an error behind its end doesn’t finish': got(call('res', 'end', callback), call('req', 'destroy', mine)),
  'a second end with a body is an error, without listeners too': unwatched(got(call('res', 'end'), call('res', 'end', 'a'))),
  'what a second end is given isn’t checked': got(call('res', 'end'), call('res', 'end', ['a'])),
  'an end with what is falsy has no body': got(call('res', 'end', 0)),
  'a write to a HEAD sends nothing before the end': toHead(got(call('res', 'write', 'a'))),
  'a HEAD has a body that is refused': { ...toHead(got(call('res', 'end', 'a'))), options: { rejectNonStandardBodyWrites: true } },
  'a status has its phrase once the head is decided': got(call('res', 'write', 'a'), get('res', 'statusMessage'), call('res', 'end')),
  'headers of an odd length': got(call('res', 'writeHead', 200, ['odd'])),
  'an error that destroys a connection is a clientError': got(call('socket', 'destroy', mine)),
  'a pipeline from a request to a response that has ended': got(call('res', 'end'), use('pipeline echo')),
  'a pipeline that fails': got(use('pipeline failing')),
  'a request that is destroyed by its response still ends': got(call('res', 'destroy'), call('req', 'resume')),
  'immediates run before the events of a destroyed connection': got(at('tick', use('pipeline failing')), at('immediate', get('res', 'closed'))),
  'a socket that is destroyed soon doesn’t wait for a response': got(call('socket', 'destroySoon')),
  'all connections are closed at once': got(call('server', 'closeAllConnections'), call('res', 'end')),
  'a request that is handled isn’t idle': got(call('res', 'end'), call('server', 'closeIdleConnections')),
  'a timeout that is no number': got(call('req', 'setTimeout'), call('res', 'setTimeout', -1)),
  'ticks run between a body and its end': posted(call('req', 'resume'), call('res', 'end')),
  'a body that nothing reads ends behind its response': posted(call('res', 'end'), at('tick', get('req', 'complete'))),
  'a body is readable, and then its end': posted(hear('req', 'readable')),
  'a body of no bytes': program([{ ...turn('', call('res', 'end')), body: { framing: 'chunked', pieces: [], trailers: [] } }]),
  'a body is readable some time later': posted(at('immediate', hear('req', 'readable'))),
  'an end is read some time later': got(at('microtask', use('read all')), at('timer 1', call('res', 'end'))),
  'a client ends its side with its request, which is answered in a microtask': { ...got(at('microtask', call('res', 'end', 'a'))), departure: { how: 'end', at: 'sent' } },
  'a client ends its side with its request, which is answered in an immediate': { ...got(at('immediate', call('res', 'end', 'a'))), departure: { how: 'end', at: 'sent' } },
  'joinDuplicateHeaders is null': got(get('req', 'joinDuplicateHeaders')),
}
