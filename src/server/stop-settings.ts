/**
 * How a server is stopped, and what that has led to.
 */
import { OptionError } from '../core/errors.ts'

/** Settings of a stop. */
export interface StopSettings {
  /** Seconds for which requests may finish; the option `stopTimeout` when it is left out. */
  readonly timeout?: number | undefined
}

/** What a stop has done. */
export interface StopResult {
  /** Requests without a complete response, and upgraded sockets, that were closed at the end of the time. */
  readonly cutOff: number
}

/** The time of a stop in milliseconds: `{ timeout }` is in seconds, a number in milliseconds. */
export function toMilliseconds(timeout: unknown, stopTimeout: number): number {
  if (typeof timeout === 'number' && timeout >= 0) return timeout
  if (typeof timeout !== 'object' || timeout === null) {
    throw new OptionError('timeoutMs', timeout, 'a number of milliseconds, at least 0, or { timeout } in seconds')
  }
  for (const name of Object.keys(timeout)) {
    if (name !== 'timeout') throw new OptionError('stop', name, 'an object with the key timeout')
  }
  const { timeout: seconds = stopTimeout } = timeout as StopSettings
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw new OptionError('timeout', seconds, 'a number of seconds, at least 0')
  return seconds * 1000
}

/** The warning about requests that were cut off. */
export function cutOffMessage(count: number, timeoutMs: number): string {
  const requests = count === 1 ? '1 request or upgraded socket was' : `${count} requests or upgraded sockets were`
  return `the stop has cut off connections: ${requests} not finished after ${timeoutMs / 1000} s`
}
