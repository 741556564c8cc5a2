// WebSockets by the package `ws` on a detached connection.
//
//   npm install ws && npx busbar serve examples/ws.mjs
//
// The response is `Response.detach`, because `ws` writes the 101 itself; a request for another protocol, or for none, is
// answered with a 426. `ws` gets an empty head, because the socket delivers bytes that arrived early. Of the request `ws`
// reads only method, url and headers in Node's form, which `asNodeRequest` makes.
//
// With the option `extendedConnect` a browser opens its WebSockets on streams of an HTTP/2 connection that it has already.
// The handler sees the same request, but for the key, which HTTP/2 has no use for. The 200 is busbar's, so the 101 that
// `ws` writes is left out, and the subprotocol is named here.
import { randomBytes } from 'node:crypto'
import { Response } from 'busbar'
import { WebSocketServer } from 'ws'

const webSockets = new WebSocketServer({ noServer: true })

webSockets.on('connection', (webSocket) => {
  // `ws` answers an invalid frame itself; without a listener its error event would end the process.
  webSocket.on('error', () => {})
  webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
})

export const settings = { extendedConnect: true, http2Cleartext: true }

export default (request) => {
  const isHttp2 = request.getProtocolVersion() === '2'
  const callback = (socket) => {
    if (isHttp2) skipHead(socket)
    webSockets.handleUpgrade(asNodeRequest(request, socket), socket, Buffer.alloc(0), (webSocket) => {
      socket.onStop(() => webSocket.close(1001, 'the server stops'))
      webSockets.emit('connection', webSocket, request)
    })
  }
  const response = Response.detach(callback, { protocol: 'websocket' })
  const [subprotocol] = request.getHeader('sec-websocket-protocol')?.split(',') ?? []
  if (isHttp2 && subprotocol !== undefined) response.setHeader('sec-websocket-protocol', subprotocol.trim())
  return response
}

/** Leaves out what is written first. */
function skipHead(socket) {
  const { write } = socket
  socket.write = () => {
    socket.write = write
    return true
  }
}

function asNodeRequest(request, socket) {
  const headers = {}
  for (const [name, values] of Object.entries(request.getHeaders())) headers[name] = values.join(', ')
  headers['sec-websocket-key'] ??= randomBytes(16).toString('base64')
  return { method: request.getMethod(), url: request.getTarget(), headers, socket }
}
