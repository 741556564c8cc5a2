/**
 * The end of a connection while its client still sends: a close with unread bytes would reset the connection, and the
 * client would lose the unread part of the last response. RFC 9112 §9.6.
 */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import { GET, LAST_GET, hold } from './support.ts'

const LONG = 'x'.repeat(500_000)
/** More bytes than one read takes. */
const BEHIND = GET.repeat(20_000)

/** What the client sends first, the response to it, and whether the server stops. */
interface End {
  readonly first: string
  readonly headers?: Record<string, string>
  readonly stops?: true
}

const BY_REQUEST: Readonly<Record<string, End>> = {
  'by request': { first: LAST_GET },
  'by request of a client of HTTP/1.0': { first: 'GET / HTTP/1.0\r\n\r\n' },
}
const BY_US: Readonly<Record<string, End>> = {
  'by the handler': { first: GET, headers: { connection: 'close' } },
  'when the server stops': { first: GET, stops: true },
}

/** The client reads nothing before its last response is sent. */
async function receives(t: ExecutionContext, { first, headers, stops }: End, before: string, later: string): Promise<void> {
  const { connect, next, server } = await hold(t, { pipelineLimit: 1 })
  const { socket } = (await connect()).send(first + before)
  socket.pause()
  const { answer } = await next()
  await new Promise((resolve) => socket.write(later, resolve))
  const stopped = stops && server.stop(10_000)
  // A stop reaches the connections behind the hooks of observers. A response that is given earlier isn't the last.
  await new Promise(setImmediate)
  const response = Response.text(LONG, 200, headers)
  const sent = new Promise<void>((resolve) => response.onDispose(resolve))
  answer(response)
  await sent
  const failed = once(socket, 'error').then(([error]) => String(error))
  const received = await Promise.race([text(socket), failed])
  t.is(received.slice(received.indexOf('\r\n\r\n') + 4), LONG)
  socket.destroy()
  await stopped
}

for (const [end, how] of Object.entries({ ...BY_REQUEST, ...BY_US })) {
  test(`the client gets the last response of a connection that ends ${end} after it has sent more`, receives, how, BEHIND, '')
}

for (const [end, how] of Object.entries(BY_US)) {
  test(`the client gets the last response of a connection that ends ${end} while it sends more`, receives, how, '', BEHIND.slice(0, 100_000))
}
