// The internal border between busbar's TypeScript and its native half. Generated: don't edit, don't import
// it from outside the package; it changes without notice. Its words are explained in crates/binding.

/**
 * The functions on the path of every request. A result of 0 means taken, 1 that the request isn't open any more.
 *
 * The numbers of an answer travel in the last eight of the shared words: slot, request id (low, high), status,
 * flags, declared length (low, high). Flags: 1 close behind it, 2 announce when written, 4 the body is a
 * string, 8 it is bytes, 16 there is a reason, 32 there is a declared length.
 */
export interface HotFunctions {
  /** Answers with a whole body. */
  respond(fields: string, body?: string | Uint8Array, reason?: string): number
  /** Opens an answer whose body follows by `write` and `end`. */
  startStream(fields: string, body?: undefined, reason?: string): number
  /** Bytes that now wait unsent on the connection; above 65536 a `Drained` notice follows; -1: gone. */
  write(slot: number, requestId: number, chunk: string | Uint8Array): number
  /**
   * Fills the next `length` bytes of a streamed answer, whose length must be declared, from an open file,
   * whose descriptor may be closed afterwards; `end` may follow at once. 2: not on this system.
   */
  sendFile(slot: number, requestId: number, descriptor: number, offset: number, length: number): number
  /** Ends a streamed answer; trailers as `name: value\r\n` lines. */
  end(slot: number, requestId: number, trailers: string): number
  /** Sends a 1xx answer; fields as `name: value\r\n` lines. */
  inform(slot: number, requestId: number, status: number, fields: string): number
  /**
   * Asks for more of a body, or for all of it: BodyReady says when there is something to lend memory for. Or
   * the last Body when nothing was left; or BodyLimit, BodyFailed, Aborted.
   */
  awaitBody(slot: number, requestId: number, isWhole: 0 | 1): number
  /**
   * The same with memory to write it to, of which nobody else may know until a Body notice gives it back: as
   * soon as something has come, or with `isWhole` when it is full. The last one is flagged End. Or BodyLimit,
   * after which the memory stays lent; or BodyFailed, Aborted, or the answer, which let it go. One piece of
   * memory at a time.
   */
  receiveBody(slot: number, requestId: number, memory: Uint8Array, isWhole: 0 | 1): number
  /** Nothing more of a body is wanted, unless it is asked for again. */
  releaseBody(slot: number, requestId: number): number
  /** Raises the body limit of one request, in bytes. */
  raiseBodyLimit(slot: number, requestId: number, limit: number): number
  /** Sets how slowly the body of one request may come: seconds without a byte, bytes a second on average; null leaves what is. */
  setBodyRate(slot: number, requestId: number, timeout: number | null, minimumRate: number | null): number
  /** Cuts the connection of a request whose answer can't be completed. */
  abort(slot: number, requestId: number): number
  /**
   * Takes over the connection behind a request, after all earlier answers; with `fields` a 101 goes ahead,
   * with `null` nothing. An Upgraded notice follows, or Aborted. 2: other requests stand behind it, its
   * body hasn't come whole, or it is HTTP/1.0 and can't be sent a 101; then nothing has changed.
   */
  upgrade(slot: number, requestId: number, fields: string | null): number
  /**
   * Asks for one piece of up to `bytes` of a raw connection: one Raw notice follows when there is something
   * to tell. 0 takes an unanswered ask back: an empty Raw answers it. When the peer has closed its side a
   * Raw flagged End says so, asked for or not, and answers an ask.
   */
  askRaw(slot: number, client: number, bytes: number): number
  /** Bytes that now wait unsent on a raw connection; above 65536 a RawDrained notice follows; -1: gone. */
  writeRaw(slot: number, client: number, chunk: string | Uint8Array): number
  /**
   * Closes the sending side of a raw connection once everything is sent, which RawDrained tells; both sides
   * closed end it.
   */
  endRaw(slot: number, client: number): number
  /** Hands a connection, raw or waiting for its driver, to HTTP, which takes `unread` first. */
  serve(slot: number, client: number, unread?: Uint8Array): number
  /** Hands a connection that waits for its driver to JavaScript: it is raw from now on. */
  takeRaw(slot: number, client: number): number
  /** A large piece of the notices being handled; can be taken once. */
  takeBytes(index: number): Buffer
  /** Numbers a field's name, in lower case, from 0 without gaps, at most 1024; higher numbers are free again. */
  nameField(number: number, name: string): void
  /** First value of the field whose name has that number. */
  header(slab: Buffer, head: number, name: number): string | null
  /** All fields as `name\nvalue\n`, in wire order and letter case. */
  headerBlock(slab: Buffer, head: number): string
  /** The request target as received. */
  target(slab: Buffer, head: number): string
  /** Id of the client that sent the request. */
  clientId(slab: Buffer, head: number): number
  /** A copy of a head block, to be read at 0. */
  copyHead(slab: Buffer, head: number): Buffer
}

/** One connection's facts and the two commands that end it. */
export declare class ClientFacts {
  /** Unique in the process, from 1. */
  id(): number
  /** The peer's address. */
  remoteAddress(): BoundAddress
  /** The address the connection arrived on. */
  localAddress(): BoundAddress
  /** 0 open, 1 the peer has closed its side, 3 closed. */
  status(): number
  /** Requests whose body is being read. */
  pendingRequests(): number
  /** Requests dispatched and not wholly answered. */
  pendingResponses(): number
  /** Handlers that have not answered yet. */
  runningHandlers(): number
  /** Unix time in whole seconds at which the connection expires; 0 when none is set. */
  expiration(): number
  /** Puts the expiration off. */
  extendExpiration(unixSeconds: number): void
  /** Closes the connection; true for the call that closed it. A `Closed` notice follows. */
  close(): boolean
  /** Ends the connection as soon as it owes nothing. */
  stop(): void
}

/** The native half of one `HttpServer`. */
export declare class Engine {
  /**
   * `words` takes the records of notices, eight words each; `onNotices` is called with the first
   * record, their count, and the slab that they refer to. The reactor runs on the event loop, or on
   * as many `threads` of its own, which call by libuv if the runtime has it.
   */
  constructor(limits: EngineLimits, words: Uint32Array, onNotices: (first: number, count: number, slab: Buffer) => void, threads: number, hasLibuv: boolean)
  /** The functions on the path of every request. */
  hot(): HotFunctions
  /** Names of request methods by the number that notices give them; gaps are empty. */
  static methods(): Array<string>
  /** Binds a listening socket. Throws an error whose message begins with the system's name for it. */
  listen(options: ListenOptions): BoundAddress
  /** Begins to accept connections; from now on the server keeps the process alive. */
  start(): void
  /** Closes the listening sockets. */
  stopListening(): void
  /** Ends every client as soon as it owes nothing; an `Idle` notice follows when none is left. */
  stopGracefully(): void
  /** Closes every client now; an `Idle` notice follows. */
  closeAll(): void
  /** Closes everything that is left and lets go of the event loop. Nothing is called back afterwards. */
  dispose(): void
  /** Keeps the process alive while the server is open. */
  ref(): void
  /** Lets the process end although the server is open. */
  unref(): void
  /** How many requests were refused before a handler saw them, or while their body came, by code. */
  refusals(): Record<string, number>
  /** From now on no further requests are begun, or they are again. What has begun goes on. */
  holdRequests(isHeld: boolean): void
  /** Has each refusal announced by a `Refused` notice. */
  explainRefusals(): void
  /**
   * Has each connection announced by an `Accepted` notice, and wait until `serve` or `takeRaw` says
   * who drives it. To be called before the start.
   */
  announceAccepted(): void
  /**
   * The facts of a client that was announced by `Accepted`; null when it has gone. Its close will be
   * announced.
   */
  openAccepted(slot: number, client: number): ClientFacts | null
  /**
   * The facts of the client that sent the request with this head block, also after it has gone. Its
   * close will be announced.
   */
  openClient(slot: number, slab: Buffer, head: number): ClientFacts
}

/** An address: `host` is an IP literal, or the path of a unix socket with port 0. */
export interface BoundAddress {
  /** Which kind of address. */
  family: 'IPv4' | 'IPv6' | 'unix'
  /** IP without brackets, or path. */
  host: string
  /** 0 for unix sockets. */
  port: number
}

/** Limits of one server. Times are seconds, sizes bytes; `Infinity` lifts a limit, `null` leaves the default. */
export interface EngineLimits {
  /** Idle keep-alive. */
  http1Timeout: number | null
  /** The header section, from its first byte. */
  headerTimeout: number | null
  /** A body without progress. */
  bodyTimeout: number | null
  /** Bytes a second that a body must bring on average; 0 = off. */
  minimumBodyRate: number | null
  /** One whole request; 0 = off. */
  requestTimeout: number | null
  /** A client that doesn't read its answer. */
  writeTimeout: number | null
  /** A FIN behind a whole request isn't a departure. */
  allowHalfClose: boolean | null
  /** The body of a request. */
  bodySizeLimit: number | null
  /** The header section. */
  headerSizeLimit: number | null
  /** Fields in the header section. */
  headerFieldLimit: number | null
  /** The request line. */
  requestLineLimit: number | null
  /** Chunk extensions of one body. */
  chunkExtensionLimit: number | null
  /** Requests of one connection that run or wait at once. */
  pipelineLimit: number | null
  /** Connections. */
  connectionLimit: number | null
  /** Connections of one IPv4 address or IPv6 /56. */
  connectionsPerIpLimit: number | null
  /** Networks whose addresses aren't counted for that, besides local ones. */
  proxies: Array<string> | null
}

/** Where to listen: `path` for a unix socket, else `host` and `port`. */
export interface ListenOptions {
  /** IP literal, `null` for all interfaces on both families. */
  host: string | null
  /** 0 lets the system choose. */
  port: number
  /** Path of a unix socket. */
  path: string | null
  /** Connections that may wait to be accepted. */
  backlog: number
  /** Several sockets may share the port. */
  reusePort: boolean
  /** An IPv6 wildcard takes no IPv4. */
  ipv6Only: boolean
  /** Permissions of the unix socket's file. */
  mode: number | null
}
