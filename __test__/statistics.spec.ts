import test from 'ava'
import { HttpServer, Response } from '../src/index.ts'
import { GET, hold, open, until } from './support.ts'

test('statistics count connections, requests and handlers', async (t) => {
  const { server, connect, next } = await hold(t)
  t.deepEqual(server.getStatistics(), {
    connections: 0,
    upgradedConnections: 0,
    runningHandlers: 0,
    waitingRequests: 0,
    requests: 0,
    refusals: 0,
  })
  const wires = [await connect(), await connect(), await connect()]
  wires[0]!.send(GET)
  const first = await next()
  wires[1]!.send('nonsense\r\n\r\n')
  await wires[1]!.end()
  await until(() => server.getStatistics().connections === 2)
  t.like(server.getStatistics(), { runningHandlers: 1, requests: 1, refusals: 1 })
  first.answer(new Response(204))
  await wires[0]!.until((text) => text.includes('\r\n\r\n'))
  t.like(server.getStatistics(), { runningHandlers: 0, requests: 1 })
})

test('statistics count upgraded connections, and keep their sums after a stop', async (t) => {
  const { server, connect } = await open(t, () => Response.detach((socket) => void socket.resume()))
  const wire = (await connect()).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  await until(() => server.getStatistics().upgradedConnections === 1)
  t.like(server.getStatistics(), { connections: 1, requests: 1 })
  wire.socket.destroy()
  await until(() => server.getStatistics().connections === 0)
  await server.stop()
  t.deepEqual(server.getStatistics(), {
    connections: 0,
    upgradedConnections: 0,
    runningHandlers: 0,
    waitingRequests: 0,
    requests: 1,
    refusals: 0,
  })
  t.is(new HttpServer(0, () => new Response(204)).getStatistics().connections, 0)
})
