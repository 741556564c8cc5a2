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
   * Bytes to which the receive window of an HTTP/2 stream grows while its handler keeps up.
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
