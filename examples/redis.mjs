// A driver beside HTTP on the same port: connections whose first byte is `*` speak the protocol of Redis (RESP2)
// with a small store; all others are left to busbar's HTTP, which shows the values in the store.
//
//   node examples/redis.mjs
//   redis-cli -p 8080 set greeting hello
//   curl http://localhost:8080/greeting
import { pathToFileURL } from 'node:url'
import { Http1Driver, HttpErrorException, Response, serve } from 'busbar'

/** Most strings in a command, and most bytes in a string. */
const MOST_ARGUMENTS = 64
const LONGEST_STRING = 512 * 1024
/** The line before an array or a string: a sign and a number. */
const LONGEST_LINE = 32
/** Seconds without a byte after which a connection is closed. */
const IDLE_SECONDS = 300

const STAR = 0x2a
const CRLF = Buffer.from('\r\n')

const TOO_FEW = '-ERR wrong number of arguments\r\n'

class ProtocolError extends Error {}

/** One connection, which speaks RESP or is left to HTTP. */
class RespDriver {
  #store
  #unread = Buffer.alloc(0)

  constructor(store) {
    this.#store = store
  }

  *setup(client, _onMessage, write) {
    const first = yield* this.#peek()
    if (first !== STAR) return client.switchDriver(new Http1Driver(), this.#unread)
    try {
      for (;;) {
        client.updateExpirationTime(Date.now() / 1000 + IDLE_SECONDS)
        const [name, ...given] = yield* this.#command()
        if (name === 'QUIT') return void write('+OK\r\n', true)
        // Nothing more is read from a client that doesn't read its answers.
        yield write(this.#run(name, given))
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      void write(`-ERR Protocol error: ${error.message}\r\n`, true)
    }
  }

  #run(name, [key, value]) {
    const store = this.#store
    switch (name) {
      case 'PING':
        return key === undefined ? '+PONG\r\n' : bulk(key)
      case 'ECHO':
        return key === undefined ? TOO_FEW : bulk(key)
      case 'SET':
        if (value === undefined) return TOO_FEW
        store.set(String(key), value)
        return '+OK\r\n'
      case 'GET':
        return key === undefined ? TOO_FEW : bulk(store.get(String(key)))
      case 'DEL':
        return key === undefined ? TOO_FEW : `:${store.delete(String(key)) ? 1 : 0}\r\n`
      default:
        return '-ERR unknown command\r\n'
    }
  }

  /** A command: its name in capitals, and its arguments as bytes. */
  *#command() {
    const count = yield* this.#number('*', MOST_ARGUMENTS)
    const parts = []
    while (parts.length < count) {
      const length = yield* this.#number('$', LONGEST_STRING)
      parts.push(yield* this.#take(length))
      if (!(yield* this.#take(2)).equals(CRLF)) throw new ProtocolError('a string ends with CR LF')
    }
    const [name = '', ...given] = parts
    return [String(name).toUpperCase(), ...given]
  }

  *#number(sign, most) {
    let end
    while ((end = this.#unread.indexOf('\r\n')) < 0) {
      if (this.#unread.length > LONGEST_LINE) throw new ProtocolError('a line is too long')
      yield* this.#more()
    }
    const line = String(yield* this.#take(end + 2)).slice(0, -2)
    if (!line.startsWith(sign) || !/^.\d{1,9}$/.test(line)) throw new ProtocolError(`expected ${sign} and a number`)
    if (Number(line.slice(1)) > most) throw new ProtocolError(`a number is larger than ${most}`)
    return Number(line.slice(1))
  }

  *#take(length) {
    while (this.#unread.length < length) yield* this.#more()
    const bytes = this.#unread.subarray(0, length)
    this.#unread = this.#unread.subarray(length)
    return bytes
  }

  *#peek() {
    while (this.#unread.length === 0) yield* this.#more()
    return this.#unread[0]
  }

  *#more() {
    this.#unread = Buffer.concat([this.#unread, yield])
  }

  /** Answers are written directly; no request is passed to the handler. */
  async write() {}

  getPendingRequestCount() {
    return 0
  }

  async stop() {}
}

function bulk(bytes) {
  return bytes === undefined ? '$-1\r\n' : Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF])
}

function keyOf(request) {
  try {
    return decodeURIComponent(request.getPath().slice(1))
  } catch {
    throw new HttpErrorException(400)
  }
}

/** Serves both protocols on one port. */
export function start(listen, settings = {}) {
  const store = new Map()
  const show = (request) => {
    const value = store.get(keyOf(request))
    return value === undefined ? new Response(404) : new Response(200, { 'content-type': 'text/plain' }, value)
  }
  const driverFactory = {
    selectDriver: () => new RespDriver(store),
    getApplicationLayerProtocols: () => ['http/1.1'],
  }
  return serve(listen, show, { ...settings, driverFactory })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await start(Number(process.env.PORT ?? 8080))
  console.log(`Redis and HTTP at ${server.url}`)
}
