/**
 * The result of a TLS handshake.
 */

/** The values at the end of the handshake. */
export interface TlsInfo {
  /** The version, such as `TLSv1.3`. */
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
