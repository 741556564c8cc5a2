/**
 * The TLS of a listener as users describe it, and the checks of its shape. Files are read when the server starts.
 */
import { OptionError } from '../core/errors.ts'

/** PEM text, PEM or DER bytes, or the path of a file. */
export type TlsInput = string | URL | Uint8Array

/** A certificate chain with its key. */
export interface TlsCertificateOptions {
  /** The certificate, and the intermediate ones that lead to its authority. */
  readonly cert: TlsInput
  /** The key: PKCS#8, PKCS#1 or SEC1. */
  readonly key: TlsInput
  /** Decrypts a key that is encrypted. */
  readonly passphrase?: string
  /** Names it is used for, exact or `*.example.org`; by default those in the certificate. */
  readonly serverNames?: readonly string[]
  /** An OCSP response in DER, which is stapled while it holds. */
  readonly ocsp?: TlsInput
}

/** Whether clients are asked for a certificate. */
export type ClientAuth = 'none' | 'request' | 'require' | 'request-unverified'

/** The certificate of one name. */
export interface NamedCertificate extends TlsCertificateOptions {
  /** Seconds for which it is used without another call; an hour by default. */
  readonly maxAge?: number
}

/** Gives the certificate for a server name that no other certificate is for; null for the default one. */
export type CertificateFor = (
  serverName: string,
) => NamedCertificate | null | undefined | Promise<NamedCertificate | null | undefined>

/** TLS of a listener. */
export interface TlsOptions extends Partial<TlsCertificateOptions> {
  /** Further certificates, chosen by the name that the client asks for. */
  readonly certificates?: readonly TlsCertificateOptions[]
  /** Gives the certificates of names that are unknown at start. It must answer within `tlsSetupTimeout`. */
  readonly certificateFor?: CertificateFor
  /** The lowest version; `'TLSv1.2'` by default. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Cipher suites by OpenSSL's or IANA's names, most preferred first. */
  readonly cipherSuites?: readonly string[]
  /** Groups of the key exchange, most preferred first. */
  readonly groups?: readonly string[]
  /** Whether clients are asked for a certificate; `'none'` by default. */
  readonly clientAuth?: ClientAuth
  /** Authorities that sign the certificates of clients. */
  readonly ca?: TlsInput | readonly TlsInput[]
  /** Lists of revoked certificates. */
  readonly crl?: TlsInput | readonly TlsInput[]
  /** `'lenient'` lets a certificate pass whose status is unknown, or whose list has expired. */
  readonly crlPolicy?: 'strict' | 'lenient'
  /**
   * Key material of session tickets: a list of secrets of at least 32 bytes each, or a file with one in base64 or
   * hexadecimal digits a line. The first seals, all open, so that several processes resume each other's sessions. By
   * default keys are made, and change by themselves.
   */
  readonly ticketKeys?: readonly Uint8Array[] | string | URL
  /** All files are looked at again and again, and read when they have changed. */
  readonly watch?: boolean
  /** A file that the secrets of all sessions are appended to, in the NSS format: to debug with recorded traffic. */
  readonly keyLog?: string | URL
}

const CERTIFICATE_KEYS = ['cert', 'key', 'passphrase', 'serverNames', 'ocsp'] as const
const KEYS: ReadonlySet<string> = new Set([
  ...CERTIFICATE_KEYS,
  'certificates',
  'minVersion',
  'cipherSuites',
  'groups',
  'clientAuth',
  'ca',
  'crl',
  'crlPolicy',
  'certificateFor',
  'ticketKeys',
  'watch',
  'keyLog',
])
const INPUT = 'PEM text, bytes, or the path of a file'
const PFX =
  'left out: PKCS#12 files are not read; convert it with `openssl pkcs12 -in FILE -nodes -out both.pem` and give both.pem as cert and key'

/** Checks the shape of the TLS of a listener. The error names the first option that is wrong. */
export function checkTls(tls: unknown): TlsOptions {
  if (!isObject(tls)) throw new OptionError('tls', tls, 'an object such as { cert, key }')
  for (const key of Object.keys(tls)) {
    if (key === 'pfx') throw new OptionError('tls.pfx', 'a value', PFX)
    if (!KEYS.has(key)) throw new OptionError('tls', key, `an object with the keys ${[...KEYS].join(', ')}`)
  }
  const { cert, key, certificates = [] } = tls
  if (!Array.isArray(certificates)) throw new OptionError('tls.certificates', certificates, 'a list of { cert, key }')
  if (cert !== undefined || key !== undefined) checkCertificate('tls', tls)
  else if (certificates.length === 0 && tls['certificateFor'] === undefined) {
    throw new OptionError('tls', tls, 'an object with cert and key')
  }
  certificates.forEach((one: unknown, at) => checkFurther(`tls.certificates[${at}]`, one))
  checkChoice('minVersion', tls['minVersion'], ['TLSv1.2', 'TLSv1.3'])
  checkChoice('clientAuth', tls['clientAuth'], ['none', 'request', 'require', 'request-unverified'])
  checkChoice('crlPolicy', tls['crlPolicy'], ['strict', 'lenient'])
  for (const name of ['cipherSuites', 'groups']) checkNames(`tls.${name}`, tls[name])
  for (const name of ['ca', 'crl']) listOf(tls[name]).forEach((one) => checkInput(`tls.${name}`, one))
  checkClientAuth(tls)
  checkRest(tls)
  return tls as TlsOptions
}

function checkRest(tls: Record<string, unknown>): void {
  const { certificateFor, ticketKeys, watch, keyLog } = tls
  if (certificateFor !== undefined && typeof certificateFor !== 'function') {
    throw new OptionError('tls.certificateFor', certificateFor, 'a function (serverName) that gives { cert, key } or null')
  }
  if (ticketKeys !== undefined && !isPath(ticketKeys)) {
    const isList = Array.isArray(ticketKeys) && ticketKeys.length > 0
    if (!isList || !ticketKeys.every((one) => one instanceof Uint8Array && one.length >= 32)) {
      throw new OptionError('tls.ticketKeys', typeof ticketKeys, 'a list of secrets of at least 32 bytes each, or the path of a file')
    }
  }
  if (keyLog !== undefined && !isPath(keyLog)) throw new OptionError('tls.keyLog', keyLog, 'the path of a file')
  if (watch !== undefined && typeof watch !== 'boolean') throw new OptionError('tls.watch', watch, 'true or false')
  if (watch === true) checkWatched(tls)
}

/** Text and bytes never change, so there would be nothing to watch. */
function checkWatched(tls: Record<string, unknown>): void {
  const certificates = [tls, ...((tls['certificates'] as Record<string, unknown>[] | undefined) ?? [])]
  const inputs = certificates.flatMap((one, at) =>
    ['cert', 'key', 'ocsp'].map((name) => [at === 0 ? `tls.${name}` : `tls.certificates[${at - 1}].${name}`, one[name]] as const),
  )
  for (const name of ['ca', 'crl']) listOf(tls[name]).forEach((one) => inputs.push([`tls.${name}`, one]))
  if (tls['ticketKeys'] !== undefined) inputs.push(['tls.ticketKeys', tls['ticketKeys']])
  for (const [name, input] of inputs) {
    if (input !== undefined && !isPath(input)) throw new OptionError(name, typeof input, 'the path of a file with watch: true')
  }
}

/** Whether it is the path of a file, and not PEM text or bytes. */
function isPath(input: unknown): input is string | URL {
  return input instanceof URL || (typeof input === 'string' && input !== '' && !input.includes('-----BEGIN'))
}

function checkClientAuth(tls: Record<string, unknown>): void {
  const { clientAuth = 'none', ca, crl } = tls
  if (clientAuth === 'none' && (ca !== undefined || crl !== undefined)) {
    throw new OptionError('tls.clientAuth', clientAuth, "'request' or 'require' where there is a ca or a crl")
  }
  if ((clientAuth === 'request' || clientAuth === 'require') && listOf(ca).length === 0) {
    throw new OptionError('tls.ca', ca, `given with clientAuth '${clientAuth}': the authorities of the clients' certificates`)
  }
}

/** Checks one certificate with its key. */
export function checkFurther(name: string, certificate: unknown): TlsCertificateOptions {
  if (!isObject(certificate)) throw new OptionError(name, certificate, 'an object { cert, key }')
  for (const key of Object.keys(certificate)) {
    const isKnown = CERTIFICATE_KEYS.some((known) => known === key)
    if (!isKnown) throw new OptionError(name, key, `an object with the keys ${CERTIFICATE_KEYS.join(', ')}`)
  }
  checkCertificate(name, certificate)
  return certificate as unknown as TlsCertificateOptions
}

function checkCertificate(name: string, certificate: Record<string, unknown>): void {
  const { cert, key, passphrase, ocsp } = certificate
  checkInput(`${name}.cert`, cert)
  // What is shown of a wrong value must not be a part of a key.
  if (!isInput(key)) throw new OptionError(`${name}.key`, typeof key, INPUT)
  if (ocsp !== undefined) checkInput(`${name}.ocsp`, ocsp)
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    throw new OptionError(`${name}.passphrase`, typeof passphrase, 'a string')
  }
  checkNames(`${name}.serverNames`, certificate['serverNames'])
}

function checkNames(name: string, names: unknown): void {
  if (names === undefined) return
  const isList = Array.isArray(names) && names.length > 0 && names.every((one) => typeof one === 'string' && one !== '')
  if (!isList) throw new OptionError(name, names, 'a list of at least one name')
}

function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value as string)) {
    throw new OptionError(`tls.${name}`, value, choices.map((choice) => `'${choice}'`).join(' or '))
  }
}

function checkInput(name: string, input: unknown): void {
  if (!isInput(input)) throw new OptionError(name, input, INPUT)
}

function isInput(input: unknown): boolean {
  return (typeof input === 'string' && input !== '') || (input instanceof Uint8Array && input.length > 0) || input instanceof URL
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether two listeners have the same options: the same values, not equal ones. */
export function areSame(one: TlsOptions, other: TlsOptions): boolean {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof TlsOptions>
  return [...keys].every((key) => one[key] === other[key])
}

/** One or several, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}
