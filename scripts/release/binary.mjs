// What a shared library says of itself: its processor, what it exports, which libraries it needs, and how old the system
// may be. Reads ELF, Mach-O and PE of 64 bits, little-endian.

const ELF_MACHINES = { 62: 'x64', 183: 'arm64' }
const MACH_MACHINES = { 0x01000007: 'x64', 0x0100000c: 'arm64' }
const PE_MACHINES = { 0x8664: 'x64', 0xaa64: 'arm64' }

/** Text up to the next zero byte. */
function textAt(bytes, offset) {
  return bytes.toString('latin1', offset, bytes.indexOf(0, offset))
}

/**
 * Gives `{ os, cpu, exports, libraries, glibc, macos }`: names of exported symbols and needed libraries; `glibc` and
 * `macos` are `[major, minor]` of the newest symbols that are needed and of the oldest system, or null. Null when the
 * bytes are no library that it knows.
 */
export function describeBinary(bytes) {
  if (bytes.length < 64) return null
  if (bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1) return describeElf(bytes)
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return describeMachO(bytes)
  if (bytes.toString('latin1', 0, 2) === 'MZ') return describePe(bytes)
  return null
}

/** ELF: the tables are found by the section headers. */
function describeElf(bytes) {
  const number = (offset) => Number(bytes.readBigUInt64LE(offset))
  const start = number(0x28)
  const sections = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, index) => {
    const at = start + index * bytes.readUInt16LE(0x3a)
    return { type: bytes.readUInt32LE(at + 4), offset: number(at + 24), size: number(at + 32), link: bytes.readUInt32LE(at + 40), info: bytes.readUInt32LE(at + 44) }
  })
  const ofType = (type) => sections.filter((section) => section.type === type)
  const named = (section, offset) => textAt(bytes, sections[section.link].offset + offset)
  const exports = []
  for (const table of ofType(11)) {
    for (let at = table.offset; at < table.offset + table.size; at += 24) {
      const isDefined = bytes.readUInt16LE(at + 6) !== 0
      const isGlobal = bytes[at + 4] >> 4 !== 0
      if (isDefined && isGlobal) exports.push(named(table, bytes.readUInt32LE(at)))
    }
  }
  const libraries = []
  for (const table of ofType(6)) {
    for (let at = table.offset; at < table.offset + table.size; at += 16) {
      if (number(at) === 1) libraries.push(named(table, number(at + 8)))
    }
  }
  const versions = []
  for (const table of ofType(0x6ffffffe)) {
    for (let need = table.offset, left = table.info; left > 0; left -= 1, need += bytes.readUInt32LE(need + 12)) {
      let entry = need + bytes.readUInt32LE(need + 8)
      for (let count = bytes.readUInt16LE(need + 2); count > 0; count -= 1, entry += bytes.readUInt32LE(entry + 12)) {
        versions.push(named(table, bytes.readUInt32LE(entry + 8)))
      }
    }
  }
  const glibcs = versions.flatMap((version) => [/^GLIBC_(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? []]).filter(({ length }) => length > 0)
  const [glibc = null] = glibcs.sort((a, b) => b[0] - a[0] || b[1] - a[1])
  return { os: 'linux', cpu: ELF_MACHINES[bytes.readUInt16LE(18)], exports, libraries, glibc, macos: null }
}

/** Mach-O: a list of load commands. */
function describeMachO(bytes) {
  const exports = []
  const libraries = []
  let macos = null
  let at = 32
  for (let left = bytes.readUInt32LE(16); left > 0; left -= 1, at += bytes.readUInt32LE(at + 4)) {
    const command = bytes.readUInt32LE(at) & 0x7fffffff
    // LC_LOAD_DYLIB, its weak and its re-exported kind.
    if ([0x0c, 0x18, 0x1f].includes(command)) libraries.push(textAt(bytes, at + bytes.readUInt32LE(at + 8)))
    // LC_VERSION_MIN_MACOSX, LC_BUILD_VERSION.
    if (command === 0x24 || command === 0x32) {
      const version = bytes.readUInt32LE(at + (command === 0x24 ? 8 : 12))
      macos = [version >> 16, (version >> 8) & 0xff]
    }
    if (command === 0x02) {
      const [symbols, count, strings] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset))
      for (let symbol = symbols; symbol < symbols + count * 16; symbol += 16) {
        const type = bytes[symbol + 4]
        // External, defined in a section, not one of a debugger, not private.
        if ((type & 0xf1) === 1 && (type & 0x0e) === 0x0e) exports.push(textAt(bytes, strings + bytes.readUInt32LE(symbol)).replace(/^_/, ''))
      }
    }
  }
  return { os: 'darwin', cpu: MACH_MACHINES[bytes.readUInt32LE(4)], exports, libraries, glibc: null, macos }
}

/** PE: the directories of exports and imports. */
function describePe(bytes) {
  const header = bytes.readUInt32LE(0x3c)
  const optional = header + 24
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, index) => {
    const at = optional + bytes.readUInt16LE(header + 20) + index * 40
    return { address: bytes.readUInt32LE(at + 12), size: bytes.readUInt32LE(at + 16), offset: bytes.readUInt32LE(at + 20) }
  })
  const offsetOf = (address) => {
    const found = sections.find((section) => address >= section.address && address < section.address + section.size)
    return found === undefined ? 0 : found.offset + address - found.address
  }
  const directory = (index) => offsetOf(bytes.readUInt32LE(optional + 112 + index * 8))
  const exports = []
  const table = directory(0)
  if (table !== 0) {
    const names = offsetOf(bytes.readUInt32LE(table + 32))
    for (let index = 0; index < bytes.readUInt32LE(table + 24); index += 1) exports.push(textAt(bytes, offsetOf(bytes.readUInt32LE(names + index * 4))))
  }
  const libraries = []
  for (let at = directory(1); at !== 0 && bytes.readUInt32LE(at + 12) !== 0; at += 20) libraries.push(textAt(bytes, offsetOf(bytes.readUInt32LE(at + 12))))
  return { os: 'win32', cpu: PE_MACHINES[bytes.readUInt16LE(header + 4)], exports, libraries, glibc: null, macos: null }
}
