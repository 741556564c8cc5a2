import test from 'ava'
import { Response, TimeoutError } from '../src/index.ts'
import { LineDriver, drive } from './drivers.ts'
import { closed, until } from './support.ts'

test('a stop calls stop on drivers, waits for their pending responses, and closes', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, server, drivers, clients } = await drive(
    t,
    () => {
      const driver = new LineDriver()
      driver.stop = async () => {
        driver.events.push('stop')
        await until(() => driver.client!.getPendingResponseCount() === 0)
      }
      return driver
    },
    () => new Promise((resolve) => (answer = resolve)),
  )
  const idle = await connect()
  const wire = await connect()
  wire.send('/\n')
  await until(() => drivers.length === 2 && clients.some((client) => client.getPendingResponseCount() === 1))
  const stopped = server.stop(60_000)
  t.is(await idle.end(), '')
  await until(() => drivers.every((driver) => driver.events.includes('stop')))
  answer(Response.text('done'))
  t.is(await wire.end(), 'done\n')
  await stopped
  t.true(clients.every((client) => client.isClosed()))
})

test('a stop closes connections that a driver leaves open, when its time is over', async (t) => {
  const { connect, server, clients } = await drive(
    t,
    () => Object.assign(new LineDriver(), { stop: () => new Promise<void>(() => {}) }),
    () => new Promise(() => {}),
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => clients[0]?.getPendingResponseCount() === 1)
  await server.stop(50)
  t.true(clients[0]!.isClosed())
  await wire.end()
})

test('stop of a client rejects with the error of its driver, or when the time is over, and closes the client', async (t) => {
  let stop: () => Promise<void> = () => Promise.reject(new Error('can not stop'))
  const { connect, clients } = await drive(
    t,
    () => Object.assign(new LineDriver(), { stop: () => stop() }),
    () => new Promise(() => {}),
  )
  const first = await connect()
  await until(() => clients.length === 1)
  await t.throwsAsync(clients[0]!.stop(60_000), { message: 'can not stop' })
  t.true(clients[0]!.isClosed())
  await first.end()
  stop = () => new Promise<void>(() => {})
  const second = await connect()
  second.send('/\n')
  await until(() => clients[1]?.getPendingResponseCount() === 1)
  await t.throwsAsync(clients[1]!.stop(20), { instanceOf: TimeoutError })
  t.true(clients[1]!.isClosed())
})

test('a deadline set by a driver closes an idle client, and not one that waits for a handler', async (t) => {
  let answer = (_response: Response): void => {}
  const { connect, clients } = await drive(
    t,
    (client) => {
      t.is(client.getExpirationTime(), 0)
      const at = Math.floor(Date.now() / 1000) - 1
      client.updateExpirationTime(at)
      return new LineDriver()
    },
    () => new Promise((resolve) => (answer = resolve)),
  )
  const wire = await connect()
  wire.send('/\n')
  await until(() => clients[0]?.getPendingResponseCount() === 1)
  const at = Math.floor(Date.now() / 1000) + 1
  clients[0]!.updateExpirationTime(at)
  clients[0]!.updateExpirationTime(at - 10)
  t.is(clients[0]!.getExpirationTime(), at)
  const idle = await connect()
  await until(() => clients.length === 2)
  clients[1]!.updateExpirationTime(at)
  t.is(await idle.end(), '')
  t.false(clients[0]!.isClosed())
  answer(Response.text('in time'))
  t.is(await wire.end(), 'in time\n')
  t.is(clients[0]!.getExpirationTime(), 0)
})

test('hundreds of driven connections, closed in every way, leave no resources', async (t) => {
  const { connect, server, clients, drivers } = await drive(t, () => new LineDriver())
  for (let round = 0; round < 200; round++) {
    const wire = await connect()
    wire.send('/half')
    await until(() => clients.length === round + 1)
    const client = clients[round]!
    if (round % 4 === 0) wire.socket.resetAndDestroy()
    else if (round % 4 === 1) wire.socket.end()
    else if (round % 4 === 2) client.close()
    else void client.stop(10).catch(() => {})
    wire.socket.once('end', () => wire.socket.end())
    await closed(client)
  }
  t.true(drivers.every((driver) => driver.events.at(-1) === 'cleaned up'))
  await server.stop()
})
