import fastify from 'fastify'
import { Readable } from 'node:stream'

const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')

async function* pieces() {
  for (let at = 0; at < 16; at++) yield LONG
}

const handlers = {
  hello: (_, reply) => reply.type('text/plain').send('Hello, World!'),
  json: (_, reply) => reply.send({ message: 'Hello, World!', id: 42, ok: true }),
  headers({ headers }, reply) {
    const isPlain = headers.accept && headers.cookie && headers['user-agent']
    return reply.code(isPlain ? 200 : 400).type('text/plain').send('Hello, World!')
  },
  echo: ({ body }, reply) => reply.type('text/plain').send(body),
  long: (_, reply) => reply.type('text/plain').send(LONG),
  longer: (_, reply) => reply.type('text/plain').send(MEBIBYTE),
  stream: (_, reply) => reply.type('text/plain').header('content-length', MEBIBYTE.length).send(Readable.from(pieces())),
  pipe: ({ headers, body }, reply) => reply.type('text/plain').header('content-length', headers['content-length']).send(body),
  burn(_, reply) {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    return reply.type('text/plain').send('Hello, World!')
  },
  async: (_, reply) => {
    setImmediate(() => reply.type('text/plain').send('Hello, World!'))
    return reply
  },
}

const server = fastify()
server.removeAllContentTypeParsers()
if (process.argv[2] === 'pipe') server.addContentTypeParser('*', (_, body, done) => done(null, body))
else server.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
server.route({ method: ['GET', 'POST'], url: '/', handler: handlers[process.argv[2]] })
await server.listen({ port: 0, host: '127.0.0.1' })
console.log(server.server.address().port)
