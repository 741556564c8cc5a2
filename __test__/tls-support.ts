/**
 * Openers for the specs of TLS: a server with certificates made for it, and clients of Node's own TLS.
 */
import { once } from 'node:events'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { HandlerFunction, HttpServer, ServerSettings, TlsInfo, TlsOptions } from '../src/index.ts'
import { Authority } from './authority.ts'
import { LAST_GET, open } from './support.ts'

/** Signs the certificates of the servers. */
export const authority = new Authority('Test CA of servers')
/** A certificate for localhost. */
export const leaf = authority.issue()

/** A server with TLS. */
export interface Secured {
  readonly server: HttpServer
  readonly port: number
  /** What TLS had negotiated on the connections of the requests so far. */
  readonly infos: (TlsInfo | null)[]
}

/** A started server that answers with 'done', unless it is given a handler. */
export async function openTls(
  t: ExecutionContext,
  tls: TlsOptions = {},
  handler: HandlerFunction = () => Response.text('done'),
  settings: ServerSettings = {},
): Promise<Secured> {
  const infos: (TlsInfo | null)[] = []
  const own: TlsOptions = tls.cert === undefined && tls.certificates === undefined ? { cert: leaf.cert, key: leaf.key } : {}
  const opened = await open(
    t,
    (request) => {
      infos.push(request.getClient().getTlsInfo())
      return handler(request)
    },
    settings,
    { host: '127.0.0.1', port: 0, tls: { ...own, ...tls } },
  )
  return { server: opened.server, port: opened.port, infos }
}

/** A connection whose handshake is done; rejects when it fails. */
export async function dialTls(t: ExecutionContext, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.cert, servername: 'localhost', ...options })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** The whole answer to one request. */
export async function ask(t: ExecutionContext, port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = await dialTls(t, port, options)
  socket.write(LAST_GET)
  return readAll(socket)
}

/** All text up to the end of the connection; rejects when it breaks. */
export async function readAll(socket: TLSSocket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1')
  for await (const piece of socket) text += piece
  return text
}

/** What a client needs to resume its session later. In TLS 1.3 the tickets come behind the handshake. */
export async function sessionOf(socket: TLSSocket): Promise<Buffer> {
  const session = socket.getSession()
  if (socket.getProtocol() === 'TLSv1.2' && session !== undefined) return session
  return new Promise((resolve) => void socket.once('session', resolve))
}

/** The certificate that a client was shown, by its common name. */
export function shownName(socket: TLSSocket): string {
  return String(socket.getPeerCertificate().subject.CN)
}
