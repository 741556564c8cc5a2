import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { ConnectionTable } from '../src/node-http/connection-table.ts'
import http from '../src/node-http/index.ts'
import { serveNode } from './node-http-support.ts'

test('a table of connections has those of each thread, and no place for others', (t) => {
  const table = new ConnectionTable<string>()
  const slots = [0, 3, 1 << 24, (1 << 24) + 2, 254 * 2 ** 24]
  for (const slot of slots) table.set(slot, `connection ${slot}`)
  for (const slot of slots) t.is(table.get(slot), `connection ${slot}`)
  for (const other of [1, 2, 4, (1 << 24) + 1, 2 << 24, 255 * 2 ** 24]) t.is(table.get(other), undefined)
  // With a place for each slot between them, this would take hours.
  for (let turn = 0; turn < 1000; turn++) t.is([...table.values()].length, slots.length)
  table.delete(3)
  table.delete(254 * 2 ** 24)
  table.delete(253 * 2 ** 24)
  t.deepEqual([...table.values()], [0, 1 << 24, (1 << 24) + 2].map((slot) => `connection ${slot}`))
  table.set(3, 'another')
  t.is(table.get(3), 'another')
})

test('a server closes the idle connections of each of its threads, and later those that work', async (t) => {
  const server = http.createServer((req, res) => {
    if (req.url === '/idle') res.end('done')
    else res.write('begun')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const agent = new nodeHttp.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const begin = async (path: string): Promise<IncomingMessage> => {
    const [response] = (await once(nodeHttp.get({ port, host: '127.0.0.1', path, agent }), 'response')) as [IncomingMessage]
    return response
  }
  const idle = await Promise.all(Array.from({ length: 8 }, () => begin('/idle')))
  const gone = idle.map((response) => once(response.socket, 'close'))
  for (const response of idle) t.is(await text(response), 'done')
  const working = await Promise.all(Array.from({ length: 8 }, async () => {
    const [response] = (await once(nodeHttp.get({ port, host: '127.0.0.1', path: '/', agent: false }), 'response')) as [IncomingMessage]
    response.on('error', () => {})
    return response
  }))
  server.closeIdleConnections()
  await Promise.all(gone)
  t.true(working.every((response) => !response.socket.destroyed))
  const cut = working.map((response) => new Promise((resolve) => response.on('close', resolve)))
  server.close()
  server.closeAllConnections()
  await Promise.all(cut)
})

for (const way of ['destroySoon', 'end'] as const) {
  test(`a client that has sent more than is read gets its response whole, and an end, by ${way}() of the socket`, async (t) => {
    let request: IncomingMessage | undefined
    const { port } = await serveNode(t, (req, res) => {
      request = req
      // Reads ahead as far as the buffer goes, and no further.
      req.on('readable', () => {}).on('error', () => {})
      res.writeHead(413).end('too much')
    })
    const client = connect(port, '127.0.0.1')
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n')
    const [first] = (await once(client, 'data')) as [Buffer]
    t.true(first.toString().startsWith('HTTP/1.1 413 '))
    client.end(Buffer.alloc(256 * 1024))
    await once(client, 'finish')
    const closed = once(client, 'close')
    client.resume()
    request?.socket[way]()
    t.deepEqual(await closed, [false])
  })
}
