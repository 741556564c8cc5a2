/** What may differ by decision, taken out of what is compared. */
import { isDeepStrictEqual } from 'node:util'
import type { Program } from './program.ts'
import type { Received } from '../wire.ts'

/** An outcome as it is compared. */
export interface View {
  notes: string[]
  responses: Received[]
  rest: string
  ending: 'end' | 'reset' | null
  uncaught: string[]
}

const OWN = /^(?:connection|keep-alive|content-length|transfer-encoding): /
const LENGTH = /^(?:content-length|transfer-encoding): /

/** Takes out what may differ. */
export function soften(program: Program, seen: View): View {
  const { turns, departure } = program
  const view = { ...seen }
  // A 100 is sent only where a body is waited for.
  view.responses = view.responses.filter(({ line }) => !line.includes(' 100 '))
  // HTTP/1.0 gets a length where there is one, then keeps its connection if it has asked for that, and never gets chunks.
  if (turns.some(({ version }) => version === '1.0')) {
    view.ending = null
    view.responses = view.responses.filter(({ line }) => !/ 1\d\d /.test(line)).map((response) => ({ ...response, fields: response.fields.filter((field) => !OWN.test(field)), framing: 'none', trailers: [] }))
  }
  // Pieces that are written at once are a chunk, or several.
  const body = view.rest.indexOf('\r\n\r\n')
  if (body >= 0 && /transfer-encoding: chunked/i.test(view.rest)) view.rest = view.rest.slice(0, body + 4) + view.rest.slice(body + 2).replaceAll(/\r\n[0-9a-f]+\r\n/g, '').replaceAll('\r\n', '')
  let at = 0
  view.responses = view.responses.map((response) => {
    const status = Number(response.line.split(' ')[1])
    const turn = turns[status >= 200 ? at++ : at]
    // HEAD has the length that GET would have, a 204 has none, a 205 has a length of 0.
    const isBare = turn?.method === 'HEAD' || status === 204 || status === 205
    return isBare ? { ...response, framing: 'none' as const, fields: response.fields.filter((field) => !LENGTH.test(field)) } : response
  })
  // A queued response hears of the close of its connection.
  if (program.flow === 'pipelined' && turns.length > 1) view.notes = view.notes.slice(0, view.notes.indexOf('-')).filter((note) => !note.includes('(Error ERR_STREAM_DESTROYED'))
  const acts = JSON.stringify(turns.map(({ steps }) => steps))
  const end = view.notes.indexOf('-')
  // A request is closed when its connection ends, also behind its response.
  view.notes = view.notes.filter((note, place) => (place < end && departure === null) || !/ req (?:close|aborted|error)\b/.test(note))
  // Whether a destroyed response that is ended is prefinished depends on what it is ended with.
  if (/"destroy|closeAll/.test(acts)) view.notes = view.notes.filter((note) => !note.endsWith('res prefinish'))
  if (/"destroy|closeAll/.test(acts)) {
    view.notes = view.notes.filter((note) => !/ req (?:close|end)$| callback /.test(note))
    // What of a response had left before the destroy is the kernel's matter, and what its request shows behind that.
    view.rest = ''
    view.notes = view.notes.filter((note) => !/ req (?:data|readable)\b/.test(note))
  }
  // The responses that are due when a server closes say so.
  if (/"on":"server","call":"close"/.test(acts)) {
    view.ending = null
    view.responses = view.responses.map((response) => ({ ...response, fields: response.fields.filter((field) => !OWN.test(field)) }))
  }
  // All exchanges of a connection hear of its close; of several, the order counts for each.
  const aborted = view.notes.findIndex((note) => note.endsWith('req aborted'))
  if (turns.length > 1 && aborted >= 0) view.notes = [...view.notes.slice(0, aborted), ...view.notes.slice(aborted).toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || 0)]
  // The end of a body that has come with its head, and is followed by ticks of ticks.
  if (turns.some(({ body }) => body !== null)) {
    const isEnd = (note: string): boolean => / req (?:end|close|data)\b/.test(note)
    view.notes = [...view.notes.filter((note) => !isEnd(note)), ...view.notes.filter(isEnd).toSorted()]
  }
  // The events of a destroyed connection come in one order, those of what is planned meanwhile between them.
  if (/"destroy|closeAll|failing/.test(acts)) view.notes = view.notes.toSorted()
  view.notes = view.notes.map((note) => (/ req data bytes /.test(note) ? note.replace(/ bytes .*/, '') : note)).filter((note, place, all) => !note.endsWith(' req data') || all[place - 1] !== note)
  // A client that resets its connection, or ends it in the middle of a request, is no 'clientError'.
  view.notes = view.notes.filter((note) => !/clientError (?:ECONNRESET|HPE_INVALID_EOF_STATE)$/.test(note))
  // The responses to a client that has ended its side say the close.
  if (departure !== null) view.responses = view.responses.map((response) => ({ ...response, fields: response.fields.filter((field) => !OWN.test(field)) }))
  // A client that still sends when its connection ends isn't reset.
  if (program.isSlow && view.ending === 'reset') view.ending = 'end'
  // What still arrives at a client that leaves is the kernel's matter.
  if (departure !== null && departure.how !== 'end') {
    view.responses = []
    view.rest = ''
    view.ending = null
  }
  return view
}

/** The same with its notes in one order. */
function unordered(view: View): View {
  return { ...view, notes: view.notes.toSorted() }
}

/** Whether a method is called, and something else is done. */
function callsAmongOthers({ steps }: Program['turns'][number], name: string): boolean {
  return steps.length > 1 && steps.some(({ act }) => 'call' in act && act.call === name)
}

/** Whether all that differs is decided. */
export function isDecided(program: Program, node: View, ours: View): boolean {
  // An error that the process catches in the middle of Node's parser ends the connection.
  if (node.notes.some((note) => note.endsWith('HPE_JS_EXCEPTION'))) return true
  // What is destroyed in a pipeline ends the connection in its turn, and the responses before are sent.
  if (program.flow === 'pipelined' && program.turns.length > 1 && /"destroy|closeAll/.test(JSON.stringify(program.turns))) return true
  // A socket that is ended soon while a response is due is closed at once, so what is done behind that finds it closed.
  if (program.turns.some((turn) => callsAmongOthers(turn, 'destroySoon')) && node.responses.length < program.turns.length) return true
  // What has come of a body with its head may be read a turn later, and what is done there comes behind the response.
  const isLater = program.isSlow && program.turns.some(({ body, steps }) => body !== null && steps.some(({ when }) => /^req (?:data|readable)/.test(when)))
  if (isLater && isDeepStrictEqual(unordered(node), unordered(ours))) return true
  // A response whose end no client could find: Node keeps the connection behind it.
  const hasNoEnd = node.rest.startsWith('HTTP/1.1 ') && !/^(?:content-length|transfer-encoding: *(?:.*, *)?chunked|connection: close)/im.test(node.rest)
  if (hasNoEnd || /"identity"/.test(JSON.stringify(program.turns)) || node.responses.some(({ framing, fields }) => framing === 'close' && fields.includes('connection: keep-alive'))) return true
  // A response of another length than it says: what is short cuts the connection, what is long is cut.
  return /content-length/i.test(JSON.stringify(program.turns.map(({ steps }) => steps))) && (node.rest !== '' || node.responses.some(({ body }) => body.endsWith('[cut]')))
}
