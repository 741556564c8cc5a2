// Passes busbar's connections to a `node:http` Server, so that an application written for that (such as Express) can
// run behind busbar's listener and its limits.
//
//   node examples/node-http.mjs
import { createServer } from 'node:http'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { Response, serve, streamDriver } from 'busbar'

/** Passes each connection to a `node:http` server, which doesn't listen itself. */
export function nodeDriver(application) {
  // Without this it would not track its connections: none would be closed by `headersTimeout` or
  // `requestTimeout`, and `closeIdleConnections` would close none.
  application.emit('listening')
  const driver = streamDriver(async (_client, socket) => {
    application.emit('connection', socket)
    // Node doesn't count a connection as idle before its first byte.
    let isUsed = false
    socket.once('data', () => (isUsed = true))
    socket.onStop(() => isUsed || socket.destroy())
    await once(socket, 'close')
  })
  // Connections with a request finish it; idle ones are closed.
  return { ...driver, stop: () => application.closeIdleConnections() }
}

export function start(listen, application, settings = {}) {
  const driver = nodeDriver(application)
  const driverFactory = { selectDriver: () => driver, getApplicationLayerProtocols: () => ['http/1.1'] }
  return serve(listen, () => new Response(404), { ...settings, driverFactory })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const application = createServer((request, response) => {
    response.end(`Hello, ${request.socket.remoteAddress}: you asked for ${request.url}\n`)
  })
  const server = await start(Number(process.env.PORT ?? 8080), application)
  console.log(`node:http at ${server.url}`)
}
