/**
 * What a server allows its clients, as an immutable set of options.
 */
import { OptionError } from '../core/errors.ts'
import { DEFAULTS, checkOption, isOption, nearestOption } from './option-table.ts'
import type { OptionName, OptionValues } from './option-table.ts'

/**
 * Options of a server: immutable, each `with…` gives a changed copy. A wrong value throws at once.
 *
 * @example new HttpServer(8080, handler, Options.from().withHttp1Timeout(30).withoutCompression())
 */
export class Options {
  readonly #values: Readonly<OptionValues>

  private constructor(values: Readonly<OptionValues>) {
    this.#values = values
  }

  /**
   * Options with the defaults for everything that isn't named. An unknown name or a wrong value throws.
   *
   * @example Options.from({ http1Timeout: 30, bodySizeLimit: 1 << 20 })
   */
  static from(values: Partial<OptionValues> = {}): Options {
    return new Options(DEFAULTS).with(values)
  }

  /**
   * A copy with some options changed.
   *
   * @example options.with({ headerTimeout: 5 })
   */
  with(values: Partial<OptionValues>): Options {
    const changed: Record<string, unknown> = { ...this.#values }
    for (const [name, value] of Object.entries(values)) {
      if (!isOption(name)) {
        throw new OptionError(name, value, `one of the known options; did you mean ${nearestOption(name)}?`)
      }
      if (value !== undefined) changed[name] = checkOption(name, value)
    }
    return new Options(changed as unknown as OptionValues)
  }

  /**
   * The value of an option by name.
   *
   * @example options.get('http1Timeout') // 15
   */
  get<Name extends OptionName>(name: Name): OptionValues[Name] {
    return this.#values[name]
  }

  /**
   * All values, as an object that `Options.from` takes.
   *
   * @example options.toObject().bodySizeLimit
   */
  toObject(): OptionValues {
    return { ...this.#values, allowedMethods: [...this.#values.allowedMethods], proxies: [...this.#values.proxies] }
  }

  /**
   * Whether error pages and logs have more detail.
   *
   * @example options.isInDebugMode()
   */
  isInDebugMode(): boolean {
    return this.get('debug')
  }

  /** @example options.withDebugMode() */
  withDebugMode(enabled = true): Options {
    return this.with({ debug: enabled })
  }

  /** @example options.withoutDebugMode() */
  withoutDebugMode(): Options {
    return this.with({ debug: false })
  }

  /**
   * Connections at once. The one that has been idle for longest makes room for a new one; with none idle that is closed.
   *
   * @example options.getConnectionLimit()
   */
  getConnectionLimit(): number {
    return this.get('connectionLimit')
  }

  /** @example options.withConnectionLimit(50_000) */
  withConnectionLimit(value: number): Options {
    return this.with({ connectionLimit: value })
  }

  /**
   * Connections at once of one IPv4 address or IPv6 /56, but for local ones and `proxies`. Its idle ones make room first; then 503.
   *
   * @example options.getConnectionsPerIpLimit()
   */
  getConnectionsPerIpLimit(): number {
    return this.get('connectionsPerIpLimit')
  }

  /** @example options.withConnectionsPerIpLimit(100) */
  withConnectionsPerIpLimit(value: number): Options {
    return this.with({ connectionsPerIpLimit: value })
  }

  /**
   * Idle keep-alive; also told to clients.
   *
   * @example options.getHttp1Timeout()
   */
  getHttp1Timeout(): number {
    return this.get('http1Timeout')
  }

  /** @example options.withHttp1Timeout(30) */
  withHttp1Timeout(value: number): Options {
    return this.with({ http1Timeout: value })
  }

  /**
   * Idle time of HTTP/2 connections. Takes effect with HTTP/2, in a later release.
   *
   * @example options.getHttp2Timeout()
   */
  getHttp2Timeout(): number {
    return this.get('http2Timeout')
  }

  /** @example options.withHttp2Timeout(30) */
  withHttp2Timeout(value: number): Options {
    return this.with({ http2Timeout: value })
  }

  /**
   * TLS handshake. Takes effect with TLS, in a later release.
   *
   * @example options.getTlsSetupTimeout()
   */
  getTlsSetupTimeout(): number {
    return this.get('tlsSetupTimeout')
  }

  /** @example options.withTlsSetupTimeout(30) */
  withTlsSetupTimeout(value: number): Options {
    return this.with({ tlsSetupTimeout: value })
  }

  /**
   * Body of one request; `Infinity` for no limit.
   *
   * @example options.getBodySizeLimit()
   */
  getBodySizeLimit(): number {
    return this.get('bodySizeLimit')
  }

  /** @example options.withBodySizeLimit(10 * 1024 * 1024) */
  withBodySizeLimit(value: number): Options {
    return this.with({ bodySizeLimit: value })
  }

  /**
   * Header section of one request.
   *
   * @example options.getHeaderSizeLimit()
   */
  getHeaderSizeLimit(): number {
    return this.get('headerSizeLimit')
  }

  /** @example options.withHeaderSizeLimit(16_384) */
  withHeaderSizeLimit(value: number): Options {
    return this.with({ headerSizeLimit: value })
  }

  /**
   * Streams of one HTTP/2 connection. Takes effect with HTTP/2, in a later release.
   *
   * @example options.getConcurrentStreamLimit()
   */
  getConcurrentStreamLimit(): number {
    return this.get('concurrentStreamLimit')
  }

  /** @example options.withConcurrentStreamLimit(100) */
  withConcurrentStreamLimit(value: number): Options {
    return this.with({ concurrentStreamLimit: value })
  }

  /**
   * Bytes at most that a driver's parser is given at once.
   *
   * @example options.getChunkSize()
   */
  getChunkSize(): number {
    return this.get('chunkSize')
  }

  /** @example options.withChunkSize(16_384) */
  withChunkSize(value: number): Options {
    return this.with({ chunkSize: value })
  }

  /**
   * Bytes of a streamed body that are gathered while its source gives them without a pause.
   *
   * @example options.getStreamThreshold()
   */
  getStreamThreshold(): number {
    return this.get('streamThreshold')
  }

  /** @example options.withStreamThreshold(16_384) */
  withStreamThreshold(value: number): Options {
    return this.with({ streamThreshold: value })
  }

  /**
   * Methods that reach the handler, in the order in which `Allow` names them.
   *
   * @example options.getAllowedMethods()
   */
  getAllowedMethods(): readonly string[] {
    return this.get('allowedMethods')
  }

  /** @example options.withAllowedMethods(['GET', 'HEAD', 'POST']) */
  withAllowedMethods(value: readonly string[]): Options {
    return this.with({ allowedMethods: value })
  }

  /**
   * Whether the obsolete upgrade to h2c is allowed. Takes effect with HTTP/2, in a later release.
   *
   * @example options.isHttp2UpgradeAllowed()
   */
  isHttp2UpgradeAllowed(): boolean {
    return this.get('http2Upgrade')
  }

  /** @example options.withHttp2Upgrade() */
  withHttp2Upgrade(enabled = true): Options {
    return this.with({ http2Upgrade: enabled })
  }

  /** @example options.withoutHttp2Upgrade() */
  withoutHttp2Upgrade(): Options {
    return this.with({ http2Upgrade: false })
  }

  /**
   * Whether pushes become `Link` fields. Takes effect with pushes, in a later release.
   *
   * @example options.isPushEnabled()
   */
  isPushEnabled(): boolean {
    return this.get('push')
  }

  /** @example options.withPush() */
  withPush(enabled = true): Options {
    return this.with({ push: enabled })
  }

  /** @example options.withoutPush() */
  withoutPush(): Options {
    return this.with({ push: false })
  }

  /**
   * Whether answers are compressed. Takes effect with compression, in a later release.
   *
   * @example options.isCompressionEnabled()
   */
  isCompressionEnabled(): boolean {
    return this.get('compression')
  }

  /** @example options.withCompression() */
  withCompression(enabled = true): Options {
    return this.with({ compression: enabled })
  }

  /** @example options.withoutCompression() */
  withoutCompression(): Options {
    return this.with({ compression: false })
  }

  /**
   * Whether log lines of errors carry the request.
   *
   * @example options.isRequestLogContextEnabled()
   */
  isRequestLogContextEnabled(): boolean {
    return this.get('requestLogContext')
  }

  /** @example options.withRequestLogContext() */
  withRequestLogContext(enabled = true): Options {
    return this.with({ requestLogContext: enabled })
  }

  /** @example options.withoutRequestLogContext() */
  withoutRequestLogContext(): Options {
    return this.with({ requestLogContext: false })
  }

  /**
   * The header section, from its first byte.
   *
   * @example options.getHeaderTimeout()
   */
  getHeaderTimeout(): number {
    return this.get('headerTimeout')
  }

  /** @example options.withHeaderTimeout(30) */
  withHeaderTimeout(value: number): Options {
    return this.with({ headerTimeout: value })
  }

  /**
   * A body without progress.
   *
   * @example options.getBodyTimeout()
   */
  getBodyTimeout(): number {
    return this.get('bodyTimeout')
  }

  /** @example options.withBodyTimeout(30) */
  withBodyTimeout(value: number): Options {
    return this.with({ bodyTimeout: value })
  }

  /**
   * Bytes a second that a body must bring on average after five seconds; 0 = off.
   *
   * @example options.getMinimumBodyRate()
   */
  getMinimumBodyRate(): number {
    return this.get('minimumBodyRate')
  }

  /** @example options.withMinimumBodyRate(0) */
  withMinimumBodyRate(value: number): Options {
    return this.with({ minimumBodyRate: value })
  }

  /**
   * Receipt of one whole request, without the time in which its handler lets it wait; 0 = off.
   *
   * @example options.getRequestTimeout()
   */
  getRequestTimeout(): number {
    return this.get('requestTimeout')
  }

  /** @example options.withRequestTimeout(30) */
  withRequestTimeout(value: number): Options {
    return this.with({ requestTimeout: value })
  }

  /**
   * A handler that doesn't answer: 503; 0 = off.
   *
   * @example options.getHandlerTimeout()
   */
  getHandlerTimeout(): number {
    return this.get('handlerTimeout')
  }

  /** @example options.withHandlerTimeout(30) */
  withHandlerTimeout(value: number): Options {
    return this.with({ handlerTimeout: value })
  }

  /**
   * Whether a client that has closed its sending side is still taken to be there.
   *
   * @example options.isHalfCloseAllowed()
   */
  isHalfCloseAllowed(): boolean {
    return this.get('allowHalfClose')
  }

  /** @example options.withHalfClose() */
  withHalfClose(enabled = true): Options {
    return this.with({ allowHalfClose: enabled })
  }

  /** @example options.withoutHalfClose() */
  withoutHalfClose(): Options {
    return this.with({ allowHalfClose: false })
  }

  /**
   * A client that doesn't read its answer.
   *
   * @example options.getWriteTimeout()
   */
  getWriteTimeout(): number {
    return this.get('writeTimeout')
  }

  /** @example options.withWriteTimeout(30) */
  withWriteTimeout(value: number): Options {
    return this.with({ writeTimeout: value })
  }

  /**
   * Fields in one header section.
   *
   * @example options.getHeaderFieldLimit()
   */
  getHeaderFieldLimit(): number {
    return this.get('headerFieldLimit')
  }

  /** @example options.withHeaderFieldLimit(100) */
  withHeaderFieldLimit(value: number): Options {
    return this.with({ headerFieldLimit: value })
  }

  /**
   * The request line.
   *
   * @example options.getRequestLineLimit()
   */
  getRequestLineLimit(): number {
    return this.get('requestLineLimit')
  }

  /** @example options.withRequestLineLimit(8192) */
  withRequestLineLimit(value: number): Options {
    return this.with({ requestLineLimit: value })
  }

  /**
   * Chunk extensions of one body.
   *
   * @example options.getChunkExtensionLimit()
   */
  getChunkExtensionLimit(): number {
    return this.get('chunkExtensionLimit')
  }

  /** @example options.withChunkExtensionLimit(0) */
  withChunkExtensionLimit(value: number): Options {
    return this.with({ chunkExtensionLimit: value })
  }

  /**
   * Requests of one connection that run or wait at once.
   *
   * @example options.getPipelineLimit()
   */
  getPipelineLimit(): number {
    return this.get('pipelineLimit')
  }

  /** @example options.withPipelineLimit(16) */
  withPipelineLimit(value: number): Options {
    return this.with({ pipelineLimit: value })
  }

  /**
   * Handlers that run at once in one server. Above it no further request is read.
   *
   * @example options.getRequestLimit()
   */
  getRequestLimit(): number {
    return this.get('requestLimit')
  }

  /** @example options.withRequestLimit(1000) */
  withRequestLimit(value: number): Options {
    return this.with({ requestLimit: value })
  }

  /**
   * Heads, bodies and unsent bytes together. Takes effect with admission, in a later release.
   *
   * @example options.getMemoryLimit()
   */
  getMemoryLimit(): number {
    return this.get('memoryLimit')
  }

  /** @example options.withMemoryLimit(256 * 1024 * 1024) */
  withMemoryLimit(value: number): Options {
    return this.with({ memoryLimit: value })
  }

  /**
   * Networks of proxies, and `'unix'`: their connections aren't counted by address. Trusted to forward in a later release.
   *
   * @example options.getProxies()
   */
  getProxies(): readonly string[] {
    return this.get('proxies')
  }

  /** @example options.withProxies(['10.0.0.0/8', 'unix']) */
  withProxies(value: readonly string[]): Options {
    return this.with({ proxies: value })
  }

  /**
   * Whether HTTP/2 is offered over TLS. Takes effect with HTTP/2, in a later release.
   *
   * @example options.isHttp2Enabled()
   */
  isHttp2Enabled(): boolean {
    return this.get('http2')
  }

  /** @example options.withHttp2() */
  withHttp2(enabled = true): Options {
    return this.with({ http2: enabled })
  }

  /** @example options.withoutHttp2() */
  withoutHttp2(): Options {
    return this.with({ http2: false })
  }

  /**
   * Whether HTTP/2 without TLS is taken by prior knowledge. Takes effect with HTTP/2, in a later release.
   *
   * @example options.isHttp2CleartextAllowed()
   */
  isHttp2CleartextAllowed(): boolean {
    return this.get('http2Cleartext')
  }

  /** @example options.withHttp2Cleartext() */
  withHttp2Cleartext(enabled = true): Options {
    return this.with({ http2Cleartext: enabled })
  }

  /** @example options.withoutHttp2Cleartext() */
  withoutHttp2Cleartext(): Options {
    return this.with({ http2Cleartext: false })
  }

  /**
   * What `stop` waits by default.
   *
   * @example options.getStopTimeout()
   */
  getStopTimeout(): number {
    return this.get('stopTimeout')
  }

  /** @example options.withStopTimeout(30) */
  withStopTimeout(value: number): Options {
    return this.with({ stopTimeout: value })
  }
}
