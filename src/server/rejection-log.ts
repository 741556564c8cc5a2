/**
 * Log lines about connections that were refused or closed by a limit: of each kind one a second at most, with the number
 * since the line before. The engine announces the first of a second; the others are logged when the second is over.
 */
import type { Logger } from '../core/logger.ts'
import type { Options } from '../options/options.ts'
import { rejectionKind, rejectionMessage } from './refusals.ts'

/** Milliseconds between two lines of a kind; slightly more than the default logger asks for. */
const INTERVAL = 1010

/** What the log needs of its server. */
interface RejectionOwner {
  readonly logger: Logger
  readonly options: Options
  readonly engine: { refusals(): Record<string, number> }
}

/** One kind of event. */
interface Kind {
  /** The number by which the engine names it. */
  readonly consequence: number
  /** The peer of the last connection that the engine has announced. */
  address: string
  /** How many were logged. */
  logged: number
  /** Runs until the next line may be written. */
  timer: NodeJS.Timeout | null
}

/** The log lines of one start of a server. */
export class RejectionLog {
  readonly #owner: RejectionOwner
  readonly #kinds = new Map<string, Kind>()

  constructor(owner: RejectionOwner) {
    this.#owner = owner
  }

  /** The engine announces an event. */
  note(consequence: number, address: string): void {
    const name = rejectionKind(consequence)
    const kind = this.#kinds.get(name) ?? { consequence, address, logged: 0, timer: null }
    this.#kinds.set(name, kind)
    kind.address = address
    if (kind.timer === null) this.#log(name, kind)
  }

  #log(name: string, kind: Kind): void {
    const { logger, options, engine } = this.#owner
    const total = engine.refusals()[name] ?? 0
    const count = total - kind.logged
    if (count <= 0) return
    kind.logged = total
    kind.timer = setTimeout(() => {
      kind.timer = null
      this.#log(name, kind)
    }, INTERVAL).unref()
    logger.warning(rejectionMessage(kind.consequence, count, kind.address, options), { code: name })
  }

  /** Logs what is left. */
  close(): void {
    for (const [name, kind] of this.#kinds) {
      if (kind.timer !== null) clearTimeout(kind.timer)
      this.#log(name, kind)
      if (kind.timer !== null) clearTimeout(kind.timer)
    }
  }
}
