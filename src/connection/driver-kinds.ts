/**
 * The kinds of drivers that a connection can have, without the messages that they carry.
 */
import type { Readable, Writable } from 'node:stream'
import type { Client } from './client.ts'
import { StateError } from '../core/errors.ts'

/** What a parser is given: bytes, or null when the promise that it yielded has settled. */
export type ParserInput = Uint8Array | null
/** What a parser yields: nothing for 'more bytes, please', or a promise during which nothing is read. */
export type ParserYield = PromiseLike<unknown> | null | undefined
/** A parser of what a client sends. */
export type Parser = Generator<ParserYield, void, ParserInput>

/** Sends bytes; `close` ends the connection behind them. Resolves when at most 64 KiB wait to be sent. */
export type WriteBytes = (data: string | Uint8Array, close?: boolean) => Promise<void>

/**
 * A driver as a parser of messages: `Incoming` is what it hands over, `Outgoing` what it gets back to write.
 * It is made for one connection.
 */
export interface ParserDriver<Incoming, Outgoing> {
  /**
   * Called once. The parser is run up to its first `yield` before anything is read. When the connection ends
   * the parser is returned to, so that its `finally` can fail what is open; one that throws closes it.
   */
  setup(client: Client, onMessage: (request: Incoming, leftover?: Uint8Array) => Promise<void>, write: WriteBytes): Parser
  /** Sends the response to a request that was given to `onMessage`, the same object. */
  write(request: Incoming, response: Outgoing): Promise<void>
  /** Requests whose body is being read. */
  getPendingRequestCount(): number
  /** Hands over no more requests; resolves when all that were are answered. */
  stop(): Promise<void>
}

/**
 * A driver as a function over streams. `readable` and `writable` are one and the same `UpgradedSocket`.
 *
 * @example const echo: StreamDriver = { handleClient: (client, readable, writable) => pipeline(readable, writable) }
 */
export interface StreamDriver {
  /**
   * The connection's bytes. When the promise resolves what was written is sent and the connection closed;
   * when it rejects the connection is closed at once.
   */
  handleClient(client: Client, readable: Readable, writable: Writable): Promise<void>
  /** Called when the server or the client is to stop, instead of leaving it to the socket's `onStop`. */
  stop?(): void | Promise<void>
}

/**
 * Stands for the engine's HTTP/1.
 *
 * @example selectDriver: () => new Http1Driver()
 */
export class Http1Driver {
  /** Name of the protocol, as ALPN has it. */
  readonly protocol = 'http/1.1'
}

/**
 * Stands for the engine's HTTP/2, which doesn't exist yet: making one throws.
 *
 * @example selectDriver: (client) => isHttp2(client) ? new Http2Driver() : new Http1Driver()
 */
export class Http2Driver {
  /** Name of the protocol, as ALPN has it. */
  readonly protocol = 'h2'

  constructor() {
    throw new StateError('this version of busbar speaks no HTTP/2; use Http1Driver')
  }
}

/** What a connection can be handed to. */
export type ConnectionDriver = ParserDriver<unknown, unknown> | StreamDriver | Http1Driver | Http2Driver
