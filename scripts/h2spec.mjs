// Runs h2spec --strict against busbar, without TLS and with it, in both modes of its sockets. All of its tests must
// have run and passed. Usage: node scripts/h2spec.mjs [path of h2spec]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Http2Driver, HttpServer, Response } from '../dist/index.js'

/** Tests that it has. */
const TESTS = 146
const program = process.argv[2] ?? 'h2spec'

async function handler(request) {
  if (request.getMethod() === 'POST') await request.buffer()
  return Response.text('Hello, world!')
}

// On a port that is shared with HTTP/1 an invalid preface is an invalid request line, which is answered.
const driverFactory = { selectDriver: () => new Http2Driver(), getApplicationLayerProtocols: () => ['h2'] }

async function run(name, settings, listen, args) {
  const server = new HttpServer(listen, handler, { driverFactory, ...settings })
  await server.start()
  const port = String(server.getServers()[0].getPort())
  const child = spawn(program, ['--strict', '-h', '127.0.0.1', '-p', port, '-o', '5', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  await server.stop(0)
  const [, count, passed] = /(\d+) tests, (\d+) passed/.exec(printed) ?? []
  console.log(`${name}: ${count ?? 0} tests, ${passed ?? 0} passed`)
  if (Number(count) === TESTS && Number(passed) === TESTS) return
  console.log(printed.slice(printed.indexOf('Failures:')))
  process.exitCode = 1
}

const certificate = process.env.H2SPEC_CERTIFICATE
const key = process.env.H2SPEC_KEY
for (const ioThreads of [0, 2]) {
  await run(`h2c, ${ioThreads} threads`, { ioThreads }, '127.0.0.1:0', [])
  if (certificate === undefined || key === undefined) continue
  const tls = { cert: certificate, key }
  await run(`TLS, ${ioThreads} threads`, { ioThreads }, { host: '127.0.0.1', port: 0, tls }, ['-t', '-k'])
}
