/**
 * The congestion control of TCP while servers are measured: cubic, where this process may set it. The pacing of bbr
 * charges the senders of long bodies with timers that have nothing to do with their work.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const SETTING = '/proc/sys/net/ipv4/tcp_congestion_control'
const WANTED = 'cubic'

function read() {
  try {
    return readFileSync(SETTING, 'utf8').trim()
  } catch {
    return null
  }
}

function write(name) {
  try {
    writeFileSync(SETTING, name)
  } catch {
    // Without the right, or the module, it stays as it is.
  }
  return read() === name
}

/**
 * Sets cubic until this process exits, when what was set before is put back. Returns what new connections have: its
 * name, and the one before if that was another; null where the system doesn't say.
 */
export function useCubic() {
  const before = read()
  if (before === null || before === WANTED || !write(WANTED)) return before === null ? null : { name: before, before: null }
  process.on('exit', () => {
    // Unless another process has chosen meanwhile.
    if (read() === WANTED) write(before)
  })
  return { name: WANTED, before }
}
