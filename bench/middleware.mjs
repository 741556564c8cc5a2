/**
 * What middleware and the access log add to a request, in memory: no socket, no engine.
 *
 * Usage: node --import=@oxc-node/core/register bench/middleware.mjs > /dev/null
 *
 * The result is on stderr, since the lines of the access log go to stdout. Each is the least of several rounds, minus that of
 * the handler alone.
 */
import { Request, Response, stack } from '../src/index.ts'
import { accessLogHook } from '../src/middleware/access-log.ts'
import { CompressionMiddleware } from '../src/middleware/compression.ts'
import { ConcurrencyLimitingMiddleware } from '../src/middleware/concurrency-limiting.ts'
import { CorsMiddleware } from '../src/middleware/cors.ts'
import { ErrorPagesMiddleware } from '../src/middleware/error-pages.ts'
import { SecurityHeadersMiddleware } from '../src/middleware/security-headers.ts'

const REQUESTS = 4000
const ROUNDS = 150
const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)', accept: '*/*', 'accept-encoding': 'gzip, br' }

const hello = () => Response.text('Hello')
const later = async () => Response.text('Hello')
const pass = (request, next) => next(request)
const wait = async (request, next) => await next(request)
const object = { handleRequest: (request, next) => next.handleRequest(request) }
const five = (middleware) => [middleware, middleware, middleware, middleware, middleware]

const pool = Array.from({ length: 256 }, () => Request.create('GET', '/path?query=1', { headers }))

/** Nanoseconds a request; the least of the rounds. */
async function measured(handle) {
  let least = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.hrtime.bigint()
    for (let at = 0; at < REQUESTS; at++) {
      const result = handle(pool[at & 255])
      if (result instanceof Promise) await result
    }
    least = Math.min(least, Number(process.hrtime.bigint() - began) / REQUESTS)
  }
  return least
}

const show = (name, nanoseconds) => console.error(`${name.padEnd(46)} ${Math.round(nanoseconds).toString().padStart(5)} ns`)

const alone = await measured(hello)
const aloneLater = await measured(later)
show('the handler alone', alone)
show('five no-op middleware, functions', (await measured(stack(hello, ...five(pass)))) - alone)
show('five no-op middleware, objects', (await measured(stack(hello, ...five(object)))) - alone)
show('an async handler alone', aloneLater)
show('five no-op middleware before an async handler', (await measured(stack(later, ...five(pass)))) - aloneLater)
show('five async middleware, an async handler', (await measured(stack(later, ...five(wait)))) - aloneLater)
show('CompressionMiddleware, short response', (await measured(stack(hello, new CompressionMiddleware()))) - alone)
const preset = [new ConcurrencyLimitingMiddleware(1000), new CompressionMiddleware(), new ErrorPagesMiddleware()]
show('the three of a preset, short response', (await measured(stack(hello, ...preset))) - alone)
show('the three of a preset, an async handler', (await measured(stack(later, ...preset))) - aloneLater)
show('SecurityHeadersMiddleware', (await measured(stack(hello, new SecurityHeadersMiddleware()))) - alone)
show('CorsMiddleware, all origins', (await measured(stack(hello, new CorsMiddleware()))) - alone)

const remoteAddress = { getHost: () => '192.0.2.1' }
for (const format of ['combined', 'json']) {
  const hook = accessLogHook(format)
  const log = (request) => hook({ request, remoteAddress, status: 200, bytesSent: 5, duration: 0.5, outcome: 'sent' })
  show(`access log, ${format}`, await measured(log))
  await new Promise((resolve) => setTimeout(resolve, 200))
}

// Without a stack: what the language itself takes for as many functions.
const nested = five(wait).reduceRight((next, middleware) => (request) => middleware(request, next), later)
show('the same five async functions without a stack', (await measured(nested)) - aloneLater)
