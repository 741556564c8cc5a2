/**
 * Whether a request asks for the protocol that its response switches to. RFC 9110 §7.8.
 */
import { hasElement, protocolsOf, elementsOf } from '../http/lists.ts'
import type { RequestSource } from './request-source.ts'
import type { Response } from './response.ts'
import type { Takeover } from './takeover.ts'

/** The protocol that a 426 names for a detached connection unless the application says which one it speaks. */
const USUAL_PROTOCOL = 'websocket'

/** What is looked at of a request. */
type Asking = Pick<RequestSource, 'method' | 'upgrade'>

/** The protocols that a request without the engine asks to switch to; null when it asks for none. */
export function upgradeOf(source: RequestSource): readonly string[] | null {
  if (source.version() !== '1.1' || source.method() === 'CONNECT') return null
  const fields = source.fields()
  const isAsked = fields.all('connection').some((line) => hasElement(line, 'upgrade'))
  return isAsked ? protocolsOf(fields.all('upgrade')) : null
}

/**
 * Null when the connection of a request may be taken over. Else the protocol that its client should ask for: a switch
 * that it doesn't expect would have it, or a proxy before it, take the bytes of one protocol for those of another.
 */
export function unaskedProtocol(request: Asking, response: Response, takeover: Takeover): string | null {
  if (request.method() === 'CONNECT') return null
  const wanted = takeover.isDetached ? takeover.protocol : response.getHeaderLine('upgrade')
  const asked = request.upgrade()
  if (asked === null) return wanted ?? USUAL_PROTOCOL
  const known = new Set(asked.map((protocol) => protocol.toLowerCase()))
  return wanted === null || elementsOf(wanted).every((protocol) => known.has(protocol.toLowerCase())) ? null : wanted
}
