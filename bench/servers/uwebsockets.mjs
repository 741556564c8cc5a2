import uWS from 'uwebsockets'

const hello = (response) => response.writeHeader('content-type', 'text/plain').end('Hello, World!')
const handlers = {
  hello,
  json(response) {
    const body = JSON.stringify({ message: 'Hello, World!', id: 42, ok: true })
    response.writeHeader('content-type', 'application/json').end(body)
  },
  headers(response, request) {
    const isPlain = request.getHeader('accept') && request.getHeader('cookie') && request.getHeader('user-agent')
    if (!isPlain) response.writeStatus('400 Bad Request')
    hello(response)
  },
  echo(response) {
    const pieces = []
    response.onAborted(() => {})
    response.onData((piece, isLast) => {
      if (!isLast) return void pieces.push(Buffer.from(piece.slice(0)))
      const body = pieces.length === 0 ? piece : Buffer.concat([...pieces, Buffer.from(piece)])
      response.writeHeader('content-type', 'text/plain').end(body)
    })
  },
  async(response) {
    let isOpen = true
    response.onAborted(() => (isOpen = false))
    setImmediate(() => isOpen && response.cork(() => hello(response)))
  },
}

uWS.App()
  .any('/*', handlers[process.argv[2]])
  .listen('127.0.0.1', 0, (socket) => console.log(uWS.us_socket_local_port(socket)))
