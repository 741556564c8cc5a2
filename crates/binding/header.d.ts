// The internal border between busbar's TypeScript and its native half. This file is generated: don't edit it, and
// don't import it from outside the package, since it changes without notice. The sources are in crates/binding.

/**
 * The functions on the path of every request.
 *
 * A request is named by its `slot` and its `requestId`, a connection without a request by its `slot` and its
 * `client` id: words 1, 2 and 3 of the notice that announced it, ids as numbers (low + high * 2^32). Where nothing
 * else is said the result is 0 when the command was taken and 1 when it came too late, because the request or the
 * client isn't open any more. With I/O threads a command that comes too late can also give 0: a `Late`,
 * `BodyFailed`, `Aborted` or `Closed` notice follows then.
 *
 * What a command sends goes out at the end of the running call of `onNotices`, or before the event loop waits.
 * Strings of fields are latin1, bodies UTF-8. `slab` and `head` are those of a `Request` notice: a head block
 * begins at offset `head` of the slab.
 *
 * The numbers of an answer stand in the last eight of the shared words: slot, request id (low, high), status,
 * flags, declared length (low, high). In the last the engine counts the waits of the loop. The flags are 1: close the
 * connection behind the answer, 2: send a `Written` notice, 4: the body is a string, 8: the body is bytes, 16: there
 * is a reason phrase, 32: there is a declared length, 64: no Date is added, because the fields have one or none is to
 * be sent, 2048: the fields are those of the last `respond`, 4096: the text is that of the last one that had some.
 */
export interface HotFunctions {
  /**
   * Answers with a whole body; the numbers of the answer are in the words.
   *
   * `fields` are lines `name: value\r\n`, without Date, Connection, Keep-Alive, Transfer-Encoding and Content-Length,
   * which the engine sends. A declared length is what Content-Length says instead of the size of the body: for HEAD
   * the size that GET would have. The connection closes behind a body that is shorter. The result is undefined when the
   * answer was taken, and 4 when the memory of a long body of bytes is in use until a `Written` notice: what the kernel
   * hasn't taken of it is sent from there. If it has become shorter by then, the answer is aborted, and `FileFailed` says
   * so.
   */
  respond(fields: string, body?: string | Uint8Array, reason?: string): 1 | 4 | undefined
  /**
   * Begins an answer whose body follows by `write`, `sendFile` and `end`; otherwise like `respond`. The result is 4 when
   * `write` copies nothing of a long chunk that is held, so that it may be given whole.
   */
  startStream(fields: string, body?: undefined, reason?: string): number
  /**
   * Sends more of a streamed answer. The result is the number of bytes that wait unsent, or -1 when the answer
   * isn't open any more. Above 65536 the writer should pause: a `Drained` notice follows when all are sent. With
   * `isHeld` 1 and such a result the memory of the chunk is in use until then: what the kernel hasn't taken of it is sent
   * from there. If it has become shorter by then, the answer is aborted, and `FileFailed` says so. Memory that is shared
   * with other threads isn't taken so: the result is -2.
   */
  write(slot: number, requestId: number, chunk: string | Uint8Array, isHeld?: 0 | 1): number
  /**
   * Sends the next `length` bytes of a streamed answer from an open file, beginning at `offset`. The answer must
   * have a declared length. The engine duplicates the descriptor, so the caller may close its own at once; `end`
   * may follow at once. A `FileFailed` notice says that the file was too short or couldn't be read. The result is
   * 2 when the system can't do it: JavaScript has to read the file.
   */
  sendFile(slot: number, requestId: number, descriptor: number, offset: number, length: number): number
  /**
   * Ends a streamed answer, with trailers as lines `name: value\r\n`, or an empty string. What still comes of the request's
   * body is dropped. With `keepsBody` 1 `awaitBody` and `receiveBody` serve it on, and `Aborted`, `Reset` or `BodyFailed`
   * says that no more of it comes. With HTTP/2 a second call, without it, drops the rest then, and `abort` resets the
   * stream with NO_ERROR.
   */
  end(slot: number, requestId: number, trailers: string, keepsBody?: 0 | 1): number
  /**
   * `write` with several pieces, whose memory all stays in use as with `isHeld` 1. They are one chunk where the body is
   * chunked. With HTTP/2 they are copied.
   */
  writeAll(slot: number, requestId: number, chunks: readonly Uint8Array[]): number
  /** Sends an informational (1xx) answer ahead of the final one, with fields as lines `name: value\r\n`. */
  inform(slot: number, requestId: number, status: number, fields: string): number
  /**
   * Asks for more of a body without providing memory; with `isWhole` 1, for all of it. The answer is one notice:
   * `BodyReady` when bytes have come (`receiveBody` takes them), `Body` flagged End when no more follow, or
   * `BodyLimit`, `BodyFailed` or `Aborted`.
   */
  awaitBody(slot: number, requestId: number, isWhole: 0 | 1): number
  /**
   * Asks for more of a body and provides the memory for it. The answer is one notice: `Body`, with the number of
   * bytes written, gives the memory back as soon as bytes have come, or with `isWhole` 1 only when it is full or
   * the body ends; the last one is flagged End. After `BodyLimit` the engine keeps the memory. `BodyFailed`,
   * `Aborted` and an answer to the request release it. Until then it must not be read, written, shown to others or
   * transferred. A request has one piece of memory at a time.
   */
  receiveBody(slot: number, requestId: number, memory: Uint8Array, isWhole: 0 | 1): number
  /** Ends what was asked for of a body. It can be asked for again later. */
  releaseBody(slot: number, requestId: number): number
  /** Raises the limit of one request's body to `limit` bytes; a smaller one than the present changes nothing. */
  raiseBodyLimit(slot: number, requestId: number, limit: number): number
  /**
   * Sets the slowest rate at which one request's body may come: `timeout` in seconds without a byte,
   * `minimumRate` in bytes a second on average, 0 for no minimum. `null` leaves the present value.
   */
  setBodyRate(slot: number, requestId: number, timeout: number | null, minimumRate: number | null): number
  /**
   * Sets how many seconds unsent bytes may wait because the client doesn't read, in place of `writeTimeout`, until
   * the connection is idle.
   */
  setWriteTimeout(slot: number, requestId: number, seconds: number): number
  /** Ends a request whose answer can't be completed: closes its connection or, with HTTP/2, resets its stream. */
  abort(slot: number, requestId: number): number
  /**
   * Makes the connection of a request a raw one, behind all earlier answers. `fields` (lines `name: value\r\n`)
   * go ahead as a 101 answer; with `null` nothing is sent. An `Upgraded` notice follows, or `Aborted`. The result
   * is 2, and nothing has changed, when further requests came behind this one, its body hasn't come completely, or
   * a 101 is to be sent to HTTP/1.0. Of HTTP/2 the stream of an extended CONNECT is taken over, behind a 200: the result
   * is 3, `awaitBody`, `receiveBody`, `write`, `end` and `abort` serve it, and `Written` follows once its end is sent.
   * Any other stream is reset, so that the client repeats the request by HTTP/1.1, and the result is 1.
   */
  upgrade(slot: number, requestId: number, fields: string | null): number
  /**
   * Asks for one piece of up to `bytes` bytes of a raw connection. One `Raw` notice answers when there are bytes; or
   * `RawReady`, when they are many: then `receiveRaw` gets them. 0 `bytes` withdraws an ask, which an empty `Raw`
   * answers. A `Raw` flagged End says that the peer has closed its sending side: it comes without an ask too, and
   * answers one.
   */
  askRaw(slot: number, client: number, bytes: number): number
  /**
   * Asks for one piece of a raw connection, for which there is `memory`: a `RawRead` notice says how many bytes are in it,
   * or a `Raw` answers instead. Until then nothing else may know the memory.
   */
  receiveRaw(slot: number, client: number, memory: Uint8Array): number
  /**
   * Sends on a raw connection. The result is the number of bytes that wait unsent, or -1 when the connection isn't
   * open any more. Above 65536 the writer should pause: a `RawDrained` notice follows when all are sent.
   */
  writeRaw(slot: number, client: number, chunk: string | Uint8Array): number
  /**
   * Closes the sending side of a raw connection behind what was written. A `RawDrained` notice follows when all of
   * that is sent. The connection closes when both sides are closed.
   */
  endRaw(slot: number, client: number): number
  /**
   * Gives a connection, raw or announced by `Accepted`, to HTTP, which reads the bytes in `unread` first: with
   * `isHttp2` 1 to HTTP/2, else to HTTP/1 or, where that is allowed, to what the first bytes of a new connection say.
   */
  serve(slot: number, client: number, unread: Uint8Array | null, isHttp2: 0 | 1): number
  /** Makes a connection that was announced by `Accepted` a raw one. */
  takeRaw(slot: number, client: number): number
  /** Takes the large piece with this index out of the notices being delivered; empty if it was taken before. */
  takeBytes(index: number): Buffer
  /**
   * Gives a field name, in lower case, the next free number, from 0 to 1023; names with higher numbers are
   * dropped.
   */
  nameField(number: number, name: string): void
  /** The value of the first field whose name has this number; `null` if there is none. */
  header(slab: Buffer, head: number, name: number): string | null
  /** All fields as `name\nvalue\n`, in the order and letter case in which they came. */
  headerBlock(slab: Buffer, head: number): string
  /** The request target as it came. */
  target(slab: Buffer, head: number): string
  /** The id of the client that sent the request. */
  clientId(slab: Buffer, head: number): number
  /** A new slab that holds a copy of the head block at offset 0. */
  copyHead(slab: Buffer, head: number): Buffer
}
