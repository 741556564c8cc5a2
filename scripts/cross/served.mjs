// A short life of a server, for emulators: requests with and without bodies, both ways, HTTP/1.1 on one connection, a
// request that is refused, and a stop. Prints what it ran on, and `served`.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { HttpServer, Response, versions } from '../../dist/index.js'

const closed = []
const server = new HttpServer('127.0.0.1:0', async (request) => {
  request.getClient().onClose(() => closed.push(1))
  if (request.getPath() === '/echo') return Response.json({ length: (await request.buffer()).length })
  if (request.getPath() === '/stream') {
    return new Response(200, {}, (async function* pieces() {
      for (let at = 0; at < 100; at += 1) yield `${at},`
    })())
  }
  return Response.text('hello')
})
await server.start()
const { port } = new URL(server.url)

for (const ways of [server.url, new URL('/stream', server.url)]) assert.equal((await fetch(ways)).status, 200)
assert.equal(await (await fetch(server.url)).text(), 'hello')
assert.equal((await (await fetch(new URL('/stream', server.url))).text()).split(',').length, 101)
const body = 'x'.repeat(100_000)
assert.deepEqual(await (await fetch(new URL('/echo', server.url), { method: 'POST', body })).json(), { length: body.length })

const wire = connect(Number(port), '127.0.0.1')
wire.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
assert.equal((await text(wire)).match(/200 OK/g).length, 2)
const refused = connect(Number(port), '127.0.0.1')
refused.write('GET / HTTP/1.1\r\n\r\n')
assert.match(await text(refused), /^HTTP\/1\.1 400 /)

await server.stop()
assert.ok(closed.length > 0)
console.log(`Node ${process.versions.node} on ${process.platform} ${process.arch}, ${versions.crypto}: served`)
