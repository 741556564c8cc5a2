/**
 * PROXY headers for the specs.
 */
import { isIPv4 } from 'node:net'
import { SocketAddress } from '../src/index.ts'

export const LOCAL = 0
export const PROXY = 1

export const UNSPECIFIED = 0x00
export const V4 = 0x11
export const V6 = 0x21
export const UNIX = 0x31

const CRC32C = 3

/** A header of version 1. */
export function v1(text: string): Buffer {
  return Buffer.from(`PROXY ${text}\r\n`)
}

/** A header of version 2, with addresses and fields. */
export function v2(command: number, family: number, ...rest: Buffer[]): Buffer {
  const behind = Buffer.concat(rest)
  const prefix = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1')
  prefix[12] = 0x20 | command
  prefix[13] = family
  prefix.writeUInt16BE(behind.length, 14)
  return Buffer.concat([prefix, behind])
}

/** The addresses of a client and of the server that it has connected to. */
export const ipv4 = (host: string, port: number): Buffer => addresses(host, '10.0.0.1', port)
export const ipv6 = (host: string, port: number): Buffer => addresses(host, '2001:db8::1', port)

function addresses(from: string, to: string, port: number): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(port, 0)
  ports.writeUInt16BE(443, 2)
  return Buffer.concat([bytesOf(from, isIPv4(to)), bytesOf(to, isIPv4(to)), ports])
}

function bytesOf(host: string, isShort: boolean): Buffer {
  const bytes = Buffer.from(new SocketAddress(host, 0).getBytes())
  return bytes.length === 4 && !isShort ? Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), bytes]) : bytes
}

/** The paths of a client's socket and of the proxy's. */
export function unix(from: string): Buffer {
  const paths = Buffer.alloc(216)
  paths.write(from, 0)
  paths.write('/run/proxy', 108)
  return paths
}

/** A field behind the addresses. */
export function field(kind: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([kind, bytes.length >> 8, bytes.length & 0xff]), bytes])
}

/** The place for a checksum. */
export const checksum = (): Buffer => field(CRC32C, Buffer.alloc(4))

/** Writes the checksum into the first field of a header with IPv4 addresses. */
export function withChecksum(header: Buffer): Buffer {
  header.writeUInt32BE(crc32c(header), 16 + 12 + 3)
  return header
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78)
  }
  return (crc ^ 0xffffffff) >>> 0
}
