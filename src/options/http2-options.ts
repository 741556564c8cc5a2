/**
 * The options of HTTP/2, each with its getter and the method that changes it.
 */
import { LimitOptions } from './limit-options.ts'

/** Its times and limits that HTTP/1 has as well are among the others. */
export abstract class Http2Options extends LimitOptions {
  /**
   * Whether HTTP/2 is offered over TLS.
   *
   * @example options.isHttp2Enabled()
   */
  isHttp2Enabled(): boolean {
    return this.get('http2')
  }

  /** @example options.withHttp2() */
  withHttp2(enabled = true): this {
    return this.with({ http2: enabled })
  }

  /** @example options.withoutHttp2() */
  withoutHttp2(): this {
    return this.with({ http2: false })
  }

  /**
   * Whether HTTP/2 without TLS is accepted, from clients that begin with its preface.
   *
   * @example options.isHttp2CleartextAllowed()
   */
  isHttp2CleartextAllowed(): boolean {
    return this.get('http2Cleartext')
  }

  /** @example options.withHttp2Cleartext() */
  withHttp2Cleartext(enabled = true): this {
    return this.with({ http2Cleartext: enabled })
  }

  /** @example options.withoutHttp2Cleartext() */
  withoutHttp2Cleartext(): this {
    return this.with({ http2Cleartext: false })
  }

  /**
   * Bytes of an HTTP/2 upload that may always be under way while its handler keeps up, from 64 KiB on. The receive
   * window is up to twice as large.
   *
   * @example options.getHttp2WindowLimit()
   */
  getHttp2WindowLimit(): number {
    return this.get('http2WindowLimit')
  }

  /** @example options.withHttp2WindowLimit(1 << 20) */
  withHttp2WindowLimit(value: number): this {
    return this.with({ http2WindowLimit: value })
  }

  /**
   * Seconds of silence after which an HTTP/2 client is sent a PING. When it stays silent for as long again, its
   * connection is closed. 0 is never.
   *
   * @example options.getHttp2PingInterval()
   */
  getHttp2PingInterval(): number {
    return this.get('http2PingInterval')
  }

  /** @example options.withHttp2PingInterval(30) */
  withHttp2PingInterval(value: number): this {
    return this.with({ http2PingInterval: value })
  }

  /**
   * Origins that a client may use an HTTP/2 connection over TLS for, if the certificate names them (ORIGIN frame,
   * RFC 8336).
   *
   * @example options.getOrigins() // ['https://example.org']
   */
  getOrigins(): readonly string[] {
    return this.get('origins')
  }

  /** @example options.withOrigins(['https://example.org', 'https://static.example.org']) */
  withOrigins(value: readonly string[]): this {
    return this.with({ origins: value })
  }

  /**
   * Whether clients may open WebSockets on streams of an HTTP/2 connection (extended CONNECT, RFC 8441).
   *
   * @example options.isExtendedConnectAllowed()
   */
  isExtendedConnectAllowed(): boolean {
    return this.get('extendedConnect')
  }

  /**
   * Allows it. `response.upgrade` and `Response.detach` then have to work for requests without `sec-websocket-key`.
   *
   * @example options.withExtendedConnect()
   */
  withExtendedConnect(enabled = true): this {
    return this.with({ extendedConnect: enabled })
  }

  /** @example options.withoutExtendedConnect() */
  withoutExtendedConnect(): this {
    return this.with({ extendedConnect: false })
  }

  /**
   * Always false: HTTP/2 has no upgrade from HTTP/1.1 any more (RFC 9113). `http2Cleartext` allows it without TLS.
   *
   * @example options.isHttp2UpgradeAllowed()
   */
  isHttp2UpgradeAllowed(): boolean {
    return this.get('http2Upgrade')
  }

  /**
   * Throws an `OptionError` unless it is given false; see `withHttp2Cleartext`.
   *
   * @example options.withHttp2Upgrade(false)
   */
  withHttp2Upgrade(enabled = true): this {
    return this.with({ http2Upgrade: enabled })
  }

  /** @example options.withoutHttp2Upgrade() */
  withoutHttp2Upgrade(): this {
    return this.with({ http2Upgrade: false })
  }
}
