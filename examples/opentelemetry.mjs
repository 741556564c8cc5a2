// A span for each request, by OpenTelemetry's API. An SDK that is registered before exports the spans; without one
// they cost next to nothing. The span ends with the answer, not with the handler.
import { SpanKind, SpanStatusCode, context, propagation, trace } from '@opentelemetry/api'
import { Response, serve } from 'busbar'

const spans = new WeakMap()

/** The same handler, in the context of a span: spans that it makes are children of that. */
export function traced(handler) {
  return (request) => {
    const parent = propagation.extract(context.active(), request.getNodeHeaders())
    const attributes = { 'http.request.method': request.getMethod(), 'url.path': request.getPath() }
    const span = trace.getTracer('busbar').startSpan(request.getMethod(), { kind: SpanKind.SERVER, attributes }, parent)
    spans.set(request, span)
    return context.with(trace.setSpan(parent, span), handler, undefined, request)
  }
}

/** For `onResponse`. */
export function endSpan({ request, status, outcome }) {
  const span = request === null ? undefined : spans.get(request)
  if (span === undefined) return
  if (status !== null) span.setAttribute('http.response.status_code', status)
  if (outcome === 'failed' || status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

export const start = (listen, handler, settings = {}) => serve(listen, traced(handler), { ...settings, onResponse: endSpan })

if (process.argv[1] === import.meta.filename) {
  const server = await start(8080, () => Response.text('Hello\n'))
  console.log(server.url)
}
