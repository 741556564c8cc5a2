/**
 * Small random programs: what a server's handlers do with `req`, `res` and the socket, and what a client sends.
 *
 * A program is data, so that it can be generated from a seed, sent to another process, and shrunk.
 */

/** A value in a call; what JSON has no word for is written as an object with one key. */
export type Value =
  | string
  | number
  | boolean
  | null
  | Value[]
  | { readonly undefined: true }
  /** A Buffer of UTF-8. */
  | { readonly buffer: string }
  | { readonly bytes: string }
  /** A text repeated so often. */
  | { readonly text: string; readonly times: number }
  /** A callback that notes its call. */
  | { readonly callback: string }
  | { readonly error: string }
  | { readonly object: Readonly<Record<string, Value>> }
  | { readonly headers: readonly (readonly [string, string])[] }
  | { readonly map: readonly (readonly [string, Value])[] }

export type Target = 'req' | 'res' | 'socket' | 'server'

/** One act of a handler. */
export type Act =
  | { readonly on: Target; readonly call: string; readonly given: readonly Value[] }
  | { readonly on: Target; readonly get: string }
  | { readonly on: Target; readonly set: string; readonly to: Value }
  /** Notes an event whenever it comes. */
  | { readonly on: Target; readonly hear: string }
  /** One of the longer uses in perform.ts. */
  | { readonly use: string; readonly given?: readonly Value[] }

/** When an act is done: in the handler, some time behind it, or at the first event `req end`, `res close`, …. */
export type Moment = string

export interface Step {
  readonly when: Moment
  readonly act: Act
}

/** One request, and what its handler does. */
export interface Turn {
  readonly method: string
  readonly version: '1.0' | '1.1'
  readonly fields: readonly (readonly [string, string])[]
  readonly body: { readonly framing: 'length' | 'chunked'; readonly pieces: readonly string[]; readonly trailers: readonly string[] } | null
  /** Whether all events of the request and its response are heard. */
  readonly isWatched: boolean
  readonly steps: readonly Step[]
}

/** When the client leaves, and how. */
export interface Departure {
  readonly how: 'end' | 'reset' | 'destroy'
  /** Behind all that it sends, in the middle of the last body, or when a first byte of a response has come. */
  readonly at: 'sent' | 'handled' | 'body' | 'answered'
}

export interface Program {
  readonly options: Readonly<Record<string, Value>>
  /** All requests at once, or each behind the response to the one before. */
  readonly flow: 'pipelined' | 'serial'
  /** Whether the second half of a body comes later. */
  readonly isSlow: boolean
  readonly departure: Departure | null
  readonly turns: readonly Turn[]
}

/** What happened in a program on one kind of server. */
export interface Outcome {
  /** What the handlers noted, in order. */
  readonly notes: readonly string[]
  readonly received: string
  readonly ending: 'end' | 'reset' | null
  /** Errors that were not caught. Those of programs that run at the same time are among them. */
  readonly uncaught: readonly string[]
}
