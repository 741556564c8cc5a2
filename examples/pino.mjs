// One log line for each answer, written by pino, with the trace that its request belongs to.
import pino from 'pino'
import { Response, serve } from 'busbar'

export function start(listen, handler, log = pino(), settings = {}) {
  const onResponse = ({ request, status, bytesSent, duration, outcome }) =>
    log.info(
      {
        method: request?.getMethod(),
        target: request?.getTarget(),
        trace: request?.getHeader('traceparent')?.split('-')[1],
        status,
        bytesSent,
        duration,
        outcome,
      },
      'answered',
    )
  return serve(listen, handler, { ...settings, onResponse })
}

if (process.argv[1] === import.meta.filename) {
  const server = await start(8080, () => Response.text('Hello\n'))
  console.log(server.url)
}
