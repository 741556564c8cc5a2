import fastify from 'fastify'

const handlers = {
  hello: (_, reply) => reply.type('text/plain').send('Hello, World!'),
  json: (_, reply) => reply.send({ message: 'Hello, World!', id: 42, ok: true }),
  headers({ headers }, reply) {
    const isPlain = headers.accept && headers.cookie && headers['user-agent']
    return reply.code(isPlain ? 200 : 400).type('text/plain').send('Hello, World!')
  },
  echo: ({ body }, reply) => reply.type('text/plain').send(body),
  async: (_, reply) => {
    setImmediate(() => reply.type('text/plain').send('Hello, World!'))
    return reply
  },
}

const server = fastify()
server.removeAllContentTypeParsers()
server.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
server.route({ method: ['GET', 'POST'], url: '/', handler: handlers[process.argv[2]] })
await server.listen({ port: 0, host: '127.0.0.1' })
console.log(server.server.address().port)
