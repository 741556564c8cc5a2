/**
 * The options that are sizes and counts, each with its getter and the method that changes it.
 */
import { TimeOptions } from './time-options.ts'

/** Sizes are in bytes. */
export abstract class LimitOptions extends TimeOptions {
  /**
   * Open connections. A new one above the limit closes the one that has been idle longest; if none is idle, the new
   * one gets a 503.
   *
   * @example options.getConnectionLimit()
   */
  getConnectionLimit(): number {
    return this.get('connectionLimit')
  }

  /** @example options.withConnectionLimit(50_000) */
  withConnectionLimit(value: number): this {
    return this.with({ connectionLimit: value })
  }

  /**
   * Open connections of one IPv4 address or IPv6 /56; local addresses and `proxies` are exempt. A new one above the
   * limit closes the longest idle one of its address; if none is idle, the new one gets a 503.
   *
   * @example options.getConnectionsPerIpLimit()
   */
  getConnectionsPerIpLimit(): number {
    return this.get('connectionsPerIpLimit')
  }

  /** @example options.withConnectionsPerIpLimit(100) */
  withConnectionsPerIpLimit(value: number): this {
    return this.with({ connectionsPerIpLimit: value })
  }

  /**
   * Size of one request body; `Infinity` for no limit.
   *
   * @example options.getBodySizeLimit()
   */
  getBodySizeLimit(): number {
    return this.get('bodySizeLimit')
  }

  /** @example options.withBodySizeLimit(10 * 1024 * 1024) */
  withBodySizeLimit(value: number): this {
    return this.with({ bodySizeLimit: value })
  }

  /**
   * Size of one header section.
   *
   * @example options.getHeaderSizeLimit()
   */
  getHeaderSizeLimit(): number {
    return this.get('headerSizeLimit')
  }

  /** @example options.withHeaderSizeLimit(16_384) */
  withHeaderSizeLimit(value: number): this {
    return this.with({ headerSizeLimit: value })
  }

  /**
   * Open streams of one HTTP/2 connection; further ones are refused.
   *
   * @example options.getConcurrentStreamLimit()
   */
  getConcurrentStreamLimit(): number {
    return this.get('concurrentStreamLimit')
  }

  /** @example options.withConcurrentStreamLimit(100) */
  withConcurrentStreamLimit(value: number): this {
    return this.with({ concurrentStreamLimit: value })
  }

  /**
   * Largest piece that the parser of a driver is given.
   *
   * @example options.getChunkSize()
   */
  getChunkSize(): number {
    return this.get('chunkSize')
  }

  /** @example options.withChunkSize(16_384) */
  withChunkSize(value: number): this {
    return this.with({ chunkSize: value })
  }

  /**
   * Bytes of a streamed body that are collected before they are sent, as long as its source gives them without a
   * pause.
   *
   * @example options.getStreamThreshold()
   */
  getStreamThreshold(): number {
    return this.get('streamThreshold')
  }

  /** @example options.withStreamThreshold(16_384) */
  withStreamThreshold(value: number): this {
    return this.with({ streamThreshold: value })
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
  withHeaderFieldLimit(value: number): this {
    return this.with({ headerFieldLimit: value })
  }

  /**
   * Size of the request line.
   *
   * @example options.getRequestLineLimit()
   */
  getRequestLineLimit(): number {
    return this.get('requestLineLimit')
  }

  /** @example options.withRequestLineLimit(8192) */
  withRequestLineLimit(value: number): this {
    return this.with({ requestLineLimit: value })
  }

  /**
   * Size of all chunk extensions of one body.
   *
   * @example options.getChunkExtensionLimit()
   */
  getChunkExtensionLimit(): number {
    return this.get('chunkExtensionLimit')
  }

  /** @example options.withChunkExtensionLimit(0) */
  withChunkExtensionLimit(value: number): this {
    return this.with({ chunkExtensionLimit: value })
  }

  /**
   * Requests of one connection that run or wait at the same time.
   *
   * @example options.getPipelineLimit()
   */
  getPipelineLimit(): number {
    return this.get('pipelineLimit')
  }

  /** @example options.withPipelineLimit(16) */
  withPipelineLimit(value: number): this {
    return this.with({ pipelineLimit: value })
  }

  /**
   * Handlers of one server that run at the same time. At the limit no further request is read; one that has waited
   * for 5 seconds gets a 503. An address that isn't local or in `proxies` gets a quarter of them.
   *
   * @example options.getRequestLimit()
   */
  getRequestLimit(): number {
    return this.get('requestLimit')
  }

  /** @example options.withRequestLimit(1000) */
  withRequestLimit(value: number): this {
    return this.with({ requestLimit: value })
  }

  /**
   * Requests of one connection; 0 for no limit. The last one is announced by `connection: close`, or by the GOAWAY of
   * HTTP/2, behind which the streams that are open are finished.
   *
   * @example options.getRequestsPerConnection()
   */
  getRequestsPerConnection(): number {
    return this.get('requestsPerConnection')
  }

  /** @example options.withRequestsPerConnection(10_000) */
  withRequestsPerConnection(value: number): this {
    return this.with({ requestsPerConnection: value })
  }

  /**
   * Memory for heads, bodies and unsent bytes together. This release has no such limit.
   *
   * @example options.getMemoryLimit()
   */
  getMemoryLimit(): number {
    return this.get('memoryLimit')
  }

  /** Throws unless the value is `Infinity`. @example options.withMemoryLimit(Infinity) */
  withMemoryLimit(value: number): this {
    return this.with({ memoryLimit: value })
  }
}
