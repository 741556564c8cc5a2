/**
 * `req.socket` of a connection with TLS: a socket of ours that says what was negotiated, as a `TLSSocket` of Node's does.
 */
import { X509Certificate } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { TLSSocket } from 'node:tls'
import type { CertificateDetails, TlsDetails } from '../native.ts'
import type { Connection } from './connection.ts'
import { NodeSocket } from './node-socket.ts'
import { CONNECTION } from './symbols.ts'

const DETAILS: unique symbol = Symbol('details')

/** The socket of one connection with TLS. */
export class SecureSocket extends NodeSocket {
  [DETAILS]: TlsDetails | null

  constructor(connection: Connection, server: unknown) {
    super(connection, server)
    this[DETAILS] = null
  }

  get encrypted(): true {
    return true
  }

  /** Whether the client's certificate is good. */
  get authorized(): boolean {
    return this.#certificates().length > 0 && this[CONNECTION].facts()?.peerError() == null
  }

  get authorizationError(): string | null {
    return this[CONNECTION].facts()?.peerError()?.[0] ?? null
  }

  get alpnProtocol(): string | false {
    return this.#details()?.alpn ?? false
  }

  get servername(): string | false {
    return this.#details()?.serverName ?? false
  }

  getProtocol(): string | null {
    return this.#details()?.version ?? null
  }

  getCipher(): { name: string; standardName: string; version: string } | undefined {
    const details = this.#details()
    if (details === null) return undefined
    return { name: details.cipherName, standardName: details.cipherName, version: details.cipherVersion }
  }

  getPeerCertificate(isDetailed = false): PeerCertificate | Record<string, never> {
    const [leaf, ...issuers] = this.#certificates()
    if (leaf === undefined) return {}
    const certificate = legacyOf(leaf)
    if (isDetailed) {
      let below = certificate as { issuerCertificate?: object }
      for (const issuer of issuers) below = below.issuerCertificate = legacyOf(issuer) as object
    }
    return certificate
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    const [leaf] = this.#certificates()
    return leaf && new X509Certificate(leaf.der)
  }

  getCertificate(): Record<string, never> {
    return {}
  }

  getEphemeralKeyInfo(): { type?: string; name?: string } {
    const group = this.#details()?.group ?? null
    return group === null ? {} : { type: 'ECDH', name: group }
  }

  getSession(): undefined {}

  getTLSTicket(): undefined {}

  getFinished(): undefined {}

  getPeerFinished(): undefined {}

  getSharedSigalgs(): string[] {
    return []
  }

  isSessionReused(): boolean {
    return this.#details()?.isResumed ?? false
  }

  renegotiate(_options: unknown, callback?: (error: Error) => void): boolean {
    if (callback !== undefined) process.nextTick(callback, new Error('TLS 1.3 has no renegotiation, and this server has none'))
    return false
  }

  setMaxSendFragment(): boolean {
    return false
  }

  disableRenegotiation(): void {}

  enableTrace(): void {}

  #details(): TlsDetails | null {
    return (this[DETAILS] ??= this[CONNECTION].facts()?.tls() ?? null)
  }

  #certificates(): readonly CertificateDetails[] {
    return this.#details()?.peerCertificates ?? []
  }
}

function legacyOf(certificate: CertificateDetails): PeerCertificate {
  return new X509Certificate(certificate.der).toLegacyObject() as PeerCertificate
}

// It is an instance of Node's class as well, whose constructor never runs.
Object.setPrototypeOf(SecureSocket.prototype, Object.create(TLSSocket.prototype, Object.getOwnPropertyDescriptors(NodeSocket.prototype)) as object)
// As with Node, one whose client has ended its side ends as well.
Object.assign(SecureSocket.prototype, { allowHalfOpen: false })
