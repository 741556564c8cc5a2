/**
 * Authorities and certificates, made when the tests run (RFC 5280).
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { bitString, der, integer, oid, pem, sequence, time } from './der.ts'

const DAY = 86_400_000
const HOUR = 3_600_000

/** A certificate with its key, as PEM. */
export interface Leaf {
  readonly cert: string
  readonly key: string
  readonly serial: Buffer
}

/** What a certificate says. */
export interface LeafOptions {
  /** Names and addresses; a name may begin with `*.`. */
  readonly names?: readonly string[]
  readonly commonName?: string
  /** Days from now at which it begins and ends to be valid. */
  readonly from?: number
  readonly to?: number
  readonly type?: 'p256' | 'p384' | 'rsa' | 'ed25519'
  /** Encrypts the key. */
  readonly passphrase?: string
}

interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function makeKeys(type: LeafOptions['type'] = 'p256'): Keys {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  if (type === 'ed25519') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('ec', { namedCurve: type === 'p384' ? 'P-384' : 'P-256' })
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))))
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? der(0x01, Buffer.of(0xff)) : Buffer.alloc(0)
  return sequence(oid(id), critical, der(0x04, value))
}

function alternativeName(name: string): Buffer {
  const version = isIP(name)
  if (version === 0) return der(0x82, Buffer.from(name))
  if (version === 4) return der(0x87, Buffer.from(name.split('.').map(Number)))
  // Only the loopback address is used.
  return der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)]))
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

/** An authority whose certificates are signed with ECDSA on P-256. */
export class Authority {
  readonly cert: string
  readonly #name: Buffer
  readonly #keys = makeKeys()
  readonly #keyId: Buffer

  constructor(commonName = `Test CA ${randomBytes(4).toString('hex')}`) {
    this.#name = nameOf(commonName)
    this.#keyId = keyId(this.#keys.publicKey)
    const extensions = [
      extension('2.5.29.19', true, sequence(der(0x01, Buffer.of(0xff)))),
      extension('2.5.29.15', true, der(0x03, Buffer.of(1, 0x06))),
      extension('2.5.29.14', false, der(0x04, this.#keyId)),
    ]
    this.cert = this.#certificate(this.#name, this.#keys.publicKey, serialNumber(), -1, 3650, extensions)
  }

  /** A certificate for servers and clients. */
  issue(options: LeafOptions = {}): Leaf {
    const { names = ['localhost', '127.0.0.1', '::1'], commonName = names[0] ?? 'client', from = -1, to = 30 } = options
    const { publicKey, privateKey } = makeKeys(options.type)
    const serial = serialNumber()
    const extensions = [
      extension('2.5.29.19', true, sequence()),
      extension('2.5.29.15', true, der(0x03, Buffer.of(7, 0x80))),
      extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
      extension('2.5.29.35', false, sequence(der(0x80, this.#keyId))),
      ...(names.length > 0 ? [extension('2.5.29.17', false, sequence(...names.map(alternativeName)))] : []),
    ]
    const cert = this.#certificate(nameOf(commonName), publicKey, serial, from, to, extensions)
    const { passphrase } = options
    const form = { type: 'pkcs8', format: 'pem' } as const
    const key = passphrase === undefined ? privateKey.export(form) : privateKey.export({ ...form, cipher: 'aes-256-cbc', passphrase })
    return { cert, key: key.toString(), serial }
  }

  /** A revocation list, which holds for `days`. */
  revoke(leaves: readonly Leaf[], days = 30): string {
    const revoked = leaves.map(({ serial }) => sequence(integer(serial), time(new Date(Date.now() - DAY))))
    const body = sequence(
      integer(Buffer.of(1)),
      ECDSA_SHA256,
      this.#name,
      time(new Date(Date.now() - DAY)),
      time(new Date(Date.now() + days * DAY)),
      ...(revoked.length > 0 ? [sequence(...revoked)] : []),
      der(0xa0, sequence(extension('2.5.29.20', false, integer(Buffer.of(1))), extension('2.5.29.35', false, sequence(der(0x80, this.#keyId))))),
    )
    return pem('X509 CRL', this.#signed(body))
  }

  /** An OCSP response that calls a certificate good, for so many hours from an hour ago (RFC 6960 §4.2.1). */
  vouch({ serial }: Leaf, hours: number): Buffer {
    const at = (date: number): Buffer => der(0x18, Buffer.from(new Date(date).toISOString().replace(/\.\d+|[-:T]/g, '')))
    const begun = Date.now() - HOUR
    const sha1 = (bytes: Uint8Array): Buffer => der(0x04, createHash('sha1').update(bytes).digest())
    const id = sequence(sequence(oid('1.3.14.3.2.26'), der(0x05)), sha1(this.#name), der(0x04, this.#keyId), integer(serial))
    const single = sequence(id, der(0x80), at(begun), der(0xa0, at(begun + hours * HOUR)))
    const data = sequence(der(0xa2, der(0x04, this.#keyId)), at(begun), sequence(single))
    return sequence(
      der(0x0a, Buffer.of(0)),
      der(0xa0, sequence(oid('1.3.6.1.5.5.7.48.1.1'), der(0x04, this.#signed(data)))),
    )
  }

  #certificate(subject: Buffer, key: KeyObject, serial: Buffer, from: number, to: number, extensions: readonly Buffer[]): string {
    const body = sequence(
      der(0xa0, integer(Buffer.of(2))),
      integer(serial),
      ECDSA_SHA256,
      this.#name,
      sequence(time(new Date(Date.now() + from * DAY)), time(new Date(Date.now() + to * DAY))),
      subject,
      key.export({ type: 'spki', format: 'der' }),
      der(0xa3, sequence(...extensions)),
    )
    return pem('CERTIFICATE', this.#signed(body))
  }

  #signed(body: Buffer): Buffer {
    return sequence(body, ECDSA_SHA256, bitString(sign('sha256', body, this.#keys.privateKey)))
  }
}

function serialNumber(): Buffer {
  return Buffer.concat([Buffer.of(1), randomBytes(8)])
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(key.export({ type: 'spki', format: 'der' })).digest()
}
