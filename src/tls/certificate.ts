/**
 * A certificate as TLS has it.
 */
import type { X509Certificate } from 'node:crypto'
import type { CertificateDetails } from '../native.ts'

const DAY = 86_400

/**
 * What stands in a certificate.
 *
 * @example client.getTlsInfo()?.getPeerCertificates()[0]?.getSubject() // 'CN=alice'
 */
export class Certificate {
  readonly #details: CertificateDetails

  /** @internal Certificates are made by the server. */
  constructor(details: CertificateDetails) {
    this.#details = details
  }

  /**
   * The subject as one line.
   *
   * @example certificate.getSubject() // 'CN=example.org, O=Example'
   */
  getSubject(): string {
    return this.#details.subject
  }

  /**
   * The attributes of the subject in their order, by short name.
   *
   * @example certificate.getSubjectFields() // [['CN', 'example.org'], ['O', 'Example']]
   */
  getSubjectFields(): [string, string][] {
    return pairs(this.#details.subjectFields)
  }

  /**
   * The issuer as one line.
   *
   * @example certificate.getIssuer() // 'CN=Example CA'
   */
  getIssuer(): string {
    return this.#details.issuer
  }

  /**
   * The attributes of the issuer in their order, by short name.
   *
   * @example certificate.getIssuerFields() // [['CN', 'Example CA']]
   */
  getIssuerFields(): [string, string][] {
    return pairs(this.#details.issuerFields)
  }

  /**
   * The serial number in hexadecimal digits.
   *
   * @example certificate.getSerialNumber() // '0A1B2C'
   */
  getSerialNumber(): string {
    return this.#details.serial
  }

  /**
   * The moment from which it is valid.
   *
   * @example certificate.getValidFrom() <= new Date()
   */
  getValidFrom(): Date {
    return new Date(this.#details.notBefore * 1000)
  }

  /**
   * The last moment at which it is valid.
   *
   * @example certificate.getValidTo() >= new Date()
   */
  getValidTo(): Date {
    return new Date(this.#details.notAfter * 1000)
  }

  /**
   * Whole days until it expires; negative when it has expired.
   *
   * @example if (certificate.getDaysLeft() < 14) alert('renew the certificate')
   */
  getDaysLeft(): number {
    return Math.floor((this.#details.notAfter - Date.now() / 1000) / DAY)
  }

  /**
   * SHA-256 of the certificate, as pairs of hexadecimal digits.
   *
   * @example certificate.getFingerprint() // '5F:3A:…'
   */
  getFingerprint(): string {
    return (this.#details.fingerprint.toString('hex').toUpperCase().match(/../g) ?? []).join(':')
  }

  /**
   * The alternative names of the subject, with their kinds.
   *
   * @example certificate.getNames() // ['DNS:example.org', 'IP:192.0.2.1']
   */
  getNames(): string[] {
    return pairs(this.#details.names).map(([kind, value]) => `${kind}:${value}`)
  }

  /**
   * The certificate in DER.
   *
   * @example certificate.getBytes().toString('base64')
   */
  getBytes(): Buffer {
    return this.#details.der
  }

  /**
   * The same certificate as Node's class.
   *
   * @example certificate.toX509Certificate().checkHost('example.org')
   */
  toX509Certificate(): X509Certificate {
    // Loaded where it is used, because it takes 2 ms.
    const { X509Certificate: NodeCertificate } = process.getBuiltinModule('node:crypto')
    return new NodeCertificate(this.#details.der)
  }
}

function pairs(list: readonly string[]): [string, string][] {
  const result: [string, string][] = []
  for (let at = 0; at + 1 < list.length; at += 2) result.push([list[at]!, list[at + 1]!])
  return result
}
