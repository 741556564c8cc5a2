/**
 * Go's net/http as a client. Where Go is missing the spec is skipped.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Response, Trailers } from '../src/index.ts'
import { openTls } from './tls-support.ts'

const hasGo = spawnSync('go', ['version']).status === 0
const client = fileURLToPath(new URL('fixtures/http2-client.go', import.meta.url))

;(hasGo ? test : test.skip)("Go's net/http is served over TLS", async (t) => {
  t.timeout(300_000, 'the first run compiles the client')
  const { port } = await openTls(
    t,
    {},
    (request) => {
      let length = 0
      async function* echo() {
        for await (const piece of request.getBody()) {
          length += piece.length
          yield piece
        }
      }
      return new Response(200, {}, echo(), new Trailers(() => ({ 'x-length': String(length) }), ['x-length']))
    },
    { bodySizeLimit: Infinity },
  )
  const { stdout } = await promisify(execFile)('go', ['run', client, `https://127.0.0.1:${port}/`])
  const lines = stdout.trim().split('\n')
  t.is(lines.length, 7, stdout)
  t.deepEqual(lines.filter((line) => !line.startsWith('ok ')), [])
})
