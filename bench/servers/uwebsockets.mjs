import uWS from 'uwebsockets'

const hello = (response) => response.writeHeader('content-type', 'text/plain').end('Hello, World!')
const LONG = Buffer.alloc(64 * 1024, 'x')
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')

/** Sends `count` pieces, each after the one before it is sent. */
function stream(response, count) {
  const total = count * LONG.length
  let at = 0
  const send = () => {
    for (; at < total; at += LONG.length) {
      const before = response.getWriteOffset()
      const [isTaken, isDone] = response.tryEnd(LONG.subarray(before - at), total)
      if (isDone || !isTaken) return isDone
    }
    return true
  }
  response.onWritable((offset) => {
    at = offset - (offset % LONG.length)
    return send()
  })
  response.onAborted(() => {})
  response.writeHeader('content-type', 'text/plain')
  send()
}

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
  long: (response) => response.writeHeader('content-type', 'text/plain').end(LONG),
  longer: (response) => response.writeHeader('content-type', 'text/plain').end(MEBIBYTE),
  stream: (response) => stream(response, 16),
  ahead: (response) => stream(response, 16),
  huge: (response) => stream(response, 1024 ** 3 / LONG.length),
  pipe(response, request) {
    const total = Number(request.getHeader('content-length'))
    const held = []
    let sent = 0
    let hasBegun = false
    const send = () => {
      while (held.length > 0) {
        const [isTaken] = response.tryEnd(held[0].subarray(response.getWriteOffset() - sent), total)
        if (!isTaken) return
        sent += held.shift().length
      }
    }
    response.onAborted(() => held.splice(0))
    response.onWritable(() => {
      send()
      return true
    })
    response.onData((piece) => {
      held.push(Buffer.from(piece.slice(0)))
      response.cork(() => {
        if (!hasBegun) response.writeHeader('content-type', 'text/plain')
        hasBegun = true
        send()
      })
    })
  },
  burn(response) {
    const end = performance.now() + 0.02
    while (performance.now() < end);
    hello(response)
  },
  async(response) {
    let isOpen = true
    response.onAborted(() => (isOpen = false))
    setImmediate(() => isOpen && response.cork(() => hello(response)))
  },
}

const { BENCH_TLS_CERT: cert, BENCH_TLS_KEY: key } = process.env
const app = cert === undefined ? uWS.App() : uWS.SSLApp({ cert_file_name: cert, key_file_name: key })
app
  .any('/*', handlers[process.argv[2]])
  .listen('127.0.0.1', 0, (socket) => console.log(uWS.us_socket_local_port(socket)))
