/**
 * The works: their requests, and the right response to each.
 */

/** The body to echo. */
export const KIBIBYTE = 'x'.repeat(1024)

/** The long bodies. */
const LONG = 'x'.repeat(64 * 1024)
const MEBIBYTE = 'x'.repeat(1024 * 1024)
const GIBIBYTE = 1024 ** 3

const HELLO = 'Hello, World!'

/** Eight fields of a browser; no handler reads them. */
const EIGHT = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'accept-language': 'en-GB,en;q=0.5',
  'accept-encoding': 'gzip, deflate, br, zstd',
  referer: 'http://localhost/articles/2026/11/24/',
  'cache-control': 'no-cache',
  'sec-fetch-mode': 'navigate',
  'upgrade-insecure-requests': '1',
}

/** Twelve fields together with Host; the handler reads three of them. */
const TWELVE = {
  ...EIGHT,
  cookie: 'session=0123456789abcdef0123456789abcdef; theme=dark',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'same-origin',
}

/**
 * @typedef {object} Work
 * @property {string} name its name in the table
 * @property {string} handler the handler of the servers
 * @property {string} [method]
 * @property {string} [path] its target; `/` when left out
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {number} [chunk] the body is sent in chunks of so many bytes
 * @property {number} [pipeline] requests under way on each connection
 * @property {boolean} [closes] each request has a connection of its own
 * @property {string} [answer] the body of the right response; unused with `bulk`
 * @property {{ method: string, sends: number, receives: number }} [bulk] bytes of bodies too long for a string, all the same byte
 * @property {readonly string[]} [servers] the only servers to measure; all when left out
 * @property {number} [bytes] of the bodies of one request and its response, when their length decides the cost
 */

const ECHO = { method: 'POST', sends: 100 * MEBIBYTE.length, receives: 100 * MEBIBYTE.length }
const DOWNLOAD = { method: 'GET', sends: 0, receives: GIBIBYTE }
/** The servers of applications for node:http. */
const FOR_FRAMEWORKS = ['busbar/http', 'busbar/http (1 thread)', "Node's http"]
const FOR_BULK = ['busbar', 'busbar (1 thread)', 'node:http', 'uWebSockets.js', 'bare epoll']
const BULK = [
  { name: 'echo 100 MiB', handler: 'echo', bulk: ECHO },
  { name: 'echo 100 MiB streamed', handler: 'pipe', bulk: ECHO },
  { name: 'download 1 GiB streamed', handler: 'huge', bulk: DOWNLOAD },
  // uWebSockets.js has no function to send files.
  { name: 'download 1 GiB file', handler: 'file', bulk: DOWNLOAD, servers: FOR_BULK.filter((name) => name !== 'uWebSockets.js') },
].map((work) => ({ servers: FOR_BULK, bytes: work.bulk.sends + work.bulk.receives, ...work }))

/** The bare loop reads no chunks. */
const FOR_CHUNKS = FOR_BULK.filter((name) => name !== 'bare epoll')

const WEB = ['busbar', 'busbar/fetch', 'Hono on busbar', 'Hono on busbar (1 thread)', 'Hono on node-server', 'Hono on Bun']

/** @type {readonly Work[]} */
export const WORKS = [
  { name: 'hello', handler: 'hello', answer: HELLO },
  { name: 'JSON', handler: 'json', answer: JSON.stringify({ message: HELLO, id: 42, ok: true }) },
  { name: '12 headers, 3 read', handler: 'headers', headers: TWELVE, answer: HELLO },
  { name: '8 headers, unread', handler: 'hello', headers: EIGHT, answer: HELLO },
  { name: 'echo 1 KiB', handler: 'echo', method: 'POST', body: KIBIBYTE, answer: KIBIBYTE },
  { name: 'async answer', handler: 'async', answer: HELLO },
  { name: 'handler of 20 us', handler: 'burn', answer: HELLO },
  { name: 'pipelined x16', handler: 'hello', pipeline: 16, answer: HELLO },
  { name: 'connection per request', handler: 'hello', closes: true, headers: { connection: 'close' }, answer: HELLO },
  { name: 'download 64 KiB', handler: 'long', answer: LONG, bytes: LONG.length },
  { name: 'download 1 MiB', handler: 'longer', answer: MEBIBYTE, bytes: MEBIBYTE.length },
  { name: 'download 1 MiB streamed', handler: 'stream', answer: MEBIBYTE, bytes: MEBIBYTE.length },
  { name: 'download 1 MiB read ahead', handler: 'ahead', answer: MEBIBYTE, bytes: MEBIBYTE.length, servers: FOR_BULK },
  { name: 'echo 1 MiB', handler: 'echo', method: 'POST', body: MEBIBYTE, answer: MEBIBYTE, bytes: 2 * MEBIBYTE.length },
  { name: 'echo 1 MiB chunked', handler: 'echo', method: 'POST', body: MEBIBYTE, chunk: LONG.length, answer: MEBIBYTE, bytes: 2 * MEBIBYTE.length, servers: FOR_CHUNKS },
  { name: 'echo 1 MiB streamed', handler: 'pipe', method: 'POST', body: MEBIBYTE, answer: MEBIBYTE, bytes: 2 * MEBIBYTE.length },
  { name: 'web: hello', handler: 'web', answer: HELLO, servers: WEB },
  ...Object.entries({ bare: '(req, res)', express: 'Express 5', express4: 'Express 4', fastify: 'Fastify on http', koa: 'Koa' }).map(
    ([handler, name]) => ({ name, handler, answer: HELLO, servers: FOR_FRAMEWORKS }),
  ),
  { name: 'static file of 10 KiB', handler: 'static', path: '/static.txt', answer: 'x'.repeat(10 * 1024), servers: ['busbar', 'nginx'] },
  ...BULK,
]
