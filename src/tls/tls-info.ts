/**
 * What TLS has negotiated on a connection.
 */
import { StateError } from '../core/errors.ts'
import type { ClientFacts, TlsDetails } from '../native.ts'
import { Certificate } from './certificate.ts'

/**
 * The result of a handshake. It doesn't change, and can be read after the connection is closed.
 *
 * @example request.getClient().getTlsInfo()?.getVersion() // 'TLSv1.3'
 */
export class TlsInfo {
  readonly #details: TlsDetails
  readonly #facts: ClientFacts
  #peer: Certificate[] | null = null

  /** @internal It is made by the server. */
  constructor(details: TlsDetails, facts: ClientFacts) {
    this.#details = details
    this.#facts = facts
  }

  /**
   * The version of TLS.
   *
   * @example info.getVersion() // 'TLSv1.3'
   */
  getVersion(): string {
    return this.#details.version
  }

  /**
   * The cipher suite, under OpenSSL's name.
   *
   * @example info.getCipherName() // 'TLS_AES_128_GCM_SHA256'
   */
  getCipherName(): string {
    return this.#details.cipherName
  }

  /**
   * Bits of the cipher's key.
   *
   * @example info.getCipherBits() // 128
   */
  getCipherBits(): number {
    return this.#details.cipherBits
  }

  /**
   * The version of TLS in which the cipher suite was defined.
   *
   * @example info.getCipherVersion() // 'TLSv1.3'
   */
  getCipherVersion(): string {
    return this.#details.cipherVersion
  }

  /**
   * The protocol negotiated by ALPN; null for none.
   *
   * @example info.getApplicationLayerProtocol() // 'http/1.1'
   */
  getApplicationLayerProtocol(): string | null {
    return this.#details.alpn
  }

  /**
   * The name that the client asked for, in lower case; null when it sent none.
   *
   * @example info.getServerName() // 'example.org'
   */
  getServerName(): string | null {
    return this.#details.serverName
  }

  /**
   * Whether the session continues an earlier one.
   *
   * @example info.isResumed()
   */
  isResumed(): boolean {
    return this.#details.isResumed
  }

  /**
   * The group of the key exchange; null where there was none, as in a resumed session of TLS 1.2.
   *
   * @example info.getKeyExchangeGroup() // 'X25519MLKEM768'
   */
  getKeyExchangeGroup(): string | null {
    return this.#details.group
  }

  /**
   * What was negotiated, as one line for logs.
   *
   * @example info.toString() // 'TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768 h2'
   */
  toString(): string {
    const { version, cipherName, group, alpn, isResumed } = this.#details
    return [version, cipherName, group, alpn, isResumed ? 'resumed' : null].filter((part) => part !== null).join(' ')
  }

  /**
   * The client's certificates, its own first; an empty list when it has sent none. Throws a `StateError` on a listener
   * that asks for none (`clientAuth`).
   *
   * @example info.getPeerCertificates()[0]?.getSubject()
   */
  getPeerCertificates(): Certificate[] {
    return [...this.#peerCertificates()]
  }

  #peerCertificates(): readonly Certificate[] {
    const list = this.#details.peerCertificates
    if (list === null) throw new StateError("clients aren't asked for certificates; set clientAuth in the listener's tls")
    return (this.#peer ??= list.map((details) => new Certificate(details)))
  }

  /**
   * Whether the client has sent a certificate that is good now, by the settings in force now: one that has expired
   * or was revoked since the handshake isn't.
   *
   * @example if (!info.isPeerVerified()) return new Response(403)
   */
  isPeerVerified(): boolean {
    return this.getPeerVerificationError() === null
  }

  /**
   * Why the client's certificate isn't good now; null when it is.
   *
   * @example info.getPeerVerificationError() // 'certificate_expired: …'
   */
  getPeerVerificationError(): string | null {
    const { peerCertificates } = this.#details
    if (peerCertificates === null || peerCertificates.length === 0) return 'the client has sent no certificate'
    return this.#facts.peerError()?.join(': ') ?? null
  }
}

/** What TLS has negotiated on a connection; null on plaintext, and before the handshake is done. */
export function tlsInfoOf(facts: ClientFacts): TlsInfo | null {
  const details = facts.tls()
  return details === null ? null : new TlsInfo(details, facts)
}
