// npx busbar serve examples/streams.mjs
//
//   curl -N localhost:8080/events               events as they happen, until you press Ctrl-C
//   curl -T some.iso localhost:8080/upload      a body of any size, hashed as it arrives
//   curl -d hello localhost:8080/echo           the body as the response, piece by piece
//   curl localhost:8080/files/README.md         a file below this directory
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { HttpErrorException, Response } from 'busbar'

async function* events(signal) {
  for (let count = 1; ; count++) {
    yield `data: ${JSON.stringify({ count })}\n\n`
    await setTimeout(1000, undefined, { signal })
  }
}

async function upload(request) {
  const body = request.getBody()
  // The limit of a body is 128 KiB unless it is raised.
  body.increaseSizeLimit(100 * 1024 ** 3)
  const hash = createHash('sha256')
  for await (const piece of body) hash.update(piece)
  return Response.text(`${hash.digest('hex')}\n`)
}

/** A path may contain invalid percent escapes: a fault of the client, so a 400. */
function decoded(path) {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new HttpErrorException(400)
  }
}

export default (request) => {
  const path = request.getPath()
  if (path === '/events') {
    return new Response(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }, events(request.getSignal()))
  }
  if (path === '/upload') return upload(request)
  if (path === '/echo') return new Response(200, {}, request.getBody())
  if (path.startsWith('/files/')) return Response.file(decoded(path.slice(7)), { root: process.cwd() })
  throw new HttpErrorException(404)
}
