/**
 * The TLS options of Node's servers as the engine takes them.
 *
 * Node's `SecureContext` doesn't show what it was made of. `tls.createSecureContext` is wrapped to remember that, so that
 * contexts can be given to `SNICallback` and `addContext`.
 */
import { constants } from 'node:crypto'
import tls from 'node:tls'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { TlsCertificate, TlsSettings, TlsSource } from '../native.ts'

/** Options that have no meaning here, or none without which a server would be less safe. */
const REFUSED = {
  pfx: 'PKCS#12 files',
  pskCallback: 'pre-shared keys',
  ALPNCallback: 'a choice of the protocol by a function',
  secureProtocol: 'protocols named by OpenSSL',
  sigalgs: 'a list of signature algorithms',
  clientCertEngine: 'engines of OpenSSL',
  privateKeyEngine: 'engines of OpenSSL',
  privateKeyIdentifier: 'engines of OpenSSL',
} as const

/** Events of a server that need Node's own TLS. */
export const TLS_EVENTS = ['keylog', 'newSession', 'resumeSession', 'OCSPRequest'] as const

/** Bits of `secureOptions` that ask for what the engine does anyway, or for workarounds that it doesn't need. */
const GRANTED =
  constants.SSL_OP_ALL |
  constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
  constants.SSL_OP_LEGACY_SERVER_CONNECT |
  constants.SSL_OP_NO_COMPRESSION |
  constants.SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION |
  constants.SSL_OP_NO_SSLv2 |
  constants.SSL_OP_NO_SSLv3 |
  constants.SSL_OP_NO_TLSv1 |
  constants.SSL_OP_NO_TLSv1_1 |
  // OpenSSL's SSL_OP_NO_RENEGOTIATION, which the types lack.
  0x40000000

/** Suites that the engine has, by OpenSSL's names. */
const SUITES: ReadonlySet<string> = new Set([
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
])
const SUITES_13 = [...SUITES].filter((name) => name.startsWith('TLS_'))
const GROUPS: ReadonlySet<string> = new Set(['X25519MLKEM768', 'X25519', 'P-256', 'secp256r1', 'prime256v1', 'P-384', 'secp384r1'])

/** Options by the context that was made of them. */
const remembered = new WeakMap<object, SecureContextOptions>()

let isWrapped = false

/** Remembers the options of contexts from now on. */
export function rememberContexts(): void {
  if (isWrapped) return
  isWrapped = true
  const { createSecureContext } = tls
  tls.createSecureContext = (options) => {
    const context = createSecureContext(options)
    remembered.set(context, options ?? {})
    return context
  }
}

/** The options of a context, or of what stands for one; null when it was made before they were remembered. */
export function optionsOfContext(context: object): SecureContextOptions | null {
  // Node takes plain options in place of a context as well.
  return remembered.get(context) ?? ('context' in context ? null : (context as SecureContextOptions))
}

/** Why the engine can't serve with these options; null when it can. */
export function tlsObstacle(given: TlsOptions): string | null {
  if (given.secureContext !== undefined && optionsOfContext(given.secureContext) === null) {
    return 'the option secureContext: it was made before busbar was loaded'
  }
  const options = merged(given)
  for (const [name, what] of Object.entries(REFUSED)) {
    if ((options as Record<string, unknown>)[name] !== undefined) return `the option ${name}: busbar has no ${what}`
  }
  const { minVersion, maxVersion, ciphers } = options
  if (minVersion === 'TLSv1' || minVersion === 'TLSv1.1') return `the option minVersion: busbar has no ${minVersion}`
  if (maxVersion !== undefined && maxVersion !== 'TLSv1.3') return 'the option maxVersion: busbar always offers TLS 1.3'
  if (ciphers !== undefined && suitesOf(ciphers) === null) return 'the option ciphers: busbar has none of these cipher suites'
  if (((options.secureOptions ?? 0) & ~(GRANTED | constants.SSL_OP_NO_TLSv1_2)) !== 0) {
    return 'the option secureOptions: busbar has no such choice of OpenSSL'
  }
  return certificatesOf(options).length === 0 && options.SNICallback === undefined ? 'it has no certificate' : null
}

/** The options, with those of a given context. */
export function merged(options: TlsOptions): TlsOptions {
  const { secureContext } = options
  return secureContext === undefined ? options : { ...options, ...optionsOfContext(secureContext) }
}

/** The settings of the engine. `named` are further certificates by their names, as `addContext` gives them. */
export function settingsOf(options: TlsOptions, named: ReadonlyMap<string, SecureContextOptions>, alpn: readonly string[]): TlsSettings {
  const own = merged(options)
  const certificates = certificatesOf(own)
  const further = [...named].flatMap(([name, each]) => certificatesOf(each).map((one) => ({ ...one, serverNames: [name] })))
  const asks = own.requestCert === true
  const ca = sourcesOf('ca', own.ca ?? (asks && own.rejectUnauthorized !== false ? [...tls.rootCertificates] : undefined))
  return {
    certificates: [...certificates, ...further],
    defaultCertificate: certificates.length > 0 ? 0 : null,
    asksForCertificates: own.SNICallback !== undefined,
    minVersion: own.minVersion === 'TLSv1.3' || has12Off(own) ? 'TLSv1.3' : 'TLSv1.2',
    cipherSuites: own.ciphers === undefined ? [] : (suitesOf(own.ciphers) ?? []),
    groups: groupsOf(own.ecdhCurve),
    alpn: [...alpn],
    clientAuth: !asks ? 'none' : own.rejectUnauthorized === false ? 'request-unverified' : 'require',
    ca: asks ? ca : [],
    crl: asks ? sourcesOf('crl', own.crl) : [],
    isCrlLenient: false,
    ticketKeys: own.ticketKeys === undefined ? [] : [{ label: 'ticketKeys', bytes: Buffer.from(own.ticketKeys) }],
    keyLog: null,
  }
}

function has12Off({ secureOptions = 0 }: SecureContextOptions): boolean {
  return (secureOptions & constants.SSL_OP_NO_TLSv1_2) !== 0
}

/** The certificates that options name, each with its key. */
export function certificatesOf(options: SecureContextOptions): TlsCertificate[] {
  const certs = listOf(options.cert)
  const keys = listOf(options.key)
  return certs.flatMap((cert, at) => {
    const key = keys[at] ?? keys[0]
    if (key === undefined) return []
    const { pem, passphrase } = typeof key === 'object' && 'pem' in key ? key : { pem: key, passphrase: undefined }
    return {
      cert: sourceOf('cert', cert),
      key: sourceOf('key', pem as string | Buffer),
      passphrase: passphrase ?? options.passphrase ?? null,
      serverNames: [],
      ocsp: null,
    }
  })
}

/** The protocols that ALPN offers, as `ALPNProtocols` names them. */
export function protocolsOf(given: TlsOptions['ALPNProtocols'], usual: readonly string[]): readonly string[] {
  if (given === undefined) return usual
  if (Array.isArray(given)) return given.map(String)
  const bytes = Buffer.from(given as Uint8Array)
  const names: string[] = []
  // Each name stands behind its length.
  for (let at = 0; at < bytes.length; at += bytes[at]! + 1) names.push(bytes.toString('latin1', at + 1, at + 1 + bytes[at]!))
  return names
}

/** The suites of a list of OpenSSL's; null when the engine has none of them, empty for all. */
function suitesOf(ciphers: string): string[] | null {
  const named = ciphers.split(/[:, ]+/).filter((name) => name !== '' && !/^[!+@-]/.test(name))
  // Names of groups of suites, such as HIGH: all of ours are in them.
  if (named.some((name) => /^(?:DEFAULT|HIGH|ALL|COMPLEMENTOFALL|ECDHE?|kECDHE|AESGCM|TLSv1\.2|SECLEVEL.*)$/.test(name))) return []
  const known = named.filter((name) => SUITES.has(name))
  if (known.length === 0) return null
  // OpenSSL keeps those of TLS 1.3 when the list has none.
  return known.some((name) => name.startsWith('TLS_')) ? known : [...SUITES_13, ...known]
}

function groupsOf(curves: string | undefined): string[] {
  if (curves === undefined || curves === 'auto') return []
  return curves.split(':').filter((name) => GROUPS.has(name))
}

function listOf<Type>(given: Type | readonly Type[] | undefined): readonly Type[] {
  if (given === undefined || given === null) return []
  return Array.isArray(given) ? (given as readonly Type[]) : [given as Type]
}

function sourcesOf(label: string, given: string | Buffer | readonly (string | Buffer)[] | undefined): TlsSource[] {
  return listOf(given).map((one) => sourceOf(label, one))
}

function sourceOf(label: string, given: string | Buffer): TlsSource {
  return { label, bytes: Buffer.from(given as string) }
}
