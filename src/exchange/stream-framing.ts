/**
 * What surrounds the pieces of a streamed response, and the error of one that is gone.
 */
import { HandlerError } from '../core/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Trailers } from '../http/trailers.ts'
import type { Framing } from '../message/response-extras.ts'
import type { Response } from '../message/response.ts'

/** The framing of a response. With trailers its body is chunked; clients of HTTP/1.0 know no trailers. */
export function framingOf(exchange: Exchange, response: Response, trailers: Trailers | null): Framing {
  if (trailers === null || exchange.version() === '1.0') {
    return { length: Number(response.getHeader('content-length') ?? -1), lines: '' }
  }
  const names = trailers.getFields().join(', ')
  return { length: -1, lines: names === '' || response.hasHeader('trailer') ? '' : `trailer: ${names}\r\n` }
}

/** The error of a piece whose memory is gone. */
export function lostBuffer(): HandlerError {
  return new HandlerError('the buffer of a body was transferred or has shrunk while it was being sent')
}
