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

/** The facts of one client, and the commands that end it. */
export declare class ClientFacts {
  /** Its number, from 1, unique in the process. */
  id(): number
  /** The client's address: what a PROXY header announces, or else the peer's. */
  remoteAddress(): BoundAddress
  /** The address of the proxy that has sent a PROXY header; `null` without one. */
  proxyAddress(): BoundAddress | null
  /** Whether the client has reached its proxy by TLS, as the PROXY header tells. */
  isEncryptedToProxy(): boolean
  /** The address the connection arrived on. */
  localAddress(): BoundAddress
  /** Whether it has TLS, or will have behind its handshake. */
  isSecured(): boolean
  /** Whether a TLS handshake is done. */
  isEncrypted(): boolean
  /** What TLS has negotiated; `null` on plaintext and before the handshake is done. */
  tls(): TlsDetails | null
  /**
   * Why the client's certificate isn't good by the settings that are in force now: a code and a message. `null`
   * when it is good.
   */
  peerError(): Array<string> | null
  /** 0: open; 1: the peer has closed its sending side; 3: closed. */
  status(): number
  /** How many requests' bodies are still being received. */
  pendingRequests(): number
  /** How many dispatched requests aren't completely answered. */
  pendingResponses(): number
  /** Whether a handler runs for a request that has wholly arrived. */
  isWaitingOnResponse(): boolean
  /** Unix time in whole seconds at which the connection expires; 0 when none is set. */
  expiration(): number
  /** Moves the expiration to a later Unix time, in whole seconds; an earlier one changes nothing. */
  extendExpiration(unixSeconds: number): void
  /** Closes the connection at once. True if it was open; a `Closed` notice follows then. */
  close(): boolean
  /** Makes the close that follows a reset. */
  resetOnClose(): void
  /**
   * Closes the connection once its requests are answered; further ones are not taken. With `leaves_rest`, the rest
   * of a body whose request is answered isn't awaited: the sending side is closed, and what comes is dropped for
   * up to a second.
   */
  stop(leavesRest?: boolean | undefined | null): void
}

/** The native half of one `HttpServer`. */
export declare class Engine {
  /**
   * Makes an engine that doesn't listen yet.
   *
   * `words` is memory for records of eight words each, which notices are written to; its last eight carry
   * the numbers of an answer (see `HotFunctions`). It must not be transferred. `onNotices(first, count,
   * slab)` is called for `count` records from record `first` on; offsets in them refer to `slab`. With 0
   * `threads` the engine runs on the event loop, which needs libuv; else on so many threads of its own,
   * which call the loop by libuv if `hasLibuv`, and by Node-API if not.
   *
   * Throws when the system has no descriptors or threads left, or one of `limits.proxies` isn't a network.
   */
  constructor(limits: EngineLimits, words: Uint32Array, onNotices: (first: number, count: number, slab: Buffer) => void, threads: number, hasLibuv: boolean)
  /** The functions on the path of every request. */
  hot(): HotFunctions
  /**
   * Names of request methods, by the number that `Request` notices carry; unused numbers have an empty
   * name.
   */
  static methods(): Array<string>
  /**
   * Binds a listening socket and returns its address; with `tls` its connections speak TLS. Throws an error whose message begins with the
   * system's name of the error (`EADDRINUSE …`).
   */
  listen(options: ListenOptions, tls?: TlsContext | undefined | null): BoundAddress
  /** Begins to accept connections. From now on the server keeps the process alive. */
  start(): void
  /** Accepts the connections that wait, then closes the listening sockets. */
  stopListening(): void
  /** Closes each client once its requests are answered; an `Idle` notice follows when none is left. */
  stopGracefully(): void
  /**
   * Closes all clients at once; an `Idle` notice follows. Returns how many requests without a complete answer,
   * and upgraded connections, that has cut off.
   */
  closeAll(): number
  /** Closes the clients that have never sent a whole request: the application knows none of them. */
  closeSilent(): void
  /** Closes everything that is left and leaves the event loop. `onNotices` isn't called again. */
  dispose(): void
  /** Has the server keep the process alive while it is open. */
  ref(): void
  /** Has the server no longer keep the process alive. */
  unref(): void
  /**
   * How many requests the engine has refused, before their handler or while their body came: by error
   * code.
   */
  refusals(): Record<string, number>
  /** How many connections are open. */
  clientCount(): number
  /** Pauses or resumes beginning further requests. Requests that have begun go on. */
  pauseRequests(isPaused: boolean): void
  /**
   * Has JavaScript asked by `Unparsed` notices for the pages of what is no request, as far as a turn's budget goes.
   * `respond` gives one within a second; otherwise a short text is sent.
   */
  askForPages(): void
  /**
   * Puts other limits of connections and requests in force. How many connections there may be, and the proxies, stay
   * as they were.
   */
  replaceLimits(limits: EngineLimits): void
  /** Has each refused request announced by a `Refused` notice. */
  explainRefusals(): void
  /**
   * Has each new connection announced by an `Accepted` notice. It then waits until `serve` gives it to
   * HTTP or `takeRaw` to JavaScript. To be called before `start`.
   */
  announceAccepted(): void
  /** Answers a `ServerName` notice; with `null` the default certificate is used, and nothing is kept. */
  answerCertificate(slot: number, client: number, answer?: TlsAnswer | undefined | null): void
  /**
   * The facts of a client that an `Accepted` notice has announced; null when it has closed. A `Closed`
   * notice will follow.
   */
  openAccepted(slot: number, client: number): ClientFacts | null
  /**
   * The facts of the client that sent the request with the head block at `head` in `slab`, also after its
   * close. A `Closed` notice follows unless it has closed already.
   */
  openClient(slot: number, slab: Buffer, head: number): ClientFacts
}

/** Settings that were checked and aren't in force yet. */
export declare class PreparedTls {
  /** What works and is probably not meant so. */
  warnings(): Array<string>
}

/** The answer to a `ServerName` notice. */
export declare class TlsAnswer {}

/** The TLS of the listeners that belong together; it can be replaced while they serve. */
export declare class TlsContext {
  /** Checks the settings. Throws an error whose message begins with a code, `BUSBAR_TLS_…`, a colon and a space. */
  constructor(settings: TlsSettings)
  /** What works and is probably not meant so. */
  warnings(): Array<string>
  /** Checks settings that are to replace the present ones, by `replace`. Throws as the constructor does. */
  prepare(settings: TlsSettings): PreparedTls
  /** New connections are accepted by prepared settings, which can be used once. This can't fail. */
  replace(prepared: PreparedTls): void
  /** A warning that is due only after a while; `null` for none. */
  overdue(): string | null
  /**
   * The answer with a certificate, for `Engine.answerCertificate`. It is kept for `keptFor` seconds; `null` for an
   * hour. Throws as the constructor does.
   */
  makeCertificate(certificate: TlsCertificate, keptFor?: number | undefined | null): TlsAnswer
  /** The answer that a name has no certificate of its own. */
  withoutCertificate(): TlsAnswer
  /** A new certificate for `localhost`, `127.0.0.1` and `::1` that signs itself, valid for 396 days from now. */
  static makeDevelopmentCertificate(): CertificateWithKey
  /** The certificates in force, in the order of the settings. */
  certificates(): Array<CertificateDetails>
}

/** A socket's address. */
export interface BoundAddress {
  /** Its address family. */
  family: 'IPv4' | 'IPv6' | 'unix'
  /** IP address without brackets, or path of a unix socket. */
  host: string
  /** Port; 0 for unix sockets. */
  port: number
}

/** What stands in a certificate. */
export interface CertificateDetails {
  /** The subject as one line. */
  subject: string
  /** Its attributes, name and value in turn. */
  subjectFields: Array<string>
  /** The issuer as one line. */
  issuer: string
  /** Its attributes, name and value in turn. */
  issuerFields: Array<string>
  /** Hexadecimal, upper case. */
  serial: string
  /** Unix time in seconds from which it is valid. */
  notBefore: number
  /** Unix time in seconds up to which it is valid. */
  notAfter: number
  /** SHA-256 of the DER. */
  fingerprint: Buffer
  /** Alternative names, kind and value in turn; kinds are `DNS`, `IP`, `email` and `URI`. */
  names: Array<string>
  /** The certificate. */
  der: Buffer
}

/** A certificate for one's own machine, with its key. */
export interface CertificateWithKey {
  /** The certificate as PEM text. */
  cert: string
  /** The key as PEM text. */
  key: string
}

/** Limits of one server. Times are in seconds, sizes in bytes; `Infinity` means no limit, `null` the default. */
export interface EngineLimits {
  /** How long a connection may be idle between requests. */
  http1Timeout: number | null
  /** The same for peers that are local or proxies. */
  localHttp1Timeout: number | null
  /** How long a PROXY header may take, from the moment the connection was accepted. */
  proxyHeaderTimeout: number | null
  /** How long a header section may take, from its first byte. */
  headerTimeout: number | null
  /** How long a request's body may make no progress. */
  bodyTimeout: number | null
  /** Bytes a second at which a request's body must come on average; 0 for no minimum. */
  minimumBodyRate: number | null
  /** How long one whole request may take; 0 for no limit. */
  requestTimeout: number | null
  /** How long an answer may make no progress because the client doesn't read. */
  writeTimeout: number | null
  /** Whether a client that has closed its sending side behind a whole request is still answered. */
  allowHalfClose: boolean | null
  /** Bytes of a request's body. */
  bodySizeLimit: number | null
  /** Bytes of a header section. */
  headerSizeLimit: number | null
  /** Fields of a header section. */
  headerFieldLimit: number | null
  /** Bytes of a request line. */
  requestLineLimit: number | null
  /** Bytes of all chunk extensions of one body. */
  chunkExtensionLimit: number | null
  /** Requests of one connection that may run or wait at the same time. */
  pipelineLimit: number | null
  /** How long an HTTP/2 connection may be without a stream. */
  http2Timeout: number | null
  /** The same for peers that are local or proxies. */
  localHttp2Timeout: number | null
  /** Silence of an HTTP/2 client after which it is sent a PING; 0 for none. */
  http2PingInterval: number | null
  /** Origins that a client may use an HTTP/2 connection for. */
  origins: Array<string> | null
  /** Streams of one HTTP/2 connection that may run at the same time. */
  concurrentStreamLimit: number | null
  /** Bytes to which the receive window of an HTTP/2 stream may grow. */
  http2WindowLimit: number | null
  /** Whether HTTP/2 is spoken without TLS to clients that begin with its preface. */
  http2Cleartext: boolean | null
  /** Whether extended CONNECT is taken over HTTP/2. RFC 8441. */
  extendedConnect: boolean | null
  /** Requests of one connection; 0 for no limit. */
  requestsPerConnection: number | null
  /** How long a connection takes requests; 0 for no limit. */
  connectionAge: number | null
  /** How long its requests may then take; 0 for no limit. */
  connectionAgeGrace: number | null
  /** How long a TLS handshake may take, from its first byte. */
  tlsSetupTimeout: number | null
  /** Whether answers of HTTP/1 look as those of node:http. */
  nodeStyle: boolean | null
  /** Whether HTTP/1.1 requests may lack a Host. */
  allowMissingHost: boolean | null
  /** Connections of the server. */
  connectionLimit: number | null
  /** Connections of one IPv4 address, or one IPv6 /56. */
  connectionsPerIpLimit: number | null
  /**
   * Networks of proxies, as CIDR blocks, and `unix`. That limit doesn't apply to them, and their PROXY headers are
   * believed. Local networks aren't counted either.
   */
  proxies: Array<string> | null
}

/** The versions of the libraries that are linked in. */
export declare function linkedVersions(): LinkedVersions

/** The libraries that are linked in, with their versions. */
export interface LinkedVersions {
  llhttp: string
  nghttp2: string
  rustls: string
  /** Name and version. */
  crypto: string
}

/** Where to listen: at `path` for a unix socket, else at `host` and `port`. */
export interface ListenOptions {
  /** IP literal; `null` for all interfaces, by IPv4 and IPv6. */
  host: string | null
  /** Port; 0 lets the system choose one. */
  port: number
  /** Path of a unix socket; `null` for TCP. */
  path: string | null
  /** Descriptor of a socket that listens already, instead of an address; `null` for none. */
  fd: number | null
  /** How many connections may wait to be accepted. */
  backlog: number
  /** Whether several sockets may share the port (SO_REUSEPORT). */
  reusePort: boolean
  /** Whether an IPv6 wildcard address accepts no IPv4 (IPV6_V6ONLY). */
  ipv6Only: boolean
  /** Permission bits of the unix socket's file; `null` leaves them to the umask. */
  mode: number | null
  /** Whether each connection begins with a PROXY header. */
  proxyProtocol: boolean
}

/** One certificate chain with its key. */
export interface TlsCertificate {
  /** The certificate and its intermediates. */
  cert: TlsSource
  /** The key: PKCS#8, PKCS#1 or SEC1. */
  key: TlsSource
  /** Decrypts the key; `null` for a key that isn't encrypted. */
  passphrase: string | null
  /** Names it is used for; empty for those in the certificate. */
  serverNames: Array<string>
  /** An OCSP response in DER; `null` for none. */
  ocsp: TlsSource | null
}

/** What a handshake has negotiated. */
export interface TlsDetails {
  /** `TLSv1.2` or `TLSv1.3`. */
  version: string
  /** The cipher suite under OpenSSL's name. */
  cipherName: string
  /** Bits of the cipher's key. */
  cipherBits: number
  /** The version in which the suite was defined. */
  cipherVersion: string
  /** The protocol chosen by ALPN. */
  alpn: string | null
  /** The name that the client asked for. */
  serverName: string | null
  /** Whether the session continues an earlier one. */
  isResumed: boolean
  /** The group of the key exchange. */
  group: string | null
  /** The client's certificates, leaf first; `null` where none is asked for. */
  peerCertificates: Array<CertificateDetails> | null
}

/** Everything that makes the TLS of a listener. */
export interface TlsSettings {
  /** Certificates, the earlier before the later ones where several fit. */
  certificates: Array<TlsCertificate>
  /** Index of the certificate for all other names; `null` to refuse them. */
  defaultCertificate: number | null
  /** Whether the certificate of an unknown name is asked for by a `ServerName` notice. */
  asksForCertificates: boolean
  /** The lowest version. */
  minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Cipher suites, most preferred first; empty for all. */
  cipherSuites: Array<string>
  /** Groups of the key exchange; empty for all. */
  groups: Array<string>
  /** Protocols for ALPN, most preferred first; empty for no ALPN. */
  alpn: Array<string>
  /** Whether clients are asked for a certificate. */
  clientAuth: 'none' | 'request' | 'require' | 'request-unverified'
  /** Authorities that sign clients' certificates. */
  ca: Array<TlsSource>
  /** Revocation lists. */
  crl: Array<TlsSource>
  /** Whether an unknown status and an expired list let a certificate pass. */
  isCrlLenient: boolean
  /** Key material of tickets, the first seals; empty to have it made. */
  ticketKeys: Array<TlsSource>
  /** Path of the file that secrets are appended to, in the NSS format; `null` for none. */
  keyLog: string | null
}

/** Bytes, and the name under which messages speak of them. */
export interface TlsSource {
  /** The path of a file, or the name of an option. */
  label: string
  /** PEM or DER. */
  bytes: Buffer
}
