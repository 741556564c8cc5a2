/** What a request knows of the TLS of its client when it is first asked after the client has left. */
import { connect as openSession } from 'node:http2'
import { connect as openSocket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { Request } from '../src/index.ts'
import { Authority } from './authority.ts'
import { GET, LAST_GET, open, temporaryDirectory, until } from './support.ts'
import { authority, dialTls, leaf, readAll } from './tls-support.ts'

const clients = new Authority('Test CA of clients')
const alice = clients.issue({ commonName: 'alice' })
const TLS = { cert: leaf.cert, key: leaf.key, clientAuth: 'request', ca: clients.cert } as const
const DIAL = { cert: alice.cert, key: alice.key, ca: authority.cert }

function knows(t: ExecutionContext, request: Request, protocol: string): void {
  t.is(request.getUri().protocol, 'https:')
  const client = request.getClient()
  const info = client.getTlsInfo()
  t.true(client.isClosed() && client.isEncrypted())
  t.is(info?.getVersion(), 'TLSv1.3')
  t.is(info?.getApplicationLayerProtocol(), protocol)
  t.is(info?.getServerName(), 'localhost')
  t.is(info?.getPeerCertificates()[0]?.getSubject(), 'CN=alice')
  t.is(info?.getPeerVerificationError(), null)
}

for (const ioThreads of [0, 2]) {
  for (const protocol of ['http/1.1', 'h2']) {
    test(`a request of ${protocol} knows of TLS after its client and its server, with ${ioThreads} threads`, async (t) => {
      const requests: Request[] = []
      const hold = (request: Request) => new Promise<Response>(() => void requests.push(request))
      const { server, port } = await open(t, hold, { ioThreads }, { host: '127.0.0.1', port: 0, tls: TLS })
      const send = async (): Promise<() => void> => {
        const plain = openSocket(port, '127.0.0.1')
        const socket = await dialTls(t, port, { ...DIAL, socket: plain, ALPNProtocols: [protocol] })
        socket.on('error', () => {})
        const count = requests.length
        if (protocol === 'h2') {
          const session = openSession('https://localhost', { createConnection: () => socket })
          session.on('error', () => {})
          session.request().on('error', () => {})
        } else {
          socket.write(GET)
        }
        await until(() => requests.length > count)
        return () => void plain.resetAndDestroy()
      }
      const leave = await send()
      await send()
      const signal = requests[0]!.getSignal()
      leave()
      await until(() => signal.aborted)
      knows(t, requests[0]!, protocol)
      await server.stop(0)
      knows(t, requests[1]!, protocol)
    })
  }

  test(`a request that is dispatched after its client has left knows of its TLS, with ${ioThreads} threads`, async (t) => {
    const seen: string[] = []
    let release = (): void => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const path = join(await temporaryDirectory(t), 'tls.sock')
    const answer = async (request: Request): Promise<Response> => {
      const client = request.getClient()
      seen.push(`${request.getPath()} ${request.getUri().protocol} ${client.isEncrypted()} ${client.getTlsInfo()?.getVersion()}`)
      if (request.getPath() === '/') await released
      return Response.text('')
    }
    await open(t, answer, { ioThreads, requestLimit: 1 }, { path, tls: { cert: leaf.cert, key: leaf.key } })
    const dial = async () => {
      const plain = openSocket(path)
      t.teardown(() => plain.destroy())
      return { plain, socket: await dialTls(t, 0, { socket: plain, ALPNProtocols: ['http/1.1'] }) }
    }
    const [first, left, last] = [await dial(), await dial(), await dial()]
    first.socket.write(LAST_GET)
    await until(() => seen.length === 1)
    left.socket.write('GET /left HTTP/1.1\r\nHost: a\r\n\r\n')
    await sleep(50)
    left.plain.destroy()
    await sleep(50)
    last.socket.write('GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    release()
    await Promise.all([readAll(first.socket), readAll(last.socket)])
    t.true(seen.length >= 2)
    for (const line of seen) t.regex(line, /^\S+ https: true TLSv1\.3$/)
  })
}
