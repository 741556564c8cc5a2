/**
 * Upgraded connections for the specs: both ends, and their bytes.
 */
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { Handler, Request, ServerSettings, UpgradedSocket } from '../src/index.ts'
import { open } from './support.ts'

/** A request for an upgrade. */
export const UPGRADE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'

/** The head of an upgrade whose body has so many bytes. */
export function upgradeWithBody(length: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: ${length}\r\n\r\n`
}

/** The whole response to an upgrade. */
export const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n'

/** More bytes than the kernel buffers for a peer that doesn't read. */
export const LARGE = Buffer.alloc(16 * 1024 * 1024, 'x')

/** An upgraded connection. */
type Taken = { socket: UpgradedSocket; request: Request; response: Response }

/** A server that upgrades or detaches its connections; the test gets the sockets. */
export async function takeover(t: ExecutionContext, settings: ServerSettings = {}, detaches = false) {
  const taken: Taken[] = []
  let tell = (): void => {}
  const callback = (socket: UpgradedSocket, request: Request, response: Response): void => {
    taken.push({ socket, request, response })
    tell()
  }
  const answer: Handler = () =>
    detaches ? Response.detach(callback) : new Response(101, { upgrade: 'echo' }).upgrade(callback)
  const opened = await open(t, answer, settings)
  const next = async (): Promise<Taken> => {
    while (taken.length === 0) await new Promise<void>((resolve) => (tell = resolve))
    return taken.shift()!
  }
  return { ...opened, next, taken }
}

/** Such a server with one upgraded connection; `behind` is in the same segment as the request. */
export async function upgraded(t: ExecutionContext, behind = '', settings: ServerSettings = {}) {
  const opened = await takeover(t, settings)
  const wire = (await opened.connect()).send(UPGRADE + behind)
  return { ...opened, wire, ...(await opened.next()) }
}

/** All bytes up to the end of the peer. */
export async function readAll(socket: UpgradedSocket): Promise<string> {
  let text = ''
  for (let chunk; (chunk = await socket.readChunk()) !== null; ) text += Buffer.from(chunk).toString('latin1')
  return text
}
