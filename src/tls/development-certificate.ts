/**
 * The certificate for `localhost` with which one develops: made once, kept in the user's cache folder, and made anew
 * before it expires.
 *
 *   <cache folder>/busbar/localhost/  cert.pem  key.pem
 *
 * The pair is made in a folder beside it, which is renamed as a whole, and by one process at a time: a process that reads
 * never finds a certificate with the key of another, and all processes that start together have the same.
 */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { TlsError } from '../core/errors.ts'
import { TlsContext } from '../native.ts'

/** A certificate that is valid for less than this is replaced. */
const RENEWED_BEFORE = 30 * 86_400_000

/** Milliseconds after which a lock is no longer that of a process that is at work. */
const STALE = 10_000

/** Permissions that others have on a file. */
const OTHERS = 0o077

/** Paths of a pair that can be used. */
export interface DevelopmentCertificate {
  readonly cert: string
  readonly key: string
  readonly validTo: Date
}

/** The user's folder for what can be made again. */
export function cacheFolder(platform: NodeJS.Platform = process.platform, env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = env
  // A relative path in XDG_CACHE_HOME has to be ignored, says its specification.
  if (xdg?.startsWith('/') === true) return xdg
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches')
  if (platform === 'win32' && local !== undefined && local !== '') return local
  return join(homedir(), '.cache')
}

/** The kept certificate, or a new one. Rejects with a `TlsError` when none can be kept. */
export async function developmentCertificate(): Promise<DevelopmentCertificate> {
  const parent = join(cacheFolder(), 'busbar')
  const folder = join(parent, 'localhost')
  try {
    const kept = (await read(folder)) ?? (await alone(parent, () => renew(parent, folder)))
    if (kept !== null) return kept
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException
    const fix = 'make the folder writable, name another by XDG_CACHE_HOME, or give --cert and --key'
    throw new TlsError('BUSBAR_TLS_FILE', `the development certificate can't be kept in ${folder} (${code}); ${fix}`, error)
  }
  throw new TlsError('BUSBAR_TLS_FILE', `the development certificate in ${folder} can't be used; give --cert and --key`)
}

/** Runs a function while no other process does: the lock is a folder, which one of them alone can make. */
async function alone<T>(parent: string, run: () => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const lock = join(parent, '.lock')
  while (!(await mkdir(lock).then(() => true, isThere))) {
    const { mtimeMs } = await stat(lock).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    // Its process was killed.
    if (Date.now() - mtimeMs > STALE) await rm(lock, { recursive: true, force: true })
    await pause(20)
  }
  try {
    return await run()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

function isThere(error: NodeJS.ErrnoException): false {
  if (error.code === 'EEXIST') return false
  throw error
}

/** The pair in a folder; null when there is none, or none that should be used. */
async function read(folder: string): Promise<DevelopmentCertificate | null> {
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule('node:crypto')
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  try {
    const [certPem, keyPem, { mode }] = await Promise.all([readFile(cert), readFile(key), stat(key)])
    const certificate = new X509Certificate(certPem)
    const validTo = new Date(certificate.validTo)
    const isOwn = process.platform === 'win32' || (mode & OTHERS) === 0
    const isLasting = validTo.getTime() - Date.now() >= RENEWED_BEFORE && new Date(certificate.validFrom).getTime() <= Date.now()
    return isOwn && isLasting && certificate.checkPrivateKey(createPrivateKey(keyPem)) ? { cert, key, validTo } : null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // What is missing or damaged is made anew; a folder that may not be read can't be replaced either.
    if (code === 'EACCES' || code === 'EPERM') throw error
    return null
  }
}

/** The pair that another process has made meanwhile, or a new one. */
async function renew(parent: string, folder: string): Promise<DevelopmentCertificate | null> {
  const kept = await read(folder)
  if (kept !== null) return kept
  const made = await mkdtemp(join(parent, '.new-'))
  try {
    const pair = TlsContext.makeDevelopmentCertificate()
    await writeFile(join(made, 'cert.pem'), pair.cert, { mode: 0o644 })
    await writeFile(join(made, 'key.pem'), pair.key, { mode: 0o600 })
    await rm(folder, { recursive: true, force: true })
    await rename(made, folder)
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  return read(folder)
}

/** The lines that tell how to have a certificate trusted: by this system, and by single programs. */
export function howToTrust(cert: string, url: string, platform: NodeJS.Platform = process.platform): string[] {
  const path = /^[\w./:@\\+-]+$/.test(cert) ? cert : JSON.stringify(cert)
  const systems: Partial<Record<NodeJS.Platform, readonly string[]>> = {
    linux: [
      `Linux    sudo cp ${path} /usr/local/share/ca-certificates/busbar-localhost.crt && sudo update-ca-certificates`,
      `Chrome   certutil -d sql:$HOME/.pki/nssdb -A -t P,, -n busbar-localhost -i ${path}`,
    ],
    darwin: [`macOS    security add-trusted-cert -r trustRoot -p ssl -k ~/Library/Keychains/login.keychain-db ${path}`],
    win32: [`Windows  certutil -user -addstore Root ${path}`],
  }
  return [
    `curl     curl --cacert ${path} ${url}`,
    `Node.js  NODE_EXTRA_CA_CERTS=${path} node client.mjs`,
    ...(systems[platform] ?? []),
    'Firefox  open the page and accept the risk once; it has a store of its own',
  ]
}
