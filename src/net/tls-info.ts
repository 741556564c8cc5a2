/**
 * What TLS has negotiated on a connection.
 */

/** A snapshot taken when the handshake was complete. */
export interface TlsInfo {
  /** Such as `TLSv1.3`. */
  getVersion(): string
  /** Name of the cipher suite. */
  getCipherName(): string
  /** Size of its key in bits. */
  getCipherBits(): number
  /** Protocol family the cipher belongs to. */
  getCipherVersion(): string
  /** The protocol negotiated by ALPN; null for none. */
  getApplicationLayerProtocol(): string | null
}
