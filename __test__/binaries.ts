/**
 * The smallest libraries of macOS and Windows that say what a loader looks for. They hold no code.
 */

/** What a library says. */
export interface Library {
  readonly cpu: 'x64' | 'arm64'
  readonly exports: readonly string[]
  readonly libraries: readonly string[]
  /** The oldest macOS, as `major.minor`. */
  readonly macos?: string
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value, at * 4)
  return bytes
}

/** Text with its zero byte, filled up to a multiple of 8. */
function padded(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(8 - (text.length % 8))])
}

/** A Mach-O library of 64 bits. */
export function machO({ cpu, exports, libraries, macos = '11.0' }: Library): Buffer {
  const [major, minor] = macos.split('.').map(Number)
  const loads = libraries.map((name) => {
    const path = padded(name)
    return Buffer.concat([u32(0x0c, 24 + path.length, 24, 0, 0, 0), path])
  })
  const version = u32(0x32, 24, 1, (major! << 16) | (minor! << 8), 0, 0)
  const sizeOfCommands = version.length + loads.reduce((sum, { length }) => sum + length, 0) + 24
  const symbols = 32 + sizeOfCommands
  const names = ['', ...exports.map((name) => `_${name}`)].map((name) => Buffer.from(`${name}\0`))
  let offset = 1
  const entries = exports.map((name) => {
    const entry = Buffer.concat([u32(offset), Buffer.of(0x0f, 1, 0, 0), Buffer.alloc(8)])
    offset += name.length + 2
    return entry
  })
  const table = u32(0x02, 24, symbols, entries.length, symbols + entries.length * 16, offset)
  const header = u32(0xfeedfacf, cpu === 'x64' ? 0x01000007 : 0x0100000c, 0, 6, loads.length + 2, sizeOfCommands, 0, 0)
  return Buffer.concat([header, version, ...loads, table, ...entries, ...names])
}

/** A PE library of 64 bits, with one section, that begins at 0x1000 in memory and at 0x200 in the file. */
export function pe({ cpu, exports, libraries }: Library): Buffer {
  const bytes = Buffer.alloc(0x2000)
  const inFile = (address: number): number => address - 0x1000 + 0x200
  let free = 0x1400
  const text = (value: string): number => {
    const at = free
    bytes.write(`${value}\0`, inFile(at), 'latin1')
    free += value.length + 1
    return at
  }
  bytes.write('MZ')
  bytes.writeUInt32LE(0x40, 0x3c)
  bytes.write('PE\0\0', 0x40)
  bytes.writeUInt16LE(cpu === 'x64' ? 0x8664 : 0xaa64, 0x44)
  bytes.writeUInt16LE(1, 0x46)
  bytes.writeUInt16LE(240, 0x54)
  bytes.writeUInt16LE(0x20b, 0x58)
  // The directories of exports and of imports.
  u32(0x1000, 0x100, 0x1200, 0x100).copy(bytes, 0x58 + 112)
  u32(0x1000, 0x1000, 0x1e00, 0x200).copy(bytes, 0x58 + 240 + 8)
  bytes.writeUInt32LE(exports.length, inFile(0x1000) + 24)
  bytes.writeUInt32LE(0x1100, inFile(0x1000) + 32)
  for (const [at, name] of exports.entries()) bytes.writeUInt32LE(text(name), inFile(0x1100) + at * 4)
  for (const [at, name] of libraries.entries()) bytes.writeUInt32LE(text(name), inFile(0x1200) + at * 20 + 12)
  return bytes
}
