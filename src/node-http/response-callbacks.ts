/**
 * The callbacks that a response is given with its writes and its end, and when they are called.
 *
 * Node writes when the running code has returned, and calls back in the tick behind that; behind earlier responses it
 * does so in the response's turn.
 */
import { HIGH_WATER } from './connection.ts'
import type { Exchange } from './exchange.ts'
import { nodeError, throwLater } from './node-errors.ts'
import { ERRORED, EXCHANGE } from './symbols.ts'

export type Callback = (error?: Error | null) => void

/** What of a response decides when its callbacks are called. */
export interface CallbackOwner {
  readonly [EXCHANGE]: Exchange
  readonly [ERRORED]: Error | null | undefined
  readonly socket: { readonly errored?: Error | null } | null
  readonly destroyed: boolean
  _writeCallbacks: Callback[] | null
  _endCallbacks: Callback[] | null
  /** Emits 'drain' where a writer waits for it. */
  _goOn(): void
}

/** Keeps the callback of a write whose bytes are as good as sent. */
export function callWhenWritten(response: CallbackOwner, callback: Callback): void {
  const isFirst = response._writeCallbacks === null
  ;(response._writeCallbacks ??= []).push(callback)
  if (isFirst && (response.socket !== null || response[EXCHANGE].isHttp2)) process.nextTick(callSoon, response)
}

function callSoon(response: CallbackOwner): void {
  if (response._writeCallbacks === null) return
  const isLost = response[EXCHANGE].connection.isClosed && response.socket !== null
  if (isLost) callWritten(response, failureOf(response, 'write'))
  else process.nextTick(callWritten, response)
}

/** Calls what writes were given so far. */
export function callWritten(response: CallbackOwner, error: Error | null = null): void {
  const callbacks = response._writeCallbacks
  response._writeCallbacks = null
  callbacks?.forEach((callback) => callOrThrowLater(callback, error))
}

/**
 * Whether an I/O thread may already have sent a piece that counts as unsent: it reports that a turn later. On Node a client
 * that reads has received a piece before its writer gets any event, so the writer may give the thread one more.
 */
export function mayBeSent({ owner }: Exchange, waiting: number, length: number): boolean {
  const { longest } = owner.hot
  return longest < Infinity && length <= longest && waiting - length <= HIGH_WATER
}

/** Emits 'drain' and calls a writer's callback two ticks later, as Node does for a long piece that it has sent at once. */
export function goOnSoon(response: CallbackOwner, callback: Callback | undefined): void {
  process.nextTick(goOnNext, response, callback)
}

function goOnNext(response: CallbackOwner, callback: Callback | undefined): void {
  process.nextTick(goOn, response, callback)
}

function goOn(response: CallbackOwner, callback: Callback | undefined): void {
  response._goOn()
  callback?.(null)
}

/** Keeps the callback of an end. Those of a destroyed response are never called, as with Node. */
export function callWhenSent(response: CallbackOwner, callback: Callback): void {
  if (!response.destroyed && !response[EXCHANGE].connection.isClosed) (response._endCallbacks ??= []).push(callback)
}

/** Calls what ends were given so far. */
export function callSent(response: CallbackOwner, error: Error | null): void {
  const callbacks = takeSent(response)
  callbacks?.forEach((callback) => callOrThrowLater(callback, error))
}

/** What ends were given so far, to be called once. */
export function takeSent(response: CallbackOwner): Callback[] | null {
  const callbacks = response._endCallbacks
  response._endCallbacks = null
  return callbacks
}

/** The error of what is given to a destroyed response or connection. */
export function failureOf(response: CallbackOwner, what: string): Error {
  return response[ERRORED] ?? response.socket?.errored ?? nodeError('ERR_STREAM_DESTROYED', what)
}

/** What a callback throws is uncaught, and the response continues all the same. */
function callOrThrowLater(callback: Callback, error: Error | null): void {
  try {
    callback(error)
  } catch (thrown) {
    throwLater(thrown)
  }
}
