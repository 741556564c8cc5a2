// Connections for a server of Node's own: those that come to busbar are given to a `node:http` Server, so
// that an application written for that (Express, say) can live behind busbar's listener and its limits.
//
//   node examples/node-http.mjs
import { createServer } from 'node:http'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { Response, serve, streamDriver } from 'busbar'

/** Gives each connection to a server of Node's, which never listens by itself. */
export function nodeDriver(application) {
  // Otherwise it would keep no account of its connections: none would meet `headersTimeout` or
  // `requestTimeout`, and `closeIdleConnections` would close none.
  application.emit('listening')
  const driver = streamDriver(async (_client, socket) => {
    application.emit('connection', socket)
    // To Node a connection on which nothing has come yet isn't idle.
    let isUsed = false
    socket.once('data', () => (isUsed = true))
    socket.onStop(() => isUsed || socket.destroy())
    await once(socket, 'close')
  })
  // Those that work on a request finish it; the idle ones are closed.
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
