/**
 * PROXY headers of other projects: HAProxy and nginx. A judge that isn't installed is skipped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { request as askByTls } from 'node:https'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import ava from 'ava'
import type { ExecutionContext } from 'ava'
import { Response } from '../src/index.ts'
import type { Handler, Request } from '../src/index.ts'
import { GET, IS_TLS, dial, open, temporaryDirectory, until } from './support.ts'

const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so'
const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
const hasHaproxy = has('haproxy', '-v')
const hasNginx = has('nginx', '-v') && existsSync(NGINX_STREAM)
const hasOpenssl = has('openssl', 'version')
if (!hasHaproxy) console.log('haproxy is not installed: its PROXY headers are not tried')
if (!hasNginx) console.log('nginx with its stream module is not installed: its PROXY headers are not tried')

// The openers speak TLS at once then, ahead of any header.
const haproxyTest = hasHaproxy && !IS_TLS ? ava : ava.skip
const haproxyTlsTest = hasHaproxy && hasOpenssl && !IS_TLS ? ava : ava.skip
const nginxTest = hasNginx && !IS_TLS ? ava : ava.skip

const LISTEN = { host: '127.0.0.1', port: 0, proxyProtocol: true }
const SETTINGS = { proxies: ['127.0.0.1', 'unix'] }

const tell: Handler = (request) => {
  const client = request.getClient()
  return Response.text(`<${client.getRemoteAddress()} by ${client.getProxyAddress()?.getHost()}, ${request.getUri().protocol}>`)
}

/** A port that was free just now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Runs a proxy until the end of the test; resolves when it takes connections on `port`. */
async function run(t: ExecutionContext, port: number, command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (line: string) => (log += line))
  t.teardown(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  while (child.exitCode === null) {
    const probe = connect({ port, host: '127.0.0.1' })
    const isReady = await new Promise<boolean>((resolve) => probe.on('connect', () => resolve(true)).on('error', () => resolve(false)))
    probe.destroy()
    if (isReady) return
    await pause(20)
  }
  throw new Error(`${command} has ended:\n${log}`)
}

/** HAProxy before a server; returns the port at which clients connect. */
async function haproxy(t: ExecutionContext, frontend: string, server: string, defaults = 'mode tcp'): Promise<number> {
  const port = await freePort()
  const file = join(await temporaryDirectory(t), 'haproxy.cfg')
  await writeFile(
    file,
    `global
  maxconn 100
defaults
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  ${defaults}
listen busbar
  bind 127.0.0.1:${port} ${frontend}
  server one ${server}
`,
  )
  await run(t, port, 'haproxy', '-db', '-f', file)
  return port
}

async function told(t: ExecutionContext, port: number): Promise<[string, number]> {
  const wire = (await dial(t, { port, host: '127.0.0.1', localAddress: '127.0.0.2' })).send(GET)
  const found = /<(.*)>/.exec(await wire.until((received) => received.endsWith('>')))![1]!
  return [found, wire.socket.localPort!]
}

for (const option of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,authority,unique-id']) {
  haproxyTest(`HAProxy announces its client with ${option}`, async (t) => {
    const { port, server } = await open(t, tell, SETTINGS, LISTEN)
    const [found, from] = await told(t, await haproxy(t, '', `127.0.0.1:${port} ${option}`))
    t.is(found, `127.0.0.2:${from} by 127.0.0.1, http:`)
    t.deepEqual(server.getRefusals(), {})
  })
}

for (const option of ['send-proxy', 'send-proxy-v2']) {
  haproxyTest(`HAProxy checks with check-send-proxy and ${option} under its own address`, async (t) => {
    const checks: Request[] = []
    const handler: Handler = (request) => {
      if (request.getPath() === '/health') checks.push(request)
      return tell(request)
    }
    const { port, server } = await open(t, handler, SETTINGS, LISTEN)
    const one = `127.0.0.1:${port} ${option} check check-send-proxy inter 50ms`
    const front = await haproxy(t, '', one, 'mode http\n  option httpchk GET /health HTTP/1.1\n  http-check send hdr Host a')
    await until(() => checks.length > 2)
    for (const check of checks.slice(0, 3)) {
      t.is(check.getClient().getRemoteAddress().getHost(), '127.0.0.1')
      t.is(`${check.getClient().getProxyAddress()}`, `${check.getClient().getRemoteAddress()}`)
    }
    const [found, from] = await told(t, front)
    t.is(found, `127.0.0.2:${from} by 127.0.0.1, http:`)
    t.deepEqual(server.getRefusals(), {})
  })
}

haproxyTest('HAProxy announces clients by a unix socket', async (t) => {
  const path = join(await temporaryDirectory(t), 'server.sock')
  await open(t, tell, SETTINGS, { path, proxyProtocol: true })
  const [found, from] = await told(t, await haproxy(t, '', `unix@${path} send-proxy-v2`))
  t.is(found, `127.0.0.2:${from} by ${path}, http:`)
})

haproxyTest('HAProxy without PROXY headers is closed without a byte', async (t) => {
  const { port, server } = await open(t, tell, SETTINGS, LISTEN)
  const front = await haproxy(t, '', `127.0.0.1:${port}`)
  const wire = (await dial(t, { port: front, host: '127.0.0.1' })).send(GET)
  t.is(await wire.end(), '')
  t.is(server.getRefusals()['BUSBAR_PROXY_HEADER_MISSING'], 1)
})

haproxyTlsTest('HAProxy that ends TLS announces it', async (t) => {
  const directory = await temporaryDirectory(t)
  const [key, certificate, both] = ['key.pem', 'certificate.pem', 'both.pem'].map((name) => join(directory, name)) as [string, string, string]
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=a.example', '-keyout', key, '-out', certificate]
  t.is(spawnSync('openssl', make).status, 0)
  await writeFile(both, Buffer.concat([await readFile(certificate), await readFile(key)]))
  const { port } = await open(t, tell, SETTINGS, LISTEN)
  const options = 'send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c'
  const front = await haproxy(t, `ssl crt ${both}`, `127.0.0.1:${port} ${options}`)
  const asked = askByTls({ port: front, host: '127.0.0.1', localAddress: '127.0.0.2', rejectUnauthorized: false, agent: false }).end()
  const [response] = await once(asked, 'response')
  t.regex(await text(response), /^<127\.0\.0\.2:\d+ by 127\.0\.0\.1, https:>$/)
})

nginxTest('nginx announces its client', async (t) => {
  const { port, server } = await open(t, tell, SETTINGS, LISTEN)
  const directory = await temporaryDirectory(t)
  const [front, file] = [await freePort(), join(directory, 'nginx.conf')]
  await writeFile(
    file,
    `load_module ${NGINX_STREAM};
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr;
events {}
stream {
  server {
    listen 127.0.0.1:${front};
    proxy_pass 127.0.0.1:${port};
    proxy_protocol on;
  }
}
`,
  )
  await run(t, front, 'nginx', '-p', directory, '-e', 'stderr', '-c', file)
  const [found, from] = await told(t, front)
  t.is(found, `127.0.0.2:${from} by 127.0.0.1, http:`)
  t.deepEqual(server.getRefusals(), {})
})
