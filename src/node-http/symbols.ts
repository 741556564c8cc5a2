/**
 * Keys that requests, responses and sockets of ours share with Node's, and how ours are recognised.
 *
 * Node's own methods for the fields of a response work on ours, because ours keep the fields where Node does: under a
 * symbol that Node doesn't export, but that each of its messages has.
 */
import { OutgoingMessage, Server } from 'node:http'

const symbols = [new OutgoingMessage(), new Server()].flatMap((object) => Object.getOwnPropertySymbols(object))

function symbolOf(description: string): symbol {
  return symbols.find((symbol) => symbol.description === description) ?? Symbol(description)
}

/** Where a response keeps its fields: null, or `[name, value]` by lower-case name. */
export const OUT_HEADERS: unique symbol = symbolOf('kOutHeaders') as never

/** Whether a response has told its writer to wait for 'drain'. */
export const NEED_DRAIN: unique symbol = symbolOf('kNeedDrain') as never

/** The error that a response was destroyed with. */
export const ERRORED: unique symbol = symbolOf('errored') as never

/** Bytes written of a body whose length is checked. */
export const BYTES_WRITTEN: unique symbol = symbolOf('kBytesWritten') as never

/** Names of fields that are sent once, with their values joined. */
export const UNIQUE_HEADERS: unique symbol = symbolOf('kUniqueHeaders') as never

/** Whether a write to a response that has no body throws. */
export const REJECTS_BODY: unique symbol = symbolOf('kRejectNonStandardBodyWrites') as never

/** Whether an emitter hands what its listeners reject with to a method of its own. */
export const CAPTURE: unique symbol = symbolOf('kCapture') as never

/** The exchange of a request or response of ours; Node's have none. */
export const EXCHANGE: unique symbol = Symbol('busbar.exchange')

/** The connection of a socket of ours. */
export const CONNECTION: unique symbol = Symbol('busbar.connection')
