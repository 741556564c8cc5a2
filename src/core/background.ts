/**
 * Work that continues behind a response: a server that stops waits for it.
 */

/** The work of one server. */
export class Background {
  readonly #work = new Set<Promise<unknown>>()
  readonly #report: (error: unknown) => void

  constructor(report: (error: unknown) => void) {
    this.#report = report
  }

  /** Pieces of work that aren't done. */
  get size(): number {
    return this.#work.size
  }

  add(work: PromiseLike<unknown>): void {
    const done = Promise.resolve(work)
      .catch(this.#report)
      .finally(() => this.#work.delete(done))
    this.#work.add(done)
  }

  /** Resolves when all is done, also what is added meanwhile, or after a time; to the number of pieces that aren't. */
  async settle(milliseconds: number): Promise<number> {
    if (this.#work.size === 0) return 0
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, Math.min(milliseconds, 2 ** 31 - 1)), true)
    })
    while (this.#work.size > 0 && (await Promise.race([Promise.all(this.#work), late])) !== true);
    clearTimeout(timer)
    return this.#work.size
  }
}

/** By the options of the server, which its clients know. */
const known = new WeakMap<object, Background>()

/** The work of the server with these options. */
export function backgroundOf(options: object): Background | undefined {
  return known.get(options)
}

/** The clients of a server know these options. */
export function keepBackground(options: object, background: Background): void {
  known.set(options, background)
}
