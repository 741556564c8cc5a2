import { context, trace } from '@opentelemetry/api'
import type { Span, TracerProvider } from '@opentelemetry/api'
import pino from 'pino'
import test from 'ava'
import { start as startTraced } from '../examples/opentelemetry.mjs'
import { start as startLogged } from '../examples/pino.mjs'
import { Response, silentLogger } from '../dist/index.js'
import { dialPlain, until } from './support.ts'

const GET = 'GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n'

test('the OpenTelemetry example ends a span with each answer', async (t) => {
  const ended: unknown[] = []
  const provider: TracerProvider = {
    getTracer: () => ({
      startSpan: (name: string, options: { attributes?: object } = {}) => {
        const attributes: Record<string, unknown> = { ...options.attributes }
        return {
          setAttribute: (key: string, value: unknown) => (attributes[key] = value),
          setStatus: (status: unknown) => (attributes['status'] = status),
          end: () => ended.push({ name, attributes }),
        } as unknown as Span
      },
      startActiveSpan: () => undefined as never,
    }),
  }
  trace.setGlobalTracerProvider(provider)
  t.teardown(() => trace.disable())
  const server = await startTraced('127.0.0.1:0', () => Response.text('x'), { logger: silentLogger })
  t.teardown(() => server.stop(0))
  await (await dialPlain(t, { port: server.getServers()[0]!.getPort()!, host: '127.0.0.1' })).send(GET).end()
  await until(() => ended.length > 0)
  const attributes = { 'http.request.method': 'GET', 'url.path': '/a', 'http.response.status_code': 200 }
  t.deepEqual(ended, [{ name: 'GET', attributes }])
  t.is(trace.getSpan(context.active()), undefined)
})

test('the pino example logs each answer with its trace', async (t) => {
  const lines: string[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const server = await startLogged('127.0.0.1:0', () => Response.text('hello'), log, { logger: silentLogger })
  t.teardown(() => server.stop(0))
  await (await dialPlain(t, { port: server.getServers()[0]!.getPort()!, host: '127.0.0.1' })).send(GET).end()
  await until(() => lines.length > 0)
  t.like(JSON.parse(lines[0]!), {
    msg: 'answered',
    method: 'GET',
    target: '/a?b',
    trace: '0af7651916cd43dd8448eb211c80319c',
    status: 200,
    bytesSent: 5,
    outcome: 'sent',
  })
})
