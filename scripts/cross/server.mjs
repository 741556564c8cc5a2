// A server for emulators, whose client runs outside of them: `node server.mjs FILE CERT KEY`. It writes the ports that it
// listens on, first that of HTTPS, and what it runs on to FILE. After GET /stop it ends, with exit code 0 if each client
// was reported as closed.
import { renameSync, writeFileSync } from 'node:fs'
import { HttpServer, Response, versions } from '../../dist/index.js'

const [, , file, cert, key] = process.argv
const clients = new Set()
const server = new HttpServer([{ host: '127.0.0.1', port: 0, tls: { cert, key } }, '127.0.0.1:0'], async (request) => {
  const client = request.getClient()
  if (!clients.has(client)) client.onClose(() => clients.delete(client))
  clients.add(client)
  const path = request.getPath()
  if (path === '/echo') return Response.json({ length: (await request.buffer()).length })
  if (path === '/long') return Response.text('y'.repeat(8_000_000))
  if (path === '/file') return Response.file(import.meta.filename)
  if (path === '/stop') setTimeout(stop, 0)
  if (path !== '/stream') return Response.text('hello')
  return new Response(200, {}, (async function* pieces() {
    for (let at = 0; at < 100; at += 1) yield `${at},`
  })())
})

async function stop() {
  const { cutOff } = await server.stop()
  setTimeout(() => process.exit(cutOff === 0 && clients.size === 0 ? 0 : 1), 100)
}

await server.start()
const ports = server.getServers().map((address) => address.getPort())
const text = `Node ${process.versions.node} on ${process.platform} ${process.arch}, ${versions.crypto}`
// A program that waits for the file finds all of it.
writeFileSync(`${file}.new`, JSON.stringify({ ports, text }))
renameSync(`${file}.new`, file)
