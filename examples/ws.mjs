// WebSockets by the package `ws` on a detached connection.
//
//   npm install ws && npx busbar serve examples/ws.mjs
//
// The response is `Response.detach`, because `ws` writes the 101 itself; a request for another protocol, or for none, is
// answered with a 426. `ws` gets an empty head, because the socket delivers bytes that arrived early. Of the request `ws`
// reads only method, url and headers in Node's form, which `asNodeRequest` makes.
import { Response } from 'busbar'
import { WebSocketServer } from 'ws'

const webSockets = new WebSocketServer({ noServer: true })

webSockets.on('connection', (webSocket) => {
  // `ws` answers an invalid frame itself; without a listener its error event would end the process.
  webSocket.on('error', () => {})
  webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
})

export default (request) => {
  const callback = (socket) => {
    webSockets.handleUpgrade(asNodeRequest(request, socket), socket, Buffer.alloc(0), (webSocket) => {
      socket.onStop(() => webSocket.close(1001, 'the server stops'))
      webSockets.emit('connection', webSocket, request)
    })
  }
  return Response.detach(callback, { protocol: 'websocket' })
}

function asNodeRequest(request, socket) {
  const headers = {}
  for (const [name, values] of Object.entries(request.getHeaders())) headers[name] = values.join(', ')
  return { method: request.getMethod(), url: request.getTarget(), headers, socket }
}
