/**
 * HTTP/2 by h2load, with and without TLS: CPU per request beside other servers.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { output } from './load.mjs'
import { HTTP2_PEERS } from './peers.mjs'
import { IDLE_HTTP2, idleMemory } from './rest.mjs'
import { inRounds } from './rounds.mjs'
import { CIPHER, withCertificate } from './tls.mjs'

const MEBIBYTE = 1024 ** 2
const WORKS = [
  { name: 'h2: hello, 64 x 10', handler: 'hello', connections: 64, streams: 10 },
  { name: 'h2: hello, 1 x 100', handler: 'hello', connections: 1, streams: 100 },
  { name: 'h2: POST 1 KiB, 64 x 10', handler: 'echo', connections: 64, streams: 10, body: 1024 },
  { name: 'h2: 1 MiB, 4 x 4', handler: 'longer', connections: 4, streams: 4, bytes: MEBIBYTE },
  { name: 'h2 over TLS: hello, 64 x 10', handler: 'hello', connections: 64, streams: 10, isSecure: true },
  { name: 'h2 over TLS: hello, 1 x 100', handler: 'hello', connections: 1, streams: 100, isSecure: true },
  // The same application on Node speaks HTTP/1.1 without TLS.
  { name: 'h2 over TLS: Express 5, 64 x 10', handler: 'express', servers: ['busbar/http', "Node's http without TLS"], connections: 64, streams: 10, isSecure: true },
  { name: 'h2 over TLS: 1 MiB, 4 x 4', handler: 'longer', connections: 4, streams: 4, bytes: MEBIBYTE, isSecure: true },
]

/** Whether the load can be made here. */
export const hasH2load = spawnSync('h2load', ['--version']).error === undefined
const hasOpenssl = spawnSync('openssl', ['version']).error === undefined

async function load({ connections, streams, body, isSecure = false }, { port, peer: { isHttp1 = false } }, { seconds, scratch }) {
  const scheme = isSecure && !isHttp1 ? 'https' : 'http'
  const protocol = isHttp1 ? ['--h1', '-m', 1] : ['-m', streams]
  const args = ['-c', connections, ...protocol, '-D', seconds, `--tls13-ciphers=${CIPHER}`, `${scheme}://127.0.0.1:${port}/`].map(String)
  if (body !== undefined) {
    const file = join(scratch, `body-${body}`)
    writeFileSync(file, 'x'.repeat(body))
    args.unshift('-d', file)
  }
  const printed = await output('h2load', args)
  const [, done, succeeded] = /(\d+) done, (\d+) succeeded/.exec(printed) ?? [0, 0, 0]
  const rate = Number(/([\d.]+) req\/s/.exec(printed)?.[1] ?? 0)
  return { requests: Number(done), rate, errors: Number(done) - Number(succeeded) }
}

/** Memory of idle connections of all servers that are installed and answer with a hello. */
export function idleHttp2(settings) {
  const peers = HTTP2_PEERS.filter(({ version, handlers = ['hello'] }) => version(settings) !== null && handlers.includes('hello'))
  return idleMemory(peers, settings, IDLE_HTTP2)
}

/** Measures each work for all servers that are installed; rows by the name of the work. */
export async function http2Works(settings, report) {
  const installed = HTTP2_PEERS.filter((peer) => settings.isServer(peer.name) && peer.version(settings) !== null)
  const works = WORKS.filter(({ isSecure = false }) => !isSecure || hasOpenssl)
  for (const work of works.filter(({ name }) => settings.isWanted(name))) {
    const peers = installed.filter(({ name }) => work.servers === undefined || work.servers.includes(name))
    const measure = () => inRounds(work, peers, settings, load)
    report(work, await (work.isSecure ? withCertificate(settings.scratch, measure) : measure()))
  }
}
