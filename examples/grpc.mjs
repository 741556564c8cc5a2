// gRPC by hand: the service of grpc.proto, with unary and streaming calls.
//
//   npx busbar serve examples/grpc.mjs
//
// A call is a POST whose body is a list of messages, and so is its response; its status is in the trailers. A method is an
// async generator: it reads messages and yields messages, so one that reads slowly slows its client, and the other way
// round. For many services use the encoders that are made from .proto files in place of `encode` and `decode`.
import { Response, Trailers } from 'busbar'

export const settings = { http2Cleartext: true }

/** Bytes of one message, which its sender announces: no more than this is gathered. */
const MESSAGE_LIMIT = 4 * 1024 * 1024

/** Status codes of gRPC. */
const OK = 0
const CANCELLED = 1
const UNKNOWN = 2
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12

/** What a method throws to fail with a status of its own. */
class CallError extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

const methods = {
  async *SayHello(messages) {
    for await (const { text } of messages) {
      if (text === '') throw new CallError(INVALID_ARGUMENT, 'a greeting needs a name: "Zoë"')
      yield { text: `Hello, ${text}!` }
    }
  },
  async *CountDown(messages, signal) {
    for await (const { text } of messages) {
      for (let number = Number(text); number > 0; number--) {
        signal.throwIfAborted()
        yield { text: String(number) }
      }
    }
  },
  async *Collect(messages) {
    const texts = []
    for await (const { text } of messages) texts.push(text)
    yield { text: texts.join(' ') }
  },
  async *Chat(messages) {
    for await (const { text } of messages) yield { text: text.toUpperCase() }
  },
}

export default (request) => {
  if (!request.getHeader('content-type')?.startsWith('application/grpc')) return new Response(415)
  const [, service, name] = request.getPath().split('/')
  if (service !== 'greeter.Greeter' || !Object.hasOwn(methods, name)) {
    // Without a message the status stands in the headers, and the stream ends with them.
    return new Response(200, { 'content-type': 'application/grpc+proto', ...statusFields(UNIMPLEMENTED, 'no such method') })
  }
  const call = { code: OK, message: '' }
  const trailers = new Trailers(() => statusFields(call.code, call.message), ['grpc-status', 'grpc-message'])
  const body = messagesOf(methods[name], request, abortOf(request), call)
  return new Response(200, { 'content-type': 'application/grpc+proto' }, body, trailers)
}

/** Runs a method. Its failure becomes the status of the call. */
async function* messagesOf(method, request, abort, call) {
  const { signal } = abort
  const late = new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  late.catch(() => {})
  const replies = method(received(request), signal)
  try {
    for (;;) {
      const { done, value } = await Promise.race([replies.next(), late])
      if (done) return
      yield encode(value)
    }
  } catch (error) {
    call.code = error instanceof CallError ? error.code : UNKNOWN
    if (signal.aborted && call.code === UNKNOWN) call.code = CANCELLED
    call.message = String(error?.message ?? error)
  } finally {
    abort.abort()
    // It may wait for a message that never comes.
    replies.return().catch(() => {})
  }
}

/** The messages of a request. Each has a byte that says whether it is compressed, and its length. */
async function* received(request) {
  const body = request.getBody()
  // The messages of a call have no limit together.
  body.increaseSizeLimit(Infinity)
  let bytes = Buffer.alloc(0)
  for await (const piece of body) {
    bytes = bytes.length === 0 ? Buffer.from(piece) : Buffer.concat([bytes, piece])
    while (bytes.length >= 5) {
      const end = 5 + bytes.readUInt32BE(1)
      if (bytes[0] !== 0) throw new CallError(UNIMPLEMENTED, 'compressed messages are not understood')
      if (end > MESSAGE_LIMIT) throw new CallError(RESOURCE_EXHAUSTED, 'the message is too long')
      if (bytes.length < end) break
      yield decode(bytes.subarray(5, end))
      bytes = bytes.subarray(end)
    }
  }
}

/** Aborts at the deadline of the call, and when its client leaves. `grpc-timeout: 200m` are milliseconds. */
function abortOf(request) {
  const abort = new AbortController()
  const left = request.getSignal()
  left.addEventListener('abort', () => abort.abort(left.reason), { once: true })
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(request.getHeader('grpc-timeout') ?? '') ?? []
  if (count !== undefined) {
    const millis = Number(count) * { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[unit]
    // `AbortSignal.any` with `AbortSignal.timeout` won't do: Node 20 forgets the timeout when it collects garbage.
    const timer = setTimeout(() => abort.abort(new CallError(DEADLINE_EXCEEDED, 'the deadline has passed')), Math.min(millis, 2 ** 31 - 1))
    abort.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }
  return abort
}

/** A status as fields; of the message what isn't visible ASCII is percent-encoded UTF-8. */
function statusFields(code, message) {
  const encoded = message.replaceAll(/[^ -$&-~]+/gu, (text) => encodeURIComponent(text))
  return { 'grpc-status': String(code), 'grpc-message': encoded }
}

/** The message Hello: its text is field 1, a length and UTF-8. */
function encode({ text }) {
  const bytes = Buffer.from(text)
  const message = Buffer.concat([Buffer.of(0x0a), varint(bytes.length), bytes])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

function decode(bytes) {
  let text = ''
  let at = 0
  const next = () => {
    for (let value = 0, shift = 1; ; shift *= 128) {
      if (at >= bytes.length) throw new CallError(INVALID_ARGUMENT, 'the message is cut off')
      const byte = bytes[at++]
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = next()
    if ((tag & 7) !== 2) throw new CallError(INVALID_ARGUMENT, 'the message has a field of an unknown kind')
    const length = next()
    if (tag >> 3 === 1) text = bytes.toString('utf8', at, at + length)
    at += length
  }
  return { text }
}

function varint(value) {
  const bytes = []
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80)
  return Buffer.from([...bytes, value])
}
