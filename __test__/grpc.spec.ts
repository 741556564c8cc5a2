import { once } from 'node:events'
import { connect } from 'node:http2'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ChannelCredentials, Metadata, loadPackageDefinition, status } from '@grpc/grpc-js'
import type { Client, ClientDuplexStream, ClientReadableStream, ClientUnaryCall, ClientWritableStream, ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import handler, { settings } from '../examples/grpc.mjs'
import { HttpServer, silentLogger } from '../dist/index.js'
import { authority, leaf } from './tls-support.ts'

interface Hello {
  text: string
}
type Done = (error: ServiceError | null, reply?: Hello) => void

interface Greeter extends Client {
  sayHello(hello: Hello, options: { deadline?: number }, done: Done): ClientUnaryCall
  countDown(hello: Hello): ClientReadableStream<Hello>
  collect(done: Done): ClientWritableStream<Hello>
  chat(metadata?: Metadata, options?: { deadline: number }): ClientDuplexStream<Hello, Hello>
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const definition = loadSync(new URL('../examples/grpc.proto', import.meta.url).pathname)

async function serveExample(t: ExecutionContext, isTls = false): Promise<{ port: number }> {
  const listen = { host: '127.0.0.1', port: 0, ...(isTls ? { tls: { cert: leaf.cert, key: leaf.key } } : {}) }
  const server = new HttpServer(listen, handler, { logger: silentLogger, ...settings })
  await server.start()
  t.teardown(() => server.stop(0))
  return { port: server.getServers()[0]!.getPort()! }
}

/** The example, and a client of grpc-js. */
async function openGreeter(t: ExecutionContext, isTls = false): Promise<Greeter> {
  const { port } = await serveExample(t, isTls)
  const greeter = loadPackageDefinition(definition)['greeter'] as unknown as Record<string, new (...args: unknown[]) => Greeter>
  const credentials = isTls ? ChannelCredentials.createSsl(Buffer.from(authority.cert)) : ChannelCredentials.createInsecure()
  const client = new greeter['Greeter']!(`localhost:${port}`, credentials)
  t.teardown(() => client.close())
  return client
}

function unary(call: (done: Done) => unknown): Promise<string> {
  return new Promise((resolve, reject) => void call((error, reply) => (error === null ? resolve(reply!.text) : reject(error))))
}

async function texts(stream: AsyncIterable<Hello>): Promise<string[]> {
  const received: string[] = []
  for await (const { text } of stream) received.push(text)
  return received
}

for (const isTls of [false, true]) {
  test(`unary calls work ${isTls ? 'over TLS' : 'without TLS'}`, async (t) => {
    const client = await openGreeter(t, isTls)
    const names = Array.from({ length: 50 }, (_, number) => `number ${number}`)
    const replies = await Promise.all(names.map((text) => unary((done) => client.sayHello({ text }, {}, done))))
    t.deepEqual(replies, names.map((name) => `Hello, ${name}!`))
    const long = 'ö'.repeat(500_000)
    t.is(await unary((done) => client.sayHello({ text: long }, {}, done)), `Hello, ${long}!`)
  })
}

test('a server streams messages, and a slow reader slows it', async (t) => {
  const client = await openGreeter(t)
  t.is((await texts(client.countDown({ text: '5000' }))).length, 5000)
  const stream = client.countDown({ text: '3' })
  t.deepEqual(await texts(stream), ['3', '2', '1'])
})

test('a client streams messages', async (t) => {
  const client = await openGreeter(t)
  const reply = unary((done) => {
    const stream = client.collect(done)
    for (let number = 0; number < 1000; number++) stream.write({ text: String(number) })
    stream.end()
  })
  t.is(await reply, Array.from({ length: 1000 }, (_, number) => String(number)).join(' '))
})

test('both sides stream, each message answered before the next', async (t) => {
  const client = await openGreeter(t)
  const stream = client.chat()
  for (const text of ['one', 'two', 'three']) {
    stream.write({ text })
    const [reply] = (await once(stream, 'data')) as [Hello]
    t.is(reply.text, text.toUpperCase())
  }
  const ended = once(stream, 'status')
  stream.end()
  stream.resume()
  t.is((await ended)[0].code, status.OK)
})

test('a method that fails gives its status, with a message in UTF-8', async (t) => {
  const client = await openGreeter(t)
  const error = (await t.throwsAsync(unary((done) => client.sayHello({ text: '' }, {}, done)))) as ServiceError
  t.is(error.code, status.INVALID_ARGUMENT)
  t.is(error.details, 'a greeting needs a name: "Zoë"')
})

test('the answer to an unknown method is headers that end the stream', async (t) => {
  const client = await openGreeter(t)
  const { path: _, ...rest } = definition['greeter.Greeter'] as unknown as Record<string, { requestSerialize: never; responseDeserialize: never }>
  const { requestSerialize, responseDeserialize } = rest['SayHello']!
  const call = (done: Done): unknown =>
    client.makeUnaryRequest('/greeter.Greeter/Missing', requestSerialize, responseDeserialize, { text: 'a' } as never, new Metadata(), done as never)
  const error = (await t.throwsAsync(unary(call))) as ServiceError
  t.is(error.code, status.UNIMPLEMENTED)
})

test('a deadline ends a call', async (t) => {
  const client = await openGreeter(t)
  const stream = client.chat(new Metadata(), { deadline: Date.now() + 500 })
  const failed = new Promise<ServiceError>((resolve) => stream.on('error', (error) => resolve(error as ServiceError)))
  stream.resume()
  stream.write({ text: 'one' })
  const error = await failed
  t.is(error.code, status.DEADLINE_EXCEEDED)
  t.is(await unary((done) => client.sayHello({ text: 'next' }, {}, done)), 'Hello, next!')
})

test('the deadline of a call is kept by the server as well, also when garbage is collected meanwhile', async (t) => {
  const { port } = await serveExample(t)
  const session = connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  const headers = { ':method': 'POST', ':path': '/greeter.Greeter/Chat', 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '200m' }
  const stream = session.request(headers, { endStream: false })
  const trailers = once(stream, 'trailers')
  stream.resume()
  await once(stream, 'response')
  collect()
  t.is((await trailers)[0]['grpc-status'], String(status.DEADLINE_EXCEEDED))
  stream.close()
})

test('a cancelled call ends, and the connection serves the next', async (t) => {
  const client = await openGreeter(t)
  const stream = client.countDown({ text: '100000000' })
  await once(stream, 'data')
  const failed = once(stream, 'error')
  stream.cancel()
  t.is(((await failed)[0] as ServiceError).code, status.CANCELLED)
  t.is(await unary((done) => client.sayHello({ text: 'next' }, {}, done)), 'Hello, next!')
})
