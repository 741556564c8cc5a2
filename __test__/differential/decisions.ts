/** Where busbar answers otherwise than node:http, by decision: each with its reason, and what follows from it. */
import type { Outcome, Sent } from './requests.ts'
import type { Received } from './wire.ts'

/** A difference that was decided. */
export interface Decision {
  readonly reason: string
  readonly applies: (sent: Sent, nodes: Outcome) => boolean
  /** What busbar does instead. `twin` is what Node answers to the same request as a GET of HTTP/1.1. */
  readonly instead: (nodes: Outcome, sent: Sent, twin: Outcome | undefined, ours: Outcome) => Outcome
}

const OWN = /^(?:connection|keep-alive|content-length|transfer-encoding): /
const LENGTH = /^(?:content-length|transfer-encoding): /
const STAYS = ['connection: keep-alive', 'keep-alive: timeout=60']

/** The final response with other fields of the server's own. */
function withOwn(outcome: Outcome, own: readonly string[], more: Partial<Received> = {}): Outcome {
  const [final, ...informed] = (outcome.responses ?? []).toReversed()
  const fields = [...final!.fields.filter((field) => !OWN.test(field)), ...own.toSorted()]
  return { ...outcome, responses: [...informed.toReversed(), { ...final!, ...more, fields }] }
}

function ownOf(outcome: Outcome | undefined): string[] {
  return outcome?.responses?.at(-1)?.fields.filter((field) => OWN.test(field)) ?? []
}

function isTo(sent: Sent, ...paths: readonly string[]): boolean {
  return paths.includes(sent.bytes.split(' ')[1] ?? '')
}

const isOld = (sent: Sent): boolean => sent.bytes.split('\r\n', 1)[0]!.endsWith(' HTTP/1.0')
const statusOf = (outcome: Outcome): string => outcome.responses?.at(-1)?.line.split(' ')[1] ?? ''

export const DECISIONS: readonly Decision[] = [
  {
    reason: 'a 205 has no body, so it says content-length: 0 (RFC 9110 §15.3.6)',
    applies: (_sent, nodes) => statusOf(nodes) === '205',
    instead: (nodes, sent) => withOwn(nodes, [...STAYS, 'content-length: 0'], { framing: sent.method === 'HEAD' ? 'none' : 'length' }),
  },
  {
    reason: 'a 204 has no length (RFC 9110 §8.6)',
    applies: (sent, nodes) => statusOf(nodes) === '204' && !isOld(sent),
    instead: (nodes) => withOwn(nodes, ownOf(nodes).filter((field) => !LENGTH.test(field))),
  },
  {
    reason: 'HEAD says the length that GET would have where the application gives the body (RFC 9110 §9.3.2)',
    applies: (sent, nodes) => sent.method === 'HEAD' && !isOld(sent) && !/204|205|304/.test(statusOf(nodes)),
    instead: (nodes, _sent, twin, ours) => {
      const own = ownOf(nodes)
      if (own.some((field) => LENGTH.test(field))) return nodes
      return ownOf(ours).some((field) => LENGTH.test(field)) ? withOwn(nodes, [...own, ...ownOf(twin).filter((field) => LENGTH.test(field))]) : nodes
    },
  },
  {
    reason: 'HTTP/1.0 gets a length where there is one, then keeps its connection if it has asked for that, and never gets chunks (RFC 9112 §7.1, §9.3)',
    applies: isOld,
    instead: (nodes, sent, twin) => {
      const { framing, body: usual } = twin?.responses?.at(-1) ?? { framing: 'length', body: '' }
      const body = sent.method === 'HEAD' ? usual : nodes.responses!.at(-1)!.body
      const isKnown = framing !== 'chunked'
      const stays = isKnown && /keep-alive/i.test(sent.bytes)
      const staying = isTo(sent, '/connection-keep') ? STAYS.slice(0, 1) : STAYS
      const own = [...(stays ? staying : ['connection: close']), ...(framing === 'length' ? [`content-length: ${body.length}`] : [])]
      const isEmpty = sent.method === 'HEAD' || framing === 'none'
      return { ...withOwn(nodes, own, { framing: isEmpty ? 'none' : isKnown ? 'length' : 'close'}), isClosed: !stays }
    },
  },
  {
    reason: 'a body whose end is that of the connection says the close',
    applies: (sent) => sent.method === 'GET' && isTo(sent, '/no-chunks'),
    instead: (nodes) => withOwn(nodes, ['connection: close']),
  },
  {
    reason: 'a 100 is sent only where a body is waited for (RFC 9110 §10.1.1)',
    applies: (sent) => /\r\nExpect: 100-continue\r\n/.test(sent.bytes),
    instead: (nodes) => ({ ...nodes, responses: nodes.responses!.slice(-1) }),
  },
]
