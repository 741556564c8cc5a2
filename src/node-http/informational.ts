/**
 * Informational responses: Node's own methods make the text of one, and it goes to the engine as status and fields.
 */
import { ServerResponse } from 'node:http'
import type { Exchange } from './exchange.ts'
import { checkHints } from './response-head.ts'

const nodeWriteEarlyHints = ServerResponse.prototype.writeEarlyHints

/** Node's own doesn't look for line ends in the fields, each of which would begin another field or response. */
export function writeEarlyHints(response: object, hints: Record<string, string | string[]>, callback?: () => void): void {
  checkHints(hints)
  nodeWriteEarlyHints.call(response as ServerResponse, hints, callback)
}

/** Sends a response below 200, of which `text` is the whole. */
export function sendInformational(exchange: Exchange, text: string): void {
  const [, status, lines] = /^HTTP\/1\.1 (1\d\d) [^\r]*\r\n([^]*)\r\n$/.exec(text) ?? []
  if (status === '100' && exchange.body !== null) {
    // The engine sends the 100 when the body is asked for.
    exchange.body.isHeld = false
    exchange.body.read()
  } else if (status !== undefined) exchange.inform(Number(status), lines!)
}
