/**
 * The kinds of drivers of a connection; the types of their messages are parameters.
 */
import type { Readable, Writable } from 'node:stream'
import type { Client } from './client.ts'
import { StateError } from '../core/errors.ts'

/** What a parser is given: bytes, or null when the promise that it yielded has settled. */
export type ParserInput = Uint8Array | null
/** What a parser yields: undefined or null to get more bytes, or a promise that pauses reading until it settles. */
export type ParserYield = PromiseLike<unknown> | null | undefined
/** A parser of what a client sends. */
export type Parser = Generator<ParserYield, void, ParserInput>

/** Sends bytes; `close` ends the connection after them. Resolves when at most 64 KiB are unsent. */
export type WriteBytes = (data: string | Uint8Array, close?: boolean) => Promise<void>

/**
 * A driver as a parser of messages: it hands over `Incoming` and writes `Outgoing`. It is made for one connection.
 */
export interface ParserDriver<Incoming, Outgoing> {
  /**
   * Called once. The parser runs to its first `yield` before anything is read. When the connection ends, `return` is
   * called on the parser, so its `finally` can fail open requests. A parser that throws closes the connection.
   */
  setup(client: Client, onMessage: (request: Incoming, leftover?: Uint8Array) => Promise<void>, write: WriteBytes): Parser
  /** Sends the response to a request, which is the same object that was given to `onMessage`. */
  write(request: Incoming, response: Outgoing): Promise<void>
  /** Requests whose body is being read. */
  getPendingRequestCount(): number
  /** Hands over no more requests; resolves when the earlier ones are answered. */
  stop(): Promise<void>
}

/**
 * A driver as a function over streams. `readable` and `writable` are one and the same `UpgradedSocket`.
 *
 * @example const echo: StreamDriver = { handleClient: (client, readable, writable) => pipeline(readable, writable) }
 */
export interface StreamDriver {
  /**
   * Serves a connection. When the promise resolves, the written bytes are sent and the connection is closed; when
   * it rejects, the connection is closed at once.
   */
  handleClient(client: Client, readable: Readable, writable: Writable): Promise<void>
  /** Called when the server or the client stops, after the socket's `onStop`. */
  stop?(): void | Promise<void>
}

/**
 * The engine's HTTP/1.
 *
 * @example selectDriver: () => new Http1Driver()
 */
export class Http1Driver {
  /** The protocol's ALPN name. */
  readonly protocol = 'http/1.1'
}

/**
 * The engine's HTTP/2, which this version doesn't have: the constructor throws.
 *
 * @example selectDriver: (client) => isHttp2(client) ? new Http2Driver() : new Http1Driver()
 */
export class Http2Driver {
  /** The protocol's ALPN name. */
  readonly protocol = 'h2'

  constructor() {
    throw new StateError('this version of busbar has no HTTP/2; use Http1Driver')
  }
}

/** Any driver that a connection can be handed to. */
export type ConnectionDriver = ParserDriver<unknown, unknown> | StreamDriver | Http1Driver | Http2Driver
