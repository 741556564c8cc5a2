/**
 * Watches files by looking at them: a rename, a link that points elsewhere and a write are all seen so, on every file
 * system.
 */
import { statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'

/** Milliseconds between two looks. A change is reported two looks later at most. */
const PERIOD = 1000

/** Files that are watched. */
export class FileWatch {
  readonly #paths: readonly string[]
  readonly #onChange: () => void
  readonly #timer: NodeJS.Timeout
  /** What was reported, and what the last look has found. */
  #known: string
  #latest: string
  #isLooking = false

  /** `onChange` is called when files have changed and a second look finds them the same: they are written. */
  constructor(paths: readonly string[], onChange: () => void) {
    this.#paths = paths
    this.#onChange = onChange
    this.#timer = setInterval(() => void this.#look(), PERIOD)
    this.#timer.unref()
    // At once: a change that comes before a first look of later would be taken for the state that was read.
    this.#known = paths.map(signatureNow).join('\n')
    this.#latest = this.#known
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    const found = (await Promise.all(this.#paths.map(signatureOf))).join('\n')
    this.#isLooking = false
    const isStable = found === this.#latest
    this.#latest = found
    if (!isStable || found === this.#known) return
    this.#known = found
    this.#onChange()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** What changes with a file. Links are followed. */
function signature({ dev, ino, size, mtimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs].join(' ')
}

const MISSING = 'missing'

async function signatureOf(path: string): Promise<string> {
  return stat(path).then(signature, () => MISSING)
}

function signatureNow(path: string): string {
  try {
    return signature(statSync(path))
  } catch {
    return MISSING
  }
}
