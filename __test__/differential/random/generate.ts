/** Makes random programs. The same seed makes the same program. */
import { random } from '../../random.ts'
import type { Random } from '../../random.ts'
import type { Act, Departure, Moment, Program, Step, Turn, Value } from './program.ts'

type Make<Type> = (dice: Dice) => Type

/** Choices by weight. */
class Dice {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = random(Math.imul(seed, 0x9e3779b1) | 1)
    for (let turn = 0; turn < 8; turn++) this.#random(2)
  }

  below(bound: number): number {
    return this.#random(bound)
  }

  chance(percent: number): boolean {
    return this.#random(100) < percent
  }

  of<Type>(choices: readonly Type[]): Type {
    return choices[this.#random(choices.length)]!
  }

  weighted<Type>(choices: readonly (readonly [weight: number, make: Make<Type>])[]): Type {
    let at = this.#random(choices.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, make] of choices) {
      if (at < weight) return make(this)
      at -= weight
    }
    throw new RangeError('no choice')
  }

  many<Type>(most: number, make: Make<Type>): Type[] {
    return Array.from({ length: this.#random(most + 1) }, () => make(this))
  }
}

const NAMES = ['X-A', 'x-a', 'X-B', 'Content-Type', 'Set-Cookie', 'Vary', 'Cache-Control', 'ETag']
const OWN_NAMES = ['Connection', 'Date', 'Keep-Alive', 'Trailer', 'Transfer-Encoding', 'Content-Length', 'content-length', 'connection', 'Content-Disposition', 'Cookie', 'Upgrade']
const WRONG_NAMES: Value[] = ['', 'a b', 'é', 5, { undefined: true }, null]
const OWN_VALUES: Readonly<Record<string, readonly Value[]>> = {
  connection: ['close', 'keep-alive', 'Keep-Alive', 'upgrade', 'close, x', ['close', 'x']],
  date: ['Thu, 01 Jan 1970 00:00:00 GMT', ''],
  'keep-alive': ['timeout=7', 'timeout=7, max=3'],
  trailer: ['X-Sum', 'X-A, X-B'],
  'transfer-encoding': ['chunked', 'Chunked', 'gzip, chunked', 'identity'],
  'content-length': [0, '0', 3, '3', 5, '5', 10],
  'content-disposition': ['inline'],
  cookie: [['a=1', 'b=2'], 'a=1'],
  upgrade: ['x'],
}
const VALUES: Value[] = ['a', 'b c', '', 7, 1.5, ['1', '2'], ['one'], [], true, ' x ', 'z']
const WRONG_VALUES: Value[] = [{ undefined: true }, null, 'bad\n', 'bad\u0000', '\u4f60', ['a', { undefined: true }], { object: { a: 1 } }]
const CODES: Value[] = [200, 200, 201, 202, 204, 206, 304, 400, 404, 500, 599, 200.7, '200', '404', 299, 999]
const WRONG_CODES: Value[] = [99, 1000, 0, -1, 'abc', { undefined: true }, null]
const ENCODINGS: Value[] = ['utf8', 'utf-8', 'latin1', 'hex', 'base64', 'ascii', 'utf16le', 'UTF8', { undefined: true }, null, 'binary', '']

function name(dice: Dice): Value {
  return dice.weighted<Value>([[70, () => dice.of(NAMES)], [25, () => dice.of(OWN_NAMES)], [5, () => dice.of(WRONG_NAMES)]])
}

function value(dice: Dice, of: Value): Value {
  const own = typeof of === 'string' ? OWN_VALUES[of.toLowerCase()] : undefined
  if (own !== undefined) return dice.of(own)
  return dice.weighted<Value>([[92, () => dice.of(VALUES)], [8, () => dice.of(WRONG_VALUES)]])
}

function pair(dice: Dice): [Value, Value] {
  const of = name(dice)
  return [of, value(dice, of)]
}

function callback(dice: Dice): Value {
  return { callback: dice.of(['a', 'b', 'c', 'd', 'e', 'f']) }
}

function chunk(dice: Dice): Value {
  return dice.weighted<Value>([
    [30, () => dice.of(['a', 'abc', 'hello', 'é', '€'])],
    [8, () => ''],
    [10, () => ({ buffer: dice.of(['buf', 'b', 'buffers']) })],
    [3, () => ({ buffer: '' })],
    [5, () => ({ bytes: dice.of(['xyz', '']) })],
    // Those of more than 64 KiB are sent as the kernel takes them.
    [4, () => ({ text: dice.of(['l', 'é']), times: dice.of([5000, 16_384, 17_000, 30_000]) })],
    [3, () => dice.of<Value>([null, { undefined: true }, 5, { object: {} }, true, ['a']])],
  ])
}

function written(dice: Dice): Value[] {
  const first = chunk(dice)
  return dice.weighted<Value[]>([
    [50, () => [first]],
    [15, () => [first, callback(dice)]],
    [10, () => [typeof first === 'string' ? 'abcd' : first, dice.of(ENCODINGS)]],
    [10, () => [typeof first === 'string' ? 'abcd' : first, dice.of(ENCODINGS), callback(dice)]],
  ])
}

function ended(dice: Dice): Value[] {
  return dice.weighted<Value[]>([[40, () => []], [15, () => [callback(dice)]], [45, () => written(dice)], [3, () => [null, null, callback(dice)]], [3, () => [{ undefined: true }, { undefined: true }, callback(dice)]]])
}

function fields(dice: Dice): Value {
  const pairs = Array.from({ length: dice.below(4) }, () => pair(dice))
  const named = pairs.filter(([key]) => typeof key === 'string') as [string, Value][]
  return dice.weighted<Value>([
    [60, () => ({ object: Object.fromEntries(named) })],
    [15, () => named.flat()],
    [10, () => named],
    [4, () => [...named.flat(), 'odd']],
    [3, () => ({ map: named })],
    [3, () => dice.of<Value>([null, { undefined: true }, 'text', 5])],
  ])
}

function headArguments(dice: Dice): Value[] {
  const code = dice.chance(92) ? dice.of(CODES) : dice.of(WRONG_CODES)
  return dice.weighted<Value[]>([
    [30, () => [code]],
    [40, () => [code, fields(dice)]],
    [10, () => [code, dice.of(['Fine', '', 'bad\n'])]],
    [15, () => [code, dice.of<Value>(['Fine', { undefined: true }, '']), fields(dice)]],
  ])
}

const call = (on: 'req' | 'res' | 'socket' | 'server', named: string, given: Value[] = []): Act => ({ on, call: named, given })

const RES_PROPERTIES = [
  'statusCode', 'statusMessage', 'headersSent', 'finished', 'writable', 'writableEnded', 'writableFinished', 'writableNeedDrain', 
  'writableObjectMode', 'writableHighWaterMark', 'destroyed', 'closed', 'errored', 'sendDate', 'strictContentLength', 'chunkedEncoding', 'shouldKeepAlive',
  'maxRequestsOnConnectionReached', 'socket', 'connection', 'req', '_hasBody', '_contentLength', '_removedConnection', '_removedContLen', '_removedTE', '_defaultKeepAlive',
  '_sent100', '_closed', 'writableAborted',
]
const REQ_PROPERTIES = [
  'method', 'url', 'httpVersion', 'httpVersionMajor', 'httpVersionMinor', 'headers', 'rawHeaders', 'headersDistinct', 'trailers', 'rawTrailers', 'trailersDistinct', 'complete', 'aborted', 'upgrade',
  'socket', 'destroyed', 'closed', 'errored', 'readable', 'readableEnded', 'readableAborted', 'readableDidRead', 'readableFlowing', 'readableHighWaterMark',
  'readableEncoding', 'readableObjectMode', 'statusCode', 'statusMessage', 'client', '_consuming', '_dumped', 'joinDuplicateHeaders',
]
const SOCKET_PROPERTIES = ['destroyed', 'readable', 'writable', 'writableEnded', 'writableFinished', 'readyState', 'encrypted', 'connecting', 'allowHalfOpen', 'closed', 'errored']

const RES_CALLS: readonly (readonly [number, Make<Act>])[] = [
  [10, (dice) => call('res', 'setHeader', pair(dice))],
  [4, (dice) => call('res', 'appendHeader', pair(dice))],
  [3, (dice) => call('res', 'getHeader', [name(dice)])],
  [2, (dice) => call('res', 'hasHeader', [name(dice)])],
  [4, (dice) => call('res', 'removeHeader', [dice.chance(50) ? name(dice) : dice.of(['Connection', 'Date', 'Transfer-Encoding', 'Content-Length'])])],
  [1, () => call('res', 'getHeaderNames')],
  [1, () => call('res', 'getRawHeaderNames')],
  [1, () => call('res', 'getHeaders')],
  [3, (dice) => call('res', 'setHeaders', [dice.of<Make<Value>>([() => ({ headers: [['x-h', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] }), (it) => ({ map: [[it.of(NAMES), it.of(VALUES)]] }), () => ({ object: { a: '1' } })])(dice)])],
  [10, (dice) => call('res', 'writeHead', headArguments(dice))],
  [4, () => call('res', 'flushHeaders')],
  [20, (dice) => call('res', 'write', written(dice))],
  [24, (dice) => call('res', 'end', ended(dice))],
  [3, (dice) => call('res', 'addTrailers', [dice.of<Value>([{ object: { 'X-Sum': '1' } }, [['X-A', '1'], ['X-B', '2']], { object: { 'a b': '1' } }, { object: { 'X-Sum': 'bad\n' } }, { object: {} }])])],
  [2, (dice) => call('res', 'writeContinue', dice.chance(50) ? [callback(dice)] : [])],
  [2, (dice) => call('res', 'writeProcessing', dice.chance(50) ? [callback(dice)] : [])],
  [2, (dice) => call('res', 'writeEarlyHints', [dice.of<Value>([{ object: { link: '</a.css>; rel=preload' } }, { object: { link: ['</a.css>; rel=preload', '</b.css>; rel=preload'], 'X-A': '1' } }, { object: {} }, { object: { link: 'bad' } }, 'text']), ...(dice.chance(50) ? [callback(dice)] : [])])],
  [3, (dice) => call('res', 'destroy', dice.chance(40) ? [{ error: 'mine' }] : [])],
  [1, (dice) => call('res', 'setTimeout', [dice.of([0, 15, 10_000]), ...(dice.chance(50) ? [callback(dice)] : [])])],
  [1, (dice) => call('res', 'emit', [dice.of(['drain', 'x', 'timeout'])])],
  [8, (dice) => ({ on: 'res', set: dice.of(['statusCode', 'statusCode', 'statusMessage', 'sendDate', 'strictContentLength', 'shouldKeepAlive']), to: null })],
]

const SETTINGS: Readonly<Record<string, readonly Value[]>> = {
  statusCode: [...CODES, ...CODES, ...WRONG_CODES],
  statusMessage: ['Mine', '', 'OK', 'bad\n', { undefined: true }],
  sendDate: [false, true],
  strictContentLength: [true],
  shouldKeepAlive: [false, true],
}

const REQ_CALLS: readonly (readonly [number, Make<Act>])[] = [
  [4, () => call('req', 'pause')],
  [6, () => call('req', 'resume')],
  [4, (dice) => call('req', 'read', dice.chance(30) ? [dice.of([1, 3, 100, 0])] : [])],
  [2, (dice) => call('req', 'setEncoding', [dice.of(['utf8', 'latin1', 'hex', 'base64', 'nonsense'])])],
  [2, (dice) => call('req', 'destroy', dice.chance(40) ? [{ error: 'mine' }] : [])],
  [1, (dice) => call('req', 'setTimeout', [dice.of([0, 15, 10_000]), ...(dice.chance(50) ? [callback(dice)] : [])])],
  [1, () => call('req', 'isPaused')],
  [1, (dice) => call('req', 'unshift', [{ buffer: dice.of(['un', 'shift']) }])],
  [1, () => call('req', 'unpipe')],
  [8, (dice) => ({ on: 'req', hear: dice.of(['data', 'data', 'readable', 'end', 'pause', 'resume']) })],
]

const SOCKET_CALLS: readonly (readonly [number, Make<Act>])[] = [
  [2, (dice) => call('socket', 'destroy', dice.chance(30) ? [{ error: 'mine' }] : [])],
  [1, () => call('socket', 'destroySoon')],
  [1, (dice) => call('socket', 'setTimeout', [dice.of([0, 15, 10_000])])],
  [1, () => call('socket', 'setNoDelay', [true])],
  [1, () => call('socket', 'setKeepAlive', [true])],
  [1, () => call('socket', 'ref')],
  [3, (dice) => ({ on: 'socket', hear: dice.of(['close', 'end', 'error', 'timeout']) })],
]

const USES = ['pipe', 'pipe from', 'pipeline', 'pipeline echo', 'pipeline failing', 'finished res', 'finished req', 'iterate', 'collect', 'once data', 'read all', 'text', 'throw', 'reject', 'corked']

function act(dice: Dice): Act {
  return dice.weighted<Act>([
    [100, () => settled(dice, dice.weighted(RES_CALLS))],
    [25, () => dice.weighted(REQ_CALLS)],
    [5, () => dice.weighted(SOCKET_CALLS)],
    [14, () => ({ on: 'res', get: dice.of(RES_PROPERTIES) })],
    [10, () => ({ on: 'req', get: dice.of(REQ_PROPERTIES) })],
    [3, () => ({ on: 'socket', get: dice.of(SOCKET_PROPERTIES) })],
    [14, () => ({ use: dice.of(USES) })],
    [3, () => ({ on: 'res', hear: dice.of(['drain', 'pipe', 'unpipe', 'socket', 'timeout', 'prefinish', 'finish', 'close']) })],
    [1, () => call('server', dice.of(['closeIdleConnections', 'closeAllConnections']))],
  ])
}

function settled(dice: Dice, made: Act): Act {
  return 'set' in made ? { ...made, to: dice.of(SETTINGS[made.set]!) } : made
}

function moment(dice: Dice, isWatched: boolean): Moment {
  return dice.weighted<Moment>([
    [50, () => 'now'],
    [8, () => 'tick'],
    [8, () => 'microtask'],
    [10, () => 'immediate'],
    [10, () => dice.of(['timer 1', 'timer 2'])],
    // A response that has no listeners is closed as soon as it is sent.
    [12, () => dice.of(['res finish', 'res close', 'res prefinish', 'req data', 'req aborted', 'req error', 'res drain', 'res error', 'res socket', ...(isWatched ? ['req end', 'req close'] : [])])],
  ])
}

function turn(dice: Dice, isSafe: boolean, isLast: boolean): Turn {
  const method = dice.of(isSafe ? ['GET', 'GET', 'GET', 'HEAD', 'OPTIONS'] : ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'])
  const hasBody = method.startsWith('P') ? dice.chance(85) : !isSafe && dice.chance(5)
  const version = !isLast || dice.chance(96) ? '1.1' : '1.0'
  const asked: [string, string][] = []
  if (dice.chance(8)) asked.push(['Connection', dice.of(isLast ? ['close', 'keep-alive', 'Close', 'keep-alive, x'] : ['keep-alive', 'keep-alive, x'])])
  if (dice.chance(12)) asked.push(['X-A', dice.of(['1', '', 'a, b'])], ['x-a', '2'])
  if (dice.chance(6)) asked.push(['Cookie', 'a=1'], ['Cookie', 'b=2'])
  if (hasBody && dice.chance(6)) asked.push(['Expect', '100-continue'])
  const framing = version === '1.1' && dice.chance(40) ? 'chunked' : 'length'
  // Chunks that come together are one piece.
  const pieces = dice.many(framing === 'chunked' ? 1 : 3, () => dice.of(['one', 'piece', 'z', 'é', 'a', 'bc', 'def', 'long'.repeat(5000)]))
  const body = hasBody ? ({ framing, pieces, trailers: framing === 'chunked' && dice.chance(30) ? ['X-Trail: 1'] : [] } as const) : null
  const isWatched = dice.chance(70)
  const steps: Step[] = dice.many(8, () => ({ when: moment(dice, isWatched), act: act(dice) }))
  if (dice.chance(75)) steps.push({ when: dice.weighted<Moment>([[60, () => 'now'], [10, () => 'immediate'], [10, () => 'timer 1'], [10, () => 'timer 2'], [10, () => (isWatched ? 'req end' : 'now')]]), act: call('res', 'end', ended(dice)) })
  return { method, version, fields: asked, body, isWatched, steps }
}

// Who leaves at once otherwise than by an end may do so before its request is read.
const DEPARTURES: readonly Departure[] = [{ how: 'end', at: 'sent' }, ...(['end', 'reset', 'destroy'] as const).flatMap((how) => (['handled', 'body', 'answered'] as const).map((at) => ({ how, at })))]

/** Makes the program of a seed. */
export function generate(seed: number): Program {
  const dice = new Dice(seed)
  const options: Record<string, Value> = {}
  if (dice.chance(4)) options['rejectNonStandardBodyWrites'] = true
  if (dice.chance(4)) options['joinDuplicateHeaders'] = true
  if (dice.chance(4)) options['uniqueHeaders'] = ['x-a', 'x-b']
  const flow = dice.chance(40) ? 'pipelined' : 'serial'
  const count = dice.of([1, 1, 1, 2, 2, 3])
  // Requests that change something wait for those before them.
  const isSafe = flow === 'pipelined' && count > 1
  const turns = Array.from({ length: count }, (_, at) => turn(dice, isSafe, at === count - 1))
  const departure: Departure | null = dice.chance(15) ? dice.of(DEPARTURES) : null
  return { options, flow, isSlow: dice.chance(30), departure, turns }
}
