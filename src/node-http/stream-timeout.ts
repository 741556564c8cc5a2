/** `setTimeout` of requests and responses over HTTP/2: the time counts for their stream, and its connection continues. */
import type { Exchange } from './exchange.ts'
import { checkTimeout } from './node-errors.ts'
import { EXCHANGE } from './symbols.ts'

interface Message {
  readonly [EXCHANGE]: Exchange
  once(event: 'timeout', callback: () => void): unknown
  removeListener(event: 'timeout', callback: () => void): unknown
}

/** Sets the timeout of a message's stream, in milliseconds; the callback is called once, at the first one. */
export function setStreamTimeout<M extends Message>(message: M, millis: number, callback: (() => void) | undefined): M {
  checkTimeout(millis, callback)
  message[EXCHANGE].setTimeout(millis)
  if (callback !== undefined) {
    if (millis > 0) message.once('timeout', callback)
    else message.removeListener('timeout', callback)
  }
  return message
}
