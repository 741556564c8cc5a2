/** OpenTelemetry's instrumentation of http, and the channels that others subscribe to, in applications under the hook. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { Authority } from './authority.ts'

const hook = fileURLToPath(new URL('../dist/register.js', import.meta.url))
// It replaces what a process has loaded, so each test has a process, which needs the build.
const built = existsSync(hook) ? test : test.skip
const run = promisify(execFile)
const { cert, key } = new Authority().issue()

interface Traced {
  readonly servers: number
  readonly spans: readonly { name: string; kind: number; status: unknown; path: unknown; parent: string | null; trace: string; isActive: boolean }[]
  readonly channels: readonly string[]
}

/** Runs an application whose spans are collected; it is given `http`, `https` and `done`. */
async function traced(application: string, isHooked = true): Promise<Traced> {
  const source = `
    const { AsyncLocalStorage } = require('node:async_hooks')
    const { subscribe } = require('node:diagnostics_channel')
    const { ROOT_CONTEXT, context, propagation, trace } = require('@opentelemetry/api')
    const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base')
    const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
    const storage = new AsyncLocalStorage()
    context.setGlobalContextManager({
      active: () => storage.getStore() ?? ROOT_CONTEXT,
      with: (given, call, self, ...rest) => storage.run(given, () => call.apply(self, rest)),
      bind: (given, target) => typeof target === 'function' ? function (...rest) { return storage.run(given, () => target.apply(this, rest)) } : target,
      enable() { return this }, disable() { return this },
    })
    propagation.setGlobalPropagator({
      inject() {}, fields: () => ['traceparent'],
      extract(given, carrier, getter) {
        const [, traceId, spanId] = /^00-(\\w{32})-(\\w{16})-/.exec(getter.get(carrier, 'traceparent') ?? '') ?? []
        return traceId === undefined ? given : trace.setSpanContext(given, { traceId, spanId, traceFlags: 1, isRemote: true })
      },
    })
    const exporter = new InMemorySpanExporter()
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    trace.setGlobalTracerProvider(tracerProvider)
    const instrumentation = new HttpInstrumentation({ requestHook: (span, request) => { if (request.socket && request.rawHeaders) span.setAttribute('hooked', request.method) } })
    instrumentation.setTracerProvider(tracerProvider)
    instrumentation.enable()
    let servers = 0
    const channels = []
    subscribe('busbar.server', ({ servedBy }) => { if (servedBy === 'busbar') servers++ })
    for (const name of ['request.start', 'response.created', 'response.finish']) subscribe('http.server.' + name, ({ request }) => channels.push(name + ' ' + request.url))
    const http = require('http'), https = require('https')
    const active = new Set()
    const noteActive = () => { const span = trace.getSpan(context.active()); if (span) active.add(span.spanContext().spanId) }
    const done = (server) => {
      server.close(); server.closeAllConnections?.()
      setTimeout(() => {
        const spans = exporter.getFinishedSpans().filter(({ kind }) => kind === 1).map((span) => ({
          name: span.name, kind: span.kind, status: span.attributes['http.status_code'] ?? span.attributes['http.response.status_code'], path: span.attributes['http.target'] ?? span.attributes['url.path'],
          parent: span.parentSpanContext?.spanId ?? null, trace: span.spanContext().traceId, isActive: active.has(span.spanContext().spanId),
        }))
        console.log(JSON.stringify({ servers, spans, channels }))
        process.exit()
      }, 50)
    }
    ${application}`
  const directory = fileURLToPath(new URL('..', import.meta.url))
  const given = isHooked ? ['--import', hook] : []
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', ...given, '--eval', source], { cwd: directory, env: { ...process.env, NODE_OPTIONS: '', CERT: cert, KEY: key } })
  return JSON.parse(stdout) as Traced
}

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** Two requests on one connection, the first of which continues a trace. */
const ASK = `
  const ask = (port, path, headers, then) => {
    const socket = require('net').connect(port, '127.0.0.1', () => socket.write('GET ' + path + ' HTTP/1.1\\r\\nHost: a\\r\\n' + headers + '\\r\\n'))
    socket.once('data', () => { socket.write('GET /second HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); socket.once('data', () => { socket.destroy(); then() }) })
  }`

const PLAIN = `${ASK}
  const server = http.createServer(async (req, res) => {
    noteActive()
    await new Promise(setImmediate)
    res.statusCode = trace.getSpan(context.active()) === undefined ? 500 : 202
    res.end('hello')
  })
  server.listen(0, '127.0.0.1', () => ask(server.address().port, '/first?a', 'traceparent: ${PARENT}\\r\\n', () => done(server)))`

built('each request has a span, which is active in its handler and behind what that waits for', async (t) => {
  const { servers, spans } = await traced(PLAIN)
  t.is(servers, 1)
  t.is(spans.length, 2)
  t.deepEqual(spans.map(({ status, isActive }) => [status, isActive]), [[202, true], [202, true]])
  t.is(spans[0]!.trace, '0af7651916cd43dd8448eb211c80319c')
  t.is(spans[0]!.parent, 'b7ad6b7169203331')
  t.is(spans[1]!.parent, null)
  t.not(spans[1]!.trace, spans[0]!.trace)
})

built('spans and channels are those of Node’s own servers', async (t) => {
  const [ours, nodes] = await Promise.all([traced(PLAIN), traced(PLAIN, false)])
  const shown = ({ spans }: Traced): unknown[] => spans.map(({ trace: _trace, ...span }) => span)
  t.deepEqual(shown(ours), shown(nodes))
  // Older releases of Node don't tell of responses that are made.
  const isTold = nodes.channels.some((name) => name.startsWith('response.created'))
  t.deepEqual(ours.channels.filter((name) => isTold || !name.startsWith('response.created')), nodes.channels)
  t.is(nodes.servers, 0)
  t.is(ours.channels.filter((name) => name.startsWith('response.finish')).length, 2)
})

built('a span ends when its client leaves, with Express and over TLS as well', async (t) => {
  const left = await traced(`
    const server = http.createServer((req) => req.on('close', () => done(server)))
    server.listen(0, '127.0.0.1', () => {
      const socket = require('net').connect(server.address().port, '127.0.0.1', () => socket.write('GET /left HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'))
      server.once('request', () => setTimeout(() => socket.destroy(), 20))
    })`)
  t.is(left.spans.length, 1)
  const express = await traced(`${ASK}
    const app = require('express')()
    app.get('/:name', (req, res) => { noteActive(); res.send(req.params.name) })
    const server = app.listen(0, '127.0.0.1', () => ask(server.address().port, '/first', '', () => done(server)))`)
  t.is(express.servers, 1)
  t.deepEqual(express.spans.map(({ status, isActive }) => [status, isActive]), [[200, true], [200, true]])
  const secure = await traced(`
    const server = https.createServer({ cert: process.env.CERT, key: process.env.KEY }, (req, res) => { noteActive(); res.end('secret') })
    server.listen(0, '127.0.0.1', () => https.get({ port: server.address().port, host: '127.0.0.1', rejectUnauthorized: false, agent: false }, (res) => res.resume().on('end', () => done(server))))`)
  t.is(secure.servers, 1)
  t.deepEqual(secure.spans.map(({ status, isActive }) => [status, isActive]), [[200, true]])
})
