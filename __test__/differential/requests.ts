/** How the requests of the differential specs are written, and the pair of servers that gets them. */
import { once } from 'node:events'
import nodeHttp from 'node:http'
import nodeHttps from 'node:https'
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { ExecutionContext } from 'ava'
import https from '../../src/node-http/https.ts'
import http from '../../src/node-http/index.ts'
import { Authority } from '../authority.ts'
import { DECISIONS } from './decisions.ts'
import type { Decision } from './decisions.ts'
import { IS_TLS } from '../transport.ts'
import { Dialogue } from './wire.ts'
import type { Received } from './wire.ts'

/** A request as bytes. */
export interface Sent {
  readonly method: string
  readonly bytes: string
}

/** A request of HTTP/1.1 with a Host, from `GET /path`. A body has its length unless fields say another. */
export function request(start: string, fields: Readonly<Record<string, string>> = {}, body: string | null = null): Sent {
  const [method = '', target = ''] = start.split(' ')
  const names = Object.keys(fields).map((name) => name.toLowerCase())
  const length = body === null || names.includes('transfer-encoding') || names.includes('content-length') ? {} : { 'Content-Length': String(body.length) }
  const lines = Object.entries({ ...fields, ...length }).map(([name, value]) => `${name}: ${value}\r\n`)
  return { method, bytes: `${method} ${target} HTTP/1.1\r\nHost: example.org\r\n${lines.join('')}\r\n${body ?? ''}` }
}

/** A request as it stands. */
export function raw(bytes: string): Sent {
  return { method: bytes.split(' ')[0] ?? '', bytes }
}

/** A body in chunks. */
export function chunked(...pieces: string[]): string {
  return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
}

/** An application, made anew for each server. */
export type Application = (create: (listener: RequestListener) => Server) => RequestListener | Promise<RequestListener>

/** How a server is made. */
export type Create = typeof nodeHttp.createServer

/** What makes the servers that are compared. */
export const KINDS: Readonly<Record<'node' | 'busbar', Create>> = IS_TLS
  ? { node: secured(nodeHttps.createServer), busbar: secured(https.createServer) }
  : { node: nodeHttp.createServer, busbar: http.createServer }

/** Has a function that makes servers with TLS take what those without TLS are made of. */
function secured(create: typeof nodeHttps.createServer): Create {
  const pair = new Authority().issue()
  return ((...given: [RequestListener?] | [ServerOptions, RequestListener?]) => {
    const [options, listener] = typeof given[0] === 'object' ? (given as [ServerOptions, RequestListener?]) : [{}, given[0]]
    return create({ ...pair, ...options }, listener)
  }) as Create
}

/** What happened to one request on one server. */
export interface Outcome {
  readonly responses: readonly Received[] | null
  /** Whether the connection has ended behind the response. */
  readonly isClosed: boolean
  /** What the request and the response have emitted. */
  readonly events: readonly string[]
}

const OPTIONS: ServerOptions = { keepAliveTimeout: 60_000 }

/** Plays a scene on each kind of server. Node's counts as it is today. */
export async function plays(t: ExecutionContext, expected: unknown, scene: (create: Create) => Promise<unknown>): Promise<void> {
  t.deepEqual(await scene(KINDS.busbar), expected, 'busbar')
  // Over TLS Node has another order, and knows no half-closed connections.
  if (IS_CURRENT && !IS_TLS) t.deepEqual(await scene(KINDS.node), expected, 'node')
}

/** A server on a free port, closed behind the test. */
export async function listen(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** Node 24 and newer: what busbar does is compared with these. */
export const IS_CURRENT = Number(process.versions.node.split('.')[0]) >= 24

/**
 * Events as far as they can be compared. Older releases of Node, and all over TLS, have another order between the request
 * and the response, so there the order of each counts.
 */
export function ordered(events: readonly string[]): string[] {
  const emitter = (event: string): string => event.replace(/ [^ ]*$/, '')
  return IS_CURRENT && !IS_TLS ? [...events] : events.toSorted((a, b) => (emitter(a) < emitter(b) ? -1 : Number(emitter(a) > emitter(b))))
}

/** Notes what a request and its response emit. */
export function watch(req: IncomingMessage, res: ServerResponse, note: (event: string) => void): void {
  for (const event of ['aborted', 'end', 'error', 'close']) req.on(event, () => note(`req ${event}`))
  for (const event of ['prefinish', 'finish', 'error', 'close']) res.on(event, () => note(`res ${event}`))
}

/** Sends requests, each behind the response to the one before, and says what became of each. */
export async function converse(
  t: ExecutionContext,
  kind: keyof typeof KINDS,
  app: Application,
  sent: readonly Sent[],
  isWatched: boolean,
  more: ServerOptions = {},
): Promise<Outcome[]> {
  const options = { ...OPTIONS, ...more }
  let events: string[] = []
  let closes: Promise<unknown>[] = []
  const listener = await app((given) => KINDS[kind](options, given))
  const watched: RequestListener = (req, res) => {
    const own = events
    watch(req, res, (event) => own.push(event))
    closes.push(...[req, res].map((each) => new Promise((resolve) => each.once('close', resolve))))
    return listener(req, res)
  }
  const port = await listen(t, KINDS[kind](options, isWatched ? watched : listener))
  const outcomes: Outcome[] = []
  let dialogue = await Dialogue.dial(port)
  for (const { method, bytes } of sent) {
    events = []
    closes = []
    const responses = await dialogue.send(bytes).response(method)
    const isClosed = isLast(responses)
    if (isClosed && responses !== null) await dialogue.end()
    // What follows a request of HTTP/1.0 is another matter.
    if (isClosed || /^.* HTTP\/1\.0\r\n/.test(bytes)) dialogue.close()
    await Promise.race([Promise.all(closes), patience(2000, events)])
    outcomes.push({ responses, isClosed, events: ordered(events) })
    if (dialogue.socket.destroyed) dialogue = await Dialogue.dial(port)
  }
  dialogue.close()
  return outcomes
}

/** Whether the connection ends behind a response. */
function isLast(responses: readonly Received[] | null): boolean {
  const final = responses?.at(-1)
  return final === undefined || final.framing === 'close' || final.fields.some((field) => /^connection: .*close/i.test(field))
}

async function patience(millis: number, events: string[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, millis).unref())
  events.push('no close')
}

/** Which of the requests is the same as a GET of HTTP/1.1; -1 for none. */
function twinOf({ bytes }: Sent, sent: readonly Sent[]): number {
  const [, target] = bytes.split(' ')
  const [, fields = ''] = bytes.split(/(?<=^[^\n]*\n)/)
  const same = sent.findIndex((other) => other.bytes === `GET ${target} HTTP/1.1\r\n${fields}`)
  return same >= 0 ? same : sent.findIndex((other) => other.bytes.startsWith(`GET ${target} HTTP/1.1\r\n`))
}

/** An outcome as text, without the bulk of long bodies. */
function shown(outcome: Outcome | undefined): string {
  return JSON.stringify(outcome).replaceAll(/(.)\1{40,}/g, '$1…')
}

/** Compares what Node and busbar have made of the same requests. Returns the decisions that have mattered. */
export function compare(t: ExecutionContext, sent: readonly Sent[], nodes: readonly Outcome[], ours: readonly Outcome[]): Set<Decision> {
  const used = new Set<Decision>()
  const differences: string[] = []
  sent.forEach((one, at) => {
    const twin = nodes[twinOf(one, sent)]
    const usual = nodes[at]!
    const decision = DECISIONS.find(({ applies }) => applies(one, usual))
    const expected = decision === undefined ? usual : decision.instead(usual, one, twin, ours[at]!)
    if (decision !== undefined && JSON.stringify(expected) !== JSON.stringify(usual)) used.add(decision)
    if (!isDeepStrictEqual(ours[at], expected)) differences.push(`${JSON.stringify(one.bytes.slice(0, 200))}\n  expected ${shown(expected)}\n  busbar   ${shown(ours[at])}`)
  })
  t.is(differences.join('\n'), '')
  return used
}
