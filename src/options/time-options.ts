/**
 * The options that are times and rates, each with its getter and the method that changes it.
 */
import type { OptionName, OptionValues } from './option-table.ts'

/** Times are in seconds. */
export abstract class TimeOptions {
  abstract get<Name extends OptionName>(name: Name): OptionValues[Name]
  abstract with(values: Partial<OptionValues>): this

  /**
   * Idle time of a connection between requests. It is sent in the `keep-alive` field; the connection closes a second
   * later.
   *
   * @example options.getHttp1Timeout()
   */
  getHttp1Timeout(): number {
    return this.get('http1Timeout')
  }

  /**
   * Sets the idle time for all clients, also those of `localHttp1Timeout`.
   *
   * @example options.withHttp1Timeout(30)
   */
  withHttp1Timeout(value: number): this {
    return this.with({ http1Timeout: value })
  }

  /**
   * The idle time for clients that aren't counted by address: local networks, unix sockets and `proxies`. The idle time
   * of a load balancer must be shorter.
   *
   * @example options.getLocalHttp1Timeout() // 75
   */
  getLocalHttp1Timeout(): number {
    return this.get('localHttp1Timeout')
  }

  /** @example options.withLocalHttp1Timeout(650) */
  withLocalHttp1Timeout(value: number): this {
    return this.with({ localHttp1Timeout: value })
  }

  /**
   * Seconds that an HTTP/2 connection may be without an open stream, for clients that aren't local.
   *
   * @example options.getHttp2Timeout()
   */
  getHttp2Timeout(): number {
    return this.get('http2Timeout')
  }

  /** Sets it for all clients, also those of `localHttp2Timeout`. @example options.withHttp2Timeout(30) */
  withHttp2Timeout(value: number): this {
    return this.with({ http2Timeout: value })
  }

  /**
   * The same for clients that aren't counted by address: local networks, unix sockets and `proxies`.
   *
   * @example options.getLocalHttp2Timeout() // 75
   */
  getLocalHttp2Timeout(): number {
    return this.get('localHttp2Timeout')
  }

  /** @example options.withLocalHttp2Timeout(650) */
  withLocalHttp2Timeout(value: number): this {
    return this.with({ localHttp2Timeout: value })
  }

  /**
   * Seconds, longer by up to a tenth, after which a connection takes no more requests, so that long connections move
   * to servers that were added since; 0 for no limit. It ends as one with `requestsPerConnection` does. Upgraded
   * connections stay.
   *
   * @example options.getConnectionAge()
   */
  getConnectionAge(): number {
    return this.get('connectionAge')
  }

  /** @example options.withConnectionAge(600) */
  withConnectionAge(value: number): this {
    return this.with({ connectionAge: value })
  }

  /**
   * Seconds that the requests of a connection may still take when its age is reached; then it is closed. 0 for no limit.
   *
   * @example options.getConnectionAgeGrace()
   */
  getConnectionAgeGrace(): number {
    return this.get('connectionAgeGrace')
  }

  /** @example options.withConnectionAgeGrace(30) */
  withConnectionAgeGrace(value: number): this {
    return this.with({ connectionAgeGrace: value })
  }

  /**
   * Duration of a TLS handshake, from its first byte.
   *
   * @example options.getTlsSetupTimeout()
   */
  getTlsSetupTimeout(): number {
    return this.get('tlsSetupTimeout')
  }

  /** @example options.withTlsSetupTimeout(30) */
  withTlsSetupTimeout(value: number): this {
    return this.with({ tlsSetupTimeout: value })
  }

  /**
   * Duration of the PROXY header of a connection that must begin with one; `proxyProtocol` of `listen` says so.
   *
   * @example options.getProxyHeaderTimeout()
   */
  getProxyHeaderTimeout(): number {
    return this.get('proxyHeaderTimeout')
  }

  /** @example options.withProxyHeaderTimeout(2) */
  withProxyHeaderTimeout(value: number): this {
    return this.with({ proxyHeaderTimeout: value })
  }

  /**
   * Duration of one header section, from its first byte.
   *
   * @example options.getHeaderTimeout()
   */
  getHeaderTimeout(): number {
    return this.get('headerTimeout')
  }

  /** @example options.withHeaderTimeout(30) */
  withHeaderTimeout(value: number): this {
    return this.with({ headerTimeout: value })
  }

  /**
   * Time that a body may stay without progress.
   *
   * @example options.getBodyTimeout()
   */
  getBodyTimeout(): number {
    return this.get('bodyTimeout')
  }

  /** @example options.withBodyTimeout(30) */
  withBodyTimeout(value: number): this {
    return this.with({ bodyTimeout: value })
  }

  /**
   * Bytes a second that a body must reach on average after its first five seconds; 0 for no minimum.
   *
   * @example options.getMinimumBodyRate()
   */
  getMinimumBodyRate(): number {
    return this.get('minimumBodyRate')
  }

  /** @example options.withMinimumBodyRate(0) */
  withMinimumBodyRate(value: number): this {
    return this.with({ minimumBodyRate: value })
  }

  /**
   * Duration of one whole request, without the time in which its handler doesn't read the body; 0 for no limit.
   *
   * @example options.getRequestTimeout()
   */
  getRequestTimeout(): number {
    return this.get('requestTimeout')
  }

  /** @example options.withRequestTimeout(30) */
  withRequestTimeout(value: number): this {
    return this.with({ requestTimeout: value })
  }

  /**
   * Duration of one handler; after it the response is a 503; 0 for no limit.
   *
   * @example options.getHandlerTimeout()
   */
  getHandlerTimeout(): number {
    return this.get('handlerTimeout')
  }

  /** @example options.withHandlerTimeout(30) */
  withHandlerTimeout(value: number): this {
    return this.with({ handlerTimeout: value })
  }

  /**
   * Time in which a client must read some of a response, and as much as `minimumBodyRate` says on average.
   *
   * @example options.getWriteTimeout()
   */
  getWriteTimeout(): number {
    return this.get('writeTimeout')
  }

  /** @example options.withWriteTimeout(30) */
  withWriteTimeout(value: number): this {
    return this.with({ writeTimeout: value })
  }

  /**
   * Time that `stop` waits unless it is given one.
   *
   * @example options.getStopTimeout()
   */
  getStopTimeout(): number {
    return this.get('stopTimeout')
  }

  /** @example options.withStopTimeout(30) */
  withStopTimeout(value: number): this {
    return this.with({ stopTimeout: value })
  }
}
