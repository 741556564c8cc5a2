/**
 * Reads the files of a listener's TLS. Loaded where a listener has TLS.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from '../core/builtin.ts'
import { TlsError } from '../core/errors.ts'
import type { TlsCertificate, TlsSettings, TlsSource } from '../native.ts'
import { listOf } from './tls-options.ts'
import type { TlsCertificateOptions, TlsInput, TlsOptions } from './tls-options.ts'

/** Key material as it stands in a file: one secret a line. */
const SECRET = /^(?:[\da-f]{64,}|[\w+/-]{43,}={0,2})$/i

/** The settings as the engine takes them, with the content of all files. */
export async function readSettings(tls: TlsOptions, protocols: readonly string[]): Promise<TlsSettings> {
  const own = tls.cert === undefined ? [] : [readCertificate('tls', tls as TlsCertificateOptions)]
  const further = (tls.certificates ?? []).map((one, at) => readCertificate(`tls.certificates[${at}]`, one))
  const [certificates, ca, crl, ticketKeys] = await Promise.all([
    Promise.all([...own, ...further]),
    readAll('tls.ca', tls.ca),
    readAll('tls.crl', tls.crl),
    readTicketKeys(tls.ticketKeys),
  ])
  return {
    certificates,
    defaultCertificate: certificates.length > 0 ? 0 : null,
    asksForCertificates: tls.certificateFor !== undefined,
    minVersion: tls.minVersion ?? 'TLSv1.2',
    cipherSuites: [...(tls.cipherSuites ?? [])],
    groups: [...(tls.groups ?? [])],
    alpn: [...protocols],
    clientAuth: tls.clientAuth ?? 'none',
    ca,
    crl,
    isCrlLenient: tls.crlPolicy === 'lenient',
    ticketKeys,
    keyLog: tls.keyLog === undefined ? null : pathOf(tls.keyLog),
  }
}

/** Overwrites the secrets in settings of which the engine has made its own. They are copies of what was given. */
export function wipe({ certificates, ticketKeys }: TlsSettings): void {
  for (const { bytes } of [...certificates.map(({ key }) => key), ...ticketKeys]) bytes.fill(0)
}

/** One certificate with its key. */
export async function readCertificate(name: string, options: TlsCertificateOptions): Promise<TlsCertificate> {
  const { cert, key, passphrase, serverNames = [], ocsp } = options
  const [certSource, keySource, ocspSource] = await Promise.all([
    readSource(`${name}.cert`, cert),
    readSource(`${name}.key`, key),
    ocsp === undefined ? null : readSource(`${name}.ocsp`, ocsp),
  ])
  return { cert: certSource, key: keySource, passphrase: passphrase ?? null, serverNames: [...serverNames], ocsp: ocspSource }
}

async function readTicketKeys(keys: TlsOptions['ticketKeys']): Promise<TlsSource[]> {
  const label = 'tls.ticketKeys'
  if (keys === undefined) return []
  if (typeof keys !== 'string' && !(keys instanceof URL)) return keys.map((bytes) => ({ label, bytes: Buffer.from(bytes) }))
  const { label: path, bytes } = await readSource(label, keys)
  const lines = bytes.toString('latin1').split('\n').map((line) => line.trim()).filter((line) => line !== '')
  if (lines.length === 0 || !lines.every((line) => SECRET.test(line))) {
    const form = 'one secret a line, at least 32 bytes in base64 or hexadecimal digits: `openssl rand -base64 48`'
    throw new TlsError('BUSBAR_TLS_FILE', `${path} (${label}) must hold ${form}`)
  }
  return lines.map((line) => ({ label: path, bytes: Buffer.from(line, /^[\da-f]+$/i.test(line) ? 'hex' : 'base64') }))
}

/** The files that the options name. */
export function filesOf(tls: TlsOptions): string[] {
  const certificates = [tls, ...(tls.certificates ?? [])].flatMap(({ cert, key, ocsp }) => [cert, key, ocsp])
  const keys = typeof tls.ticketKeys === 'string' || tls.ticketKeys instanceof URL ? [tls.ticketKeys] : []
  const inputs = [...certificates, ...listOf(tls.ca), ...listOf(tls.crl), ...keys]
  const paths = inputs.map((input) => (input === undefined ? null : pathOf(input)))
  return [...new Set(paths.filter((path) => path !== null))]
}

async function readAll(name: string, inputs: TlsInput | readonly TlsInput[] | undefined): Promise<TlsSource[]> {
  return Promise.all(listOf(inputs).map((input) => readSource(name, input)))
}

/** The path of an input that is a file; null for text and bytes. */
export function pathOf(input: TlsInput): string | null {
  if (input instanceof URL) return fileURLToPath(input)
  return typeof input === 'string' && !input.includes('-----BEGIN') ? input : null
}

/** The bytes of an input. Messages name a file by its path, anything else by its option. */
async function readSource(name: string, input: TlsInput): Promise<TlsSource> {
  const path = pathOf(input)
  if (path === null) return { label: name, bytes: Buffer.from(input as string | Uint8Array) }
  try {
    return { label: path, bytes: await readFile(path) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO'
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "doesn't exist",
      EACCES: "may not be read by this user",
      EISDIR: 'is a directory',
    }
    throw new TlsError('BUSBAR_TLS_FILE', `${path} (${name}) ${reasons[code] ?? "can't be read"} (${code})`, error)
  }
}
