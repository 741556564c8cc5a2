// WebSockets by the package `ws` on a connection that busbar lets go of.
//
//   npm install ws && npx busbar serve examples/ws.mjs
//
// Three things matter. The response is `Response.detach`, because `ws` writes its 101 by itself. `ws` gets an
// empty head: what the client has sent already is in the socket. And `ws` reads no more of the request than
// method, url and headers in Node's form, to which the lines of `asNodeRequest` turn it.
import { Response } from 'busbar'
import { WebSocketServer } from 'ws'

const webSockets = new WebSocketServer({ noServer: true })

webSockets.on('connection', (webSocket) => {
  // A client that breaks the protocol is told so by `ws`; without a listener the process would end.
  webSocket.on('error', () => {})
  webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
})

export default (request) => {
  if (request.getHeader('upgrade')?.toLowerCase() !== 'websocket') {
    return Response.text('Speak WebSocket to me.\n', 426, { upgrade: 'websocket' })
  }
  return Response.detach((socket) => {
    webSockets.handleUpgrade(asNodeRequest(request, socket), socket, Buffer.alloc(0), (webSocket) => {
      socket.onStop(() => webSocket.close(1001, 'the server stops'))
      webSockets.emit('connection', webSocket, request)
    })
  })
}

function asNodeRequest(request, socket) {
  const headers = {}
  for (const [name, values] of Object.entries(request.getHeaders())) headers[name] = values.join(', ')
  return { method: request.getMethod(), url: request.getTarget(), headers, socket }
}
