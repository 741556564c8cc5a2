/**
 * The content-length of a response and the length of its body.
 */
import { lengthOf } from './created-request.ts'
import { HandlerError } from '../core/errors.ts'
import { isBodiless } from '../http/status.ts'
import type { Response } from './response.ts'

/**
 * Throws when a body whose length is known has another one than the content-length. It would be a response that breaks
 * off, without a reason for its client.
 */
export function checkLength(response: Response, method: string): void {
  const declared = response.getHeader('content-length')
  const length = lengthOf(response.getBody())
  if (declared === null || length < 0 || length === Number(declared)) return
  if (method === 'HEAD' || isBodiless(response.getStatus())) return
  throw new HandlerError(`the body has ${length} bytes, but the content-length is ${declared}`)
}
