const TEXT = { headers: { 'content-type': 'text/plain' } }
const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')

async function* pieces() {
  for (let at = 0; at < 16; at++) yield LONG
}

const handlers = {
  hello: () => new Response('Hello, World!', TEXT),
  json: () => Response.json({ message: 'Hello, World!', id: 42, ok: true }),
  headers({ headers }) {
    const isPlain = headers.get('accept') && headers.get('cookie') && headers.get('user-agent')
    return new Response('Hello, World!', { ...TEXT, status: isPlain ? 200 : 400 })
  },
  echo: async (request) => new Response(await request.arrayBuffer(), TEXT),
  long: () => new Response(LONG, TEXT),
  longer: () => new Response(MEBIBYTE, TEXT),
  stream: () => new Response(pieces(), { headers: { ...TEXT.headers, 'content-length': String(MEBIBYTE.length) } }),
  pipe: ({ body, headers }) =>
    new Response(body, { headers: { ...TEXT.headers, 'content-length': headers.get('content-length') } }),
  burn() {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    return new Response('Hello, World!', TEXT)
  },
  async: () => new Promise((resolve) => setImmediate(() => resolve(new Response('Hello, World!', TEXT)))),
}

const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
const tls = cert === undefined ? {} : { tls: { cert: Bun.file(cert), key: Bun.file(key) } }
const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: handlers[process.argv[2]], ...tls })
console.log(server.port)
